"""The record a watch keeps, against the trajectory itself: what is kept, about which anchor, in how much memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermograd.estimators.block_ends import block_ends
from thermograd.estimators.stationarity import anchor_of, blocks_in_window

WALK = np.random.default_rng(1).normal(size=(401, 3)).cumsum(0)
SQUARED = np.random.default_rng(2).exponential(size=400)


def record(blocks, **how):
    return block_ends(WALK[: blocks + 1], SQUARED[:blocks], steps_per_block=5, **how)


def naive_kept(blocks, most=64):
    """Block by block, as they come: at `most` blocks every second end is dropped and the blocks double."""
    ends, stride = [0], 1
    for block in range(1, blocks + 1):
        if block % stride == 0:
            ends.append(block)
        if len(ends) - 1 == most:
            ends, stride = ends[::2], stride * 2
    return ends


@given(st.integers(1, 400))
def test_keeps_what_dropping_every_second_end_keeps(blocks):
    kept = naive_kept(blocks)
    found = record(blocks)
    assert found.steps.tolist() == [5 * end for end in kept]
    assert found.blocks < 64
    assert found.squared_norm == pytest.approx((WALK[kept] ** 2).sum(1))
    assert found.squared_update == pytest.approx([SQUARED[:end].sum() for end in kept])
    assert found.measured.tolist() == [5 * end for end in kept]
    assert (found.sketch == WALK[kept]).all()


def test_memory_of_the_velocity_multiplies_the_noise_alone():
    plain, heavy = record(40), record(40, momentum=0.9)
    assert heavy.squared_update == pytest.approx(19 * plain.squared_update)
    assert (heavy.squared_distance == plain.squared_distance).all()


@given(st.integers(32, 400))
def test_the_anchor_of_the_window_is_known_at_every_end_of_it(blocks):
    """A power of two of epochs, at most half of the way to the start of the window before it."""
    found = record(blocks)
    window = found.last(blocks_in_window(found.blocks)[0])
    start = int(window.steps[0])
    anchor = anchor_of(0, start, found.epoch)
    epoch = anchor // 5
    assert epoch & (epoch - 1) == 0
    assert start / 2 < anchor <= start
    about = window.about(anchor)
    assert about == pytest.approx(((WALK[window.steps // 5] - WALK[epoch]) ** 2).sum(1))


def test_an_anchor_that_was_not_kept_gives_no_distance():
    assert np.isnan(record(40).last(4).about(5)).all()


def test_the_last_blocks_alone():
    whole = record(20)
    part = whole.last(4)
    assert part.blocks == 4
    assert part.steps.tolist() == whole.steps[-5:].tolist()
    assert part.block == whole.block == 5


@pytest.mark.parametrize("positions", [WALK[:10, 0], WALK[:10]])
def test_shapes_that_do_not_belong_together(positions):
    with pytest.raises(ValueError, match="do not belong together"):
        block_ends(positions, SQUARED[:10], steps_per_block=5)
