"""How the program ends: one line and an exit status, whatever went wrong."""

import errno
import subprocess
import sys

import click
import pytest
import typer

from bezoar.cli import main
from bezoar.core.errors import BezoarError, InputError, OutputError, ParameterError, UnknownNameError


@pytest.fixture
def ending(monkeypatch, capsys):
    """Runs a command, two levels deep, that ends by raising what it is given."""

    def end(error):
        def command():
            """Fail."""
            raise error

        inner, outer = typer.Typer(), typer.Typer(pretty_exceptions_enable=False)
        inner.command("fail")(command)
        inner.command("other")(command)
        outer.add_typer(inner, name="nested")
        monkeypatch.setattr(main, "app", outer)
        status = main.run(["nested", "fail"])
        return status, capsys.readouterr().err

    return end


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (BezoarError("broken"), 3, "bezoar: broken"),
        (ParameterError("`rate` must be in (0, 1]. Got 2."), 2, "bezoar: `rate` must be in (0, 1]. Got 2."),
        (UnknownNameError("no such thing"), 2, "bezoar: no such thing"),
        (InputError("two\nlines"), 2, "bezoar: two lines"),
        (OutputError("no space"), 3, "bezoar: no space"),
        (KeyboardInterrupt(), 130, "bezoar: stopped"),
        (click.Abort(), 130, "bezoar: stopped"),
        (MemoryError(), 3, "bezoar: out of memory. Audit fewer rows at a time, or smaller images."),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 3, "bezoar: x: No space left on device."),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 3, "bezoar: x: Permission denied."),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(ending, error, status, line):
    assert ending(error) == (status, line + "\n")


@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_command_decides_its_own_status(ending, status):
    assert ending(typer.Exit(status)) == (status, "")


def test_a_bug_keeps_its_stack_trace(ending):
    with pytest.raises(ZeroDivisionError):
        ending(ZeroDivisionError())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["attack", "badnets", "digits"], "Missing option '--out'"),
        (["attack", "badnets", "digits", "--out", "x", "--seed", "-1"], "Invalid value for '--seed'"),
        (["list", "poisons"], "Invalid value"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(capsys, arguments, said):
    assert main.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"bezoar: {said}")
    assert captured.err.count("\n") == 1


def test_no_command_shows_the_help_and_status_2(capsys):
    assert main.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bezoar 0.")


def test_a_reader_that_goes_away_is_no_error():
    """As `bezoar list | true`: the status is that of a process ended by SIGPIPE, 128 + 13, and nothing is said."""
    program = [sys.executable, "-c", "from bezoar.cli.main import main; main()", "list"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")
