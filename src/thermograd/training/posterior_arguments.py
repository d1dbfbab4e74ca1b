"""What a posterior sampler in one's own loop is given: checked, and as facts of its draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thermograd.dynamics.preconditioner import frozen_preconditioner
from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD
from thermograd.numerics.finite_number import is_finite_number
from thermograd.training.posterior_batches import EpochBatches


def check_arguments(dynamics: Any, batch_size: Any, samples: int, precision: Any) -> None:
    """Refuse a sampler, a batch size or a prior that cannot be.

    Args:
        dynamics: `SGLD` or `SGWORLD`.
        batch_size: m.
        samples: M.
        precision: of the prior.

    Raises:
        ValueError: says which, what was got and what to do.
    """
    if not isinstance(dynamics, SGLD | SGWORLD):
        message = f"dynamics is {dynamics!r}; use SGLD(learning_rate) or SGWORLD(learning_rate)"
        raise ValueError(message)
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or not 1 <= batch_size <= samples:
        message = f"batch_size is {batch_size!r}; it must be a whole number from 1 to the {samples} samples"
        raise ValueError(message)
    if isinstance(dynamics, SGWORLD) and 2 * batch_size > samples:
        message = (
            f"batch_size {batch_size} leaves no two disjoint batches of the {samples} samples, which SGWORLD needs; use "
            f"batch_size <= {samples // 2}"
        )
        raise ValueError(message)
    if not is_finite_number(precision) or precision < 0:
        message = f"prior_precision is {precision!r}; it must be a finite number, 0 (flat) or larger"
        raise ValueError(message)


def check_parameters(named: Mapping[str, Tensor]) -> None:
    """Refuse a model whose parameters make no one vector.

    Args:
        named: parameters by name.

    Raises:
        ValueError: none, or several types or devices.
    """
    if not named:
        message = "the model has no trainable parameters; set requires_grad on those to be trained"
        raise ValueError(message)
    kinds = {(value.dtype, value.device) for value in named.values()}
    dtype = next(iter(kinds))[0]
    if dtype not in {torch.float32, torch.float64}:
        message = (
            f"the parameters are {str(dtype).removeprefix('torch.')}, in which small steps vanish; keep them in float32 or float64 and "
            "use torch.autocast for the forward pass"
        )
        raise ValueError(message)
    if len(kinds) > 1:
        message = (
            f"the parameters have several types or devices ({sorted(map(str, kinds))}); a sampler needs one"
        )
        raise ValueError(message)


def preconditioner_of(preconditioner: Any, named: Mapping[str, Tensor]) -> list[Tensor] | None:
    """P, one tensor for each parameter; None without one.

    Args:
        preconditioner: tensors by name, an Adam-like optimizer, or None.
        named: parameters by name.
    """
    if preconditioner is None:
        return None
    found = frozen_preconditioner(preconditioner, {name: tuple(value.shape) for name, value in named.items()})
    return [found[name].to(value) for name, value in named.items()]


def mean_of_prior(prior_mean: str | Mapping[str, Tensor], named: Mapping[str, Tensor]) -> list[Tensor] | None:
    """The mean of the prior, one tensor for each parameter; None for 0.

    Args:
        prior_mean: "zero", "start" or tensors by name.
        named: parameters by name.

    Raises:
        ValueError: another word, other names or shapes.
    """
    if isinstance(prior_mean, Mapping):
        got = {name: tuple(value.shape) for name, value in prior_mean.items()}
        expected = {name: tuple(value.shape) for name, value in named.items()}
        if got != expected:
            message = f"prior_mean has names and shapes {got}; the model has {expected}"
            raise ValueError(message)
        return [prior_mean[name].detach().to(value) for name, value in named.items()]
    if prior_mean not in {"zero", "start"}:
        message = f"prior_mean is {prior_mean!r}; use 'zero', 'start', or tensors by name"
        raise ValueError(message)
    return None if prior_mean == "zero" else [value.detach().clone() for value in named.values()]


def facts_of(
    dynamics: SGLD | SGWORLD,
    dtype: torch.dtype,
    batches: EpochBatches,
    *,
    precision: float,
    random: bool,
    preconditioned: bool,
) -> dict[str, Any]:
    """How draws are made, in values that JSON has.

    Args:
        dynamics: the sampler.
        dtype: of the weights.
        batches: what each update takes its gradient of.
        precision: of the prior.
        random: whether the forward pass draws random numbers.
        preconditioned: whether there is a preconditioner.
    """
    notes = []
    if precision == 0:
        notes.append("flat prior: directions without curvature diffuse without limit")
    if random:
        notes.append("the forward pass is random (dropout): its noise is sampled over")
    if dtype != torch.float64 and isinstance(dynamics, SGWORLD):
        notes.append(
            f"weights in {str(dtype).removeprefix('torch.')}: at small learning rates rounding is a noise of its own"
        )
    fields = {k: v for k, v in vars(dynamics).items() if isinstance(v, bool | int | float | str)}
    return {
        "sampler": type(dynamics).__name__,
        **fields,
        "prior_precision": precision,
        "batch_size": batches.size,
        "steps_per_epoch": batches.steps,
        "samples": batches.samples,
        "seed": batches.seed,
        "preconditioned": preconditioned,
        "notes": notes,
    }


def checked_state(own: Any, identity: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The state of a sampler, if it is one of a sampler made alike.

    Args:
        own: what was saved, or None.
        identity: facts of this sampler.
        size: number of its weights.

    Raises:
        ValueError: it is of something else.
    """
    held = None if own is None else own["noise"]["pending"].numel()
    if own is None or held != size:
        got = "no state of a sampler" if held is None else f"{held} weights"
        message = f"state_dict holds {got}; this sampler has {size} weights"
        raise ValueError(message)
    there = own["made_by"]
    differing = [
        f"{name} {there.get(name)!r} there and {value!r} here"
        for name, value in identity.items()
        if there.get(name) != value
    ]
    if differing:
        message = (
            f"state_dict is of another sampling: {', '.join(differing)}; make the sampler as it was made then"
        )
        raise ValueError(message)
    found: dict[str, Any] = own
    return found
