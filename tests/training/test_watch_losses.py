"""A loss belongs to the step it is of, whether it is recorded before the step or after it."""

import numpy as np
import pytest
import torch

import thermograd as tg

EPOCH = 5


def trained(record, epochs=4, **how):
    """A watch of steps whose losses say their epoch, and what it showed after each of them."""
    weights = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weights], lr=0.01)
    watch = tg.watch(optimizer, steps_per_epoch=EPOCH, **how)
    for step in range(epochs * EPOCH):
        loss = torch.tensor(float(1 + step // EPOCH))
        if record == "before":
            watch.record_loss(loss)
        weights.grad = torch.ones(2)
        optimizer.step()
        if record == "after":
            watch.record_loss(loss)
    return watch


@pytest.mark.parametrize("record", ["before", "after"])
def test_every_epoch_has_the_losses_of_its_own_steps(record):
    watch = trained(record)
    sums = np.diff(watch.window.record.column("loss"), axis=0)
    # The window opens at the first step, when the loss of that is known already.
    own = EPOCH - (record == "before")
    assert sums.tolist() == [[own, own], [10, 5], [15, 5], [20, 5]]
    assert [row["loss"] for row in watch.history()] == [1, 2, 3, 4]


def test_a_row_is_sent_once_and_with_the_last_loss_of_its_epoch():
    sent = []
    trained("after", sink=lambda row, step: sent.append((step, row["thermograd/loss"])))
    assert sent == [(5, 1), (10, 2), (15, 3), (20, 4)]


def test_a_row_does_not_wait_for_a_loss_that_does_not_come():
    watch = trained("after", epochs=2)
    sent = []
    watch.log_to(lambda row, step: sent.append(step))
    weights = watch.optimizer.param_groups[0]["params"][0]
    for _ in range(EPOCH + 1):
        weights.grad = torch.ones(2)
        watch.optimizer.step()
    assert sent == [15]
    for _ in range(EPOCH - 1):
        weights.grad = torch.ones(2)
        watch.optimizer.step()
    watch.detach()
    assert sent == [15, 20]


@pytest.mark.parametrize("place", [0, EPOCH - 1])
def test_an_epoch_with_one_infinite_loss_has_none_even_if_it_is_the_last(place):
    watch = trained("after", epochs=2)
    weights = watch.optimizer.param_groups[0]["params"][0]
    for epoch in range(2):
        for step in range(EPOCH):
            weights.grad = torch.ones(2)
            watch.optimizer.step()
            watch.record_loss(float("inf") if (epoch, step) == (0, place) else 7.0)
    assert [row["loss"] for row in watch.history()] == [1, 2, None, 7]


def test_a_state_saved_between_the_step_and_its_loss_goes_on_the_same():
    def go_on(watch, steps):
        weights = watch.optimizer.param_groups[0]["params"][0]
        for _ in range(steps):
            weights.grad = torch.ones(2)
            watch.optimizer.step()
            watch.record_loss(3.0)

    watch = trained("after", epochs=2)
    weights = watch.optimizer.param_groups[0]["params"][0]
    go_on(watch, EPOCH - 1)
    weights.grad = torch.ones(2)
    watch.optimizer.step()
    other = torch.nn.Parameter(weights.detach().clone())
    resumed = tg.watch(torch.optim.SGD([other], lr=0.01), steps_per_epoch=EPOCH)
    resumed.load_state_dict(watch.state_dict())
    for one in (watch, resumed):
        one.record_loss(3.0)
        go_on(one, EPOCH)
    sums = [one.window.record.column("loss").tolist() for one in (watch, resumed)]
    assert sums[0] == sums[1]
    assert np.diff(sums[0], axis=0).tolist() == [[5, 5], [10, 5], [15, 5], [15, 5]]
