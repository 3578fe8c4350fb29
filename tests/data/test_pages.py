"""Page headers of parquet columns are read as Arrow reads them, whatever the file says elsewhere."""

import io
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bezoar.data.pages import walk

rng = np.random.default_rng(0)
VALUES = [rng.bytes(int(length)) for length in rng.integers(1, 300, 500)]
PLAIN_BYTES = sum(4 + len(value) for value in VALUES)
"""PLAIN encoding (parquet-format, Encodings.md): a length of four bytes before each value."""


def written(values, **options):
    table = pa.table({"a": pa.array(values, pa.binary())}, schema=pa.schema([pa.field("a", pa.binary(), False)]))
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream, pq.read_metadata(stream)


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("rows", [500, 70])
def test_plain_pages_take_what_their_values_take(compression, version, rows):
    options = {"row_group_size": rows, "data_page_version": version, "data_page_size": 2_000, "write_batch_size": 10}
    stream, metadata = written(VALUES, use_dictionary=False, compression=compression, **options)
    found = walk(stream, metadata, [0])
    assert (found.total, found.dictionary) == (PLAIN_BYTES, 0)
    # A page ends once ten values more make it larger than it shall be; packed, noise takes as much again.
    assert 2 * 2_000 <= found.largest <= 2 * (2_000 + 10 * 304) + 100


@pytest.mark.parametrize("statistics", [True, False])
def test_a_dictionary_takes_what_its_different_values_take(statistics):
    stream, metadata = written(VALUES * 4, compression="snappy", write_statistics=statistics)
    found = walk(stream, metadata, [0])
    assert found.dictionary == PLAIN_BYTES
    assert PLAIN_BYTES < found.total < 2 * PLAIN_BYTES


def number(value):
    """As Thrift's compact protocol writes a 32-bit number."""
    value = (value << 1) ^ (value >> 31)
    out = []
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def page(kind, unpacked, packed, more=b""):
    fields = b"".join(b"\x15" + number(value) for value in (kind, unpacked, packed))
    return fields + more + b"\x00" + bytes(packed)


def chunk(content, *, dictionary=False):
    """Metadata of a column whose pages are `content`."""
    column = SimpleNamespace(data_page_offset=0, has_dictionary_page=dictionary, total_compressed_size=len(content))
    group = SimpleNamespace(column=lambda leaf: column)
    return io.BytesIO(content), SimpleNamespace(num_row_groups=1, row_group=lambda index: group)


DATA, DICTIONARY = 0, 2


def test_a_dictionary_is_found_wherever_it_lies_and_whatever_the_metadata_says():
    found = walk(*chunk(page(DATA, 10, 10) + page(DATA, 70, 20) + page(DICTIONARY, 5_000, 30) + page(DATA, 1, 1)), [0])
    assert (found.dictionary, found.largest, found.total) == (5_000, 5_030, 5_081)


def test_what_a_header_holds_besides_is_skipped():
    nested = b"\x1c" + b"\x15\x02" + b"\x18\x05hello" + b"\x12" + b"\x16\x80\x01" + b"\x00"
    assert walk(*chunk(page(DATA, 7, 3, nested) + page(DICTIONARY, 9, 2)), [0]).dictionary == 9


def test_a_number_wider_than_its_field_wraps_around_as_in_arrow():
    """2 to the 32nd and 100 more is 100 where 32 bits are kept: a header must not mean two things to two readers."""
    wide = (2 * (2**32 + 100)).to_bytes(5, "little")
    bits = int.from_bytes(wide, "little")
    varint = bytes([(bits >> shift & 127) | 128 for shift in (0, 7, 14, 21)] + [bits >> 28])
    header = b"\x15" + number(DICTIONARY) + b"\x15" + varint + b"\x15" + number(4) + b"\x00"
    assert walk(*chunk(header + bytes(4)), [0]).dictionary == 100


@pytest.mark.parametrize(
    "content",
    [
        b"\x15\x00\x15\x14\x00",
        page(DATA, -5, 10),
        b"\x15\x00\x15\x14\x15\x13\x00",
        b"\x19\x15\x00",
        b"\xff" * 40,
        b"\x1c" * 200 + bytes(200),
        b"\x18" + b"\xff" * 4 + b"\x7f" + bytes(9),
    ],
)
def test_what_is_no_header_is_refused(content):
    with pytest.raises(ValueError, match="header"):
        walk(*chunk(content), [0])


def test_headers_without_end_are_refused(monkeypatch):
    monkeypatch.setattr("bezoar.data.pages._MOST", 100)
    with pytest.raises(ValueError, match="too many pages"):
        walk(*chunk(page(DATA, 0, 0) * 101), [0])


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=80), before=st.booleans())
def test_any_bytes_are_walked_over_or_refused(content, before):
    try:
        found = walk(*chunk(page(DICTIONARY, 10, 4) + content if before else content), [0])
    except ValueError:
        return
    assert found.dictionary >= 10 * before
