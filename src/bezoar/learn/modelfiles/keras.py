"""The .keras zip: a configuration, weights in HDF5, assets."""

from collections.abc import Iterator

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import archives, keras_config, strict_json, zips
from bezoar.learn.modelfiles.pieces import Piece
from bezoar.learn.modelfiles.verdict import LIES, UNREAD, Reason


def scan_zip(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge the configuration, and every other member by what it is."""
    archive = zips.read(piece.data)
    yield from archives.placed(piece, archive.reasons)
    for member in archive.members:
        if member.name == "config.json":
            yield from _config(piece, member)
        else:
            yield from archives.opened(piece, member)


def _config(piece: Piece, member: zips.Member) -> Iterator[Reason]:
    try:
        content, reasons = zips.unpack(piece.data, member, piece.budget)
        yield from archives.placed(piece, reasons)
        inner = piece.inner(member.name, content)
        value, repeated = strict_json.parse(inner.text())
    except InputError as error:
        yield Reason(UNREAD, piece.at(member.name), str(error))
        return
    for key in repeated[:20]:
        yield Reason(LIES, inner.at(key), "occurs more than once in an object: readers may take different ones")
    for path, code, what in keras_config.problems(value):
        yield Reason(code, inner.at(path), what)
