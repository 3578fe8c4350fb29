"""`bezoar sign` and `bezoar verify`: that a model and its training set are still what somebody vouched for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bezoar.cli import options
from bezoar.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from bezoar.data import Roles
    from bezoar.data.manifest import Manifest
    from bezoar.engine.provenance.signing import Kept

_FOLDER = Path("bezoar-signed")
Model = Annotated[Path | None, typer.Argument(metavar="[MODEL]", help="A model: a file or a folder. Nothing is run.")]
TrainingData = Annotated[str | None, typer.Option("--data", metavar="DATA", help="The set that it was trained on.")]


def sign(
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key: PEM, P-256, P-384 or P-521.")],
    model: Model = None,
    data: TrainingData = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="PATH", help="Report of an audit of this very model or set.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the signatures.")] = _FOLDER,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Holds the passphrase of the key.")
    ] = None,
    label: options.Label = None,
    input_: options.Input = None,
    source: options.Source = None,
    id_: options.Id = None,
    split: options.Split = None,
    drop: options.Drop = None,
) -> None:
    """Sign a model, the set that it was trained on, or both, with their bill of materials. No network is used.

    Writes an OpenSSF bundle (model.sig), in-toto statements over the files of the model and the rows of the set
    (model.intoto.json, data.intoto.json), a CycloneDX bill of materials (bom.cdx.json) and the manifest of all rows.
    """
    from bezoar.engine.provenance import keys, layout, signing

    _require_something(model, data)
    if model is not None and model.is_dir() and key.resolve().is_relative_to(model.resolve()):
        raise UsageError(f"{key}: lies in the model, so whoever gets the model gets the key. Keep it elsewhere.")
    private = keys.read_private(key, None if passphrase_file is None else _passphrase(passphrase_file))
    kept = None if report is None else _report(report)
    given = [str(each) for each in (model, data, key, report) if each is not None]
    roles = options.roles(label, input_, source, id_, split, drop)
    manifest = None if data is None else _manifest(data, roles)
    options.prepare_folder(out, given, layout.WRITTEN)
    written = signing.sign(private, out, model=model, data=manifest, report=kept)
    typer.echo(f"signed with {private.name} ({private.public.fingerprint[:16]}...):")
    for path in written:
        typer.echo(f"  {path}")


def verify(
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Public key of the signer, PEM.")],
    model: Model = None,
    data: TrainingData = None,
    signed: Annotated[Path, typer.Option("--signed", metavar="DIR", help="Folder with the signatures.")] = _FOLDER,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")
    ] = False,
    label: options.Label = None,
    input_: options.Input = None,
    source: options.Source = None,
    id_: options.Id = None,
    split: options.Split = None,
    drop: options.Drop = None,
) -> None:
    """Compare a model, the set that it was trained on, or both, with what was signed. No network is used.

    Every file and every row that was added, removed or changed is named. Name the same columns as when it was signed.
    Exit status: 0 verified, 1 something differs or is not signed by this key, 2 nothing can be compared.
    """
    import dataclasses
    import json

    from bezoar.engine.provenance import keys, verifying

    _require_something(model, data)
    public = keys.read_public(key)
    roles = options.roles(label, input_, source, id_, split, drop)
    manifest = None if data is None else _manifest(data, roles)
    found = verifying.verify(public, signed, model=model, data=manifest)
    if as_json:
        typer.echo(json.dumps({"key": public.fingerprint, **dataclasses.asdict(found)}, indent=2))
    else:
        for each in found.differences:
            typer.echo(f"{each.kind}: {each.what}" + (f": {each.why}" if each.why else ""))
        for note in found.notes:
            typer.echo(f"note: {note}")
        outcome = "verified"
        if found.differences:
            outcome = f"NOT verified ({len(found.differences):,} found)"
        typer.echo(f"{outcome}: {'; '.join(found.verified)}; key {public.fingerprint[:16]}...")
    if found.differences:
        raise typer.Exit(1)


def _require_something(model: Path | None, data: str | None) -> None:
    if model is None and data is None:
        raise UsageError("name a MODEL, a data set with --data, or both.")


def _manifest(data: str, roles: "Roles") -> "Manifest":
    from bezoar.data import manifest, read

    return manifest.describe(read(data, roles=roles), manifest.file_digests(data))


def _report(path: Path) -> "Kept":
    from bezoar.engine.provenance.signing import Kept
    from bezoar.report import document

    file = path / document.REPORT if path.is_dir() else path
    return Kept(report=document.load(file), content=file.read_bytes())


def _passphrase(path: Path) -> bytes:
    try:
        return path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise InputError(f"{path}: the passphrase cannot be read: {error.strerror or error}.") from error
