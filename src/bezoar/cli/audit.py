"""`bezoar audit data`: whether a training set was poisoned, and by what."""

from pathlib import Path
from typing import Annotated

import typer

from bezoar.cli import options
from bezoar.cli.audit_model import model
from bezoar.cli.gate import Gate, exit_status

app = typer.Typer(help="Audit what comes from strangers.", no_args_is_help=True)


@app.callback()
def _audit() -> None:
    """Audit what comes from strangers."""


app.command("model")(model)


@app.command("data")
def data(
    context: typer.Context,
    data: options.Data,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")] = Path("bezoar-report"),
    formats: options.Formats = options.FORMATS,
    fail_on: options.FailOn = Gate.HIGH,
    label: options.Label = None,
    input_columns: options.Input = None,
    source: options.Source = None,
    id_column: options.Id = None,
    split: options.Split = None,
    drop: options.Drop = None,
    trusted: Annotated[str | None, typer.Option(metavar="DATA", help="Clean rows of the same kind.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="Your own model: triggers that are found are tried on it.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of a torch model, as .safetensors.")
    ] = None,
    detectors: Annotated[str | None, typer.Option(metavar="LIST", help="Row detectors to use. All by default.")] = None,
    controls: Annotated[
        bool, typer.Option(help="Plant known poison in a copy and measure what this audit catches.")
    ] = True,
    clean: Annotated[
        bool, typer.Option("--clean", help="Also write the set without flagged rows to DIR/clean.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped audit into DIR was.")] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="The most memory to use, such as 2GB. Images beyond it lie in a file."),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on a Ray cluster: auto, or host:port.")
    ] = None,
    profile: options.Profile = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Audit a labelled training set: which rows are poisoned, by what, from whom, and what would be missed."""
    import shutil

    from bezoar import report as reporting
    from bezoar.cli.printing import show
    from bezoar.cli.progress import progress
    from bezoar.data import read, write
    from bezoar.data.spool import Means
    from bezoar.engine.api import audit_data
    from bezoar.engine.memory import bounded
    from bezoar.engine.record import Stopwatch, share_heap
    from bezoar.engine.shards import spreading

    share_heap()
    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    reporting.require_formats(wanted)
    roles = options.roles(label, input_columns, source, id_column, split, drop)
    # Before reading: no old report may stand where this audit ends without one.
    options.prepare_folder(
        out, [data] if trusted is None else [data, trusted], (*reporting.FILES, "evaluation.html", "clean/data.parquet")
    )
    checkpoints, watch = out / ".resume", Stopwatch()
    if not resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    bytes_allowed = None if memory is None else options.size("memory", memory)
    with spreading(ray=ray, checkpoints=checkpoints / "shards") as spread, progress(quiet or as_json) as tell:
        means = Means(memory=bytes_allowed, folder=out, spread=spread)
        with watch.stage("reading"):
            dataset = read(data, roles=roles, means=bounded(means))
        report = audit_data(
            dataset,
            detectors=None if detectors is None else [name.strip() for name in detectors.split(",")],
            controls=controls,
            trusted=None if trusted is None else read(trusted, roles=roles, means=means),
            model=model,
            weights=weights,
            seed=seed,
            device=device,
            checkpoints=checkpoints,
            progress=tell,
            asked=options.asked(context),
            means=means,
            watch=watch,
        )
    reporting.write(report, out, wanted)
    shutil.rmtree(checkpoints, ignore_errors=True)
    if clean:
        import numpy as np

        write(dataset.take(~np.asarray(report.rows["flagged"].to_numpy(zero_copy_only=False))), out / "clean")
    show(report, where=out if "html" in wanted else None, quiet=quiet, as_json=as_json, profile=profile)
    raise typer.Exit(exit_status(report, fail_on))
