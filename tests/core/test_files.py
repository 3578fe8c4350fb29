"""A file is there whole or not at all."""

import errno
import os

import pytest

from bezoar.core.errors import OutputError
from bezoar.core.files import write_atomically, write_bytes, write_text


def test_missing_folders_are_made_and_the_whole_content_is_there(tmp_path):
    assert write_text(tmp_path / "a" / "b.txt", "é").read_bytes() == b"\xc3\xa9"


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        assert write_bytes(tmp_path / "f", b"").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_a_writer_that_fails_halfway_leaves_the_old_file_and_nothing_else(tmp_path, error):
    write_bytes(tmp_path / "f", b"old")

    def fail(stream):
        stream.write(b"ne")
        stream.flush()
        raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)) as caught:
        write_atomically(tmp_path / "f", fail)
    if isinstance(error, OSError):
        assert str(caught.value) == f"{tmp_path / 'f'}: cannot be written: No space left on device."
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f": b"old"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    """`/dev/full` refuses the flush, as a full disk does."""

    def fill(stream):
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(OutputError, match="No space left on device"):
        write_atomically(tmp_path / "f", fill)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_told_and_stays(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(OutputError, match=r"d: cannot be written: .*irectory"):
        write_bytes(tmp_path / "d", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_folder_without_permission_is_told(tmp_path):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("the superuser may write everywhere")
    with pytest.raises(OutputError, match="Permission denied"):
        write_bytes(tmp_path / "f", b"x")
