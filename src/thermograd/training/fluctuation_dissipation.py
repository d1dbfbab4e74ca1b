"""Dissipation and fluctuation of a live training, from the record of its block ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from thermograd.errors import NotApplicableError
from thermograd.estimators.exact_dissipation import exact_dissipation
from thermograd.estimators.stationarity import anchor_of, blocks_in_window
from thermograd.quantities import Estimate

if TYPE_CHECKING:
    from thermograd.training.block_record import Array, BlockEnd, BlockRecord
    from thermograd.training.optimizer_view import OptimizerView

ORIGIN = -2
Form = Literal["auto", "sgd", "displacement"]


@dataclass(frozen=True, eq=False)
class FluctuationDissipation:
    """Both sides of the relation over a window.

    Attributes:
        dissipation: ⟨O_L⟩, fluctuation plus the exact difference of the two.
        fluctuation: ⟨O_R⟩.
        ratio: of the two; 1 in the stationary state.
        form: "sgd" (FDR1', units of the loss) or "displacement" (any optimizer; κ⟨|Δ|²⟩/η).
        centre: "anchor" or "origin".
        steps: (first, last) step.

    >>> import torch, thermograd as tg
    >>> noise = torch.randn(120, generator=torch.Generator().manual_seed(0))
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([weight], lr=0.5)
    >>> watch = tg.watch(optimizer, steps_per_epoch=2)
    >>> for kick in noise:  # a parabola that is shaken
    ...     weight.grad = weight.detach() + kick
    ...     optimizer.step()
    >>> found = watch.fluctuation_dissipation()
    >>> found.form, found.centre, found.ratio.low < 1 < found.ratio.high
    ('sgd', 'anchor', True)
    """

    dissipation: Estimate
    fluctuation: Estimate
    ratio: Estimate
    form: str
    centre: str
    steps: tuple[int, int]


def fluctuation_dissipation(
    record: BlockRecord,
    view: OptimizerView,
    *,
    weight: Array,
    centre: Literal["anchor", "origin"],
    window: Literal["half", "all"],
    form: Form,
    level: float,
) -> FluctuationDissipation:
    """Both sides of the relation about a centre.

    Args:
        record: block ends since the restart.
        view: of the optimizer.
        weight: per part, 1/η, or 0 for what is left out.
        centre: where the weights were before the window, or 0 as in the paper.
        window: the last half of the record, or all of it; about an anchor at most all since the older anchor.
        form: "sgd" as in FDR1', "displacement" for any optimizer, or whichever fits.
        level: two-sided, of the intervals.

    Returns:
        Three estimates with what they rest on.

    Raises:
        NotApplicableError: the optimizer is not SGD and `form` is "sgd", or there are too few blocks, or
            none of their steps was measured.
    """
    if form == "sgd" and not view.is_sgd:
        raise NotApplicableError(
            what=f"form='sgd' of {view.name}",
            why="is the relation of SGD with heavy-ball momentum, which this optimizer does not follow",
            instead="form='displacement'",
        )
    chosen = "displacement" if form == "displacement" or not view.is_sgd else "sgd"
    blocks, groups = blocks_in_window(record.blocks)
    ends = record.ends[-1 - blocks :] if window == "half" else record.ends
    column = ORIGIN
    if centre == "anchor" and blocks:
        ends, column = _about_anchor(record, ends, window)
    if len(ends) < 3:
        raise NotApplicableError(
            what="the relation",
            why=f"takes 2 blocks in the window; there are {max(len(ends) - 1, 0)} so far",
            instead="train on",
        )
    owners = [part.group for part in view.parts]
    potential, noise = (_sgd if chosen == "sgd" else _displacement)(view, ends, owners, column, weight)
    try:
        found = exact_dissipation(
            [end.step for end in ends],
            potential,
            noise,
            [end.measured[0] for end in ends],
            groups=groups if window == "half" else None,
            level=level,
            unit="loss" if chosen == "sgd" else "",
        )
    except ValueError as cause:
        raise NotApplicableError(
            what="the relation", why=f"has no window yet: {cause}", instead="train on, or watch(every=1)"
        ) from cause
    return FluctuationDissipation(*found[:3], chosen, centre, found.steps)


def _about_anchor(record: BlockRecord, ends: list[BlockEnd], window: str) -> tuple[list[BlockEnd], int]:
    """The ends that know one anchor, and its column; those of the last half all do."""
    if window == "half":
        return ends, anchor_of(record.ends[0].step, ends[0].step, record.epoch)
    older = int(record.ends[-1].anchors[1])
    return [end for end in ends if older >= 0 and end.step >= older], older


def _column(ends: list[BlockEnd], kind: str, column: int) -> Array:
    """Rows (ends, parts) of squared distances or overlaps about the origin (ORIGIN) or about an anchor step."""
    first = {"distance": 0, "overlap": 3}[kind]
    if column == ORIGIN:
        return np.array([end.positions[first + 2] for end in ends])
    return np.array([end.positions[first + int(end.anchors[0] != column)] for end in ends])


def _sgd(
    view: OptimizerView, ends: list[BlockEnd], groups: list[int], column: int, weight: Array
) -> tuple[Array, Array]:
    options = view.optimizer.param_groups
    momentum = np.array([float(options[group]["momentum"]) for group in groups])
    dampening = np.array([float(options[group]["dampening"]) for group in groups])
    used = weight > 0
    squares = np.where(used, _column(ends, "distance", column), 0.0)
    overlaps = np.where(used, _column(ends, "overlap", column), 0.0)
    kept = np.where(momentum > 0, dampening, 0.0)
    potential = ((1 - momentum) * squares * weight / 2 + momentum * overlaps) / (1 - kept)
    factor = (1 + momentum) / (2 * (1 - kept))
    noise = np.array([end.updates for end in ends]) * weight * factor
    return potential.sum(1), noise.sum(1)


def _displacement(
    view: OptimizerView, ends: list[BlockEnd], groups: list[int], column: int, weight: Array
) -> tuple[Array, Array]:
    factor = np.array([view.diffusion_factor(group) for group in groups])
    squares = np.where(weight > 0, _column(ends, "distance", column), 0.0)
    return squares @ weight, np.array([end.updates for end in ends]) @ (weight * factor)
