"""Content hashes of rows do not depend on how many are looked at at a time."""

import pyarrow as pa

from bezoar.core import digest


def test_rows_of_a_table_hash_the_same_in_blocks_as_at_once(monkeypatch):
    table = pa.table({"a": [1.0, None, 3.5, 4.0, 5.0], "b": ["x", "y", None, "\ud7ff", ""], "c": [True] * 5})
    whole = digest.inputs(table)
    assert len(set(whole)) == 5
    monkeypatch.setattr(digest, "_ROWS", 2)
    assert digest.inputs(table) == whole
    assert digest.inputs(pa.concat_tables([table.slice(0, 1), table.slice(1)])) == whole
