"""`bezoar audit model`: whether a model hides a backdoor, towards which class, and by what trigger."""

from pathlib import Path
from typing import Annotated

import typer

from bezoar.cli import options
from bezoar.cli.gate import Gate, exit_status


def model(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file. No code in it is run.")],
    data: Annotated[str, typer.Option(metavar="DATA", help="Clean labelled inputs of its kind, 40 or more.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")] = Path("bezoar-report"),
    formats: options.Formats = options.FORMATS,
    fail_on: options.FailOn = Gate.HIGH,
    label: options.Label = None,
    input_columns: options.Input = None,
    split: options.Split = None,
    code: options.Code = None,
    null: options.NullFile = None,
    detectors: options.ModelDetectors = None,
    controls: Annotated[
        bool, typer.Option(help="Teach copies of the model a backdoor and see whether this audit catches them.")
    ] = True,
    run_model: Annotated[
        bool, typer.Option("--run-model", help="Run the program that a .pt2 file is. It can do whatever it likes.")
    ] = False,
    time_limit: options.TimeLimit = 60,
    inputs: Annotated[int, typer.Option(min=40, help="Clean inputs to use at most.")] = 100,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    profile: options.Profile = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Audit a trained model: does it hide a backdoor, towards which class, what does the trigger look like."""
    from bezoar import report as reporting
    from bezoar.cli.printing import show
    from bezoar.cli.progress import progress
    from bezoar.data import read
    from bezoar.engine.models.audit import ModelSettings, audit_model
    from bezoar.engine.models.nulls import read as read_null

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    reporting.require_formats(wanted)
    options.prepare_folder(out, [str(model), data], reporting.FILES)
    clean = read(data, roles=options.roles(label, input_columns, None, None, split, None))
    with progress(quiet or as_json) as tell:
        report = audit_model(
            model,
            clean,
            ModelSettings(
                seed=seed,
                detectors=None if detectors is None else tuple(name.strip() for name in detectors.split(",")),
                controls=controls,
                code=code,
                null=None if null is None else read_null(null),
                inputs=inputs,
                run_model=run_model,
                time_limit=time_limit,
                device=device,
                asked=options.asked(context),
                progress=tell,
            ),
        )
    reporting.write(report, out, wanted)
    show(report, where=out if "html" in wanted else None, quiet=quiet, as_json=as_json, profile=profile)
    raise typer.Exit(exit_status(report, fail_on))
