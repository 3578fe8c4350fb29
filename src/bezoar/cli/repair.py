"""`bezoar repair`: the set without its poison, or the model without its backdoor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bezoar.cli import options

if TYPE_CHECKING:
    from bezoar.core.report import Report


def repair(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="For sets filter, relabel, quarantine; for models auto, or one of `bezoar list`.",
        ),
    ],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="A set as an audit takes it, or a model file.")],
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Report of an audit of this very subject. For a set it must be; `bezoar-report` by default.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Clean labelled inputs to repair a model with, 500 or so.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what is repaired.")] = Path("bezoar-repaired"),
    label: options.Label = None,
    input_columns: options.Input = None,
    source: options.Source = None,
    id_column: options.Id = None,
    split: options.Split = None,
    drop: options.Drop = None,
    code: options.Code = None,
    time_limit: options.TimeLimit = 60,
    settings: options.Settings = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Repair a training set as a report suggests, or a model with clean inputs. What came is never written to."""
    import json

    from bezoar.cli.settings import configured
    from bezoar.core.errors import UsageError
    from bezoar.core.registry import lookup
    from bezoar.data import read

    told = None if report is None else _loaded(report)
    chosen = name
    if name == "auto":
        from bezoar.engine.models.repairing import advised

        chosen = advised(told)
    method = lookup("mitigations", chosen)
    mitigation, of_models = configured(method, settings or []), method.surface == "model"
    if of_models and data is None:
        raise UsageError(f"{name} repairs a model with clean inputs. Name them with --data.")
    if not of_models and data is not None:
        raise UsageError(f"{name} repairs a set, which is its subject. --data is for repairs of models.")
    rows = read(
        data if data is not None else subject, roles=options.roles(label, input_columns, source, id_column, split, drop)
    )
    stale = (
        "repair.json",
        "data.parquet",
        "quarantine/data.parquet",
        "quarantine/reasons.parquet",
        "model.safetensors",
    )
    options.prepare_folder(out, [subject, *([] if data is None else [data])], stale)
    if of_models:
        from bezoar.engine.models.repairing import repair_model

        done = repair_model(
            Path(subject),
            rows,
            mitigation,
            name=chosen,
            out=out,
            report=told,
            code=code,
            time_limit=time_limit,
            device=device,
            seed=seed,
        )
    else:
        from bezoar.engine.repair import repair_data

        done = repair_data(rows, told or _loaded(Path("bezoar-report")), mitigation, name=name, out=out)
    typer.echo(json.dumps(done, indent=2) if as_json else _told(done, out))


def _loaded(folder: Path) -> "Report":
    from bezoar.report import document

    return document.load(folder)


def _told(done: dict[str, Any], out: Path) -> str:
    if "accuracy" not in done:
        return (
            f"{done['rows_before']:,} rows came, {done['rows_after']:,} are left in {out / 'data.parquet'}: "
            f"{done['set_aside']:,} set aside, {done['relabelled']:,} relabelled."
        )
    lines = [
        f"The copy repaired by {done['repair']} is {out / 'model.safetensors'}. On clean inputs that it never saw:"
    ]
    lines.append(f"  right {_change(done['accuracy'])}")
    lines += [f"  turned to {name} by the recovered trigger {_change(each)}" for name, each in done["triggers"].items()]
    return "\n".join(lines)


def _change(shares: dict[str, dict[str, float]]) -> str:
    before, after = shares["before"], shares["after"]
    return (
        f"{before['value']:.1%} before, {after['value']:.1%} after "
        f"(95 % interval {after['low']:.1%} to {after['high']:.1%}, n = {after['n']})"
    )
