"""`bezoar triage`: why a model fails on some inputs."""

from pathlib import Path
from typing import Annotated

import typer

from bezoar.cli import options
from bezoar.cli.gate import Gate, exit_status


def triage(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file. No code in it is run.")],
    failures: Annotated[str, typer.Option(metavar="DATA", help="Labelled inputs that it gets wrong, 10 or more.")],
    reference: Annotated[str, typer.Option(metavar="DATA", help="Labelled inputs on which it works, 40 or more.")],
    train: Annotated[
        str | None, typer.Option(metavar="DATA", help="Its training rows: mistakes are traced back to them.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")] = Path("bezoar-report"),
    formats: options.Formats = options.FORMATS,
    fail_on: options.FailOn = Gate.HIGH,
    label: options.Label = None,
    source: options.Source = None,
    input_columns: options.Input = None,
    code: options.Code = None,
    null: options.NullFile = None,
    detectors: options.ModelDetectors = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    profile: options.Profile = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Explain a model's failures: a backdoor, other data than it was made for, or plain weakness."""
    from bezoar import report as reporting
    from bezoar.cli.printing import show
    from bezoar.cli.progress import progress
    from bezoar.data import read
    from bezoar.engine.models.audit import ModelSettings
    from bezoar.engine.models.nulls import read as read_null
    from bezoar.engine.triage.triage import triage as explained

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    reporting.require_formats(wanted)
    given = [str(model), failures, reference, *([] if train is None else [train])]
    options.prepare_folder(out, given, reporting.FILES)
    roles = options.roles(label, input_columns, None, None, None, None)
    rows = None if train is None else read(train, roles=options.roles(label, input_columns, source, None, None, None))
    with progress(quiet or as_json) as tell:
        report = explained(
            model,
            read(failures, roles=roles),
            read(reference, roles=roles),
            ModelSettings(
                seed=seed,
                detectors=None if detectors is None else tuple(name.strip() for name in detectors.split(",")),
                code=code,
                null=None if null is None else read_null(null),
                device=device,
                asked=options.asked(context),
                progress=tell,
            ),
            rows,
        )
    reporting.write(report, out, wanted)
    show(report, where=out if "html" in wanted else None, quiet=quiet, as_json=as_json, profile=profile)
    raise typer.Exit(exit_status(report, fail_on))
