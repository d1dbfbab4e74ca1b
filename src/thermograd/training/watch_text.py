"""What a person reads of a `Watch`: the sentence of its verdict, the report, a row per block."""

from __future__ import annotations

import dataclasses
import math
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from thermograd.errors import MissingExtraError, NotApplicableError
from thermograd.estimators.relaxation_of_a_direction import GOOD_FIT
from thermograd.quantities import Estimate, Verdict
from thermograd.training import watch_estimates
from thermograd.training.watch_aging import aging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thermograd.estimators.stationarity import Stationarity
    from thermograd.training.live_window import LiveWindow

_FEWEST_CHANGES = 4
_GROWTH, _FADING = 1.02, 0.9


def verdict(watch: LiveWindow, *, strict: bool = False) -> Verdict:
    """The verdict as one paragraph that says what to do.

    Args:
        watch: whose.
        strict: ask for relaxed slow directions.

    Returns:
        The verdict; its evidence holds the numbers.
    """
    if watch.not_finite is not None:
        first, seen = watch.not_finite
        text = (
            f"Not finite: the update of step {first} was infinite or NaN (noticed at step {seen}). Lower the "
            "learning rate or clip gradients, and go back to weights from before."
        )
        return Verdict(None, "not_finite", text, {"first_step": first, "noticed": seen})
    changes = watch.foreign_changes
    if len(changes) >= _FEWEST_CHANGES and 2 * sum(changes) > len(changes):
        text = (
            f"The learning rate was changed in {sum(changes)} of the last {len(changes)} blocks: there is nothing "
            "to equilibrate at. Hold it for some 32 epochs, or use ReduceLROnStationarity instead of the schedule."
        )
        return Verdict(
            None, "learning_rate_changing", text, {"changed": sum(changes), "blocks": len(changes)}
        )
    decision = watch.decided(strict=strict)
    if decision is None and watch.seen:
        text = f"Warming up at {rates(watch)}: a new window begins with the next step or epoch."
        return Verdict(None, "warming_up", text, {"blocks": 0})
    if decision is None:
        text = (
            "No step of this optimizer was seen yet; if you have trained, the step is compiled or captured in a way "
            "that bypasses hooks."
        )
        return Verdict(None, "warming_up", text, {"blocks": 0})
    found = decision.verdict
    sentence = _SENTENCES[found.kind](watch, decision)
    left = watch_estimates.left_out(watch)
    if left and found.kind != "warming_up":
        sentence += f" Left out: {', '.join(left)}."
    return dataclasses.replace(found, text=sentence)


def rates(watch: LiveWindow) -> str:
    """The learning rates of all groups as text, "lr=0.1" or "lr=0.1, 0.01".

    Args:
        watch: whose.
    """
    return "lr=" + ", ".join(dict.fromkeys(f"{rate:.4g}" for rate in watch.view.rates))


def _warming_up(watch: LiveWindow, decision: Stationarity) -> str:
    return f"Warming up at {rates(watch)}: {decision.verdict.text}"


def _equilibrated(watch: LiveWindow, decision: Stationarity) -> str:
    return (
        f"Equilibrated at {rates(watch)}: {decision.verdict.text} Training at this rate has gone as far as it will: "
        "cut the learning rate, or stop."
    )


def _approaching(watch: LiveWindow, decision: Stationarity) -> str:
    why = _reasons(watch)
    return f"Not yet at {rates(watch)}: {decision.verdict.text} {_more(decision)}{f' Note: {why}.' if why else ''}"


def _slow(watch: LiveWindow, decision: Stationarity) -> str:
    return f"Not yet at {rates(watch)}: {decision.verdict.text} {_more(decision)}"


def _drifting(watch: LiveWindow, decision: Stationarity) -> str:
    why = _reasons(watch) or "nothing holds the weights back in the direction they drift along"
    return (
        f"Will not equilibrate as it is at {rates(watch)}: {decision.verdict.text} Likely cause: {why}. Add weight "
        "decay, record the losses and weigh waiting against cutting, or cut on a budget (total_steps=)."
    )


