"""What a watch saves and takes over: tensors, numbers, text, lists and dicts only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thermograd.training.live_window import LiveWindow
    from thermograd.training.optimizer_view import OptimizerView


def saved(watch: LiveWindow) -> dict[str, Any]:
    """The state but for the hooks' own."""
    return {
        "settings": dict(watch.settings),
        "shapes": _shapes(watch),
        "step": watch.step,
        "record": watch.record.state_dict(),
        "meter": watch.meter.state_dict(),
        "micro": watch.micro.state_dict(),
        "notes": list(watch.notes),
        "not_finite": list(watch.not_finite or ()),
        "rows": [dict(row) for row in watch.rows],
        "open": watch.open,
        "in_block": watch.in_block,
        "dirty": watch.dirty,
        "changed": watch.changed,
        "key": _plain_key(watch.view),
        "observe": watch.observing.names,
        "observing": watch.observing.state_dict(),
        "blocks_ended": watch.blocks_ended,
        "has_losses": watch.has_losses,
        "losses_lead": watch.losses_lead,
        "earlier": [list(entry) for entry in watch.earlier],
        "foreign_changes": list(watch.foreign_changes),
    }


def check(watch: LiveWindow, state: dict[str, Any]) -> None:
    """Refuse a state of another training.

    Args:
        watch: that is to take it over.
        state: from `saved`.

    Raises:
        ValueError: settings or shapes differ; names both.
    """
    if not saved(watch).keys() <= state.keys():
        message = f"this is no state of a watch: it has the keys {', '.join(map(str, state)) or 'none'}"
        raise ValueError(message)
    own = watch.settings | {"shapes": _shapes(watch), "observe": watch.observing.names}
    found = dict(state["settings"]) | {
        "shapes": [list(shape) for shape in state["shapes"]],
        "observe": list(state["observe"]),
    }
    different = [
        f"{name}: {found.get(name)} there, {value} here"
        for name, value in own.items()
        if found.get(name) != value
    ]
    if different:
        message = f"this state is of another watch; {'; '.join(different)}"
        raise ValueError(message)
    watch.trackers.check(state["observing"]["trackers"])


def load(watch: LiveWindow, state: dict[str, Any]) -> None:
    """Take a state over.

    Args:
        watch: that takes it.
        state: from `saved`, checked.
    """
    watch.view.refresh()
    watch.before = 0  # what the state says counts
    watch.step, watch.blocks_ended = int(state["step"]), int(state["blocks_ended"])
    watch.record.load_state_dict(state["record"])
    watch.meter.load_state_dict(state["meter"])
    watch.micro.load_state_dict(state["micro"])
    watch.notes, watch.rows = list(state["notes"]), [dict(row) for row in state["rows"]]
    bad = [int(step) for step in state["not_finite"]]
    watch.not_finite = (bad[0], bad[1]) if bad else None
    watch.earlier = [(int(step), float(gain), float(width)) for step, gain, width in state["earlier"]]
    watch.foreign_changes = [bool(entry) for entry in state["foreign_changes"]]
    watch.has_losses, watch.losses_lead = bool(state["has_losses"]), bool(state["losses_lead"])
    watch.decision = None
    watch.observing.load_state_dict(state["observing"])
    watch.open, watch.in_block = bool(state["open"]), int(state["in_block"])
    watch.dirty, watch.changed = bool(state["dirty"]), bool(state["changed"])
    watch.resume(same_rates=_plain_key(watch.view) == state["key"])


def _plain_key(view: OptimizerView) -> list[list[Any]]:
    """The hyperparameters as numbers, to be compared after a resume."""
    names = ("lr", "momentum", "dampening", "betas", "weight_decay")
    return [[_plain(group.get(name)) for name in names] for group in view.optimizer.param_groups]


def _plain(value: Any) -> Any:
    if value is None:
        return None
    return [float(entry) for entry in value] if isinstance(value, tuple | list) else float(value)


def _shapes(watch: LiveWindow) -> list[list[int]]:
    return [list(parameter.shape) for parameter in watch.view.parameters]
