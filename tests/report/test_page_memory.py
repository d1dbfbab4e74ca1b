"""The page of a large run in a process of its own: what it takes at most."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thermograd.ensemble.directory_run import Launch, train_in_directory
from thermograd.store.options import StoreOptions

pytest.importorskip("zarr")
sys.path.append(str(Path(__file__).parents[1] / "reliability"))
from logistic_map import LogisticMap, LogisticTrainer

LIMIT = 400e6
SCRIPT = """
import re, sys
from pathlib import Path
{work}
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]))
"""


def peak(work: str) -> float:
    """Peak resident memory of a fresh interpreter; that of `resource` would count the parent's before exec."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(work=work)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


class NoiseTrainer(LogisticTrainer):
    """Records noise that falls, as fast as it can be written."""

    def train(self, block, sink, *, until=None, progress=None):
        members, steps = self.header().block(block), self.experiment.steps
        rng, ends = np.random.default_rng(block), np.full(len(members), -1)
        for step in range(steps + 1):
            sink.record("train_loss", step, rng.normal(2 - step / steps, 0.1, len(members)))
        sink.record("weights/0.bias", 0, np.zeros((len(members), 3)))
        sink.commit(self._checkpoint(np.zeros(len(members)), steps, ends), self._outcome(steps, ends))


@pytest.fixture(scope="module", params=[1000, 10_000], ids=["10 blocks", "one block"])
def large(request, tmp_path_factory):
    """10 000 trajectories at 1001 times: 80 MB."""
    path = tmp_path_factory.mktemp("large") / "run"
    experiment = LogisticMap(trajectories=10_000, steps=1000, block_size=request.param, observables=1)
    train_in_directory(NoiseTrainer(experiment), path, Launch(options=StoreOptions(checkpoint_seconds=3600)))
    return path


def test_a_run_of_ten_thousand_trajectories(large):
    taken = peak(f"from thermograd.report.page import report_run; report_run({str(large)!r})")
    assert (large / "report.html").stat().st_size < 6_000_000
    assert taken <= LIMIT


@pytest.mark.parametrize("large", [10_000], indirect=True, ids=["one block"])
def test_two_of_them_compared(large, tmp_path):
    other = tmp_path / "other"
    other.symlink_to(large)  # the same numbers under another name
    out = tmp_path / "page.html"
    work = f"from thermograd.report import page; page.distinct = lambda runs: (runs, 0); page.report_run([{str(large)!r}, {str(other)!r}], {str(out)!r})"
    taken = peak(work)
    assert taken <= LIMIT
    assert "2 runs compared" in out.read_text("utf-8")


def test_the_measure_sees_what_is_held():
    assert peak("import numpy; held = numpy.ones(60_000_000)") > LIMIT
