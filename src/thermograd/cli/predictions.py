"""Which predictions of theory words suffice for: by signature, no list is kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt

import thermograd.theory
from thermograd.cli.array_words import table_of
from thermograd.cli.recipes import Recipe, asked_for, doors, functions, recipe_of
from thermograd.discover import nearest
from thermograd.errors import ConfigError
from thermograd.quantities import Landscape, Prediction
from thermograd.store.npz_array import read_npz
from thermograd.store.printable import printable
from thermograd.theory.gaussian import Gaussian
from thermograd.theory.mean_field_mixture import Mixture

_OF_A_LANDSCAPE = (
    "parameters",
    "sample_hessians",
    "hessian",
    "gradient",
    "third_derivative",
    "third_derivative_gradient",
    "directions",
)


def landscape_of(
    landscape: Path | None = None,
    sample_gradients: npt.ArrayLike | None = None,
    hessian: npt.ArrayLike | None = None,
    sample_hessians: npt.ArrayLike | None = None,
    parameters: npt.ArrayLike | None = None,
    loss: float | None = None,
) -> Landscape:
    """A landscape from an npz file of its arrays, or from arrays one by one, which replace those of the file.

    Args:
        landscape: npz file with `sample_gradients` and any of `hessian`, `sample_hessians`, `parameters`, `gradient`,
            `third_derivative`, `third_derivative_gradient`, `directions`, `loss`.
        sample_gradients: gradient of every sample at the point, `(sample, parameter)`.
        hessian: of the loss, `(parameter, parameter)`.
        sample_hessians: of every sample, `(sample, parameter, parameter)`.
        parameters: the point.
        loss: at the point.

    Returns:
        The landscape.

    Raises:
        ConfigError: no gradients, no such file, or arrays that do not fit.
    """
    given: dict[str, Any] = {} if landscape is None else _arrays(landscape)
    single = {
        "sample_gradients": sample_gradients,
        "hessian": hessian,
        "sample_hessians": sample_hessians,
        "parameters": parameters,
        "loss": loss,
    }
    given |= {name: value for name, value in single.items() if value is not None}
    if "sample_gradients" not in given:
        message = (
            "a landscape is needed: --landscape FILE.npz, which holds sample_gradients and hessian (np.savez), or "
            "--sample-gradients and --hessian"
        )
        raise ConfigError(message)
    if "loss" in given:
        given["loss"] = float(given["loss"])
    return Landscape(**given)


def gaussian_of(mean: npt.ArrayLike, covariance: npt.ArrayLike) -> Gaussian:
    """A Gaussian distribution of this mean and covariance."""
    return Gaussian(np.atleast_1d(np.asarray(mean, float)), np.atleast_2d(np.asarray(covariance, float)))


def curve_of(prediction: Path) -> Prediction:
    """A predicted curve from a CSV file with the columns at, value and maybe low, high, valid, as `predict` prints.

    Args:
        prediction: the file.

    Returns:
        The curve, without resamples.

    Raises:
        ConfigError: no such file, or it holds no such table.
    """
    if not prediction.is_file():
        message = f"--prediction {printable(prediction)}: there is no such file; give the CSV that `thermograd predict` prints"
        raise ConfigError(message)
    columns = table_of(prediction)
    if not {"at", "value"} <= set(columns):
        message = f"{printable(prediction)} has the columns {printable(', '.join(columns))}; at and value are needed"
        raise ConfigError(message)
    interval = (columns["low"], columns["high"]) if {"low", "high"} <= set(columns) else None
    valid = columns["valid"].astype(bool) if "valid" in columns else None
    return Prediction(
        columns["value"], interval, columns["at"], valid, rests_on=f"the curve of {prediction.name}"
    )


def mixture_of(**fields: Any) -> Any:
    """The Gaussian mixture of these fields; those not given have the defaults of the problem `gaussian_mixture`."""
    from thermograd.problems import GaussianMixture  # here: torch, for this only

    standard = GaussianMixture()
    return Mixture(
        **{name: fields.get(name, getattr(standard, name)) for name in Mixture.__dataclass_fields__}
    )


mixture_of.__annotations__ = get_type_hints(Mixture)
mixture_of.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # read by inspect, unknown to typing
    [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in Mixture.__dataclass_fields__
    ]
)


def known_predictions() -> dict[str, Recipe]:
    """All predictions that words suffice for, by `stem.function`.

    >>> known_predictions()["first_passage.restart_mean"].needed()
    ('survival',)
    """
    return {name: recipe for name, recipe in _all().items() if isinstance(recipe, Recipe)}


def python_only() -> dict[str, str]:
    """The other public functions of theory, and the argument that no word can give.

    >>> python_only()
    {'mean_field.solve_many': 'points: Iterable[Mapping[str, Any]]'}
    """
    return {name: needs for name, needs in _all().items() if isinstance(needs, str)}


def prediction_named(name: str) -> Recipe:
    """The prediction `stem.function`.

    Args:
        name: what was asked for.

    Returns:
        How it is made.

    Raises:
        ConfigError: there is none of that name, or it needs what no word can say.
    """
    return asked_for(
        name, _all().get(name), known_predictions(), "prediction", home="thermograd.theory", needs="no word"
    )


def _all() -> dict[str, Recipe | str]:
    found: dict[str, Recipe | str] = {}
    for stem, module in doors(thermograd.theory).items():
        for function in functions(module):
            makers: dict[str, Callable[..., Any]] = {
                "Landscape": landscape_of,
                "Gaussian": gaussian_of,
                "Prediction": curve_of,
            }
            if stem == "mean_field":
                makers["problem"] = mixture_of
            found[f"{stem}.{function.__name__}"] = recipe_of(stem, module, function, _nothing, makers)
    return dict(sorted(found.items()))


def _nothing(function: Callable[..., Any]) -> Mapping[str, str]:
    return {}


def _arrays(file: Path) -> dict[str, Any]:
    if not file.is_file():
        message = f"--landscape {printable(file)}: there is no such file; np.savez(FILE, sample_gradients=..., hessian=...)"
        raise ConfigError(message)
    known = ("sample_gradients", *_OF_A_LANDSCAPE, "loss")
    with file.open("rb") as stream:
        packed = stream.read(2) == b"PK"
    if not packed:
        message = f"{printable(file)} is no npz file; np.savez writes one"
        raise ConfigError(message)
    names = _names(file)
    strange = [name for name in names if name not in known]
    if strange:
        message = f"{printable(file)} holds {printable(strange[0])!r}. {nearest(strange[0], known)}"
        raise ConfigError(message)
    return {name: read_npz(file, name, None)[1] for name in names}


def _names(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return list(archive.files)
    except Exception as error:  # a torn archive fails in many ways; said in one
        message = f"{printable(file)} is cut short or damaged ({printable(error)})"
        raise ConfigError(message) from error
