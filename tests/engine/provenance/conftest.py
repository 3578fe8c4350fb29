"""Keys, and a small model of several files."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PASSPHRASE = b"open sesame"


def private_pem(key, encryption=serialization.NoEncryption()):  # noqa: B008  # never changed
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Files of keys by name: a pair, another pair, one encrypted, and of wrong kinds."""
    folder = tmp_path_factory.mktemp("keys")
    own = ec.generate_private_key(ec.SECP256R1())
    other = ec.generate_private_key(ec.SECP384R1())
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256K1())
    written = {
        "key": private_pem(own),
        "public": public_pem(own),
        "other": private_pem(other),
        "other_public": public_pem(other),
        "encrypted": private_pem(own, serialization.BestAvailableEncryption(PASSPHRASE)),
        "rsa": private_pem(numbers),
        "rsa_public": public_pem(numbers),
        "curve": private_pem(curve),
        "curve_public": public_pem(curve),
        "noise": b"no key at all\n",
        "passphrase": PASSPHRASE + b"\n",
        "wrong_passphrase": b"open barley\n",
    }
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in written}


@pytest.fixture
def model(tmp_path):
    """A folder with three files, one of them hidden, one in a folder whose name sorts apart from its path."""
    folder = tmp_path / "model"
    (folder / "part").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "part" / "more.bin").write_bytes(b"more")
    (folder / "part.txt").write_text("text")
    (folder / ".hidden").write_text("hidden")
    return folder
