"""Sign a model and its training set: a folder of statements that anyone with the public key can check later."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bezoar.core.errors import InputError
from bezoar.core.files import write_bytes, write_text
from bezoar.core.report import Document
from bezoar.data import manifest as manifests
from bezoar.data.intake import shown
from bezoar.data.manifest import Manifest
from bezoar.engine.provenance import bom, envelope
from bezoar.engine.provenance.envelope import Statement, Subject
from bezoar.engine.provenance.files import Files, files_of
from bezoar.engine.provenance.keys import PrivateKey
from bezoar.engine.provenance.layout import BILL, BUNDLE, DATA, MANIFEST, MODEL, REPORT, ROWS, SIGNATURE, root
from bezoar.learn import saved
from bezoar.learn.modelfiles import scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A report and the very bytes of its file."""

    report: Document
    content: bytes


def sign(
    key: PrivateKey, out: Path, *, model: Path | None = None, data: Manifest | None = None, report: Kept | None = None
) -> tuple[Path, ...]:
    """Sign a model, a training set, or both together. Nothing in the model is run.

    Parameters
    ----------
    key : signs.
    out : folder for what is written: ``model.sig``, a bundle as OpenSSF model signing makes it; ``model.intoto.json``
        and ``data.intoto.json``, statements about the files of the model and the rows of the set, whose predicate is
        the bill of materials ``bom.cdx.json``; ``data.manifest.json`` with every row; ``audit.json``, the report as it was given.
    model : a file or a folder.
    data : the manifest of the set that it was trained on.
    report : of an audit of this very model or set.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    InputError
        The model is missing, empty, or holds a link or what cannot be read; the report is about something else.
    OutputError
        `out` cannot be written to.
    """
    files = None if model is None else _whole(model)
    if report is not None:
        _require_about(report.report, files, data)
    paths: list[Path] = []
    part = None
    if data is not None:
        paths.append(manifests.save(data, out / MANIFEST))
        part = bom.DataPart(manifest=data, kept=_beside(paths[-1]))
    audit = None
    if report is not None:
        paths.append(write_bytes(out / REPORT, report.content))
        audit = bom.Audit(report=report.report, kept=_beside(paths[-1]))
    bill = bom.bill(None if model is None or files is None else _described(model, files), part, audit)
    paths.append(write_text(out / BILL, json.dumps(bill, indent=2, ensure_ascii=False) + "\n"))
    if files is not None:
        paths.append(envelope.write_bundle(out / BUNDLE, _bundled(files), key))
        subject = tuple(Subject(name=name, digest={"sha256": digest}) for name, digest in files.named.items())
        paths.append(envelope.write_envelope(out / MODEL, _about(subject, bill), key))
    if part is not None:
        subject = (
            Subject(name=part.manifest.name or "training data", digest={ROWS: part.manifest.merkle_root}),
            Subject(name=MANIFEST, digest={"sha256": part.kept.sha256}),
        )
        paths.append(envelope.write_envelope(out / DATA, _about(subject, bill), key))
    return tuple(paths)


def _whole(model: Path) -> Files:
    """The files of a model that can be signed: all of it, and more than nothing."""
    files = files_of(model)
    if files.odd:
        name, why = next(iter(sorted(files.odd.items())))
        more = f" ({len(files.odd) - 1} more like it)" if len(files.odd) > 1 else ""
        raise InputError(f"{shown(model / name, 300)}: {why}{more}. Sign a copy that holds plain files only.")
    if not files.digests:
        raise InputError(f"{shown(model, 300)}: holds no file, so there is nothing to sign.")
    for name in files.digests:
        if not name.isprintable():
            raise InputError(
                f"{shown(model / name, 300)}: its name is not printable UTF-8, so no statement can name it."
            )
    return files


def _require_about(report: Document, files: Files | None, data: Manifest | None) -> None:
    if report.model is not None:
        if files is None or report.model.sha256 not in files.digests.values():
            raise InputError(f"the report is about another model: {report.model.name}, {report.model.sha256[:16]}...")
    elif data is None or report.dataset.merkle_root != data.merkle_root:
        raise InputError(
            f"the report is about another data set: {report.dataset.name}, root {report.dataset.merkle_root[:16]}... "
            "Name the set that was audited with --data, and the same columns."
        )


def _described(model: Path, files: Files) -> bom.ModelPart:
    scans = scan(model)
    own = model if files.alone else None
    return bom.ModelPart(files=files, scans=scans, card=None if own is None else saved.card_of(own))


def _bundled(files: Files) -> Statement:
    # The order of names is that of OpenSSF: folder by folder.
    ordered = {name: files.digests[name] for name in sorted(files.digests, key=PurePosixPath)}
    return Statement(
        subject=(Subject(name=files.name, digest={"sha256": root(ordered)}),),
        predicate_type=SIGNATURE,
        predicate={
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in ordered.items()],
        },
    )


def _about(subject: tuple[Subject, ...], bill: dict[str, Any]) -> Statement:
    return Statement(subject=subject, predicate_type=bom.PREDICATE, predicate=bill)


def _beside(path: Path) -> bom.Beside:
    return bom.Beside(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
