"""`bezoar attack`: plant known poison in a copy of a data set, and keep the truth about it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezoar.cli import options

if TYPE_CHECKING:
    from bezoar.core.attack import Poisoned
    from bezoar.core.data import Dataset


def attack(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An attack, see `bezoar list attacks`.")],
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the poisoned set and the truth.")],
    settings: options.Settings = None,
    label: options.Label = None,
    input_: options.Input = None,
    source: options.Source = None,
    id_: options.Id = None,
    split: options.Split = None,
    drop: options.Drop = None,
    seed: options.Seed = 0,
) -> None:
    """Plant known poison in a copy of DATA and keep the truth about it.

    Writes the poisoned set (data.parquet), what was changed (truth.parquet), the attack with its
    parameters and digests (attack.json), and the trigger (trigger.npz) where it is a patch or a blend.
    DATA itself is never written to.
    """
    import numpy as np

    from bezoar.cli.settings import configured
    from bezoar.core import files
    from bezoar.core.registry import lookup
    from bezoar.core.trigger import Stamp
    from bezoar.data import read, write

    method = configured(lookup("attacks", name), settings or [])
    options.require_apart(out, [data])
    clean = read(data, roles=options.roles(label, input_, source, id_, split, drop))
    poisoned = method.poison(clean, np.random.default_rng(seed))

    options.prepare_folder(out, [data], ("data.parquet", "attack.json", "trigger.npz", "truth.parquet"))
    # The truth comes first: a poisoned set that is there is never without it.
    files.write_atomically(out / "truth.parquet", lambda file: _write_truth(name, clean, poisoned, file))
    if isinstance(poisoned.trigger, Stamp):
        files.write_bytes(out / "trigger.npz", poisoned.trigger.to_bytes())
    record = _record(name, method, seed, clean, poisoned)
    files.write_text(out / "attack.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    write(poisoned.data, out)
    typer.echo(f"{name}: changed {int(poisoned.changed.sum()):,} of {len(clean):,} rows of {clean.name} -> {out}")


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
        "cover": pa.array(np.zeros(n, dtype=bool) if poisoned.cover is None else poisoned.cover),
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
        "cover": 0 if poisoned.cover is None else int(poisoned.cover.sum()),
        "target": None if poisoned.target is None else clean.classes[poisoned.target],
        "digests": {"before": clean.merkle_root, "after": poisoned.data.merkle_root},
        "bezoar": version("bezoar"),
    }
