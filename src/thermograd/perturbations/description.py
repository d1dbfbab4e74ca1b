"""Perturbations in words, and whether something is one."""

from __future__ import annotations

from typing import Any

from thermograd.numerics.argument_kind import instead_of_class, value_in_words
from thermograd.numerics.whole_number import check_whole_number


def described(perturbation: Any) -> str:
    """A perturbation in words that are the same in every process: a dataclass with its fields, a function by name.

    >>> from thermograd.perturbations.reset import Reset
    >>> described(Reset()), described(described)
    ('Reset()', 'described')
    """
    name: str | None = getattr(perturbation, "__qualname__", None)
    return name or repr(perturbation)


def is_perturbation(thing: Any) -> bool:
    """Whether it is an object with `apply`, or a function; a class that is still to be made is none."""
    return not isinstance(thing, type) and callable(getattr(thing, "apply", thing))


def check_use(perturbation: Any, seed: Any) -> None:
    """Refuse what is no perturbation, and a seed that is none.

    Raises:
        ValueError: says what was got and what is allowed.
    """
    if not is_perturbation(perturbation):
        message = f"perturbation is {value_in_words(perturbation)}" + (
            instead_of_class(perturbation) or "; give one of thermograd.perturbations, or a function like one"
        )
        raise ValueError(message)
    check_whole_number("seed", seed, 0, 2**64 - 1)


def why_not_covered(perturbation: Any, interval: int) -> str | None:
    """Why Eq 9 of Meir et al. (arXiv 2502.04121) does not predict a perturbation, or None if it does.

    Eq 9 takes what follows one kick as what follows every kick.

    Args:
        perturbation: an object with `apply`, or a function.
        interval: steps between kicks.

    Returns:
        Half a sentence.

    >>> why_not_covered(described, 10) is None
    True
    """
    said = getattr(perturbation, "not_covered", None)
    if said is not None:
        reason: str | None = said(interval)
        return reason
    return "it acts at every step" if getattr(perturbation, "every_step", False) else None
