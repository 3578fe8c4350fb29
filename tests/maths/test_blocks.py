"""Work dealt out by blocks of rows."""

import threading

import pytest

from bezoar.maths import blocks
from bezoar.maths.blocks import by_blocks


@pytest.mark.parametrize(("rows", "width"), [(0, 5), (1, 5), (97, 5), (97, 0), (3, 10**9)])
def test_slices_cover_all_rows_in_order(rows, width, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK", 20)
    slices = list(by_blocks(lambda block: block, rows, width))
    assert [row for block in slices for row in range(rows)[block]] == list(range(rows))
    assert len(slices) == max(1, -(-rows // max(1, 20 // max(1, width))))


def test_few_results_wait_for_the_one_before_them(monkeypatch):
    """The first takes its time; the others don't pile up meanwhile."""
    monkeypatch.setattr(blocks, "_BLOCK", 1)
    monkeypatch.setattr(blocks.os, "cpu_count", lambda: 2)
    done, free = [], threading.Event()

    def work(block):
        if block.start == 0:
            free.wait(0.2)
        done.append(block.start)
        return block.start

    results = by_blocks(work, 1_000, 1)
    assert next(results) == 0
    assert len(done) <= 20
    assert list(results) == list(range(1, 1_000))


def test_an_error_in_one_block_is_raised(monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK", 1)
    with pytest.raises(ZeroDivisionError):
        list(by_blocks(lambda block: 1 // (block.start - 5), 9, 1))
