"""Every row of the reliability plan: a few rounds in each run of the tests, all of them at night."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from thermograd.reproductions import (
    running_damage,
    running_disk_faults,
    running_four_at_once,
    running_kills,
    running_orphans,
    running_poison_block,
    running_signals,
)
from thermograd.reproductions.running_harness import SMALL, TINY
from thermograd.reproductions.running_plan import PLAN

FEW = {
    "kills": 2,
    "kills at writes": 2,
    "disk faults": 6,
    "disk faults of workers": 2,
    "damage": 6,
    "same bits": 2,  # processes and Dask: beside the executors
    "four at once": 2,
    "orphans": 1,
    "poison block": 3,
    "signals": 1,  # each of them: test_interruption
    "spoilt files": 50,
}
CONTROLS = {
    "commit order swapped": "committed after it|is wrong|other numbers",
    "no checksums": "a wrong number was read",
    "no fence": "had two owners|other numbers|exit 1",
    "no lock": "exit codes|the events tell",
}
PROMISES = [name for name in PLAN if name not in CONTROLS]


def played(name, harness, nightly):
    row = PLAN[name] if nightly or name not in FEW else replace(PLAN[name], quick=FEW[name])
    found = row.play(harness, 0, full=nightly)
    if found.missing:
        pytest.skip(found.missing)
    return found


@pytest.mark.parametrize("name", PROMISES)
def test_what_is_promised_holds(harness, nightly, name):
    found = played(name, harness, nightly)
    assert not found.control
    assert found.failures == ()
    assert found.rounds >= FEW.get(name, 1)


@pytest.mark.parametrize(("name", "reason"), CONTROLS.items())
def test_a_fault_built_in_on_purpose_is_noticed(harness, nightly, name, reason):
    found = played(name, harness, nightly)
    assert found.control
    assert found.verdict.holds, found
    for failure in found.failures:
        assert re.search(reason, failure), failure


@pytest.mark.parametrize(
    ("module", "what"),
    [
        (running_kills, running_kills._EXPERIMENT),
        (running_disk_faults, TINY),
        (running_damage, SMALL),
        (running_four_at_once, SMALL),
        (running_orphans, running_orphans._EXPERIMENT),
        (running_poison_block, running_poison_block._EXPERIMENT),
        (running_signals, running_signals._EXPERIMENT),
    ],
)
def test_other_numbers_are_noticed(harness, module, what):
    """Negative control of every row: the last bit of the truth is another one."""
    true = harness.truth(what)
    *others, last = true["train_loss"]
    other = {**true, "train_loss": bytes([*others, last ^ 1])}
    found = module.rounds(replace(harness, truths={what: other}), 1, 0)
    assert len(found.failures) == found.rounds == 1
    assert found.verdict.holds is False
