"""Signed statements: in-toto Statements v1 in DSSE envelopes, alone or in the bundles of OpenSSF model signing.

References: in-toto Attestation Framework 1.0; Dead Simple Signing Envelope 1.0; Sigstore bundle format 0.3; OpenSSF
Model Signing specification 1.0.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from bezoar.core.errors import InputError
from bezoar.core.files import write_text
from bezoar.data.assembly import parse_json
from bezoar.data.intake import open_file, shown
from bezoar.engine.provenance.keys import PrivateKey, PublicKey

STATEMENT = "https://in-toto.io/Statement/v1"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a statement is about: a name, and its digests in hexadecimal by algorithm."""

    name: str
    digest: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something that a signer says of subjects.

    Parameters
    ----------
    subject : what it is about.
    predicate_type : the URI that says how to read `predicate`.
    predicate : what is said.
    """

    subject: tuple[Subject, ...]
    predicate_type: Annotated[str, pydantic.Field(alias="predicateType")]
    predicate: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A statement out of its envelope.

    Parameters
    ----------
    statement : what was signed; None where no signature of the key fits it, as then nobody said it.
    why : why none fits.
    """

    statement: Statement | None
    why: str = ""


class _Signature(pydantic.BaseModel):
    sig: pydantic.Base64Bytes
    keyid: str = ""


class _Envelope(pydantic.BaseModel):
    payload: pydantic.Base64Bytes
    payload_type: Literal["application/vnd.in-toto+json"] = pydantic.Field(alias="payloadType")
    signatures: tuple[_Signature, ...] = pydantic.Field(min_length=1)


class _PublicKey(pydantic.BaseModel):
    hint: str = ""


class _Material(pydantic.BaseModel):
    public_key: _PublicKey = pydantic.Field(alias="publicKey")


class _Bundle(pydantic.BaseModel):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"] = pydantic.Field(alias="mediaType")
    material: _Material = pydantic.Field(alias="verificationMaterial")
    envelope: _Envelope = pydantic.Field(alias="dsseEnvelope")


class _Said(pydantic.BaseModel):
    """A statement that names its own type."""

    type: Literal["https://in-toto.io/Statement/v1"] = pydantic.Field(alias="_type")


_STATEMENT = pydantic.TypeAdapter(Statement)
_Form = TypeVar("_Form", bound=pydantic.BaseModel)


def write_envelope(path: Path, statement: Statement, key: PrivateKey) -> Path:
    """Sign a statement and write its envelope as JSON."""
    return _write(path, _sealed(statement, key, keyid=key.public.fingerprint))


def write_bundle(path: Path, statement: Statement, key: PrivateKey) -> Path:
    """Sign a statement and write the bundle that OpenSSF model signing makes with a key."""
    material = {"publicKey": {"hint": key.public.fingerprint}, "tlogEntries": []}
    sealed = _sealed(statement, key, keyid="")
    return _write(path, {"mediaType": _BUNDLE, "verificationMaterial": material, "dsseEnvelope": sealed})


def read_envelope(path: Path, key: PublicKey) -> Opened:
    """Open an envelope with the key that must have signed it. Raises ``InputError`` where there is none."""
    envelope = _read(path, _Envelope, "a DSSE envelope")
    return _unsealed(path, envelope, key, [each.keyid for each in envelope.signatures])


def read_bundle(path: Path, key: PublicKey) -> Opened:
    """Open a bundle with the key that must have signed it. Raises ``InputError`` where there is none."""
    bundle = _read(path, _Bundle, "a Sigstore bundle signed with a key")
    return _unsealed(path, bundle.envelope, key, [bundle.material.public_key.hint])


def _sealed(statement: Statement, key: PrivateKey, *, keyid: str) -> dict[str, Any]:
    said = {"_type": STATEMENT, **_STATEMENT.dump_python(statement, mode="json", by_alias=True)}
    payload = json.dumps(said, ensure_ascii=False).encode()
    signature = key.sign(_framed(payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": _PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": keyid}],
    }


def _framed(payload: bytes) -> bytes:
    """What is signed in the place of a payload: its type and length go with it (DSSE 1.0, section "PAE")."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def _unsealed(path: Path, envelope: _Envelope, key: PublicKey, named: Sequence[str]) -> Opened:
    if not any(key.fits(each.sig, _framed(envelope.payload)) for each in envelope.signatures):
        others = [each for each in named if each and each != key.fingerprint]
        if others:
            return Opened(
                statement=None,
                why=f"was signed with another key ({shown(others[0], 16)}) than {key.name} ({key.fingerprint[:16]}...)",
            )
        return Opened(statement=None, why=f"was changed since it was signed: no signature of {key.name} fits it")
    said = parse_json(envelope.payload, shown(path, 300))
    try:
        _Said.model_validate(said)
        return Opened(statement=_STATEMENT.validate_python(said))
    except pydantic.ValidationError as error:
        raise InputError(f"{shown(path, 300)}: holds no in-toto Statement v1: {_first(error)}.") from error


def _read(path: Path, form: type[_Form], words: str) -> _Form:
    with open_file(path, _MOST_BYTES) as stream:
        said = parse_json(stream.read(), shown(path, 300))
    try:
        return form.model_validate(said)
    except pydantic.ValidationError as error:
        raise InputError(f"{shown(path, 300)}: not {words}: {_first(error)}.") from error


def _write(path: Path, value: dict[str, Any]) -> Path:
    return write_text(path, json.dumps(value, indent=2) + "\n")


def _first(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{shown('.'.join(str(part) for part in first['loc']))}: {shown(first['msg'])}"
