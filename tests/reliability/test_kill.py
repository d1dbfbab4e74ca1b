"""SIGKILL at any moment, then resume: the same bits as if nothing had happened."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from logistic_map import LogisticMap, LogisticTrainer, everything

from thermograd.store.reader import open_run

PARTS = 4


def _true_records() -> np.ndarray:
    """The map itself, iterated here."""
    x, rows = 0.1 + 0.013 * np.arange(2), []
    for _ in range(4):
        rows.append(x)
        x = 3.9 * x * (1 - x)
    return np.array(rows).T


def _committed_rows_are_right(path: Path) -> None:
    run = open_run(path)
    recorded, true = run["train_loss"], _true_records()
    limit = run.times("train_loss") <= run.committed[0]
    np.testing.assert_array_equal(recorded[:, limit], true[:, limit])
    assert np.isnan(recorded[:, ~limit]).all()
    assert ((run.outcome == 1) == (run.committed[0] == 3)).all()


def test_truth_is_the_map(truth):
    assert truth["train_loss"] == np.ascontiguousarray(_true_records()).tobytes()
    header = LogisticTrainer(LogisticMap()).header()
    assert header.blocks == 3


def test_kill_at_every_change_of_the_disk_while_the_run_is_made(pool, tiny, truth, tmp_path, nightly):
    """No kill leaves a half-made run; what is left beside it is swept by the next start."""
    path = tmp_path / "run"
    at, step = 0, 1 if nightly else 3
    while not path.exists():
        at += step
        answer = pool.ask({"run": path, "map": tiny, "at": at})
        assert answer["killed"]
        assert not path.exists() or (path / "manifest.json").exists()
    assert at > 50
    assert pool.ask({"run": path, "map": tiny})["error"] == ""
    assert everything(open_run(path)) == truth
    left = [entry for entry in tmp_path.iterdir() if (entry / "lock").exists() and entry != path]
    assert left == []


@pytest.fixture(scope="module")
def changes(pool, tiny, truth, born, tmp_path_factory) -> int:
    """How often one tiny run changes the disk, once it is made."""
    counted = tmp_path_factory.mktemp("counted") / "run"
    shutil.copytree(born, counted)
    whole = pool.ask({"run": counted, "map": tiny})["writes"]
    assert everything(open_run(counted)) == truth
    assert whole > 40
    return whole


@pytest.mark.parametrize("first", range(1, PARTS + 1))
def test_kill_at_every_change_of_the_disk_while_it_runs(pool, tiny, truth, born, tmp_path, changes, first):
    """At every one of them: each part takes every PARTS-th, from its own first on."""

    def killed_and_resumed(at: int) -> bool:
        path = tmp_path / f"run{at}"
        shutil.copytree(born, path)
        assert pool.ask({"run": path, "map": tiny, "at": at})["killed"]
        _committed_rows_are_right(path)
        answer = pool.ask({"run": path, "map": tiny})
        assert answer["error"] == "", answer
        found = everything(open_run(path))
        shutil.rmtree(path)
        return found == truth

    rounds = pool.each(killed_and_resumed, list(range(first, changes + 1, PARTS)))
    assert len(rounds) >= changes // PARTS
    assert all(rounds)


def test_a_swapped_commit_order_is_noticed(pool, tiny, truth, born, tmp_path):
    """Negative control: with the promise before the checkpoint, some kill must not resume to the truth."""

    def outcome(at: int) -> bool:
        path = tmp_path / f"run{at}"
        shutil.copytree(born, path)
        pool.ask({"run": path, "map": tiny, "at": at, "patches": ["commit order swapped"]})
        answer = pool.ask({"run": path, "map": tiny})
        return answer["error"] == "" and everything(open_run(path)) == truth

    assert not all(pool.each(outcome, list(range(10, 50, 3))))


def test_several_kills_in_one_run(pool, small, small_truth, tmp_path):
    """Kills at random moments of every start, until one gets through."""
    moments = np.random.default_rng(5).integers(20, 160, size=(3, 10))

    def kills(place: int) -> int:
        path, count = tmp_path / f"run{place}", 0
        for at in moments[place].tolist():
            count += pool.ask({"run": path, "map": small, "at": at})["killed"]
        assert pool.ask({"run": path, "map": small})["error"] == ""
        assert everything(open_run(path)) == small_truth
        return count

    assert sum(pool.each(kills, [0, 1, 2])) > 15