def _undecided(watch: LiveWindow, decision: Stationarity) -> str:
    advice = "measure every step (every=1), or train on" if watch.settings["every"] > 1 else "train on"
    return f"Cannot decide yet at {rates(watch)}: {decision.verdict.text} More blocks narrow it: {advice}."


def _no_noise(watch: LiveWindow, decision: Stationarity) -> str:
    return f"No noise at {rates(watch)}: {decision.verdict.text} Is the batch the whole data set, or the rate tiny?"


_SENTENCES: dict[str, Callable[[LiveWindow, Stationarity], str]] = {
    "warming_up": _warming_up,
    "equilibrated": _equilibrated,
    "approaching": _approaching,
    "slow_directions_remain": _slow,
    "drifting": _drifting,
    "undecided": _undecided,
    "no_noise": _no_noise,
}


def _more(decision: Stationarity) -> str:
    more = decision.steps_to_equilibrium
    if more is not None:
        return (
            f"About {_rounded(more.value)} more steps ({_rounded(more.low)} to {_rounded(more.high)}), if no slower "
            "direction comes to light; in a network it usually does."
        )
    if decision.slowest is None:
        return "How long it takes cannot be said without the sketch."
    if decision.slowest.fit >= GOOD_FIT:
        return "How many more steps it takes cannot be said: the slowest direction relaxes too slowly for this window."
    return (
        "How many more steps it takes cannot be said: the slowest direction does not look like one exponential "
        f"relaxation (R² {decision.slowest.fit:.2f}, wanted {GOOD_FIT:g})."
    )


def _rounded(steps: float) -> str:
    return f"{float(f'{steps:.2g}'):.0f}"


