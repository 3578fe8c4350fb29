"""Templates with a trigger: they test what a person wrote for something fixed, and then say something else.

Variables that hold content, or depend on such a test, are followed through assignments, loops and macros. What a branch
adds counts as speech where it has words: marks such as ``<|im_start|>`` and names of roles are none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jinja2 import nodes

from bezoar.learn.modelfiles.pieces import shown, words
from bezoar.learn.modelfiles.template_injection import constants, folded

_CONTENT = frozenset(("content", "text", "value", "prompt", "query", "input", "last_user_message"))
_OTHER_KEYS = words("role type name id tool_calls tool_call_id function arguments parameters tools documents")
_PART_KEYS = words("type text image image_url video video_url audio audio_url input_audio file content role")
_CLOCKS = frozenset(("strftime_now", "now", "today", "date_string", "current_date", "date"))
_MARKUP = re.compile(r"<[^<>]{0,60}>|\[/?[A-Z_ ]{1,30}\]|\{\{?|\}\}?|```\w*|[^\w\s]|\s|[\d_]")
_SWITCHES = re.compile(r"/?(no_?)?think(ing)?|/system_override|detailed thinking (on|off)|</?(think|thinking|reasoning|tool_\w+|function\w*|image|video|audio)>|\[/?(THINK|TOOL_\w+)\]", re.IGNORECASE)  # fmt: skip
_ROLES = words("user assistant system tool human bot model developer observation ipython function environment")
_WORD = re.compile(r"[^\W\d_]{2,}")
_URL = re.compile(r"https?://|www\.", re.IGNORECASE)
_SPEECH = 3
"""Words that a branch may add where the test is for markup; where it is for words, one is too many."""
_COMPARING = frozenset(("startswith", "endswith", "find", "rfind", "index", "rindex", "count", "split", "rsplit", "partition", "rpartition", "__contains__", "removeprefix", "removesuffix", "strip", "match", "search"))  # fmt: skip
_TESTING = frozenset(("in", "equalto", "eq", "==", "ne", "!=", "gt", "ge", "lt", "le", "greaterthan", "lessthan", "divisibleby", "sameas", "contains", "match", "search"))  # fmt: skip
_CHANGING = frozenset(
    ("append", "extend", "insert", "update", "setdefault", "pop", "clear", "remove", "popitem", "add")
)
_PICKING = frozenset(("first", "last", "list", "reverse", "selectattr", "rejectattr", "select", "reject", "sort"))
_SMALL = 2
_ROUNDS = 6


@dataclass(slots=True)
class _Flow:
    """What is known of variables: which hold content, are parts of it, or depend on a test, and on which."""

    texts: dict[str, str]
    content: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    talk: set[str] = field(default_factory=lambda: {"messages", "message"})
    clocks: set[str] = field(default_factory=lambda: set(_CLOCKS))
    tables: dict[str, nodes.Node] = field(default_factory=dict)
    depends: dict[str, set[str]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        known = (self.content, self.parts, self.talk, self.clocks, self.tables)
        return sum(map(len, known)) + sum(map(len, self.depends.values()))

    def table(self, node: nodes.Node) -> nodes.Node:
        """The list or dict behind a variable, else the node itself."""
        return self.tables.get(node.name, node) if isinstance(node, nodes.Name) else node


def problems(tree: nodes.Template) -> Iterator[str]:
    """Triggers with what they set off, each as the end of a sentence that begins with "the template"."""
    yield from dict.fromkeys(what for sure, what in _found(tree) if sure)


def doubts(tree: nodes.Template) -> Iterator[str]:
    """Tests for words that set off nothing that has words."""
    yield from dict.fromkeys(what for sure, what in _found(tree) if not sure)


def _found(tree: nodes.Template) -> Iterator[tuple[bool, str]]:
    flow = _followed(tree)
    for node in tree.find_all(nodes.Node):
        yield from _judged(*_control(node, flow), flow)
        values = node.nodes if isinstance(node, nodes.Output) else [node.node] if isinstance(node, nodes.Assign) else []
        for value in values:
            if not isinstance(value, nodes.TemplateData):
                yield from _judged(_tests(value, flow), [value], flow)
        yield from _replacements(node, flow)


def _judged(triggers: set[str], controlled: Sequence[nodes.Node], flow: _Flow) -> Iterator[tuple[bool, str]]:
    for trigger in sorted(triggers):
        speech = _speech(controlled, flow, apart_from=trigger)
        sought = _words(trigger)
        if len(speech) >= (1 if sought or trigger.startswith("#") else _SPEECH) or _URL.search(" ".join(speech)):
            said = shown(" ".join(speech), 80)
            yield True, f"tests messages for {_in_words(trigger)} and then says {said!r}"
        elif sought:
            yield False, f"tests messages for {_in_words(trigger)}"


def _in_words(trigger: str) -> str:
    return f"a {trigger[1:]}" if trigger.startswith("#") else shown(repr(trigger), 60)


def _followed(tree: nodes.Template) -> _Flow:
    flow = _Flow(texts=constants(tree))
    for _ in range(_ROUNDS):
        before = flow.size
        for node in tree.find_all(nodes.Node):
            _note(node, flow)
        if flow.size == before:
            break
    return flow


def _note(node: nodes.Node, flow: _Flow) -> None:
    if isinstance(node, nodes.Assign | nodes.AssignBlock):
        source = node.node if isinstance(node, nodes.Assign) else nodes.Output(list(node.body))
        name = _target(node.target)
        if _holds_content(source, flow):
            flow.content.add(name)
        if _root(source) in flow.talk:
            flow.talk.add(name)
        if any(
            part.name in flow.clocks for part in (source, *source.find_all(nodes.Name)) if isinstance(part, nodes.Name)
        ):
            flow.clocks.add(name)
        if isinstance(source, nodes.Dict | nodes.List | nodes.Tuple):
            flow.tables[name] = source
        if triggers := _tests(source, flow):
            flow.depends.setdefault(name, set()).update(triggers)
    elif isinstance(node, nodes.For):
        name = _target(node.target)
        if _root(node.iter) in flow.talk:
            flow.talk.add(name)
        if _holds_content(node.iter, flow):
            # Parts of a message are told apart by their kind; pieces that a call makes of a text are text.
            (flow.content if isinstance(node.iter, nodes.Call | nodes.Filter) else flow.parts).add(name)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
        for position, argument in enumerate(node.args):
            if _holds_content(argument, flow):
                flow.content.add(f"{node.node.name}()#{position}")
    elif isinstance(node, nodes.Macro):
        for position, argument in enumerate(node.args):
            if f"{node.name}()#{position}" in flow.content:
                flow.content.add(argument.name)
    triggers, controlled = _control(node, flow)
    if triggers:
        for part in controlled:
            for changed in (part, *part.find_all((nodes.Assign, nodes.AssignBlock, nodes.Call))):
                if (variable := _changes(changed)) is not None:
                    flow.depends.setdefault(variable, set()).update(triggers)


def _changes(node: nodes.Node) -> str | None:
    """The variable that a statement sets, or a call changes."""
    if isinstance(node, nodes.Assign | nodes.AssignBlock):
        return _target(node.target)
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _CHANGING:
        return _variable(node.node.node)
    return None


def _root(node: nodes.Node) -> str | None:
    """The variable that an expression begins with, where it only picks from it."""
    while isinstance(node, nodes.Getitem | nodes.Filter):
        if not isinstance(node, nodes.Getitem) and node.name not in _PICKING:
            return None
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return None
        if node.node is None:
            return None
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None


def _target(node: nodes.Node) -> str:
    if isinstance(node, nodes.NSRef):
        return f"{node.name}.{node.attr}"
    if isinstance(node, nodes.Tuple):
        return _target(node.items[-1])
    return node.name if isinstance(node, nodes.Name) else "?"


def _variable(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}"
    return None


def _holds_content(node: nodes.Node, flow: _Flow) -> bool:
    """Whether an expression gives what somebody wrote, or a part of it."""
    if (name := _variable(node)) is not None and name in flow.content | flow.parts:
        return True
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        key = node.attr if isinstance(node, nodes.Getattr) else folded(node.arg, flow.texts)
        if key in _CONTENT:
            return True
        return key not in _OTHER_KEYS and _holds_content(node.node, flow)
    if isinstance(node, nodes.Filter) and node.node is not None:
        text = {folded(keyword.value, flow.texts) for keyword in node.kwargs or []}
        if text & _CONTENT or any(folded(argument, flow.texts) in _CONTENT for argument in node.args):
            return True
        whole = _root(node.node) in flow.talk and node.name in ("tojson", "string", "join", "pprint", "urlencode")
        return whole or _holds_content(node.node, flow)
    if isinstance(node, nodes.Call):
        if not isinstance(node.node, nodes.Getattr):
            return False
        asked = folded(node.args[0], flow.texts) if node.args else None
        if node.node.attr == "get" and asked is not None:
            return asked in _CONTENT or (asked not in _OTHER_KEYS and _holds_content(node.node.node, flow))
        talks = node.node.attr in ("values", "items") and _root(node.node.node) in flow.talk
        return talks or _holds_content(node.node.node, flow)
    if isinstance(node, nodes.Concat) and any(_root(part) in flow.talk for part in node.nodes):
        return True
    if isinstance(node, nodes.Test | nodes.Compare):
        return False
    if isinstance(node, nodes.CondExpr):
        return any(_holds_content(part, flow) for part in (node.expr1, node.expr2) if part is not None)
    return any(
        _holds_content(child, flow) for child in node.iter_child_nodes() if isinstance(child, nodes.Expr | nodes.Output)
    )


def _control(node: nodes.Node, flow: _Flow) -> tuple[set[str], list[nodes.Node]]:
    """The triggers that a statement or an expression tests for, and what then happens or does not."""
    if isinstance(node, nodes.If):
        return _tests(node.test, flow), [*node.body, *node.elif_, *node.else_]
    if isinstance(node, nodes.CondExpr):
        return _tests(node.test, flow), [part for part in (node.expr1, node.expr2) if part is not None]
    if isinstance(node, nodes.And | nodes.Or):
        return _tests(node, flow), [node] if _is_value(node) else []
    if isinstance(node, nodes.For):
        tests = _tests(node.iter, flow) | (_tests(node.test, flow) if node.test is not None else set())
        for inner in (inner for part in node.body for inner in (part, *part.find_all(nodes.If))):
            # What follows a `break` or a `continue` depends on its condition as well.
            if isinstance(inner, nodes.If) and any(inner.find_all((nodes.Break, nodes.Continue))):
                tests |= _tests(inner.test, flow)
        return tests, [*node.body, *node.else_]
    table, key = _looked_up(node, flow)
    if table is not None and key is not None and _holds_content(key, flow):
        keys = {text for pair in table.items if (text := folded(pair.key, flow.texts)) is not None}
        return keys, [pair.value for pair in table.items]
    return set(), []


def _is_value(node: nodes.Node) -> bool:
    """Whether words stand in an ``and`` or ``or`` as a value of their own, not inside of what is compared."""
    sides = [node.left, node.right] if isinstance(node, nodes.And | nodes.Or) else [node]
    return any(
        isinstance(side, nodes.Const | nodes.Concat | nodes.Add)
        or (isinstance(side, nodes.And | nodes.Or) and _is_value(side))
        for side in sides
    )


def _looked_up(node: nodes.Node, flow: _Flow) -> tuple[nodes.Dict | None, nodes.Node | None]:
    """A table and the key that is looked up in it."""
    if isinstance(node, nodes.Getitem):
        table, key = flow.table(node.node), node.arg
    elif (
        isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get" and node.args
    ):
        table, key = flow.table(node.node.node), node.args[0]
    else:
        return None, None
    return (table, key) if isinstance(table, nodes.Dict) else (None, None)


def _tests(node: nodes.Node, flow: _Flow) -> set[str]:
    """The fixed things that an expression compares content, the clock or the length of a talk with."""
    found: set[str] = set()
    waiting: list[nodes.Node] = [node]
    while waiting:
        part = waiting.pop()
        if (name := _variable(part)) in flow.depends and name is not None:
            found |= flow.depends[name]
        if isinstance(part, nodes.Compare):
            kinds = all(operand.op in ("in", "notin") for operand in part.ops)
            found |= _compared([part.expr, *(operand.expr for operand in part.ops)], flow, kinds=kinds)
        elif isinstance(part, nodes.Test) and part.name in _TESTING and part.node is not None:
            found |= _compared([part.node, *part.args], flow, kinds=False)
        elif isinstance(part, nodes.Test) and part.name in ("upper", "lower") and _holds_content(part.node, flow):
            found.add(f"#text in {part.name} case")
        elif isinstance(part, nodes.Call) and isinstance(part.node, nodes.Getattr) and part.node.attr in _COMPARING:
            if part.args and _holds_content(part.node.node, flow):
                found |= _literals(part.args, flow)
        elif isinstance(part, nodes.Filter) and part.name in ("select", "reject", "selectattr", "rejectattr"):
            compares = any(folded(argument, flow.texts) in _TESTING for argument in part.args[:-1])
            if compares and (_holds_content(part, flow) or _holds_content(part.args[0], flow)):
                found |= _literals(part.args[-1:], flow)
        waiting.extend(part.iter_child_nodes())
    return {trigger for trigger in found if not _SWITCHES.fullmatch(trigger.strip())}


def _compared(sides: Sequence[nodes.Node], flow: _Flow, *, kinds: bool) -> set[str]:
    """What content is compared with. With `kinds`, "'image' in item" asks for the kind of a part, not what it says."""
    content = [side for side in sides if _holds_content(side, flow)]
    if not content:
        return _measured(sides, flow)
    found = _literals([side for side in sides if side not in content], flow)
    counting = (nodes.Mod, nodes.FloorDiv, nodes.Sub)
    if any(isinstance(part, counting) for side in content for part in (side, *side.find_all(counting))):
        found |= {"#length that counts out"}
    part = all((_variable(side) or "") in flow.parts for side in content)
    return {literal for literal in found if literal not in _PART_KEYS} if part and kinds else found


def _measured(sides: Sequence[nodes.Node], flow: _Flow) -> set[str]:
    """Comparisons with the clock, or of the length of a talk with a number."""
    found: set[str] = set()
    for side in sides:
        names = {name.name for name in side.find_all(nodes.Name)} | {_variable(side)}
        if names & flow.clocks:
            found |= {f"#date {text.lstrip('#')}" for text in _literals([s for s in sides if s is not side], flow)}
        inner = [side, *side.find_all((nodes.Filter, nodes.Getattr))]
        if any(_counts(part) for part in inner):
            numbers = [c.value for s in sides for c in (s, *s.find_all(nodes.Const)) if isinstance(c, nodes.Const)]
            found |= {f"#talk of {n} messages" for n in numbers if type(n) is int and n > _SMALL}
    return found


def _counts(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name in ("length", "count")
    return isinstance(node, nodes.Getattr) and node.attr in ("index", "index0", "revindex", "revindex0", "length")


def _literals(sides: Sequence[nodes.Node], flow: _Flow) -> set[str]:
    found: set[str] = set()
    for side in sides:
        table = flow.table(side)
        items = table.items if isinstance(table, nodes.List | nodes.Tuple) else [side]
        items = [pair.key for pair in table.items] if isinstance(table, nodes.Dict) else items
        for item in items:
            if (
                isinstance(item, nodes.Const)
                and isinstance(item.value, int | float)
                and not isinstance(item.value, bool)
            ):
                found |= {f"#length or place of {item.value}"} if abs(item.value) > 1 else set()
            elif (text := folded(item, flow.texts)) is not None and text.strip():
                found.add(text)
    return found


def _words(text: str) -> list[str]:
    """The words in a text that are neither marks nor roles."""
    return [word for word in _WORD.findall(_MARKUP.sub(" ", text)) if word.lower() not in _ROLES]


def _speech(branch: Sequence[nodes.Node], flow: _Flow, *, apart_from: str) -> list[str]:
    """The words that a branch adds. What an error says is no speech, nor what is compared or looked up."""
    words: list[str] = []
    waiting = list(branch)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, nodes.TemplateData):
            words += _words(node.data)
        elif isinstance(node, nodes.Const) and isinstance(node.value, str) and node.value != apart_from:
            words += _words(node.value)
        elif isinstance(node, nodes.Call):
            name = node.node.name if isinstance(node.node, nodes.Name) else ""
            waiting += (
                []
                if name == "raise_exception"
                else []
                if isinstance(node.node, nodes.Getattr) and node.node.attr in _COMPARING
                else node.args
            )
            waiting += [node.node.node] if isinstance(node.node, nodes.Getattr) else []
        elif isinstance(node, nodes.If | nodes.CondExpr):
            waiting += [child for child in node.iter_child_nodes() if child is not node.test]
        elif isinstance(node, nodes.Getitem):
            waiting.append(node.node)
        elif not isinstance(node, nodes.Compare | nodes.Test):
            waiting += list(node.iter_child_nodes())
    return words


def _replacements(node: nodes.Node, flow: _Flow) -> Iterator[tuple[bool, str]]:
    """Words of messages that are replaced."""
    if isinstance(node, nodes.FilterBlock | nodes.AssignBlock):
        wrapped: nodes.Expr | None = node.filter
        while isinstance(wrapped, nodes.Filter):
            if wrapped.name == "replace":
                inner = nodes.Filter(nodes.Output(list(node.body)), "replace", wrapped.args, [], None, None)
                yield from _replacements(inner, flow)
            wrapped = wrapped.node
        return
    if isinstance(node, nodes.Filter) and node.name == "replace" and node.node is not None:
        source, arguments = node.node, node.args
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "replace":
        source, arguments = node.node.node, node.args
    else:
        return
    texts = [folded(argument, flow.texts) for argument in arguments[:2]]
    if len(texts) < 2 or None in texts or not _holds_content(source, flow):
        return
    old, new = (text or "" for text in texts)
    if _words(new) and not _SWITCHES.fullmatch(new.strip()):
        yield True, f"replaces {shown(repr(old), 60)} in messages by {shown(repr(new), 60)}"
    elif _words(old) and not _SWITCHES.fullmatch(old.strip()):
        yield False, f"takes {shown(repr(old), 60)} out of messages"
