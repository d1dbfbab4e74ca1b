import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Sampler, TensorDataset

from thermograd.minibatching import Persistent

RULES = [
    Persistent(0.1, 50, fixed_size=True),
    Persistent(0.1, fixed_size=True),
    Persistent(0.9, 1.2, fixed_size=True),
    Persistent(1.0, 5, fixed_size=True),
    Persistent(0.2, 20),
    Persistent(0.2),
]


def of_an_ensemble(rule, seed, steps, samples):
    """The samples that trajectory 0 uses, from the plug-in."""
    rows, state = (0,), rule.start(seed, (0,), samples)
    batches = []
    for step in range(steps):
        batch, state = rule.draw(state, seed, rows, step, samples)
        used = batch.indices[0] if batch.weights is None else np.flatnonzero(batch.weights[0])
        batches.append(used.tolist())
    return batches


def taken(sampler, count):
    """Batches of as many epochs as needed."""
    return list(itertools.islice((batch for _ in itertools.count() for batch in sampler), count))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_batches_are_those_of_trajectory_0(rule):
    """Over several epochs, and over more steps than random words are drawn ahead for."""
    sampler = rule.batch_sampler(samples=53, steps=7, seed=2**40 + 5)
    assert isinstance(sampler, Sampler)
    assert taken(sampler, 150) == of_an_ensemble(rule, 2**40 + 5, 150, 53)
    assert of_an_ensemble(rule, 4, 150, 53) != taken(sampler, 150) or rule.fraction == 1


def test_torch_is_loaded_with_a_sampler_only():
    check = (
        "import sys; from thermograd.minibatching.persistent import Persistent; assert 'torch' not in sys.modules;"
        "Persistent(0.5, fixed_size=True).batch_sampler(samples=4); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("rule", [RULES[0], RULES[4]], ids=str)
def test_a_data_loader(rule, workers):
    data = TensorDataset(torch.arange(53))
    loader = DataLoader(data, batch_sampler=rule.batch_sampler(samples=53, seed=3), num_workers=workers)
    assert len(loader) == rule.steps_per_epoch(53)
    epochs = [[batch[0].tolist() for batch in loader] for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [len(loader)] * 2
    assert [*epochs[0], *epochs[1]] == of_an_ensemble(rule, 3, 2 * len(loader), 53)


def test_the_end_of_an_epoch_does_not_restart_the_process():
    """Correlation between the last batch of an epoch and the first of the next: ρ = 0.9, 4 sigma of 300 borders."""
    sampler = Persistent(0.1, 100, fixed_size=True).batch_sampler(samples=400, steps=2)
    kept = []
    for _ in range(300):
        first, last = list(sampler)
        if kept:
            kept[-1] = len(set(kept[-1]) & set(first)) / 40
        kept.append(last)
    overlap = np.array(kept[:-1])
    expected = 0.9 * (1 - 0.1) + 0.1
    assert abs(overlap.mean() - expected) < 4 * overlap.std() / np.sqrt(len(overlap)) + 1 / 400


def test_leaving_an_epoch_early_goes_on_from_there():
    rule = RULES[0]
    sampler = rule.batch_sampler(samples=53)
    batches = list(itertools.islice(sampler, 3)) + list(itertools.islice(sampler, 4))
    assert batches == of_an_ensemble(rule, 0, 7, 53)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("before", [0, 1, 63, 64, 100])
def test_resuming_gives_the_same_batches(rule, before):
    whole = rule.batch_sampler(samples=53, steps=5, seed=9)
    taken(whole, before)
    file = io.BytesIO()
    torch.save({"sampler": whole.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)["sampler"]
    rest = taken(whole, 80)
    resumed = rule.batch_sampler(samples=53, steps=5, seed=1)
    resumed.load_state_dict(state)
    assert taken(resumed, 80) == rest
    assert (state["seed"], state["step"], state["skipped"]) == (9, before, 0)
    assert taken(resumed, 5) == taken(whole, 5)


def test_the_state_is_a_copy():
    sampler = RULES[4].batch_sampler(samples=53)
    state = sampler.state_dict()
    state["state"]["selected"][:] = False
    assert next(iter(sampler)) == of_an_ensemble(RULES[4], 0, 1, 53)[0]


def test_correlations_over_a_long_run():
    """b = 0.1 of 2000 samples: 1 − 1/(bτ) between batches in a row, to 0.01 over 1500 steps; mean share b."""
    for persistence, correlation in ((30, 2 / 3), (100, 0.9)):
        batches = taken(Persistent(0.1, persistence, True).batch_sampler(samples=2000), 1500)
        shared = np.mean([len(set(a) & set(b)) / 200 for a, b in itertools.pairwise(batches)])
        assert abs((shared - 0.1) / 0.9 - correlation) < 0.01
        assert all(len(set(batch)) == 200 for batch in batches)


def test_empty_batches_are_skipped_and_counted():
    rule = Persistent(0.1, 30)
    with pytest.warns(UserWarning, match=r"20 samples is empty with probability 0.12.*use fixed_size=True"):
        sampler = rule.batch_sampler(samples=20, steps=6)
    expected = of_an_ensemble(rule, 0, 400, 20)
    batches = taken(sampler, 60)
    assert batches == [batch for batch in expected if batch][:60]
    assert sampler.skipped > 0
    assert sampler.step == 60 + sampler.skipped
    assert sampler.skipped == expected[: sampler.step].count([])
    assert len(list(sampler)) == len(sampler) == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 0}, "samples is 0; it must be a whole number from 1 to 2\\^31 − 1"),
        ({"samples": 2.0}, "samples is 2.0"),
        ({"samples": 40, "steps": 0}, "steps is 0"),
        ({"samples": 40, "seed": -1}, "seed is -1"),
        ({"samples": 40, "seed": True}, "seed is True"),
        ({"samples": 4}, r"round\(fraction \* 4 samples\) is 0"),
    ],
)
def test_bad_numbers_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        RULES[0].batch_sampler(**options)


def test_the_state_of_another_sampler_is_refused():
    state = RULES[0].batch_sampler(samples=53).state_dict()
    for other in (RULES[0].batch_sampler(samples=54), RULES[4].batch_sampler(samples=53)):
        with pytest.raises(ValueError, match=r"state is that of another sampler: it has .*\(1, 53\)"):
            other.load_state_dict(state)


@pytest.mark.parametrize("state", [None, {"step": 3}, []])
def test_what_is_no_state_is_named(state):
    sampler = Persistent(0.5, fixed_size=True).batch_sampler(samples=6)
    with pytest.raises(ValueError, match="no state of a batch sampler"):
        sampler.load_state_dict(state)
