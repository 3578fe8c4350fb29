"""The docs say what the program does, and the built site keeps to itself."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bezoar.cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current(generator):
    """Methods, codes and commands: run `python docs/generate.py` after a change to one of them."""
    assert generator.stale() == []


def test_help_in_the_docs_is_the_programs(capsys, monkeypatch):
    """The page holds, word for word, what `bezoar attack --help` prints on a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "102")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    run(["attack", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    page = " ".join((ROOT / "docs" / "commands.md").read_text(encoding="utf-8").split())
    assert printed in page


def test_every_parameter_of_every_method_is_in_the_docs(generator):
    """A table row for each field; one whose docstring does not name it would be missing."""
    import dataclasses

    from bezoar.core.registry import GROUPS, lookup, names

    for group in GROUPS:
        page = generator.pages()[f"methods/{group}.md"]
        for name in names(group):
            section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
            for field in dataclasses.fields(lookup(group, name)):
                assert f"\n| `{field.name}` |" in section, f"{name}: {field.name}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere(site):
    """No script, style sheet, picture or font by an absolute address."""
    for page in site.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text(encoding="utf-8")):
            assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", tag), f"{page.name}: {tag}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name


def test_commands_in_the_docs_are_commands_of_the_program(generator):
    """Every `bezoar ...` line of the README, the guides and CONTRIBUTING names a command and options that exist."""
    helps = generator.pages()["commands.md"]
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for file in files:
        if file.name == "commands.md":
            continue
        for line in re.findall(r"^(?:\$ )?bezoar (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
            words = line.split("#")[0].split()
            path = " ".join(["bezoar", *words[:2]]) if words[0] in {"audit", "manifest"} else f"bezoar {words[0]}"
            if words[0] == "bench":  # `bezoar bench GRID` is short for `bezoar bench run GRID`
                path = f"bezoar bench {words[1] if words[1] in {'report', 'compare'} else 'run'}"
            assert f"\n## {path}\n" in helps, f"{file.name}: bezoar {line}"
            section = helps.split(f"\n## {path}\n")[1].split("\n## ")[0]
            for option in re.findall(r"(?<!\S)--[a-z-]+", line):
                assert option in section, f"{file.name}: bezoar {line}"
