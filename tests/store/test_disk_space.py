from __future__ import annotations

import errno

import pytest

from thermograd.errors import DiskFullError
from thermograd.store.disk_space import RESERVE_BYTES, disk_full, is_disk_error, keep_reserve, release_reserve
from thermograd.store.failures import Failure, block_folder, clear_failure, read_failures, write_failure


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_refusing_disk_is_recognised_through_what_it_caused(number):
    inner = OSError(number, "refused")
    outer = RuntimeError("zarr")
    outer.__cause__ = inner
    assert is_disk_error(inner)
    assert is_disk_error(outer)
    assert not is_disk_error(OSError(errno.ENOENT, "gone"))


def test_a_run_that_was_begun_is_resumed_after_making_room(tmp_path):
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    error = disk_full(folder, 1_200_000_000, OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(error, DiskFullError)
    assert error.exit_code == 4
    assert "needs about 1.2 GB" in str(error)
    assert f"free on {folder}" in str(error)
    assert f"What is there is whole; free space, then: thermograd resume '{folder}'" in str(error)


@pytest.mark.parametrize(
    ("number", "says", "todo"),
    [
        (errno.ENOSPC, "the disk refused to write", "free space, or choose another folder with --out"),
        (errno.EROFS, "is on a read-only file system", "choose another folder with --out"),
        (errno.EACCES, "you may not write to", "choose another folder with --out"),
    ],
)
def test_a_run_that_was_never_begun_is_not_resumed(tmp_path, number, says, todo):
    cause = RuntimeError("zarr")
    cause.__cause__ = OSError(number, "refused", str(tmp_path / "a" / ".new.creating-0123"))
    text = str(disk_full(tmp_path / "a" / "new", 1_200_000_000, cause))
    assert says in text
    assert text.endswith(f"Nothing was written; {todo}")
    assert "resume" not in text
    assert "(refused)" in text  # and no name that only we know
    assert (f"free on {tmp_path}" in text) == (number == errno.ENOSPC)


def test_the_reserve_is_part_of_what_a_run_needs(tmp_path):
    assert "needs about 1.05 MB" in str(disk_full(tmp_path / "new", 240, OSError(errno.ENOSPC, "full")))


def test_a_begun_run_on_a_read_only_disk_needs_no_room(tmp_path):
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    text = str(disk_full(tmp_path, 10, OSError(errno.EROFS, "Read-only file system")))
    assert "make it writable, then: thermograd resume" in text
    assert "free" not in text


def test_the_reserve_takes_real_room_once(tmp_path):
    keep_reserve(tmp_path)
    content = (tmp_path / "reserve").read_bytes()
    assert len(content) == RESERVE_BYTES
    assert len(set(content)) == 256  # nothing a file system could compress away
    keep_reserve(tmp_path)
    assert (tmp_path / "reserve").read_bytes() == content
    release_reserve(tmp_path)
    release_reserve(tmp_path)
    assert not (tmp_path / "reserve").exists()


def test_failures_are_listed_by_block_even_unreadable_ones(tmp_path):
    assert read_failures(tmp_path) == ()
    failure = Failure(7, "ValueError", "no", "Traceback ...", 12, 2, "n3")
    write_failure(tmp_path, failure)
    folder = block_folder(tmp_path, 2)
    folder.mkdir()
    (folder / "failure.json").write_text("{", encoding="utf-8")
    unreadable, read = read_failures(tmp_path)
    assert (unreadable.block, unreadable.kind) == (2, "unreadable")
    assert read == failure
    clear_failure(tmp_path, 7)
    assert [entry.block for entry in read_failures(tmp_path)] == [2]
