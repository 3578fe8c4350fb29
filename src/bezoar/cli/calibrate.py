"""`bezoar calibrate`: what model detectors say of clean models of an architecture."""

from pathlib import Path
from typing import Annotated

import typer

from bezoar.cli import options


def calibrate(
    data: options.Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the null.")] = Path("null.json"),
    architecture: Annotated[str, typer.Option(metavar="NAME", help="As a recipe names it, such as conv.")] = "conv",
    code: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="What makes your torch network, instead of a named one. It is run."),
    ] = None,
    models: Annotated[int, typer.Option(min=20, help="Clean models to train.")] = 40,
    inputs: Annotated[int, typer.Option(min=20, help="Clean inputs that detectors search with.")] = 60,
    rows: Annotated[int | None, typer.Option(min=100, help="Rows to train on at most.")] = None,
    detectors: Annotated[
        str | None, typer.Option(metavar="LIST", help="Model detectors to use. All that look into a model by default.")
    ] = None,
    label: options.Label = None,
    input_columns: options.Input = None,
    split: options.Split = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Train clean models of several seeds and recipes and keep what detectors say of them: a null for model audits."""
    import numpy as np

    from bezoar.cli.progress import progress
    from bezoar.data import read
    from bezoar.engine.models import nulls
    from bezoar.engine.models.calibrating import Calibration
    from bezoar.engine.models.calibrating import calibrate as made
    from bezoar.learn.device import resolve

    options.require_apart(out, [data])
    whole = read(data, roles=options.roles(label, input_columns, None, None, split, None))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(whole))
    # A tenth is never trained on: detectors search with inputs that are new to the models.
    clean, rest = whole.take(np.sort(order[: len(order) // 10])), whole.take(np.sort(order[len(order) // 10 :][:rows]))
    with progress(quiet) as tell:
        way = Calibration(
            data=rest,
            clean=clean,
            architecture=architecture,
            code=code,
            inputs=inputs,
            detectors=None if detectors is None else tuple(name.strip() for name in detectors.split(",")),
        )
        null = made(
            way,
            models=models,
            rng=rng,
            device=resolve(device),
            tell=lambda share: None if tell is None else tell("calibrating", share),
        )
    nulls.write(out, null)
    if not quiet:
        typer.echo(f"{out}: {null.models} clean models of {null.architecture}, seen by {', '.join(null.scores)}.")
