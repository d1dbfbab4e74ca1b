"""Real processes: signals, kills at random times, several at once. The `thermograd` command as a person uses it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from logistic_map import everything

from thermograd.ensemble.config import load_config
from thermograd.ensemble.resume import resume
from thermograd.ensemble.run import run as train
from thermograd.store.reader import open_run

CONFIG = """
name = "long"
problem = "quadratic"
trajectories = 6
block_size = 3
steps = {steps}
observe = [{{ kind = "loss", at = {{ kind = "every", steps = 5 }} }}]
[minibatching]
kind = "with_replacement"
batch_size = 10
[store]
checkpoint_seconds = 0.05
time_chunk = 40
"""


def _command(*words: object) -> list[str]:
    return [sys.executable, "-m", "thermograd", *map(str, words)]


def _start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(_command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_until_it_trains(process: subprocess.Popen[str], run: Path) -> None:
    checkpoint = run / "blocks" / "00000" / "checkpoint.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A config, and its numbers from one uninterrupted run in this process."""
    folder = tmp_path_factory.mktemp("long")
    config = folder / "long.toml"
    config.write_text(CONFIG.format(steps=1500), encoding="utf-8")
    return config, everything(train(load_config(config).experiment))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_checkpoints_and_the_run_goes_on_to_the_same_bits(long, tmp_path, number, code):
    config, truth = long
    run = tmp_path / "run"
    process = _start("run", config, "--out", run)
    _wait_until_it_trains(process, run)
    begun = time.monotonic()
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert time.monotonic() - begun < 5
    assert f"thermograd resume {run}" in errors
    assert "Traceback" not in errors + out
    assert open_run(run).state == "interrupted"
    assert not open_run(run).complete
    assert everything(resume(run)) == truth


def test_a_second_signal_ends_at_once_and_the_run_stays_resumable(long, tmp_path):
    config, truth = long
    run = tmp_path / "run"
    process = _start("run", config, "--out", run)
    _wait_until_it_trains(process, run)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert everything(resume(run)) == truth


def test_kills_at_random_times(long, tmp_path):
    """Several SIGKILLs per run at uniform random times, as the clock has it."""
    config, truth = long
    clock = random.Random(11)
    run = tmp_path / "run"
    for _ in range(2):
        process = _start("run", config, "--out", run)
        time.sleep(clock.uniform(1.0, 3.5))
        process.kill()
        process.communicate()
        if run.exists():
            assert open_run(run).committed.max() <= 1500
    again = subprocess.run(_command("run", config, "--out", run), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == str(run)
    assert everything(open_run(run)) == truth


def test_of_four_that_start_at_once_one_works(pool, small, small_truth, tmp_path):
    """Made or resumed: one owner, three that are told so; the false ones are exit 3 and write nothing."""
    for number in range(5):
        run = tmp_path / f"run{number}"
        if number % 2:
            assert pool.ask({"run": run, "map": small, "until": 2})["error"] == ""
        answers = pool.ask({"run": run, "map": small, "at_once": 4, "pause": 0.05})
        assert sorted(answer["code"] for answer in answers) == [0, 3, 3, 3], answers
        assert {answer["error"] for answer in answers} == {"", "RunInUseError"}
        assert everything(open_run(run)) == small_truth
        starts = [
            event["event"] for event in open_run(run).events() if event["event"] in {"started", "resumed"}
        ]
        assert starts == ["started", "resumed"][: 1 + number % 2]
        assert [entry.name for entry in tmp_path.iterdir() if "creating" in entry.name] == []
