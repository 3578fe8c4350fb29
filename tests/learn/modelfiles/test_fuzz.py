"""Whatever the bytes are: a verdict, in bounded time, and never "safe" where a name that is not known can be reached."""

import io
import pickle
import pickletools
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from benchmarks.model_corpus.containers import CONTAINERS, TEMPLATES
from benchmarks.model_corpus.honest import CHAT_TEMPLATES, HONEST
from benchmarks.model_corpus.making import EVIL, called, name, octets, pickled, text, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import Verdict, known, scan, templates, worst
from bezoar.learn.modelfiles.inspector import Inspector
from bezoar.learn.modelfiles.pickle_machine import Broken, Machine
from bezoar.learn.modelfiles.pieces import Budget, Limits, Piece

SMALL = Limits(unpacked_bytes=2**24, pieces=200, depth=4, opcodes=100_000, kept_bytes=2**22, text_bytes=2**20)
FUZZED = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HARMLESS = (
    "pickle_protocol_0", "pickle_protocol_2", "pickle_of_arrays", "joblib_text", "joblib_gzip", "torch_state_dict",
    "torch_state_dict_legacy", "npz_packed", "npy_of_names_as_objects", "safetensors", "onnx", "h5", "keras", "xgboost_ubj",
    "xgboost_json", "gguf_pictures",
)  # fmt: skip


@st.composite
def damage(draw):
    """A function that flips bits, cuts, repeats, inserts or overwrites bytes."""
    place, length = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 64))
    kind = draw(st.sampled_from(["flip", "cut", "drop", "repeat", "insert", "zero", "ones"]))
    extra = draw(st.one_of(st.binary(min_size=1, max_size=32), st.just(b"cos\nsystem\n"), st.just(EVIL[2:-1])))

    def damaged(content):
        at = int(place * len(content))
        head, middle, tail = content[:at], content[at : at + length], content[at + length :]
        return {
            "flip": content[:at] + bytes(byte ^ (1 << length % 8) for byte in content[at : at + 1]) + content[at + 1 :],
            "cut": head,
            "drop": head + tail,
            "repeat": head + middle + middle + tail,
            "insert": head + extra + middle + tail,
            "zero": head + bytes(len(middle)) + tail,
            "ones": head + b"\xff" * len(middle) + tail,
        }[kind]

    return damaged


class Files(dict):
    """Contents by kind. Hypothesis writes its arguments out: not megabytes of these."""

    def __repr__(self):
        return "harmless files"


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    """Valid files by kind: their name and content."""
    found = Files()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in HARMLESS:
            path = tmp_path_factory.mktemp(kind) / HONEST[kind].file
            HONEST[kind].make(path)
            found[kind] = (path.name, path.read_bytes())
    return found


