import math

import numpy as np
import pytest

from thermograd.theory.selection_processes import Selection


def drawn(selection, samples=4000, steps=200, seed=0):
    return np.array(list(selection.weights(samples, steps, np.random.default_rng(seed))))


@pytest.mark.parametrize(
    ("fraction", "persistence"), [(0.3, None), (0.3, 10.0), (0.1, 30.0), (0.5, 1.5), (0.6, 1.0)]
)
def test_a_persistent_process_has_the_known_mean_and_correlation(fraction, persistence):
    selection = Selection(kind="persistent", batch_fraction=fraction, persistence=persistence)
    selected = drawn(selection) * fraction
    assert set(np.unique(selected.round(12))) == {0.0, 1.0}
    tau = 1 / fraction if persistence is None else persistence
    rho = 1 - 1 / (fraction * tau)
    pieces = selected.size * (1 - abs(rho)) / (1 + abs(rho))
    assert abs(selected.mean() - fraction) < 4 * math.sqrt(fraction * (1 - fraction) / pieces)
    centred = selected - fraction
    for lag in (1, 3):
        found = (centred[lag:] * centred[:-lag]).mean() / (fraction * (1 - fraction))
        assert abs(found - rho**lag) < 5 / math.sqrt(pieces)
    assert (selected[0].mean() - fraction) ** 2 < 16 * fraction * (1 - fraction) / 4000


def test_rates_with_inside_and_outside_exchanged_give_another_mean():
    """The trap: they hold 1 − b of the samples in the batch."""
    fraction, persistence = 0.3, 10.0
    enter, leave = (1 - fraction) / (fraction * persistence), 1 / persistence
    assert enter / (enter + leave) == pytest.approx(1 - fraction)


def test_plain_sgd_is_the_same_numbers_as_persistence_of_one_over_the_fraction():
    plain = drawn(Selection(kind="sgd", batch_fraction=0.3))
    assert np.array_equal(plain, drawn(Selection(kind="persistent", batch_fraction=0.3, persistence=1 / 0.3)))
    assert np.array_equal(plain[:50], drawn(Selection(kind="sgd", batch_fraction=0.3), steps=50))


def test_reshuffled_uses_every_sample_once_an_epoch():
    selected = drawn(Selection(kind="reshuffled", batch_fraction=0.25), steps=40) / 4
    assert (selected.reshape(10, 4, -1).sum(axis=1) == 1).all()
    assert abs(selected.mean(axis=1) - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / 4000)


def test_gradient_descent_uses_all_and_rescaling_is_by_the_fraction():
    assert (drawn(Selection(kind="gd"), steps=3) == 1).all()
    scaled, plain = (drawn(Selection(kind="sgd", rescale=rescale), steps=3) for rescale in (True, False))
    np.testing.assert_allclose(scaled * 0.3, plain)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "random"}, "selection is 'random'. Known: gd"),
        ({"kind": "sgd", "batch_fraction": 1.5}, "batch_fraction is 1.5"),
        ({"kind": "sgd", "batch_fraction": math.nan}, "batch_fraction is nan"),
        ({"kind": "persistent", "persistence": math.nan}, "persistence is nan"),
        ({"kind": "persistent", "batch_fraction": 0.1, "persistence": 8.9}, "= 9: a sample would change"),
        ({"kind": "reshuffled", "batch_fraction": 0.4}, "1/batch_fraction to be a whole number"),
    ],
)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        Selection(**options)
