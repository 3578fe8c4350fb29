"""`bezoar repair`: the set without its poison."""

from pathlib import Path
from typing import Annotated

import typer

from bezoar.cli import options


def repair(
    name: Annotated[str, typer.Argument(metavar="NAME", help="filter, relabel or quarantine (`bezoar list`).")],
    data: options.Data,
    report: Annotated[Path, typer.Option(metavar="DIR", help="Report of an audit of this very set.")] = Path(
        "bezoar-report"
    ),
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the repaired set.")] = Path("bezoar-repaired"),
    label: options.Label = None,
    input_columns: options.Input = None,
    source: options.Source = None,
    id_column: options.Id = None,
    split: options.Split = None,
    drop: options.Drop = None,
    settings: options.Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Repair a training set as a report suggests. The audited set is never written to; what is taken out is kept."""
    import json

    from bezoar.cli.settings import configured
    from bezoar.core.registry import lookup
    from bezoar.data import read
    from bezoar.engine.repair import repair_data
    from bezoar.report import document

    mitigation = configured(lookup("mitigations", name), settings or [])
    dataset = read(data, roles=options.roles(label, input_columns, source, id_column, split, drop))
    stale = ("repair.json", "data.parquet", "quarantine/data.parquet", "quarantine/reasons.parquet")
    options.prepare_folder(out, [data], stale)
    done = repair_data(dataset, document.load(report), mitigation, name=name, out=out)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    typer.echo(
        f"{done['rows_before']:,} rows came, {done['rows_after']:,} are left in {out / 'data.parquet'}: "
        f"{done['set_aside']:,} set aside, {done['relabelled']:,} relabelled."
    )
