"""Chat templates: parsed by Jinja's own parser into a tree, never rendered, and judged by what they would do."""

import warnings
from collections.abc import Iterator

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension, do, loopcontrols
from jinja2.parser import Parser

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import template_backdoors, template_injection
from bezoar.learn.modelfiles.pieces import shown
from bezoar.learn.modelfiles.verdict import TEMPLATE, UNREAD, Reason

_LONGEST = 2**18
_MOST_NODES = 20_000


class _Generation(Extension):
    """``{% generation %}``, with which trainers mark what the model writes."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def judge(template: str, where: str) -> Iterator[Reason]:
    """What is wrong with a template.

    Parameters
    ----------
    where : how to name it.

    Raises
    ------
    InputError
        It is no template, or too long or too deep to be parsed.
    """
    if len(template) > _LONGEST:
        raise InputError(f"the template has {len(template):,} characters, more than {_LONGEST:,}")
    try:
        # Not `Environment.parse`, which runs code to make the traces of errors nicer.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = Parser(_environment(), template).parse()
        if sum(1 for _ in tree.find_all(nodes.Node)) > _MOST_NODES:
            raise InputError(f"the template has more than {_MOST_NODES:,} parts")
        for what in template_injection.problems(tree):
            yield Reason(TEMPLATE, where, f"the template {what}")
        for what in template_backdoors.problems(tree):
            yield Reason(TEMPLATE, where, f"the template {what}")
        for what in template_backdoors.doubts(tree):
            yield Reason(UNREAD, where, f"the template {what}")
    except TemplateError as error:
        raise InputError(f"the template does not parse: {shown(error.message or error, 200)}") from error
    except RecursionError as error:
        raise InputError("the template nests too deeply") from error


def _environment() -> Environment:
    # Nothing is rendered: escaping plays no part.
    return Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, do, loopcontrols], autoescape=False
    )
