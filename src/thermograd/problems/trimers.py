"""Clusters of three atoms and the minima they fall to: a classification problem made by physics."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.trimer_energy import trimer_energy
from thermograd.problems.trimer_search import descend
from thermograd.store.array_cache import ArrayCache

__all__ = ["make_trimers", "trimer_energy"]

_RECIPE = 1
"""Of the numbers below; another one makes other files in the cache."""


def make_trimers(
    samples: int = 1000,
    *,
    coordinates: int = 2,
    descent_steps: int = 6,
    box: float = 2 * math.sqrt(3),
    axilrod_teller: float = 2.0,
    seed: int = 0,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Distances of three atoms a few steps downhill, and the minimum at which they end.

    Each starts uniformly in a cube and descends `trimer_energy` by L-BFGS. Labels: 0, the equilateral triangle; 1, 2, 3, the
    line whose longest distance is r₁₂, r₁₃, r₂₃. The task is that of Das, Wales (Chem. Phys. Lett. 667, 158 (2017)); their
    recorded data sets are others.

    Sample i depends on the seed and on i alone. The descents take about a second for 1000 samples; results are kept in
    `$XDG_CACHE_HOME/thermograd/trimers` (`~/.cache` without it), where a file that is broken is made anew. Another version of scipy
    or another processor may give some samples another label.

    Args:
        samples: how many.
        coordinates: how many of r₁₂, r₁₃, r₂₃ are given, 1 to 3.
        descent_steps: iterations of L-BFGS after which they are taken; 0 = the starts.
        box: side of the cube.
        axilrod_teller: strength Z ≥ 0 of the three-body term.
        seed: of the starts.

    Returns:
        Inputs (samples, coordinates), and labels (samples,).

    Raises:
        ValueError: an argument is out of its range, or atoms found no minimum (a box so large that they do not feel each
            other).

    >>> inputs, labels = make_trimers(20, coordinates=3, descent_steps=1000)
    >>> lengths = [1.168752, 2 * 1.108763]  # the longest distance: side of the triangle, or length of the line
    >>> bool(np.allclose(inputs.max(axis=1), np.where(labels == 0, *lengths), atol=1e-3))
    True
    """
    check_whole_number("samples", samples, 1)
    check_view(coordinates, descent_steps, seed)
    if not 0 < box < math.inf:
        message = f"box is {box!r}; it must be the side of a cube, larger than 0"
        raise ValueError(message)
    if not 0 <= axilrod_teller < math.inf:
        message = f"axilrod_teller is {axilrod_teller!r}; it must be 0 or larger"
        raise ValueError(message)
    recipe = {
        "recipe": _RECIPE,
        "descent_steps": descent_steps,
        "box": float(box),
        "axilrod_teller": float(axilrod_teller),
        "seed": seed,
        "scipy": scipy.__version__,
    }
    cache = ArrayCache("trimers", recipe)
    kept = cache.read()
    known = len(kept["labels"]) if kept else 0
    if known < samples:
        starts = np.random.default_rng(seed).uniform(0, box, (samples, 9))[known:]
        made = _descended(starts, descent_steps, axilrod_teller, box)
        kept = {name: np.concatenate([kept[name], made[name]]) if kept else made[name] for name in made}
        cache.write(kept)
    return kept["distances"][:samples, :coordinates].copy(), kept["labels"][:samples].copy()


def check_view(coordinates: object, descent_steps: object, seed: object) -> None:
    """Refuse what `make_trimers` cannot show.

    Raises:
        ValueError: one of them is not a whole number of its range.
    """
    check_whole_number("coordinates", coordinates, 1, 3)
    check_whole_number("descent_steps", descent_steps, 0)
    check_whole_number("seed", seed, 0)


def _descended(
    starts: npt.NDArray[np.float64], descent_steps: int, axilrod_teller: float, box: float
) -> dict[str, npt.NDArray[np.generic]]:
    lengths, labels = [], []
    for start in starts:
        descent = descend(start, axilrod_teller)
        if descent.label is None:
            message = (
                f"atoms at {start.round(3).tolist()} found no minimum (energy {descent.energy:.4g} at the end): "
                f"box={box:.4g} with axilrod_teller={axilrod_teller:g} is too far from 3.46 and 2"
            )
            raise ValueError(message)
        lengths.append(descent.path[min(descent_steps, len(descent.path) - 1)])
        labels.append(descent.label)
    return {"distances": np.array(lengths), "labels": np.array(labels, np.int64)}
