"""Check signatures: whether a model and a training set are still what was signed, and if not, what differs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pydantic

from bezoar.core.errors import InputError
from bezoar.data import manifest as manifests
from bezoar.data.assembly import parse_json
from bezoar.data.intake import open_file, shown
from bezoar.data.manifest import Manifest
from bezoar.engine.provenance import bom, envelope
from bezoar.engine.provenance.envelope import Statement
from bezoar.engine.provenance.files import ALONE, Files, files_of
from bezoar.engine.provenance.keys import PublicKey
from bezoar.engine.provenance.layout import BILL, BUNDLE, DATA, MANIFEST, MODEL, REPORT, ROWS, SIGNATURE, root

_MOST_BYTES = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was signed.

    Parameters
    ----------
    kind : what happened to it: added, removed, changed; "row added" and so on of a row; "not signed" of what no
        signature of the key covers.
    what : the file, or the id of the row.
    why : what more there is to say.
    """

    kind: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the signatures say.

    Parameters
    ----------
    differences : all that is not as it was signed; empty where everything is.
    verified : what was compared, in words.
    notes : what the signatures leave out, in words.
    """

    differences: tuple[Difference, ...]
    verified: tuple[str, ...]
    notes: tuple[str, ...]


def verify(key: PublicKey, signed: Path, *, model: Path | None = None, data: Manifest | None = None) -> Verification:
    """Compare a model and a training set with what was signed.

    Parameters
    ----------
    key : must have signed it.
    signed : the folder that signing wrote; a bundle ``model.sig`` that another tool made is enough for a model.
    model : a file or a folder.
    data : the manifest of the set as it is now, of the same columns as then.

    Raises
    ------
    InputError
        The model is missing; nothing was signed, or what was cannot be read at all.
    """
    differences: list[Difference] = []
    verified: list[str] = []
    notes: list[str] = []
    bills: list[dict[str, Any]] = []
    if model is not None:
        files = files_of(model)
        found = _model(key, signed, files)
        differences += found.differences
        notes += found.notes
        bills += found.bills
        many = "file" if len(files.digests) == 1 else "files"
        verified.append(f"model {shown(files.name)}: {len(files.digests):,} {many}")
    if data is not None:
        found = _data(key, signed, data)
        differences += found.differences
        bills += found.bills
        verified.append(f"data {data.name}: {len(data.rows):,} rows, root {data.merkle_root}")
    elif (signed / DATA).exists():
        notes.append("the training set was signed as well: name it with --data to verify it")
    differences += _beside(signed, bills)
    return Verification(
        differences=tuple(dict.fromkeys(differences)), verified=tuple(verified), notes=tuple(dict.fromkeys(notes))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What came of one thing: how it differs, what is left out, and what bills of materials were signed with it."""

    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    bills: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class _Resource:
    name: str
    algorithm: Literal["sha256"]
    digest: str


@dataclass(frozen=True, slots=True)
class _Serialization:
    method: Literal["files"]
    hash_type: Literal["sha256"]
    ignore_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Signed:
    """What an OpenSSF bundle says of a model."""

    serialization: _Serialization
    resources: tuple[_Resource, ...]


_SIGNED = pydantic.TypeAdapter(_Signed)


def _model(key: PublicKey, signed: Path, files: Files) -> _Found:
    bundle = signed / BUNDLE
    if not bundle.exists():
        raise InputError(
            f"{shown(bundle, 300)}: no such file, so the model was not signed here. Name the folder with --signed."
        )
    notes: list[str] = []
    opened = envelope.read_bundle(bundle, key)
    if opened.statement is None:
        differences = [Difference("not signed", BUNDLE, opened.why)]
    else:
        said = _resources(bundle, opened.statement)
        differences, notes = _compared(said, files)
    statement = signed / MODEL
    if not statement.exists():
        if (signed / BILL).exists() and not (signed / DATA).exists():
            differences.append(Difference("removed", MODEL, f"so no signature covers {BILL}"))
        return _Found(differences=tuple(differences), notes=tuple(notes))
    opened = envelope.read_envelope(statement, key)
    if opened.statement is None:
        return _Found(differences=(*differences, Difference("not signed", MODEL, opened.why)), notes=tuple(notes))
    named = {subject.name: subject.digest.get("sha256", "") for subject in opened.statement.subject}
    if ALONE in files.digests and len(named) == 1:
        named = {ALONE: next(iter(named.values()))}
    differences += _differing(named, files)
    return _Found(differences=tuple(differences), notes=tuple(notes), bills=(_bill(statement, opened.statement),))


def _resources(bundle: Path, statement: Statement) -> _Signed:
    if statement.predicate_type != SIGNATURE:
        raise InputError(
            f"{shown(bundle, 300)}: is signed, but says {shown(statement.predicate_type)}, nothing of a model."
        )
    try:
        said = _SIGNED.validate_python(statement.predicate)
        digests = {each.name: each.digest for each in said.resources}
        fits = [subject.digest.get("sha256") for subject in statement.subject] == [root(digests)]
    except ValueError as error:
        raise InputError(
            f"{shown(bundle, 300)}: is signed in a way that is not known here. Models signed file by file with SHA-256 are."
        ) from error
    if not fits or len(digests) != len(said.resources):
        raise InputError(
            f"{shown(bundle, 300)}: contradicts itself: its digest is not that of the files that it names."
        )
    return said


