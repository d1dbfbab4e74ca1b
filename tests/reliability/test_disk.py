"""A disk that fills up, fails or goes read-only at any write: exit 4, nothing lost, resume equal."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from logistic_map import everything

from thermograd.store.reader import open_run


@pytest.mark.parametrize(("fault", "stride"), [("ENOSPC", 3), ("EIO", 4), ("EROFS", 5)])
def test_refused_at_every_change_of_the_disk(pool, tiny, truth, born, tmp_path, thinned, fault, stride):
    counted = tmp_path / "counted"
    shutil.copytree(born, counted)
    whole = pool.ask({"run": counted, "map": tiny})["writes"]

    def refused_and_resumed(at: int) -> str | None:
        path = tmp_path / f"run{at}"
        shutil.copytree(born, path)
        answer = pool.ask({"run": path, "map": tiny, "at": at, "fault": fault})
        if answer["error"]:
            if (answer["error"], answer["code"]) != ("DiskFullError", 4):
                return f"{at}: {answer}"
            words = (f"thermograd resume {path}", "ead-only file system" if fault == "EROFS" else "free on")
            if not all(word in answer["message"] for word in words):
                return f"{at}: {answer['message']}"
        elif (
            everything(open_run(path)) != truth
        ):  # a refusal that could be passed over, as of an unlink at the end
            return f"{at}: not refused, and wrong"
        open_run(path)
        again = pool.ask({"run": path, "map": tiny})
        equal = not again["error"] and everything(open_run(path)) == truth
        shutil.rmtree(path)
        return None if equal else f"{at}: {again}"

    found = pool.each(refused_and_resumed, thinned(list(range(1, whole + 1)), stride))
    assert [entry for entry in found if entry is not None] == []
    assert len(found) > 10


@pytest.mark.parametrize("fault", ["ENOSPC", "EROFS"])
def test_refused_while_the_run_is_made_leaves_nothing(pool, tiny, tmp_path, thinned, fault):
    for at in thinned(list(range(1, 90)), 5):
        folder = tmp_path / f"{at}"
        folder.mkdir()
        answer = pool.ask({"run": folder / "run", "map": tiny, "at": at, "fault": fault})
        assert (answer["error"], answer["code"]) == ("DiskFullError", 4)
        assert not (folder / "run").exists() or (folder / "run" / "manifest.json").exists()
        if fault == "ENOSPC":
            assert list(folder.iterdir()) in ([], [folder / "run"])


def test_a_full_file_system_of_its_own(tmp_path, small, small_truth, pool):
    """Four real megabytes: the reserve lets the last words be written."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        path = place / "run"
        assert pool.ask({"run": path, "map": small, "until": 3})["error"] == ""
        filler = place / "filler"
        descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space"):
            _fill(descriptor)
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - 12 * 4096)
        os.close(descriptor)
        answer = pool.ask({"run": path, "map": small})
        assert (answer["error"], answer["code"]) == ("DiskFullError", 4), answer
        assert open_run(path).state == "interrupted"
        assert not (path / "reserve").exists()
        filler.unlink()
        assert pool.ask({"run": path, "map": small})["error"] == ""
        assert everything(open_run(path)) == small_truth
    finally:
        subprocess.run(["umount", str(place)], check=False)


def _fill(descriptor: int) -> None:
    while True:
        os.write(descriptor, bytes(4096))