def operations(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in damaged strings
        yield from pickletools.genops(content)


def names_by_pickletools(content):
    """Names that GLOBAL and INST import, and STACK_GLOBAL from two strings just before it."""
    found, strings = set(), []
    try:
        for opcode, argument, _ in operations(content):
            if opcode.name in ("GLOBAL", "INST"):
                found.add(tuple(argument.split(" ", 1)))
            elif opcode.name == "STACK_GLOBAL" and len(strings) == 2:
                found.add(tuple(strings))
            if isinstance(argument, str) and "UNICODE" in opcode.name:
                strings = [*strings, argument][-2:]
            elif opcode.name != "MEMOIZE":
                strings = []
    except (ValueError, IndexError, OverflowError):
        pass
    return {(known.RENAMED.get(module, module), name) for module, name in found}


@pytest.mark.parametrize("kind", HARMLESS)
@FUZZED
@given(wounds=st.lists(damage(), min_size=1, max_size=3))
def test_damaged_files_end_in_a_verdict(harmless, kind, wounds):
    file, content = harmless[kind]
    for wound in wounds:
        content = wound(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        path.write_bytes(content)
        (found,) = scan(path, limits=SMALL)
    assert all("\n" not in reason.where + reason.what and reason.what for reason in found.reasons)
    if kind.startswith(("pickle", "joblib_text")):
        unknown = [pair for pair in names_by_pickletools(content) if known.lookup(*pair) is None]
        assert found.verdict is not Verdict.SAFE or not unknown


@pytest.mark.parametrize("file", ["m.pkl", "m.pt", "m.onnx", "m.h5", "m.gguf", "m.json", "m.tar", "m.zip", "m", "m.py"])
@FUZZED
@given(content=st.binary(max_size=300))
def test_random_bytes_under_every_name(file, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        path.write_bytes(content)
        assert worst(scan(path, limits=SMALL)) in Verdict


_NAMES = [
    "os",
    "system",
    "posix",
    "builtins",
    "eval",
    "dict",
    "collections",
    "OrderedDict",
    "sklearn.svm._classes",
    "SVC",
]
FRAGMENTS = st.one_of(
    st.sampled_from([name("collections.OrderedDict"), name("posix.system"), b"cos\nsystem\n", b"cbuiltins\ndict\n"]),
    st.sampled_from([text(word) for word in _NAMES]),
    st.sampled_from(
        [b"(", b"t", b"l", b"d", b"]", b"}", b")", b"N", b"\x88", b"0", b"1", b"2", b"a", b"e", b"s", b"u"]
    ),
    st.sampled_from(
        [b"\x85", b"\x86", b"\x87", b"R", b"\x81", b"b", b"o", b"\x93", b"\x8f", b"\x90", b"\x91", b"\x94"]
    ),
    st.integers(0, 3).map(lambda n: b"h" + bytes((n,))),
    st.integers(0, 3).map(lambda n: b"q" + bytes((n,))),
    st.integers(0, 3).map(lambda n: b"p%d\n" % n),
    st.integers(0, 3).map(lambda n: b"g%d\n" % n),
    st.sampled_from(
        [b"S'os'\n", b"Vsystem\n", b"I01\n", b"F1.5\n", b"L5L\n", b"K\x05", octets(b"ab"), whole(7), b"ios\nsystem\n"]
    ),
)


class Recorder(pickle.Unpickler):
    """The real machine, with every imported name replaced by one class that does nothing."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.asked = set()

    def find_class(self, module, name):
        self.asked.add((module, name))
        return Anything


class Anything(dict):
    def __new__(cls, *args, **keywords):
        return super().__new__(cls)

    def __init__(self, *args, **keywords):
        super().__init__()

    def __setstate__(self, state):
        pass

    def __hash__(self):
        return 1

    def append(self, item):
        pass

    def extend(self, items):
        pass

    def add(self, item):
        pass


class Watched(Inspector):
    """Remembers what it was asked for."""

    def find(self, module, name, at):
        if isinstance(module, str) and isinstance(name, str):
            self.__dict__.setdefault("asked", set()).add((module, name))
        return super().find(module, name, at)


def asked_of_ours(content):
    piece = Piece(name="m.pkl", where="", data=memoryview(content), budget=Budget(limits=SMALL))
    inspector = Watched(piece)
    machine = Machine(piece.data, 0, inspector, piece.budget)
    try:
        machine.run()
        done = True
    except Broken:
        done = False
    return inspector.__dict__.get("asked", set()), done


@settings(FUZZED, max_examples=500)
@given(parts=st.lists(FRAGMENTS, min_size=2, max_size=24), protocol=st.integers(0, 5))
def test_every_name_that_python_asks_for_is_judged(parts, protocol):
    """Python's own machine, with imports replaced, asks for no name that ours was not asked for; what it follows to the
    end, ours follows as well."""
    content = (b"\x80" + bytes((protocol,)) if protocol > 1 else b"") + b"".join(parts) + b"."
    real = Recorder(content)
    try:
        real.load()
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        EOFError,
        OverflowError,
    ):
        pass
    renamed = {
        ("__builtin__", name) if module == "builtins" else (module, name) for module, name in real.asked
    } | real.asked
    ours, _ = asked_of_ours(content)
    assert {(known.RENAMED.get(m, m), n) for m, n in renamed} <= {
        (known.RENAMED.get(m, m), n) for m, n in ours if isinstance(m, str) and isinstance(n, str)
    }


@settings(FUZZED, max_examples=200)
@given(parts=st.lists(FRAGMENTS, min_size=1, max_size=16), where=st.integers(0, 16))
def test_a_program_among_random_instructions_is_never_safe(parts, where):
    parts.insert(min(where, len(parts)), called("posix.system", text("echo")))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.pkl")
        path.write_bytes(pickled(*parts))
        assert worst(scan(path, limits=SMALL)) is not Verdict.SAFE


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=4), inner, max_size=4),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=12,
)


@FUZZED
@given(value=values, protocol=st.integers(0, 5))
def test_plain_data_of_any_shape_is_safe(value, protocol):
    """And where bytes in it happen to begin as a pickle does, they do nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.pkl")
        path.write_bytes(pickle.dumps(value, protocol))
        (found,) = scan(path, limits=SMALL)
    assert found.verdict is Verdict.SAFE, found.reasons


@FUZZED
@given(
    dtype=st.sampled_from(["f4", ">f8", "i1", "c16", "?", "U3", "S2", "M8[s]", "O"]),
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    how=st.sampled_from(["pickle", "npy", "npz", "joblib"]),
)
def test_arrays_of_any_type_and_shape_are_safe(dtype, shape, how):
    import joblib

    array = np.zeros(shape, dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, {"pickle": "a.pkl", "joblib": "a.joblib"}.get(how, f"a.{how}"))
        if how == "pickle":
            path.write_bytes(pickle.dumps({"a": array, "b": array.dtype}))
        elif how == "joblib":
            joblib.dump([array, 1], path)
        else:
            (np.save if how == "npy" else np.savez)(path, array)
        (found,) = scan(path, limits=SMALL)
    assert found.verdict is Verdict.SAFE, found.reasons


@FUZZED
@given(template=st.sampled_from([*TEMPLATES.values(), *CHAT_TEMPLATES.values()]), wounds=st.lists(damage(), max_size=3))
def test_damaged_templates_end_in_reasons_or_in_one_line(template, wounds):
    content = template.encode()
    for wound in wounds:
        content = wound(content)
    try:
        assert list(templates.judge(content.decode("utf-8", "replace"), "x")) is not None
    except InputError as error:
        assert "\n" not in str(error)


@FUZZED
@given(kind=st.sampled_from(sorted(CONTAINERS)), wounds=st.lists(damage(), min_size=1, max_size=2))
def test_damaged_hostile_files_end_in_a_verdict(kind, wounds):
    case = CONTAINERS[kind]
    if case.file.endswith("/") or kind == "safetensors_header_too_long":
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, case.file)
        case.make(path)
        content = path.read_bytes()
        for wound in wounds:
            content = wound(content)
        path.write_bytes(content)
        assert worst(scan(path, limits=SMALL)) in Verdict


@settings(FUZZED, max_examples=200)
@given(content=st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"").replace(b"'", b"")))
def test_escapes_in_quoted_strings_are_read_as_python_reads_them(content):
    line = b"S'" + content + b"'\n."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            wanted = pickle.loads(line, encoding="latin-1")
    except (ValueError, pickle.UnpicklingError):
        wanted = None
    piece = Piece(name="m", where="", data=memoryview(line), budget=Budget(limits=SMALL))
    try:
        assert Machine(piece.data, 0, Inspector(piece), piece.budget).run() == wanted
    except Broken:
        assert wanted is None
