"""The numbers a `Watch` gives, from its record."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
from scipy import special

from thermograd.errors import NotApplicableError
from thermograd.estimators import waiting_or_cutting as weighing
from thermograd.estimators.gradient_noise import GradientNoise, gradient_noise_scale
from thermograd.estimators.waiting_or_cutting import WaitingOrCutting
from thermograd.quantities import Estimate, Verdict
from thermograd.training.fluctuation_dissipation import (
    FluctuationDissipation,
    Form,
    fluctuation_dissipation,
)

if TYPE_CHECKING:
    from thermograd.training.block_record import Array
    from thermograd.training.live_window import LiveWindow


def weights(watch: LiveWindow, group: int | str | None = None) -> tuple[Array, Array]:
    """Per part 1/η, 0 for what does not move or was not asked for, and κ.

    Args:
        watch: whose.
        group: one parameter group or layer alone.

    Returns:
        Two arrays (parts,).

    Raises:
        ValueError: no such group or layer.
    """
    view = watch.view
    rates = np.array([view.rates[part.group] for part in view.parts])
    wanted = np.array([group is None or group in {part.group, part.layer} for part in view.parts])
    if not wanted.any():
        groups = sorted({part.group for part in view.parts})
        layers = sorted({part.layer for part in view.parts if part.layer is not None})
        message = f"no group {group!r}; parameter groups: {groups}, layers: {layers or 'none (give names=)'}"
        raise ValueError(message)
    ends = watch.record.ends
    moved = ends[-1].updates > ends[0].updates if len(ends) > 1 else np.ones(len(rates), bool)
    used = wanted & moved & (rates > 0)
    inverse = np.divide(1.0, rates, out=np.zeros_like(rates), where=used)
    return inverse, np.array([view.diffusion_factor(part.group) for part in view.parts])


def left_out(watch: LiveWindow) -> list[str]:
    """Groups that do not take part, by name, and why."""
    inverse, _ = weights(watch)
    found = {}
    for part, weight in zip(watch.view.parts, inverse, strict=True):
        if weight == 0:
            rate = watch.view.rates[part.group]
            name = part.layer or f"group {part.group}"
            found[name] = f"{name} ({'learning rate 0' if rate == 0 else 'no step'})"
    return list(found.values())


def dissipation(
    watch: LiveWindow,
    centre: Literal["anchor", "origin"] = "anchor",
    window: Literal["half", "all"] = "half",
    form: Form = "auto",
    group: int | str | None = None,
) -> FluctuationDissipation:
    """See `Watch.fluctuation_dissipation`.

    Raises:
        ValueError: a word that is not known.
    """
    for name, word, known in (
        ("centre", centre, ("anchor", "origin")),
        ("window", window, ("half", "all")),
        ("form", form, ("auto", "sgd", "displacement")),
    ):
        if word not in known:
            message = f"{name} is {word!r}; it must be one of {', '.join(known)}"
            raise ValueError(message)
    if not watch.record.ends:
        _too_early("the relation", "has seen no step yet")
    if watch.not_finite is not None:
        _broken("the relation")
    weight, _ = weights(watch, group)
    if not weight.any():
        _too_early("the relation", "has nothing that moves (learning rate 0, or no gradients)")
    return fluctuation_dissipation(
        watch.record,
        watch.view,
        weight=weight,
        centre=centre,
        window=window,
        form=form,
        level=watch.settings["level"],
    )


def temperature(watch: LiveWindow) -> Estimate:
    """See `Watch.temperature`.

    Raises:
        NotApplicableError: another optimizer.
    """
    if not watch.view.is_sgd:
        raise NotApplicableError(
            what=f"temperature() of {watch.view.name}",
            why="is not defined: the noise has no one strength in the metric of the weights",
            instead="waiting_or_cutting(), or fluctuation_dissipation(form='displacement')",
        )
    found = dissipation(watch, "anchor", "half", "sgd", None).fluctuation
    moves, _ = weights(watch)
    owned = zip(watch.view.part_of, watch.view.parameters, strict=True)
    count = sum(parameter.numel() for part, parameter in owned if moves[part])
    note = f"of the gradient the optimizer consumed, clipped if you clip{_second_reading(watch)}"
    scaled = (found.low / count, found.high / count)
    return Estimate(found.value / count, scaled, found.level, found.pieces, "loss", note)


def _second_reading(watch: LiveWindow) -> str:
    """MSD(2)/(4 η), the temperature as displacements show it, where there is one learning rate."""
    rates = set(watch.view.rates)
    lags, values = mean_square_displacement(watch)
    if len(rates) > 1 or 2 not in lags:
        return ""
    return f"; MSD(2)/(4 lr) = {values[lags.index(2)].value / (4 * rates.pop()):.3g}"


def mean_square_displacement(watch: LiveWindow) -> tuple[list[int], list[Estimate]]:
    """See `Watch.mean_square_displacement`."""
    record, level = watch.record, watch.settings["level"]
    if watch.not_finite is not None:
        _broken("mean_square_displacement()")
    if record.blocks < 4:
        _too_early("mean_square_displacement()", f"takes 4 blocks; there are {record.blocks} so far")
    count = sum(parameter.numel() for parameter in watch.view.parameters)
    ends = record.ends[-1 - record.blocks // 2 :]
    one = _per_block([end.updates.sum() for end in ends], [end.measured[0] for end in ends], count, level)
    two = _per_block([end.two_steps[0] for end in ends], [end.two_steps[1] for end in ends], count, level)
    found = [(lag, value) for lag, value in ((1, one), (2, two)) if value is not None]
    lags, values = [lag for lag, _ in found], [value for _, value in found]
    if watch.settings["slow_directions"]:
        points = np.array([end.sketch for end in ends])
        error = float(special.ndtri((1 + level) / 2)) * math.sqrt(2 / watch.settings["slow_directions"])
        lag = 1
        while lag < len(points):
            mean = float(((points[lag:] - points[:-lag]) ** 2).sum(1).mean()) / count
            low = max(mean * (1 - error), 0.0)
            note = "from a sketch of the weights; the interval is that of the sketch alone"
            lags.append(lag * record.block)
            values.append(Estimate(mean, (low, mean * (1 + error)), level, len(points) - lag, "", note))
            lag *= 2
    return lags, values


def slowest_relaxation(watch: LiveWindow) -> Estimate:
    """See `Watch.slowest_relaxation`."""
    decision = watch.decided()
    if decision is None or decision.slowest is None:
        why = (
            "has no sketch (slow_directions=0)"
            if not watch.settings["slow_directions"]
            else "needs a verdict"
        )
        _too_early("slowest_relaxation()", why)
    slowest, block = decision.slowest, watch.record.block
    low, high = slowest.interval
    note = f"the window is {slowest.coverage:.3g} times as long; short windows make it look shorter"
    if slowest.relaxation < 1:
        note = f"shorter than a block of {block} steps"
    return Estimate(
        slowest.relaxation * block,
        (low * block, high * block),
        watch.settings["level"],
        math.nan,
        "step",
        note,
    )


def steps_to_equilibrium(watch: LiveWindow) -> Estimate | None:
    """See `Watch.steps_to_equilibrium`."""
    decision = watch.decided()
    if decision is None or decision.verdict.kind in {"equilibrated", "drifting"}:
        return None
    return decision.steps_to_equilibrium


def fluctuation_of_loss(watch: LiveWindow) -> Estimate:
    """O_R in units of the loss: of SGD, or in the metric of its preconditioner of Adam, AdamW and RMSprop.

    Raises:
        NotApplicableError: another optimizer, or nothing measured yet.
    """
    view = watch.view
    if view.is_sgd:
        return dissipation(watch, "origin", "half", "sgd", None).fluctuation
    if not view.is_preconditioned:
        raise NotApplicableError(
            what=f"the gain of a cut with {view.name}",
            why="is known for SGD without nesterov, Adam, AdamW and RMSprop only",
            instead="verdict()",
        )
    ends = watch.record.ends[-1 - watch.record.blocks // 2 :]
    factors = np.array([view.fluctuation_factor(part.group) for part in view.parts])
    totals = [float(end.metric @ factors) for end in ends]
    found = _per_block(totals, [end.metric_measured for end in ends], 1, watch.settings["level"])
    if found is None:
        _too_early("the gain of a cut", "takes losses recorded over 2 blocks")
    return found


def waiting_or_cutting(watch: LiveWindow, factor: float) -> WaitingOrCutting:
    """See `Watch.waiting_or_cutting`.

    Raises:
        ValueError: a factor that is no cut.
        NotApplicableError: another optimizer, or no losses were recorded.
    """
    if not 0 <= factor < 1:
        message = f"factor is {factor!r}; a cut has a factor from 0 to below 1"
        raise ValueError(message)
    if not (watch.view.is_sgd or watch.view.is_preconditioned):
        fluctuation_of_loss(watch)
    record = watch.record
    if watch.not_finite is not None:
        return WaitingOrCutting(None, None, Verdict(None, "not_finite", "training is not finite", {}))
    epochs = (watch.step - record.ends[0].step) // watch.epoch if record.ends else 0
    sums = record.column("loss") if record.ends else np.zeros((0, 2))
    counts = np.diff(sums[:, 1]) if len(sums) > 1 else np.zeros(0)
    known = counts > 0
    if not known.any() and epochs >= (weighing.BLOCKS_NEEDED if watch.has_losses else 1):
        raise NotApplicableError(
            what="waiting_or_cutting()",
            why="needs losses, and none were recorded",
            instead="watch.record_loss(loss) or scheduler.step(loss) after every step",
        )
    first = int(np.flatnonzero(~known)[-1]) + 1 if not known.all() else 0  # after the last block without
    steps = record.column("step")[1:][first:] if record.ends else np.zeros(0)
    if len(steps) < weighing.BLOCKS_NEEDED:
        return WaitingOrCutting(None, None, weighing.waiting_or_cutting(None, None, blocks=len(steps)))
    with np.errstate(invalid="ignore"):  # losses may be infinite where updates are not
        losses = np.diff(sums[:, 0])[first:] / counts[first:]
    gain_of_waiting = _larger_gain(losses, _decay_term(watch)[first:], steps, watch.settings["level"])
    gain_of_cutting = weighing.cutting(fluctuation_of_loss(watch), factor=factor)
    verdict = weighing.waiting_or_cutting(
        gain_of_waiting, gain_of_cutting, blocks=epochs, loss=float(losses[-1])
    )
    return WaitingOrCutting(gain_of_waiting, gain_of_cutting, verdict)


def _larger_gain(losses: Array, decay: Array, steps: Array, level: float) -> Estimate | None:
    """What waiting gives of the recorded loss or of that with its weight-decay term, whichever is more.

    The optimizer descends the second; the first may go on falling while |θ| grows, or rise while it shrinks.
    """
    found = [
        weighing.waiting(recorded, steps, level=level)
        for recorded in ((losses, losses + decay) if decay.any() else (losses,))
    ]
    return max((gain for gain in found if gain is not None), key=lambda gain: float(gain.value), default=None)


def _decay_term(watch: LiveWindow) -> Array:
    """Σ λ|θ|²/2 of every block, for weight decay that is part of the gradient."""
    view, ends = watch.view, watch.record.ends
    decay = np.array([view.coupled_decay(part.group) for part in view.parts])
    squares = np.array([end.positions[2] for end in ends]) @ (decay / 2)
    return (squares[1:] + squares[:-1]) / 2


def gradient_noise(watch: LiveWindow) -> GradientNoise:
    """See `Watch.gradient_noise`."""
    sums = watch.record.column("noise") if watch.record.ends else np.zeros((0, 3))
    blocks = np.diff(sums, axis=0) if len(sums) > 1 else np.zeros((0, 3))
    blocks = blocks[blocks[:, 2] > 0]
    if len(blocks) < 2:
        _too_early("gradient_noise()", "takes 2 blocks with micro_batch(size) called after each backward()")
    count = blocks[:, 2]
    return gradient_noise_scale(
        blocks[:, 0] / count, blocks[:, 1] / count, counts=count, level=watch.settings["level"]
    )


def _per_block(totals: list[Any], counts: list[Any], divisor: int, level: float) -> Estimate | None:
    """Mean of a running sum per measurement with Student's t over the blocks that have any."""
    gained, measured = np.diff(np.array(totals, float)), np.diff(np.array(counts, float))
    known = measured > 0
    if known.sum() < 2:
        return None
    means = gained[known] / measured[known] / divisor
    pieces = int(known.sum())
    half = float(special.stdtrit(pieces - 1, (1 + level) / 2)) * float(means.std(ddof=1)) / math.sqrt(pieces)
    mean = float(means.mean())
    return Estimate(mean, (mean - half, mean + half), level, pieces, "loss" if divisor == 1 else "")


def _broken(what: str) -> NoReturn:
    why = "is not defined: an update was not finite"
    raise NotApplicableError(what=what, why=why, instead="verdict(), which names the first such step")


def _too_early(what: str, why: str) -> NoReturn:
    raise NotApplicableError(what=what, why=why, instead="train on, and ask again")