def _reasons(watch: LiveWindow) -> str:
    """What of a training that does not settle can be seen: no decay, a growing norm, noise that dies out."""
    found = []
    if not any(group.get("weight_decay") for group in watch.view.optimizer.param_groups):
        found.append(
            "there is no weight decay in the optimizer, and with a cross-entropy loss no stationary state need exist"
        )
    ends = watch.record.ends[-1 - watch.record.blocks // 2 :]
    growth = float(ends[-1].positions[2].sum() / max(ends[0].positions[2].sum(), 1e-300))
    if growth > _GROWTH:
        found.append(f"|θ|² grew by {100 * (growth - 1):.0f} % in the window")
    middle = len(ends) // 2
    early = ends[middle].updates.sum() - ends[0].updates.sum()
    late = ends[-1].updates.sum() - ends[middle].updates.sum()
    if len(ends) % 2 and early > 0 and late / early < _FADING:
        found.append(
            f"the noise fell by {100 * (1 - late / early):.0f} % within the window, as when a network interpolates"
        )
    return "; ".join(found)


def weighing(watch: LiveWindow, factor: float = 0.1) -> tuple[str, Any]:
    """Waiting against cutting in one sentence, and the numbers or None.

    Args:
        watch: whose.
        factor: the new rate over the old.
    """
    try:
        found = watch_estimates.waiting_or_cutting(watch, factor)
    except NotApplicableError as error:
        return str(error), None
    gain, price = found.waiting, found.cutting
    if gain is None or price is None:
        return f"{found.verdict.text}.", found
    epochs, here = (
        (watch.step - first) / watch.epoch for first in (0, watch.record.ends[0].step if watch.seen else 0)
    )
    unit = "epochs" if watch.settings["steps_per_epoch"] else f"blocks of {watch.epoch} steps"
    to = ", ".join(dict.fromkeys(f"{factor * rate:.4g}" for rate in watch.view.rates))
    end = {
        "cutting_pays": "cut",
        "waiting_pays": "wait",
        "nothing_to_gain": "nothing left to gain",
        "loss_rises": "the loss rises",
    }.get(found.verdict.kind, "not decided")
    at = rates(watch) if here > epochs - 1 else f"the last {here:.0f} of them at {rates(watch)}"
    return (
        f"As long again as the {epochs:.0f} {unit} so far, {'at ' if here > epochs - 1 else ''}{at}, would change the loss by "
        f"{_change(gain)}; a cut to {to} by about {_change(price)}: {end}."
    ), found


def _change(fall: Estimate) -> str:
    return f"{-fall.value:+.2g} [{-fall.high:+.2g}, {-fall.low:+.2g}]"


def report(watch: LiveWindow) -> str:
    """Several lines: the verdict, then the numbers behind it."""
    window = f"step {watch.step}, {watch.view.name}, {rates(watch)}"
    lines = [verdict(watch).text, f"  {window}"]
    for name, value in _numbers(watch).items():
        if isinstance(value, Estimate):
            lines.append(f"  {name.replace('_', ' ')}: {value}")
    lines.append(f"  waiting or cutting: {weighing(watch)[0]}")
    layers = {part.layer for part in watch.view.parts if part.layer is not None}
    lines += [
        f"  layer {name}: ratio {ratio}" for name, ratio in _layer_ratios(watch, sorted(layers)).items()
    ]
    for name, found in aging(watch).items():
        lines += [f"  {name.replace('_', ' ')}, {group}: {sentence}" for group, sentence in found.items()]
    lines += [f"  {note}" for note in watch.notes[-5:]]
    return "\n".join(lines)


def to_dict(watch: LiveWindow) -> dict[str, Any]:
    """See `Watch.to_dict`."""
    found = verdict(watch)
    sentence, weighed = weighing(watch)
    numbers: dict[str, Any] = {"weighing": sentence}
    for name, value in _numbers(watch).items():
        numbers[name] = _plain(value) if isinstance(value, Estimate) else {"value": None, "reason": value}
    for name in ("waiting", "cutting"):
        price = None if weighed is None else getattr(weighed, name)
        numbers[name] = {"value": None, "reason": sentence} if price is None else _plain(price)
    return {
        "step": watch.step,
        "optimizer": watch.view.name,
        "learning_rates": list(watch.view.rates),
        "verdict": {"kind": found.kind, "holds": found.holds, "text": found.text},
        "evidence": {name: _finite(value) for name, value in found.evidence.items()},
        **numbers,
        "aging": aging(watch),
        "notes": list(watch.notes),
        "settings": dict(watch.settings),
    }


def figure(watch: LiveWindow) -> Any:
    """The figure of a watch, by the report layer if it is there.

    Args:
        watch: whose.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        MissingExtraError: the requirements of the report layer are not installed.
    """
    for entry in entry_points(group="thermograd.plot", name="watch_figure"):
        return entry.load()(watch.rows)
    raise MissingExtraError(package="plotly", extra="lab", purpose="A figure")


def page(watch: LiveWindow, path: Path) -> Path:
    """Write the page of a watch, by the report layer if it is there.

    Args:
        watch: whose.
        path: of the HTML file.

    Returns:
        The path.

    Raises:
        MissingExtraError: the requirements of the report layer are not installed.
    """
    for entry in entry_points(group="thermograd.plot", name="watch_page"):
        facts = [
            ("Optimizer", f"{watch.view.name}, {rates(watch)}"),
            ("Waiting or cutting", weighing(watch)[0]),
            *(("Noted", note) for note in watch.notes[-8:]),
        ]
        entry.load()(path, watch.rows, verdicts=[verdict(watch)], facts=facts)
        return path
    raise MissingExtraError(package="plotly", extra="lab", purpose="A page")


def row(watch: LiveWindow) -> dict[str, Any]:
    """The numbers of a block, flat; None where there is none."""
    decision = watch.decision
    found: dict[str, Any] = {
        "step": watch.step,
        "epoch": watch.step / watch.epoch,
        "learning_rate": watch.view.rates[0],
        "verdict": verdict(watch).kind,
        "tolerance": watch.settings["tolerance"],
    }
    found |= _flat("ratio", None if decision is None else decision.ratio)
    found |= _flat("ratio_origin", None if decision is None else decision.ratio_about_origin)
    slowest = None if decision is None else decision.slowest
    found["coverage"] = None if slowest is None else _finite(slowest.coverage)
    both = _tried(lambda: watch_estimates.dissipation(watch))
    for name in ("dissipation", "fluctuation"):
        found |= _flat(name, None if both is None else getattr(both, name))
    found |= _flat("temperature", _tried(lambda: watch_estimates.temperature(watch)))
    ends = watch.record.ends
    count = ends[-1].loss[1] - ends[-2].loss[1] if len(ends) > 1 else 0
    found["loss"] = _finite((float(ends[-1].loss[0]) - float(ends[-2].loss[0])) / count) if count else None
    weighed = _tried(lambda: watch_estimates.waiting_or_cutting(watch, 0.1))
    for name in ("waiting", "cutting"):
        found |= _flat(name, None if weighed is None else getattr(weighed, name))
    found["weighing"] = None if weighed is None else weighed.verdict.kind
    return found


def _numbers(watch: LiveWindow) -> dict[str, Estimate | str]:
    """Estimates by name, or why there is none."""
    asked: dict[str, Callable[[], Estimate | None]] = {
        "ratio": lambda: _tested(watch, "ratio") or watch_estimates.dissipation(watch).ratio,
        "ratio_about_origin": lambda: (
            _tested(watch, "ratio_about_origin") or watch_estimates.dissipation(watch, centre="origin").ratio
        ),
        "dissipation": lambda: watch_estimates.dissipation(watch).dissipation,
        "fluctuation": lambda: watch_estimates.dissipation(watch).fluctuation,
        "temperature": lambda: watch_estimates.temperature(watch),
        "slowest_relaxation": lambda: watch_estimates.slowest_relaxation(watch),
        "steps_to_equilibrium": lambda: watch_estimates.steps_to_equilibrium(watch),
        "noise_scale": lambda: watch_estimates.gradient_noise(watch).noise_scale,
    }
    found: dict[str, Estimate | str] = {}
    for name, ask in asked.items():
        try:
            if name in _OF_NOISE:
                _check_noise(watch, name)
            value = ask()
            found[name] = "see the verdict" if value is None else value
        except NotApplicableError as error:
            found[name] = str(error)
    return found


_OF_NOISE = ("ratio", "ratio_about_origin", "dissipation", "fluctuation", "temperature")


def _check_noise(watch: LiveWindow, name: str) -> None:
    """Refuse numbers that compare a drift with a noise that is not there."""
    decision = watch.decided()
    if decision is not None and decision.verdict.kind == "no_noise":
        what = f"the {name.replace('_', ' ')}"
        raise NotApplicableError(what=what, why="has no noise to rest on", instead="verdict()")


def _tested(watch: LiveWindow, name: str) -> Estimate | None:
    """A ratio as the verdict has it, so that a report gives one number for one thing."""
    decision = watch.decided()
    found: Estimate | None = None if decision is None else getattr(decision, name)
    return found


def _layer_ratios(watch: LiveWindow, layers: list[str]) -> dict[str, Estimate | str]:
    found: dict[str, Estimate | str] = {}
    for layer in layers:
        try:
            _check_noise(watch, "ratio")
            found[layer] = watch_estimates.dissipation(watch, group=layer).ratio
        except NotApplicableError as error:
            found[layer] = f"none: {error}"
    return found


def _tried(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except NotApplicableError:
        return None


def _flat(name: str, value: Estimate | None) -> dict[str, float | None]:
    if value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {
        name: _finite(value.value),
        f"{name}_low": _finite(value.low),
        f"{name}_high": _finite(value.high),
    }


def _plain(value: Estimate) -> dict[str, Any]:
    ends = [_finite(value.low), _finite(value.high)]
    return {
        "value": _finite(value.value),
        "interval": ends,
        "level": _finite(value.level),
        "unit": value.unit,
    }


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
