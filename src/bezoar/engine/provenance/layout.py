"""What a folder of signatures holds, and how digests are named in it."""

import hashlib
from collections.abc import Mapping

BUNDLE, MODEL, DATA = "model.sig", "model.intoto.json", "data.intoto.json"
BILL, MANIFEST, REPORT = "bom.cdx.json", "data.manifest.json", "audit.json"
WRITTEN = (BUNDLE, MODEL, DATA, BILL, MANIFEST, REPORT)
"""Every file that signing can leave in its folder."""
SIGNATURE = "https://model_signing/signature/v1.0"
"""What an OpenSSF bundle says of a model (OpenSSF Model Signing specification 1.0)."""
ROWS = "bezoarMerkleRoot"
"""The digest of a data set: the Merkle root over its rows, see :mod:`bezoar.core.digest`."""


def root(digests: Mapping[str, str]) -> str:
    """SHA-256 over the digests of files, one after the other: the one digest of a model in an OpenSSF bundle."""
    return hashlib.sha256(b"".join(bytes.fromhex(each) for each in digests.values())).hexdigest()
