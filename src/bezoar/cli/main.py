"""The program: its commands, and every way it can end as one line and an exit status."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import click
import typer
import typer.core

from bezoar.core.errors import BezoarError

# Help is plain text: rich would take longer to import than the rest of the program takes to start, and typer
# escapes brackets for it ("\\[required]") even where its markup is switched off.
typer.core.HAS_RICH = False

app = typer.Typer(
    name="bezoar",
    help="Finds poison in machine-learning data and models, and proves it.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"bezoar {version('bezoar')}")
        raise typer.Exit


@app.callback()
def bezoar(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Finds poison in machine-learning data and models, and proves it."""


for _name, _module, _attribute in (
    ("demo", "demo", "demo"),
    ("audit", "audit", "app"),
    ("scan", "scan", "scan"),
    ("repair", "repair", "repair"),
    ("attack", "attack", "attack"),
    ("evaluate", "evaluate", "evaluate"),
    ("bench", "bench", "app"),
    ("calibrate", "calibrate", "calibrate"),
    ("triage", "triage", "triage"),
    ("manifest", "manifest", "app"),
    ("sign", "signing", "sign"),
    ("verify", "signing", "verify"),
    ("explain", "explain", "explain"),
    ("list", "listing", "listing"),
):
    _command = getattr(importlib.import_module(f"bezoar.cli.{_module}"), _attribute)
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line. Returns the exit status.

    What the program says on purpose, wherever it was raised, becomes one line on standard error. Anything
    else is a bug and keeps its stack trace.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("bezoar", list(arguments), obj=tuple(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        typer.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        hint = f" See `{error.ctx.command_path} --help`." if isinstance(error, click.UsageError) and error.ctx else ""
        return _say(error.format_message() + hint, 2)
    except BezoarError as error:
        return _say(str(error), error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped", 130)
    except MemoryError:
        return _say("out of memory. Audit fewer rows at a time, or smaller images.", 3)
    except BrokenPipeError:
        # The reader went away. Python flushes standard output once more as it ends: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return _say(f"{error.filename or 'cannot write'}: {error.strerror}.", 3)
    return 0


def _say(message: str, status: int) -> int:
    print("bezoar: " + " ".join(message.split()), file=sys.stderr)
    return status


def main() -> None:
    """Entry point of the program."""
    # Threads that wait by spinning slow each other down tenfold on a busy machine. Read when the libraries load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))
