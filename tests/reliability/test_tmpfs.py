"""A real file system of four megabytes, outgrown by a real command, and made larger: the numbers of a run that had room."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from logistic_map import everything

from thermograd.ensemble.config import load_config
from thermograd.ensemble.run import run as train
from thermograd.store.reader import open_run

CONFIG = """
name = "outgrowing"
problem = "quadratic"
trajectories = 1024
block_size = 512
steps = 160
engine = "eager"
observe = []
save_weights = { kind = "every", steps = 1 }
minibatching = { kind = "with_replacement", batch_size = 10 }
[store]
time_chunk = 16
"""


def mounted(place: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if not mounted(place, "size=4m"):
        pytest.skip("mounting a tmpfs is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=False)


def thermograd(*words: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "thermograd", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_a_disk_that_is_outgrown(tmp_path, disk):
    config = tmp_path / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    path = disk / "run"
    code, said = thermograd("run", config, "--out", path)
    assert code == 4, said
    last = said.splitlines()[-1]
    needed = re.search(r"the run needs about ([\d.]+) MB, ([\d.]+) (bytes|kB|MB) free on " + str(disk), last)
    assert needed is not None, last
    assert float(needed[1]) == pytest.approx((1024 * 161 * 3 * 8 + 2**20) / 1e6, rel=0.05)
    assert last.endswith(f"What is there is whole; free space, then: thermograd resume {path}")
    assert "Traceback" not in said
    stopped = open_run(path)
    assert (stopped.state, stopped.events()[-1]["event"]) == ("interrupted", "interrupted")
    assert stopped.committed.min() < 160
    assert not (path / "reserve").exists()
    assert not [file for file in path.rglob("*") if file.suffix in {".tmp", ".partial"}]
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    code, said = thermograd("resume", path)
    assert code == 0, said
    assert everything(open_run(path)) == everything(train(load_config(config).experiment))
