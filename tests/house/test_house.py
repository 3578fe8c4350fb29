"""The rules of the house: floors, names, documentation, start-up time, and what the tree must not hold."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "bezoar"
MODULES = sorted(PACKAGE.rglob("*.py"))
FLOORS = {
    "core": 0,
    "maths": 1,
    "data": 2,
    "learn": 2,
    "attacks": 3,
    "detectors": 3,
    "mitigations": 3,
    "engine": 4,
    "report": 5,
    "guard": 5,
    "cli": 6,
    "checks": 7,
}
ROOF = 7
"""Modules beside the rooms stand above all of them."""


def name_of(path):
    return str(path.relative_to(ROOT))


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def room_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imported_rooms(path):
    """The rooms that a module imports, anywhere in it, type-only and late imports included."""
    for node in ast.walk(parsed(path)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}:{node.lineno} imports by a relative name"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        for module in modules:
            if module.split(".")[0] == "bezoar":
                yield (module.split(".") + [""])[1], node.lineno


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_its_own_room_or_lower_floors(path):
    """Rooms of one floor do not import each other: what they share moves down."""
    room = room_of(path)
    for other, line in imported_rooms(path):
        allowed = other == room or FLOORS.get(other, ROOF) < FLOORS.get(room, ROOF) or room not in FLOORS
        assert allowed, f"{name_of(path)}:{line} is in {room} and imports {other or 'the package'}"


def test_every_folder_has_a_floor():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_has_a_name_that_says_nothing(path):
    assert not {path.stem, path.parent.name} & {"utils", "util", "helpers", "helper", "common", "misc", "base"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_name_is_documented(path):
    tree = parsed(path)
    assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
    for node in public_definitions(tree):
        assert ast.get_docstring(node), f"{name_of(path)}:{node.lineno} {node.name} has no docstring"


def public_definitions(tree):
    """Functions and classes without an underscore, and the public methods of such classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (m for m in node.body if isinstance(m, kinds) and not m.name.startswith("_"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_exported_name_exists(path):
    """What `__all__` lists is defined, imported or served by `__getattr__` in the module."""
    tree = parsed(path)
    exports = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets)
    ]
    if not exports:
        return
    defined = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    defined |= {node.name for node in tree.body if hasattr(node, "name")}
    defined |= {t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if hasattr(t, "id")}
    if "__getattr__" not in defined:
        assert set(exports[0]) <= defined


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_code_holds_to_the_house_style(path):
    """No assert on input, no catch-all, no `type: ignore` without a code, no `**kwargs` passed through."""
    text, tree = path.read_text(encoding="utf-8"), parsed(path)
    assert not re.search(r"type: ignore(?!\[[a-z-]+(, [a-z-]+)*\])", text)
    for node in ast.walk(tree):
        where = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where} asserts"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{where} catches everything"
            assert getattr(node.type, "id", "") != "Exception", f"{where} catches everything"
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None, f"{where} takes **{node.args.kwarg and node.args.kwarg.arg}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            own = path.match("checks/methods.py")  # pickles its own objects, to see whether it can
            assert own or not {"pickle", "cPickle", "dill", "marshal", "shelve"} & set(names), (
                f"{where} imports a pickler"
            )


def best_of_three(*command):
    """Seconds of processors: on a busy machine the clock on the wall tells of the others as well."""
    times = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(times)


def test_the_package_is_imported_quickly_and_without_torch():
    probe = "import bezoar, sys; heavy = {'torch', 'sklearn', 'pyarrow', 'pydantic'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    assert best_of_three(sys.executable, "-c", probe) < 0.3


def test_help_appears_quickly_and_without_torch():
    probe = (
        "import sys; from bezoar.cli.main import run; run(['--help']);"
        "heavy = {'torch', 'sklearn', 'pyarrow', 'numpy', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert best_of_three(sys.executable, "-c", probe) < 0.3


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in os.fsdecode(listed.stdout).split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry():
    """Absolute paths and package hosts make a tree work in one place only."""
    forbidden = re.compile(
        rb"(?<![\w.~}-])/(?:home|root|work|Users|mnt|opt)/\w|(?:pypi|files\.pythonhosted|conda\.anaconda)\.org|--(?:extra-)?index-url"
    )
    for path in tracked_files():
        if path == Path(__file__):
            continue
        hit = forbidden.search(path.read_bytes())
        assert hit is None, f"{name_of(path)} holds {hit and hit[0]!r}"


def test_no_large_file_is_tracked():
    assert [name_of(path) for path in tracked_files() if path.stat().st_size > 1_000_000] == []
