"""`bezoar attack`: plant known poison in a copy of a data set, and keep the truth about it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezoar.cli.options import Data, Drop, Id, Input, Label, Seed, Source, Split

if TYPE_CHECKING:
    from bezoar.core.attack import Poisoned
    from bezoar.core.data import Dataset


def attack(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An attack, see `bezoar list attacks`.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the poisoned set and the truth.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the attack. Repeatable.")
    ] = None,
    label: Label = None,
    input_: Input = None,
    source: Source = None,
    id_: Id = None,
    split: Split = None,
    drop: Drop = None,
    seed: Seed = 0,
) -> None:
    """Plant known poison in a copy of DATA and keep the truth about it.

    Writes the poisoned set (data.parquet), what was changed (truth.parquet), the attack with its
    parameters and digests (attack.json), and the trigger (trigger.npz) where there is one. DATA itself
    is never written to.
    """
    import numpy as np

    from bezoar.cli.settings import configured
    from bezoar.core import files
    from bezoar.core.errors import UsageError
    from bezoar.core.registry import lookup
    from bezoar.core.trigger import Stamp
    from bezoar.data import Roles, read, write

    if Path(data).exists() and Path(data).resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"`--out` {out} lies in the data itself, which is never written to. Name another folder.")
    method = configured(lookup("attacks", name), settings or [])
    roles = Roles(label=label, input=tuple(input_ or ()), source=source, id=id_, split=split, drop=tuple(drop or ()))
    clean = read(data, roles=roles)
    poisoned = method.poison(clean, np.random.default_rng(seed))

    _clear(out)
    write(poisoned.data, out)
    files.write_atomically(out / "truth.parquet", lambda file: _write_truth(name, clean, poisoned, file))
    if isinstance(poisoned.trigger, Stamp):
        files.write_bytes(out / "trigger.npz", poisoned.trigger.to_bytes())
    record = _record(name, method, seed, clean, poisoned)
    files.write_text(out / "attack.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    typer.echo(f"{name}: changed {int(poisoned.changed.sum()):,} of {len(clean):,} rows of {clean.name} -> {out}")


def _clear(out: Path) -> None:
    """What an earlier run left must not pass for a part of this one, should this one be stopped."""
    from bezoar.core.errors import OutputError

    try:
        for stale in ("attack.json", "trigger.npz", "truth.parquet"):
            (out / stale).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written to: {error.strerror}.") from error


def _write_truth(name: str, clean: "Dataset", poisoned: "Poisoned", file: Any) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    classes = np.array(clean.classes, dtype=object)
    target = None if poisoned.target is None else clean.classes[poisoned.target]
    n = len(clean)
    columns = {
        "id": pa.array(clean.ids.tolist(), pa.string()),
        "index": pa.array(np.arange(n), pa.int64()),
        "changed": pa.array(poisoned.changed),
        "original_label": pa.array(classes[clean.labels], pa.string()),
        "label": pa.array(classes[poisoned.data.labels], pa.string()),
        "target": pa.array([target] * n, pa.string()),
        "attack": pa.array([name] * n, pa.string()),
    }
    pq.write_table(pa.table(columns), file)


def _record(name: str, method: Any, seed: int, clean: "Dataset", poisoned: "Poisoned") -> dict[str, Any]:
    import dataclasses
    from importlib.metadata import version

    return {
        "attack": name,
        "parameters": dataclasses.asdict(method),
        "seed": seed,
        "threat": dataclasses.asdict(method.threat),
        "data": clean.name,
        "rows": len(clean),
        "changed": int(poisoned.changed.sum()),
        "target": None if poisoned.target is None else clean.classes[poisoned.target],
        "digests": {"before": clean.merkle_root, "after": poisoned.data.merkle_root},
        "bezoar": version("bezoar"),
    }
