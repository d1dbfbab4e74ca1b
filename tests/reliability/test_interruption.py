"""Real processes: signals, kills, several at once. The `thermograd` command as a person uses it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from logistic_map import everything

from thermograd.ensemble.config import load_config
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run as train
from thermograd.store.reader import open_run

STEPS, BETWEEN_RECORDS = 300, 5
RECORDS_OF_A_BLOCK = STEPS // BETWEEN_RECORDS + 1
CONFIG = f"""
name = "long"
problem = "quadratic"
trajectories = 6
block_size = 3
steps = {STEPS}
engine = "eager"
[[observe]]
kind = "signalling:Signalling"
at = {{ kind = "every", steps = {BETWEEN_RECORDS} }}
[minibatching]
kind = "with_replacement"
batch_size = 10
[store]
checkpoint_seconds = 0.01
time_chunk = 40
"""

Finished = tuple[int, str, str]
Command = Callable[..., Finished]


@pytest.fixture
def command() -> Iterator[Command]:
    """Runs `thermograd` to its end, which `signalling` may bring about; a failing test leaves none behind."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: object, signalling: str | None = None) -> Finished:
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path.strip(os.pathsep)}
        process = subprocess.Popen(
            [sys.executable, "-m", "thermograd", *map(str, words), "--allow-import"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | ({} if signalling is None else {"SIGNALLING": signalling}),
        )
        started.append(process)
        out, errors = process.communicate()
        return process.returncode, out, errors

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A config, and its numbers from one uninterrupted run in this process."""
    config = tmp_path_factory.mktemp("long") / "long.toml"
    config.write_text(CONFIG, encoding="utf-8")
    return config, everything(train(load_config(config, allow_import=True).experiment))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_checkpoints_and_the_run_goes_on_to_the_same_bits(long, tmp_path, command, number, code):
    """In its second block; it goes on for fewer steps than lie between two records: no further one is taken."""
    config, truth = long
    run, later = tmp_path / "run", tmp_path / "later"
    record = RECORDS_OF_A_BLOCK * 3 // 2
    found, out, errors = command("run", config, "--out", run, signalling=f"{number:d} {record} 1 {later}")
    assert found == code, errors
    assert not later.exists()
    first, second = open_run(run).committed.tolist()
    assert first == STEPS > second > 0
    assert f"thermograd resume {run}" in errors
    assert "Traceback" not in errors + out
    assert open_run(run).state == "interrupted"
    assert not open_run(run).complete
    assert everything(resume(run, allow_import=True)) == truth


def test_what_is_measured_after_a_signal_would_be_noticed(long, tmp_path, monkeypatch):
    """Negative control: a signal that stops nothing (SIGCONT) is followed by all other measurements."""
    config, truth = long
    later = tmp_path / "later"
    monkeypatch.setenv("SIGNALLING", f"{signal.SIGCONT:d} {RECORDS_OF_A_BLOCK} 1 {later}")
    assert everything(train(load_config(config, allow_import=True).experiment)) == truth
    assert later.stat().st_size >= RECORDS_OF_A_BLOCK


def test_a_second_signal_ends_at_once_and_the_run_stays_resumable(long, tmp_path, command):
    """In the middle of a record, which is then not kept."""
    config, truth = long
    run, later = tmp_path / "run", tmp_path / "later"
    code, _, errors = command("run", config, "--out", run, signalling=f"{signal.SIGINT:d} 20 2 {later}")
    assert code == 130, errors
    assert not later.exists()
    assert open_run(run).committed.max() < BETWEEN_RECORDS * 20
    assert everything(resume(run, allow_import=True)) == truth


def test_kills_at_random_records(long, tmp_path, command, nightly):
    """A SIGKILL in every start at a random record, until one gets through."""
    config, truth = long
    random_records = random.Random(11)
    run = tmp_path / "run"
    for _ in range(8 if nightly else 1):
        record = random_records.randint(1, RECORDS_OF_A_BLOCK)
        code, _, errors = command("run", config, "--out", run, signalling=f"{signal.SIGKILL:d} {record} 1 -")
        assert code in ({-signal.SIGKILL, 0} if nightly else {-signal.SIGKILL}), errors
    code, out, errors = command("run", config, "--out", run)
    assert code == 0, errors
    assert out.splitlines()[-1] == str(run)
    assert everything(open_run(run)) == truth


@pytest.mark.parametrize("resumed", [False, True])
def test_of_four_that_start_at_once_one_works(pool, small, small_truth, tmp_path, nightly, resumed):
    """Made or resumed: one owner, three that are told so; the false ones are exit 3 and write nothing."""
    for number in range(10 if nightly else 1):
        run = tmp_path / f"run{number}"
        if resumed:
            assert pool.ask({"run": run, "map": small, "until": 2})["error"] == ""
        answers = pool.ask({"run": run, "map": small, "at_once": 4, "pause": 0.05})
        assert sorted(answer["code"] for answer in answers) == [0, 3, 3, 3], answers
        assert {answer["error"] for answer in answers} == {"", "RunInUseError"}
        assert everything(open_run(run)) == small_truth
        starts = [
            event["event"] for event in open_run(run).events() if event["event"] in {"started", "resumed"}
        ]
        assert starts == ["started", "resumed"][: 1 + resumed]
        assert [entry.name for entry in tmp_path.iterdir() if "creating" in entry.name] == []
