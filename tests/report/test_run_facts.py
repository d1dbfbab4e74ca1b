from __future__ import annotations

import numpy as np

from thermograd.report.run_facts import facts, verdicts
from thermograd.store.failures import Failure
from thermograd.store.layout import FAILED, PENDING


def test_what_was_run_is_said(run_of):
    run = run_of({"loss": np.zeros((20, 5))}, diverged_at=[10] + [-1] * 19)
    run.source.set_notes(["float32 with replacement"])
    said = dict(facts(run))
    assert said["Trajectories"] == "20: 19 finished, 1 diverged, 0 failed, 0 pending"
    assert said["Length"] == "40 optimiser steps = 4 epochs"
    assert said["Engine"] == "eager: a test"
    assert said["Recorded"] == "loss at 5 times"
    assert said["Note"] == "float32 with replacement"


def test_a_run_directory_says_more(run_of, monkeypatch):
    run = run_of({"loss": np.zeros((20, 5))})
    manifest = {
        "state": "finished", "dtype": "float64", "thermograd_version": "1.2", "identity": "abc",
        "environment": {"torch": "2.13.0"}, "generation": 3,
    }  # fmt: skip
    monkeypatch.setattr(type(run.source), "manifest", manifest)
    monkeypatch.setattr(type(run.source), "state", "failed")
    monkeypatch.setattr(type(run.source), "failures", (Failure(1, "OSError", "no disk", "", 5, 2, "n1"),))
    said = dict(facts(run))
    assert said["State"] == "failed"
    assert said["Failed"] == "block 1 after 2 attempts: OSError: no disk"
    assert said["Weights"] == "float64"
    assert said["Environment"] == "torch 2.13.0"
    assert said["Started"] == "3 times"


def test_speed_is_said_only_of_a_run_without_interruption(run_of):
    run = run_of({"loss": np.zeros((20, 5))})
    started = {"event": "started", "time": "2026-01-01T00:00:00.000Z"}
    finished = {"event": "finished", "time": "2026-01-01T00:00:04.000Z"}
    run.source.events = lambda: [started, finished]
    assert dict(facts(run))["Speed"].startswith("200 trajectory-steps per second")  # 20 * 40 / 4 s
    run.source.events = lambda: [started, {"event": "resumed", "time": ""}, finished]
    assert "Speed" not in dict(facts(run))


def test_nothing_committed_is_a_verdict(run_of):
    (found,) = verdicts(run_of({"loss": np.zeros((20, 5))}, committed=False))
    assert (found.holds, found.kind) == (None, "nothing_committed")


def test_divergence_is_counted_with_an_interval(run_of):
    (good,) = verdicts(run_of({"loss": np.zeros((20, 5))}))
    assert good.holds is True
    assert "0 of 20, share 0 (0–0.168)" in good.text
    (bad,) = verdicts(run_of({"loss": np.zeros((20, 5))}, diverged_at=[10] + [-1] * 19))
    assert bad.holds is False
    assert bad.evidence["diverged"] == 1


def test_failed_and_pending_trajectories_are_said(run_of):
    run = run_of({"loss": np.zeros((20, 5))})
    run.source._outcome[:3], run.source._outcome[3:5] = FAILED, PENDING
    kinds = {verdict.kind: verdict for verdict in verdicts(run)}
    assert kinds["failed_blocks"].text.startswith("3 of 20")
    assert "(1 of 2 blocks)" in kinds["failed_blocks"].text
    assert kinds["incomplete"].text.startswith("2 of 20")
    assert (
        "up to step 40 = epoch 4 in 2 of 2 blocks. The run is interrupted; go on with"
        in kinds["incomplete"].text
    )


def test_of_a_run_under_way_it_is_open_whether_it_diverges(run_of):
    run = run_of({"loss": np.zeros((20, 5))}, block_size=10)
    run.source._outcome[:] = PENDING
    run.source._committed[1] = -1
    found = {verdict.kind: verdict for verdict in verdicts(run)}["stayed_finite"]
    assert found.holds is None
    assert found.text.startswith("No trajectory has diverged so far (0 of 10,")  # the others have not begun
    run.source._diverged_at[0] = 7
    found = {verdict.kind: verdict for verdict in verdicts(run)}["stayed_finite"]
    assert found.holds is False
    assert "1 of 10 trajectories diverged so far" in found.text


def test_trajectories_that_failed_are_no_evidence_that_all_is_well(run_of):
    run = run_of({"loss": np.zeros((20, 5))})
    run.source._outcome[:15] = FAILED
    found = {verdict.kind: verdict for verdict in verdicts(run)}["stayed_finite"]
    assert "(0 of 5," in found.text
    run.source._outcome[:16], run.source._outcome[16:] = FAILED, PENDING
    run.source._committed[1] = -1
    found = {verdict.kind: verdict for verdict in verdicts(run)}["stayed_finite"]
    assert (found.holds, found.evidence["trajectories"]) == (None, 0)


def test_blocks_that_failed_alike_are_said_once(run_of, monkeypatch):
    run = run_of({"loss": np.zeros((20, 5))})
    alike = tuple(Failure(block, "MemoryError", "too large", "", -1, 2, "n1") for block in range(30))
    monkeypatch.setattr(
        type(run.source), "failures", (*alike, Failure(30, "OSError", "gone", "", -1, 1, "n1"))
    )
    failed = [text for name, text in facts(run) if name == "Failed"]
    assert failed[0].startswith("30 blocks (0, 1, 2,")
    assert failed[1] == "block 30 after 1 attempt: OSError: gone"


def test_of_a_run_that_lost_blocks_neither_a_speed_nor_the_same_note_twice(run_of, monkeypatch):
    run = run_of({"loss": np.zeros((20, 5))})
    moments = [("started", "2026-01-01T00:00:00Z"), ("finished", "2026-01-01T00:00:04Z")]
    run.source.events = lambda: [{"event": event, "time": time} for event, time in moments]
    run.source.set_notes(["1 of 2 blocks failed: block 0: OSError: gone", "another"])
    assert {"Speed", "Note"} <= set(dict(facts(run)))
    monkeypatch.setattr(type(run.source), "failures", (Failure(0, "OSError", "gone", "", -1, 1, "n1"),))
    assert "Speed" not in dict(facts(run))
    assert [text for name, text in facts(run) if name == "Note"] == ["another"]


def test_where_every_block_failed_that_is_said_first(run_of):
    run = run_of({"loss": np.zeros((20, 5))}, committed=False)
    run.source._outcome[:] = FAILED
    assert [verdict.kind for verdict in verdicts(run)] == ["failed_blocks", "nothing_committed"]


def test_a_change_of_environment_has_a_line_of_its_own(run_of):
    run = run_of({"loss": np.zeros((20, 5))})
    run.source.set_notes(["bits may differ in the last place: torch 2.13.0 → 2.15.0"])
    assert dict(facts(run))["Environment changed"].endswith("2.15.0")
