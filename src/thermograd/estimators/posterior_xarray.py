"""Posterior draws as xarray and ArviZ know them: dimensions `(chain, draw, ...)`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import MissingExtraError

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

Array = npt.NDArray[Any]


def as_dataset(draws: PosteriorDraws) -> Any:
    """The parameters as an `xarray.Dataset`.

    Args:
        draws: all of them are kept; `weight` is a coordinate.

    Returns:
        One variable per parameter with dimensions `(chain, draw, <name>_dim_0, ...)`, and the coordinates `epoch` and
        `weight` of every draw; temperature and facts are attributes.

    Raises:
        MissingExtraError: xarray is not installed.
    """
    try:
        import xarray  # here: an extra
    except ImportError as absent:
        raise MissingExtraError(
            package="xarray", extra="xarray", purpose="A dataset of posterior draws"
        ) from absent
    variables = {
        name: (("chain", "draw", *(f"{name}_dim_{axis}" for axis in range(value.ndim - 2))), value)
        for name, value in draws.parameters.items()
    }
    places = {"chain": np.arange(draws.chains), "draw": np.arange(draws.draws)}
    extra = {"epoch": ("draw", draws.epochs), "weight": ("draw", draws.weights)}
    return xarray.Dataset(variables, places | extra, _attributes(draws))


def as_inference_data(draws: PosteriorDraws) -> Any:
    """The draws that have weight with what was measured at them, for ArviZ.

    Args:
        draws: those of weight 0 are left out.

    Returns:
        A `DataTree` of arviz-base, which ArviZ from version 1 on uses, or else an `InferenceData` of an older ArviZ. Group
        `posterior` has the parameters; `sample_stats` has `potential`, `lp` = −potential / T, `virial`,
        `directional_virial` and `weight`, NaN at draws that were not measured.

    Raises:
        MissingExtraError: neither is installed.
    """
    used = draws.select(draws.used)
    groups = {"posterior": dict(used.parameters), "sample_stats": _sample_stats(used)}
    try:
        import arviz_base  # here: an extra
    except ImportError:
        return _older(groups, _attributes(used))
    return arviz_base.from_dict(groups, attrs={"/": _attributes(used)})


def _older(groups: dict[str, dict[str, Array]], attributes: dict[str, Any]) -> Any:
    try:
        import arviz  # here: an extra
    except ImportError as absent:
        raise MissingExtraError(
            package="arviz", extra="arviz", purpose="A view of posterior draws in ArviZ"
        ) from absent
    return arviz.from_dict(**groups, attrs=attributes)


def _sample_stats(used: PosteriorDraws) -> dict[str, Array]:
    measured = {
        "potential": used.potential,
        "lp": -used.potential / used.temperature if used.temperature else used.potential[:, :0],
        "virial": used.virial,
        "directional_virial": used.directional_virial,
    }
    shape = (used.chains, used.draws)
    stats = {"weight": np.broadcast_to(used.weights, shape).copy()}
    for name, value in measured.items():
        if value.shape[1]:
            stats[name] = np.full((*shape, *value.shape[2:]), np.nan)
            stats[name][:, used.measured] = value
    return stats


def _attributes(draws: PosteriorDraws) -> dict[str, Any]:
    """Facts as attributes; lists and dictionaries as JSON, since files of attributes hold neither."""
    simple = (int, float, str)
    facts = {
        name: value if isinstance(value, simple) else json.dumps(value) for name, value in draws.facts.items()
    }
    return facts | {"temperature": draws.temperature, "inference_library": "thermograd"}
