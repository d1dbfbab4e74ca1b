"""SGWORLD: Langevin dynamics on reshuffled epochs, in which the minibatch noise of the samples cancels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermograd.dynamics.sgld import check_langevin
from thermograd.numerics.argument_kind import check_flag

if TYPE_CHECKING:
    from thermograd.protocols import Oracle, State, Weights

    LossOfWeights = Callable[[Weights], Tensor]

_VARIANTS = ("corrected", "published")


@dataclass(frozen=True)
class SGWORLD:
    """Langevin dynamics without replacement, with the drift of a reshuffled epoch corrected.

    Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski (arXiv 2306.03521, section 4.6 and Fig 5). Every sample counts once an epoch, so
    that the noise of the minibatches cancels to first order. What is left is a drift, the gradient of

        δL = −(η c/4) (|∇U|² − tr S/M),   c = n² (1 − Σ_t (m_t/M)²) = n(n − 1) for n batches of the same size

    with S the covariance of the gradients of the M samples. With B and B' disjoint batches of m samples, independent of
    the epoch's order, V̂ = (η c m/8M) |g_B − g_B'|² has the mean (η c/4) tr S/M.

    - "corrected": θ ← θ + η∇V̂; then at each of the n steps θ ← θ − η ĝ + √(ηT/2) (z + z'), with z the normal number of
      the step and z' that of the step before (Leimkuhler and Matthews, arXiv 1203.5428, Eq 1.5, exact for a parabola). The
      |∇U|² half of δL is what steps of finite size do, and is left alone. Excess variance (nηh)³/24.
    - "published": n steps without noise, then θ ← θ + √(2ηnT) z + η∇δL, of the weights at the beginning of the epoch. An
      Euler step of length nη: excess variance nηh/2, as large as that of SGLD.

    Weights are draws at the ends of epochs.

    Attributes:
        learning_rate: η, which multiplies the gradient of U, a sum over samples.
        temperature: T; 0 = no noise is added. The correction is the same at every T.
        variant: "corrected" or "published".
        correction: whether ∇V̂ or ∇δL is added; without it there is no double backward pass.

    Raises:
        ValueError: a field is out of its range.

    >>> SGWORLD(variant="published").start({"w": torch.ones(2)})
    {'pending/w': tensor([0., 0.]), 'steps_to_go/w': tensor(0.)}
    """

    same_every_epoch: ClassVar[bool] = True

    learning_rate: float = 1e-7
    temperature: float = 1.0
    variant: str = "corrected"
    correction: bool = True

    def __post_init__(self) -> None:
        check_langevin(self)
        if self.variant not in _VARIANTS:
            message = f"variant is {self.variant!r}; use 'corrected' or 'published'"
            raise ValueError(message)
        check_flag("correction", self.correction)

    def refuses(self, minibatching: Any) -> str | None:
        """Why it cannot use a minibatching; None if it can.

        Args:
            minibatching: of an experiment.
        """
        reshuffled = getattr(minibatching, "reshuffles_epochs", False)
        if reshuffled and minibatching.batch_size is not None:
            return None
        given = "the full batch" if reshuffled else repr(minibatching)
        return (
            f"SGWORLD corrects reshuffled epochs, and minibatching is {given}; use WithoutReplacement(batch_size=...), "
            "or SGLD"
        )

    def start(self, weights: Weights) -> State:
        """No noise pending; of the published variant no step to go."""
        state = {f"pending/{name}": torch.zeros_like(value) for name, value in weights.items()}
        if self.variant == "published":
            state |= {f"steps_to_go/{name}": value.new_zeros(()) for name, value in weights.items()}
        return state

    def epoch(self, weights: Weights, state: State, oracle: Oracle, epoch: int) -> tuple[Weights, State]:
        """The correction; of the published variant also the noise, both kept until the end of the epoch."""
        pairs = pairs_of_batches(oracle.samples, oracle.batch_size, oracle.steps_per_epoch)
        drift: Weights = {}
        if self.correction:
            strength = self.learning_rate * pairs
            drift = correction(
                *oracle.disjoint_pair(epoch),
                weights,
                strength=strength * oracle.batch_size / (8 * oracle.samples),
            )
            if self.variant == "published":
                pulled = curvature_times_gradient(oracle.full_loss, weights)
                drift = {name: drift[name] - strength / 2 * pulled[name] for name in drift}
        if self.variant == "corrected":
            if not drift:
                return weights, state
            return {name: value + self.learning_rate * drift[name] for name, value in weights.items()}, state
        steps = oracle.steps_per_epoch
        spread = (2 * self.learning_rate * steps * self.temperature) ** 0.5
        held = {f"pending/{name}": spread * value for name, value in oracle.normal().items()}
        for name in drift:
            held[f"pending/{name}"] = held[f"pending/{name}"] + self.learning_rate * drift[name]
        to_go = {f"steps_to_go/{name}": value.new_full((), steps) for name, value in weights.items()}
        return weights, held | to_go

    def step(self, weights: Weights, state: State, oracle: Oracle, step: int) -> tuple[Weights, State]:
        """One update."""
        gradient = oracle.gradient(weights)
        if self.variant == "published":
            return self._published(weights, state, gradient)
        spread = (self.learning_rate * self.temperature / 2) ** 0.5
        fresh = {f"pending/{name}": spread * value for name, value in oracle.normal().items()}
        return {
            name: value
            - self.learning_rate * gradient[name]
            + (state[f"pending/{name}"] + fresh[f"pending/{name}"])
            for name, value in weights.items()
        }, fresh

    def _published(self, weights: Weights, state: State, gradient: Weights) -> tuple[Weights, State]:
        """A step without noise, the last of an epoch with what is pending."""
        moved, after = {}, {}
        for name, value in weights.items():
            to_go = state[f"steps_to_go/{name}"]
            pending = torch.where(to_go == 1, state[f"pending/{name}"], 0.0)
            moved[name] = value - self.learning_rate * gradient[name] + pending
            after[f"pending/{name}"] = state[f"pending/{name}"]
            after[f"steps_to_go/{name}"] = to_go - 1
        return moved, after


def pairs_of_batches(samples: int, batch_size: int, steps_per_epoch: int) -> float:
    """The number c = n² (1 − Σ_t (m_t/M)²) of an epoch of n batches whose sizes m_t differ by 1 at most; n(n − 1) if m divides M.

    Args:
        samples: M.
        batch_size: m, the largest m_t.
        steps_per_epoch: n.

    Raises:
        ValueError: fewer than two batches, or samples that sit out the epoch.

    >>> pairs_of_batches(200, 10, 20) == 20 * 19
    True
    """
    if steps_per_epoch < 2:
        message = f"an epoch has {steps_per_epoch} batch: SGWORLD needs at least 2, so take batch_size <= {samples // 2}"
        raise ValueError(message)
    if steps_per_epoch * batch_size < samples:
        message = (
            f"{samples - steps_per_epoch * batch_size} of {samples} samples sit out each epoch, which brings the noise "
            f"back that SGWORLD avoids; use WithoutReplacement({batch_size}, remainder='spread')"
        )
        raise ValueError(message)
    small, large = divmod(samples, steps_per_epoch)
    squares = (steps_per_epoch - large) * small**2 + large * (small + 1) ** 2
    return steps_per_epoch**2 - (steps_per_epoch / samples) ** 2 * squares


def correction(first: LossOfWeights, second: LossOfWeights, weights: Weights, *, strength: Any) -> Weights:
    """∇ [strength · |∇first − ∇second|²], shaped like the weights: one double backward pass through both.

    Args:
        first: the loss of a batch.
        second: that of another.
        weights: where.
        strength: of V̂: η c m/8M.

    Raises:
        ValueError: an operation of the model cannot be differentiated twice.

    >>> first, second = (lambda w: 1.5 * w["w"] ** 2), (lambda w: 0.5 * w["w"] ** 2)  # difference 2w
    >>> correction(first, second, {"w": torch.tensor(3.0)}, strength=0.5)["w"]
    tensor(12.)
    """

    def squared(at: Weights) -> Tensor:
        difference = torch.func.grad(lambda place: first(place) - second(place))(at)
        size: Tensor = torch.stack([value.square().sum() for value in difference.values()]).sum()
        return torch.mul(size, strength)

    return _twice(squared, weights)


def curvature_times_gradient(loss: LossOfWeights, weights: Weights) -> Weights:
    """H ∇L, shaped like the weights.

    Args:
        loss: L.
        weights: where.

    Raises:
        ValueError: an operation of the model cannot be differentiated twice.

    >>> curvature_times_gradient(lambda w: 1.5 * w["w"] ** 2, {"w": torch.tensor(1.0)})["w"]
    tensor(9.)
    """

    def squared(at: Weights) -> Tensor:
        gradient = torch.func.grad(loss)(at)
        return torch.stack([value.square().sum() for value in gradient.values()]).sum() / 2

    return _twice(squared, weights)


def _twice(squared: LossOfWeights, weights: Weights) -> Weights:
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention have no second derivatives
            slope: Weights = torch.func.grad(squared)(weights)
    except (RuntimeError, NotImplementedError) as failure:
        first = str(failure).strip().splitlines()[0]
        if "derivative" not in first and "double backward" not in first and "twice" not in first:
            raise
        message = (
            f"SGWORLD's correction is a gradient of gradients, and an operation of the model has none ({first[:200]}). "
            "Use SGWORLD(correction=False), or another form of that operation"
        )
        raise ValueError(message) from failure
    return slope
