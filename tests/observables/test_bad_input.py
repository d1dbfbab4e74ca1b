"""Arguments that cannot be are refused by observables in the library's own words, before torch sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from thermograd.observables import TwoTimeDisplacement
from thermograd.observables.boundary_width import margin
from thermograd.observables.fluctuation_dissipation import capture, dissipation_and_fluctuation
from thermograd.observables.gradient_noise import gradient_noise
from thermograd.observables.hessian import Hessian
from thermograd.observables.landscape import (
    effective_loss,
    gradients,
    hessian_vector,
    landscape,
    minimize_effective_loss,
    sample_hessian_vectors,
)
from thermograd.observables.refinement import newton
from thermograd.observables.response import response

X = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = (X[:, 0] > 0).long()
NET = torch.nn.Linear(2, 2).double()
OF_NET = {"criterion": cross_entropy}
EPOCH = {"learning_rate": 0.1, "batch_size": 2}
ONES = {"w": torch.ones(1, 3)}


def batch_loss(batch):
    return cross_entropy(NET(batch[0]), batch[1])


def parabolas(place, batch):
    return batch[0] * (place.sum() - batch[1]).square()


def measured(reference):
    optimizer = torch.optim.SGD(NET.parameters(), lr=0.0)
    batch_loss((X, Y)).backward()
    capture(optimizer)
    optimizer.step()
    return dissipation_and_fluctuation(optimizer, reference)


def noise(loss=lambda _, half: batch_loss(half), params=None, batch=(X, Y)):
    return gradient_noise(loss, NET.parameters() if params is None else params, batch)


def curved(**options):
    return Hessian(NET, batch_loss, [(X, Y)], **options)


def of_parabolas(function, parameters, **options):
    return function(parabolas, (torch.ones(4), torch.zeros(4)), parameters, **options)


REFUSED = {
    "labels from 0 to 2, .* go from 0 to 7": lambda: margin(torch.ones(2, 3), torch.tensor([0, 7])),
    "go from -1 to 0": lambda: margin(torch.ones(2, 3), torch.tensor([-1, 0])),
    "targets is a list": lambda: margin(torch.ones(2, 3), [0, 1]),
    "params is a float": lambda: noise(params=1.5),
    "there are none": lambda: noise(params=[]),
    "entry 'w' is none": lambda: noise(params={"w": torch.ones(2, dtype=torch.int64)}),
    r"loss_fn gave shape \(2,\)": lambda: noise(lambda p, half: torch.ones(2, requires_grad=True)),
    r"loss_fn gave 3\.0, without a graph": lambda: noise(lambda p, half: torch.tensor(3.0)),
    "loss_fn gave nan": lambda: noise(lambda p, half: batch_loss(half) * float("nan")),
    "loss_fn gave float": lambda: noise(lambda p, half: 3.0),
    "loss_fn is a str": lambda: noise("mean"),
    "a part of the batch is a str": lambda: noise(batch=("ab", "cd")),
    r"have \[\] samples": lambda: noise(batch=()),
    "nothing was captured": lambda: dissipation_and_fluctuation("sgd"),
    "reference is a float": lambda: measured(1.5),
    "an entry of reference is a int": lambda: measured([3, 4]),
    "seed is -1": lambda: curved(seed=-1),
    "weights is a str": lambda: curved(weights="equal"),
    "batches is a int": lambda: Hessian(NET, batch_loss, 3),
    "seed is 'a'": lambda: curved().eigenvalues(1, seed="a"),
    "tol is 'small'": lambda: curved().eigenvalues(1, tol="small"),
    "max_steps is 2.5": lambda: curved().eigenvalues(1, max_steps=2.5),
    "matvecs is 9.5": lambda: curved().trace(9.5),
    "level is 'all'": lambda: curved().trace(level="all"),
    "probes is nan": lambda: curved().density(probes=float("nan")),
    "block is 0": lambda: curved().dense(0),
    "the vector are no numbers": lambda: curved() @ "abc",
    r"points have shape \(2, 5\); the loss has 6": lambda: gradients(
        NET, (X, Y), points=np.ones((2, 5)), **OF_NET
    ),
    r"points have shape \(0, 6\)": lambda: gradients(NET, (X, Y), points=np.ones((0, 6)), **OF_NET),
    "points is None": lambda: gradients(NET, (X, Y), points=None, **OF_NET),
    r"vector has shape \(2,\)": lambda: hessian_vector(NET, (X, Y), None, [1.0, 2.0], **OF_NET),
    "vectors are no numbers": lambda: sample_hessian_vectors(NET, (X, Y), None, "all", **OF_NET),
    "parameters is empty": lambda: of_parabolas(landscape, {}),
    "parameters 'a' is a int": lambda: of_parabolas(landscape, {"a": 3}),
    "parameters are no numbers": lambda: of_parabolas(landscape, "here"),
    "learning_rate is 'x'": lambda: of_parabolas(
        effective_loss, torch.ones(1), learning_rate="x", batch_size=2
    ),
    "learning_rate is inf": lambda: of_parabolas(
        minimize_effective_loss, torch.ones(1), learning_rate=float("inf"), batch_size=2
    ),
    "batch_size is 2.5": lambda: of_parabolas(
        effective_loss, torch.ones(1), learning_rate=0.1, batch_size=2.5
    ),
    "trajectories is 'abc'": lambda: TwoTimeDisplacement().start([torch.ones(3, 2)], "abc"),
    r"trajectories is 2\.5": lambda: TwoTimeDisplacement().start([torch.ones(3, 2)], 2.5),
    "directions is a str": lambda: TwoTimeDisplacement(directions="top"),
    "no state of a two-time displacement, but a list": lambda: (
        TwoTimeDisplacement().start([X]).load_state_dict([])
    ),
    "step is 1.5": lambda: TwoTimeDisplacement().start([X]).begin_at(1.5),
    "field is 0": lambda: response(ONES, ONES, ONES, 0),
    r"\{'v': \(1, 3\)\}": lambda: response({"v": ONES["w"]}, ONES, ONES, 0.1),
    "NoneType": lambda: response(None, ONES, ONES, 0.1),
}


@pytest.mark.parametrize("says", REFUSED)
def test_it_is_named(says):
    with pytest.raises(ValueError, match=says):
        REFUSED[says]()


def test_parameters_of_an_effective_loss_may_be_an_array():
    found = of_parabolas(effective_loss, np.array([2.0]), **EPOCH)
    assert torch.equal(found, of_parabolas(effective_loss, torch.tensor([2.0]), **EPOCH))


class Pair(NamedTuple):
    inputs: torch.Tensor
    labels: torch.Tensor


def test_a_batch_may_be_a_named_tuple():
    named, plain = noise(batch=Pair(X, Y)), noise()
    assert named.trace.value == plain.trace.value


def test_newton_does_not_end_where_the_loss_is_none():
    """A loss that is a number at the start alone: the start is the answer, and it is said to be no minimum."""
    start = torch.tensor([1.0], dtype=torch.float64)

    def value(place):
        return torch.where(place[0] == 1, place.sum(), torch.nan)

    with pytest.warns(RuntimeWarning, match="refine stopped with a gradient of 1"):
        found = newton(
            value, lambda place: value(place) * torch.ones(1).double(), lambda _: torch.eye(1).double(), start
        )
    assert found.tolist() == [1.0]


def test_newton_names_a_curvature_that_is_infinite():
    with pytest.raises(ValueError, match="second derivative of the loss is NaN or infinite"):
        landscape(
            lambda place, batch: batch * (place.abs() ** 1.5 + place).sum(),
            torch.ones(2),
            torch.zeros(1),
            refine=True,
        )
