"""A loop of one's own goes through each epoch to its end, or is told where it is."""

from __future__ import annotations

import pytest

from thermograd.training.epoch_place import EpochPlace


def inside(updates: int) -> EpochPlace:
    place = EpochPlace(3)
    place.begin()
    for _ in range(updates):
        place.advance()
    return place


def test_an_epoch_counts_when_every_batch_had_its_update():
    place = inside(3)
    assert (place.inside, place.updates, place.epoch) == (True, 3, 0)
    place.end()
    assert (place.inside, place.updates, place.epoch) == (False, 0, 1)
    place.check_ended()
    place.check_drawn()


@pytest.mark.parametrize("updates", [0, 2, 4])
def test_an_epoch_that_was_not_gone_through_does_not_count(updates):
    place = inside(updates)
    with pytest.raises(RuntimeError, match=f"called {updates} times in an epoch of 3 batches"):
        place.end()
    assert (place.inside, place.epoch) == (False, 0)
    place.begin()


def test_what_belongs_inside_or_between_epochs_is_refused_elsewhere():
    with pytest.raises(RuntimeError, match="outside an epoch"):
        EpochPlace(3).check_inside()
    with pytest.raises(RuntimeError, match="more than 3 times"):
        inside(3).check_inside()
    inside(2).check_inside()
    with pytest.raises(RuntimeError, match="epoch 0 was not gone through to its end"):
        inside(1).check_ended()
    with pytest.raises(RuntimeError, match="before the first epoch"):
        EpochPlace(3).check_drawn()
    with pytest.raises(RuntimeError, match="after 0 of 3 batches"):
        inside(0).check_drawn()


def test_a_place_that_was_saved_is_between_two_epochs():
    place = inside(2)
    place.go_on_after(5)
    assert (place.epoch, place.inside) == (5, False)
