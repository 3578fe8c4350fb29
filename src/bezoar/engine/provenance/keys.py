"""The keys that sign and verify: elliptic curves as PEM files, used without any network."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bezoar.core.errors import InputError, UsageError
from bezoar.data.intake import open_file, shown

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as error:
    raise UsageError(
        "signing needs cryptography, which is not installed. Run: pip install 'bezoar[signing]'."
    ) from error

_MOST_BYTES = 64 * 2**10
_CURVES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
"""Curves that model signatures may be made on, each with its hash (Sigstore's registry of algorithms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """What verifies signatures.

    Parameters
    ----------
    key : on one of the curves P-256, P-384 and P-521.
    name : of its file, for messages.
    """

    key: ec.EllipticCurvePublicKey
    name: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key as PEM, in hexadecimal: how bundles name it."""
        pem = self.key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(pem).hexdigest()

    def fits(self, signature: bytes, message: bytes) -> bool:
        """Whether the owner of the private key signed just this message."""
        try:
            self.key.verify(signature, message, ec.ECDSA(_CURVES[self.key.curve.name]))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """What signs.

    Parameters
    ----------
    key : on one of the curves P-256, P-384 and P-521.
    name : of its file, for messages.
    """

    key: ec.EllipticCurvePrivateKey
    name: str

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey(key=self.key.public_key(), name=self.name)

    def sign(self, message: bytes) -> bytes:
        """An ECDSA signature, DER."""
        return self.key.sign(message, ec.ECDSA(_CURVES[self.key.curve.name]))


def read_private(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """The private key in a PEM file.

    Raises
    ------
    InputError
        No such file, no private key, a key of another kind or curve, an encrypted one without the right passphrase.
    """
    pem = _pem(path)
    if b"PUBLIC KEY" in pem:
        raise InputError(f"{shown(path, 300)}: is a public key. Sign with the private one, verify with the public one.")
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except TypeError as error:
        wanted = (
            "is encrypted: name its passphrase with --passphrase-file" if passphrase is None else "is not encrypted"
        )
        raise InputError(f"{shown(path, 300)}: {wanted}.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        why = "no private key as PEM can be read here"
        why = f"{why}, or the passphrase is wrong" if passphrase is not None else why
        raise InputError(f"{shown(path, 300)}: {why}.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{shown(path, 300)}: is no elliptic-curve key. {_HOW}")
    _require_curve(key.curve, path)
    return PrivateKey(key=key, name=shown(path.name))


def read_public(path: Path) -> PublicKey:
    """The public key in a PEM file.

    Raises
    ------
    InputError
        No such file, no public key, a key of another kind or curve.
    """
    pem = _pem(path)
    if b"PRIVATE KEY" in pem:
        raise InputError(
            f"{shown(path, 300)}: is a private key, which belongs to the signer alone. Take its public half with "
            "`openssl ec -in key.pem -pubout -out public.pem`."
        )
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{shown(path, 300)}: no public key as PEM can be read here.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InputError(f"{shown(path, 300)}: is no elliptic-curve key. {_HOW}")
    _require_curve(key.curve, path)
    return PublicKey(key=key, name=shown(path.name))


_HOW = "Make one with `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`."


def _pem(path: Path) -> bytes:
    with open_file(path, _MOST_BYTES) as stream:
        return stream.read()


def _require_curve(curve: ec.EllipticCurve, path: Path) -> None:
    if curve.name not in _CURVES:
        raise InputError(
            f"{shown(path, 300)}: is on the curve {curve.name}; P-256, P-384 and P-521 can sign models. {_HOW}"
        )
