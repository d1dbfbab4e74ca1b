"""Rows of the speed table, and that all ways train the same networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from thermograd.ensemble.engines.kernel.compiler import compiler
from thermograd.reproductions import engines_speed
from thermograd.reproductions.engines_speed import LOOP, VMAP, Workload, ratios, workloads


@pytest.fixture
def workload(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    first = workloads(0)[1]
    return replace(first, bars={("eager", LOOP): 60.0, ("eager", VMAP): 2.0, ("auto", VMAP): 1.0})


def test_a_bar_is_reached_missed_or_open(workload):
    measured = {"eager": (100.0, 110.0, 105.0), LOOP: (10.0, 11.0, 10.5), VMAP: (50.0, 60.0, 48.0)}
    rows = list(ratios(workload, measured))
    assert [row.verdict.holds for row in rows] == [False, None, None]
    assert "missed" in rows[0].verdict.text
    assert "cannot run here" in rows[2].verdict.text
    reached = list(ratios(workload, measured | {"eager": (1000.0, 1100.0, 1050.0)}))
    assert [row.verdict.holds for row in reached[:2]] == [True, True]


def test_half_of_a_bar_is_asked_for_without_avx512(workload, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert [row.paper for row in ratios(workload, {})] == ["at least 30", "at least 1", "at least 1"]


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
def test_every_way_makes_the_same_updates(workload):
    given = replace(workload.experiment, trajectories=3, block_size=3)
    updates = {}
    for name in (LOOP, VMAP):
        made = {LOOP: engines_speed._one_after_another, VMAP: engines_speed._batched}[name](given)
        made(5)
        cells = dict(
            zip(made.__code__.co_freevars, (cell.cell_contents for cell in made.__closure__), strict=True)
        )
        if name == LOOP:
            updates[name] = np.stack([member["0.weight"].detach().numpy() for member in cells["members"]])
        else:
            updates[name] = cells["held"][0]["0.weight"].numpy()
    for engine in ("eager", "kernel"):
        _, trainer = engines_speed.prepare(replace(given, engine=engine))
        updates[engine] = trainer.advance(trainer.start(range(3)), 5).weights["0.weight"].numpy()
    for name, weights in updates.items():
        np.testing.assert_allclose(weights, updates["eager"], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_small_table_is_complete(monkeypatch, workload):
    small = Workload(
        "small", replace(workload.experiment, trajectories=2, block_size=2), {("eager", LOOP): 1.0}
    )
    monkeypatch.setattr(engines_speed, "workloads", lambda seed: (small,))
    monkeypatch.setattr(engines_speed, "_SECONDS", 0.01)
    (page,) = engines_speed.reproduce(engines_speed.Settings())
    assert page.complete
    assert len(page.rows) == 1
    assert page.figures[0].name == "speeds"
    assert "one thread" in page.facts[0][1]