def _compared(said: _Signed, files: Files) -> tuple[list[Difference], list[str]]:
    """How files differ from those of a bundle, and which of them its signer left out."""
    ignored = [PurePosixPath(path) for path in said.serialization.ignore_paths]
    present = {*files.digests, *files.odd}
    out = {name for name in present if any(PurePosixPath(name).is_relative_to(path) for path in ignored)}
    out -= {each.name for each in said.resources}
    left = Files(
        name=files.name,
        digests={name: digest for name, digest in files.digests.items() if name not in out},
        odd={name: why for name, why in files.odd.items() if name not in out},
    )
    notes = [f"{shown(name)}: the signer left it out of {BUNDLE}" for name in sorted(out)]
    return list(_differing({each.name: each.digest for each in said.resources}, left)), notes


def _differing(signed: Mapping[str, str], files: Files) -> Iterator[Difference]:
    def called(name: str) -> str:
        return shown(files.name if name == ALONE and name in {*files.digests, *files.odd} else name, 500)

    for name, digest in signed.items():
        if name in files.odd:
            yield Difference("changed", called(name), files.odd[name])
        elif name not in files.digests:
            yield Difference("removed", called(name))
        elif files.digests[name] != digest:
            yield Difference("changed", called(name))
    for name in files.digests:
        if name not in signed:
            yield Difference("added", called(name))
    for name, why in files.odd.items():
        if name not in signed:
            yield Difference("added", called(name), why)


def _data(key: PublicKey, signed: Path, data: Manifest) -> _Found:
    path = signed / DATA
    if not path.exists():
        raise InputError(
            f"{shown(path, 300)}: no such file, so no data set was signed here. Name the folder with --signed."
        )
    opened = envelope.read_envelope(path, key)
    if opened.statement is None:
        return _Found(differences=(Difference("not signed", DATA, opened.why),))
    digests = [subject.digest for subject in opened.statement.subject]
    roots = [digest[ROWS] for digest in digests if ROWS in digest]
    files = [subject.digest.get("sha256") for subject in opened.statement.subject if subject.name == MANIFEST]
    if len(roots) != 1 or len(files) != 1:
        raise InputError(f"{shown(path, 300)}: is signed, but names no root and manifest of a data set.")
    return _Found(
        differences=tuple(_rows(signed / MANIFEST, str(files[0]), roots[0], data)),
        bills=(_bill(path, opened.statement),),
    )


def _rows(path: Path, sha256: str, signed_root: str, data: Manifest) -> Iterator[Difference]:
    whole = Difference("changed", data.name, f"its root is {data.merkle_root}, that of the signed set {signed_root}")
    now = _sha256(path) if path.exists() else None
    if now != sha256:
        unnamed = "" if data.merkle_root == signed_root else ", so the rows that differ cannot be named"
        if data.merkle_root != signed_root:
            yield whole
        yield Difference("removed" if now is None else "changed", MANIFEST, f"it is not the signed one{unnamed}")
        return
    old = manifests.read_manifest(path)
    changes = manifests.compare(old, data)
    for kind, ids in (
        ("row added", changes.added),
        ("row removed", changes.removed),
        ("row changed", changes.changed),
        ("row relabelled", changes.relabelled),
        ("row of another source", changes.resourced),
    ):
        yield from (Difference(kind, shown(each, 500)) for each in ids)
    if changes.reordered:
        yield Difference("changed", data.name, "its rows stand in another order")
    if old.classes != data.classes:
        yield Difference("changed", data.name, "its classes have other names or another order")
    if data.unread > old.unread:
        yield Difference(
            "changed", data.name, f"{data.unread:,} rows cannot be read, {old.unread:,} when it was signed"
        )
    if data.merkle_root != signed_root and not changes:
        yield whole


def _bill(path: Path, statement: Statement) -> dict[str, Any]:
    if statement.predicate_type != bom.PREDICATE:
        raise InputError(f"{shown(path, 300)}: is signed, but holds no bill of materials.")
    try:
        bom.kept(statement.predicate, REPORT)
    except (AttributeError, LookupError, TypeError) as error:
        raise InputError(f"{shown(path, 300)}: is signed, but not with a bill of materials of Bezoar's.") from error
    return statement.predicate


def _beside(signed: Path, bills: list[dict[str, Any]]) -> Iterator[Difference]:
    """The bill of materials and the report, which are signed through the statements."""
    if not bills:
        return
    if not (signed / BILL).exists():
        yield Difference("removed", BILL)
    else:
        try:
            with open_file(signed / BILL, _MOST_BYTES) as stream:
                said = parse_json(stream.read(), BILL)
        except InputError as error:
            yield Difference("changed", BILL, str(error).rstrip("."))
        else:
            if any(bill != said for bill in bills):
                yield Difference("changed", BILL)
    for wanted in {bom.kept(bill, REPORT) for bill in bills}:
        there = (signed / REPORT).exists()
        if wanted is None and there:
            yield Difference("added", REPORT)
        elif wanted is not None and not there:
            yield Difference("removed", REPORT)
        elif wanted is not None and _sha256(signed / REPORT) != wanted:
            yield Difference("changed", REPORT)


def _sha256(path: Path) -> str:
    with open_file(path, _MOST_BYTES) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
