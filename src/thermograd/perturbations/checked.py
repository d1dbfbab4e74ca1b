"""Whether a perturbation returned what it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thermograd.protocols import State, Weights


def checked(result: Any, weights: Weights, state: State) -> tuple[Weights, State]:
    """What a perturbation returned: weights as given, everything in state that was there.

    Args:
        result: what it returned.
        weights: the weights it was given.
        state: the state it was given.

    Returns:
        Its weights and state.

    Raises:
        ValueError: no pair of dicts, other names or shapes, an entry of the state lost or, except under
            `memory/`, added.
    """
    if (
        not isinstance(result, tuple)
        or len(result) != 2
        or not all(isinstance(part, dict) for part in result)
    ):
        message = f"a perturbation returns (weights, state); got {type(result).__name__}"
        raise ValueError(message)
    new_weights, new_state = result
    got = {name: tuple(value.shape) for name, value in new_weights.items()}
    expected = {name: tuple(value.shape) for name, value in weights.items()}
    if got != expected:
        message = f"the perturbation returned weights {got}; expected {expected}"
        raise ValueError(message)
    kept = {name: value for name, value in state.items() if not name.startswith("memory/")}
    lost = [name for name in kept if name not in new_state]
    added = [name for name in new_state if name not in state and not name.startswith("memory/")]
    reshaped = [name for name in kept if name not in lost and new_state[name].shape != kept[name].shape]
    if lost or added or reshaped:
        message = (
            f"the perturbation must return the state it was given, changed as it likes, and may add "
            f"memory/<key>; lost: {lost}, added: {added}, of another shape: {reshaped}"
        )
        raise ValueError(message)
    return new_weights, new_state
