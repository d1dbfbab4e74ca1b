"""Two coordinates of a stationary state: where simulated weights are, what theory says, and which way they circulate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.report.figure import Figure, numbers
from thermograd.report.look import INK, layout, line, points, style

Array = npt.NDArray[Any]

_BINS = 45
_CONTOURS = 3
_NO_CURRENT = 1e-10  # of the spread, per update: rounding


@dataclass(frozen=True, eq=False)
class PlaneOfStates:
    """Simulated weights in a plane beside the prediction, all in units of `scale`.

    Attributes:
        name: of the dynamics, in a word.
        title: of the dynamics.
        axes: names of the two coordinates with their unit.
        weights: simulated, `(n, 2)`.
        mean: predicted, `(2,)`.
        covariance: predicted, `(2, 2)`.
        circulation: predicted, `(2, 2)`.
        loss_hessian: of the loss with all other coordinates at their best, `(2, 2)`.
        minimum: of the loss, `(2,)`.
    """

    name: str
    title: str
    axes: tuple[str, str]
    weights: Array
    mean: Array
    covariance: Array
    circulation: Array
    loss_hessian: Array
    minimum: Array


def plane_of_states(plane: PlaneOfStates) -> Figure:
    """Density of the simulated weights with contours of the prediction, contours of the loss, and the current.

    Args:
        plane: both.

    Returns:
        A map, with the predicted density falling by 10 from each dashed contour to the next, the loss dotted at equal
        distances, and arrows along the predicted current −C Σ⁻¹ δ P, longest where it is largest.
    """
    spread = np.sqrt(np.diagonal(plane.covariance))
    reach = 3.2 * spread
    edges = [
        np.linspace(min(m - r, least - 0.1 * r), max(m + r, least + 0.1 * r), _BINS + 1)
        for m, r, least in zip(plane.mean, reach, plane.minimum, strict=True)
    ]
    measured = np.cov(plane.weights.T)
    traces: list[dict[str, Any]] = [
        _heatmap(plane.weights, edges),
        *_ellipses(plane.mean, plane.covariance, "theory, density / 10", style(1).colour, "dash"),
        *_ellipses(plane.minimum, _loss_ellipse(plane), "loss", INK, "dot"),
        *_arrows(plane, reach),
        points([plane.minimum[0]], [plane.minimum[1]], "minimum of the loss", 4)
        | {
            "marker": {
                "symbol": "star",
                "size": 13,
                "color": style(4).colour,
                "line": {"width": 1, "color": INK},
            }
        },
        points([plane.mean[0]], [plane.mean[1]], "predicted mean", 1),
    ]
    ratio = np.sqrt(np.diagonal(measured) / np.diagonal(plane.covariance))
    return Figure(
        stem="stationary_state",
        name=f"plane_{plane.name}",
        title=f"Where the weights are: {plane.title}",
        conclusion=(
            f"Measured over predicted standard deviation {ratio[0]:.3g} and {ratio[1]:.3g}; correlation "
            f"{_correlation(measured):.3f}, predicted {_correlation(plane.covariance):.3f}."
        ),
        traces=tuple(traces),
        layout=layout(
            *plane.axes,
            hovermode="closest",
            xaxis={"range": _range(edges[0])},
            yaxis={"range": _range(edges[1])},
        ),
        table={
            "quantity": ["mean", "mean", "variance", "variance", "covariance"],
            "coordinate": [plane.axes[0], plane.axes[1], plane.axes[0], plane.axes[1], "both"],
            "simulation": [
                *plane.weights.mean(axis=0).tolist(),
                *np.diagonal(measured).tolist(),
                float(measured[0, 1]),
            ],
            "theory": [
                *plane.mean.tolist(),
                *np.diagonal(plane.covariance).tolist(),
                float(plane.covariance[0, 1]),
            ],
        },
    )


def _heatmap(weights: Array, edges: list[Array]) -> dict[str, Any]:
    count = np.histogram2d(weights[:, 0], weights[:, 1], bins=edges)[0]
    density = count.T / max(count.max(), 1.0)
    return {
        "type": "heatmap",
        "x": numbers((edges[0][1:] + edges[0][:-1]) / 2),
        "y": numbers((edges[1][1:] + edges[1][:-1]) / 2),
        "z": [numbers(np.where(row > 0, row, np.nan)) for row in density],
        "colorscale": [[0, "#F0F6FB"], [1, style(0).colour]],
        "showscale": False,
        "hoverinfo": "skip",
        "name": "simulation",
    }


def _range(edge: Array) -> list[float]:
    return [float(edge[0]), float(edge[-1])]


def _correlation(covariance: Array) -> float:
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def _loss_ellipse(plane: PlaneOfStates) -> Array:
    """The inverse of the Hessian, with the size of the covariance."""
    inverse = np.linalg.inv(plane.loss_hessian)
    scaled: Array = inverse * np.sqrt(np.linalg.det(plane.covariance) / np.linalg.det(inverse))
    return scaled


def _ellipses(centre: Array, covariance: Array, name: str, colour: str, dash: str) -> list[dict[str, Any]]:
    values, vectors = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    traces = []
    for contour in range(1, _CONTOURS + 1):
        outline = centre[:, None] + np.sqrt(2 * np.log(10) * contour) * (
            vectors @ (np.sqrt(values)[:, None] * circle)
        )
        trace = line(
            outline[0],
            outline[1],
            name,
            colour,
            dash,
            hoverinfo="skip",
            legendgroup=name,
            showlegend=contour == 1,
        )
        trace["line"]["width"] = 1.5
        traces.append(trace)
    return traces


def _arrows(plane: PlaneOfStates, reach: Array) -> list[dict[str, Any]]:
    """The current on a ring of places, as lines with a head."""
    turning = np.abs(plane.circulation).max() / np.sqrt(np.linalg.det(plane.covariance))
    if turning < _NO_CURRENT:
        return []
    values, vectors = np.linalg.eigh(plane.covariance)
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    places = np.concatenate(
        [radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) for radius in (0.7, 1.4, 2.1)]
    )
    away = places * np.sqrt(values) @ vectors.T
    inverse = np.linalg.inv(plane.covariance)
    current = (
        -(away @ inverse @ plane.circulation.T) * np.exp(-(away @ inverse * away).sum(axis=1) / 2)[:, None]
    )
    current *= 0.3 * reach.min() / np.linalg.norm(current, axis=1).max()
    tips = plane.mean + away + current
    gaps = np.full_like(tips, np.nan)
    x, y = np.stack([plane.mean + away, tips, gaps], axis=1).reshape(-1, 2).T
    shafts = line(x, y, "current", INK)
    shafts["line"]["width"] = 1
    shafts |= {"hoverinfo": "skip", "connectgaps": False, "legendgroup": "current"}
    heads = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(tips[:, 0]),
        "y": numbers(tips[:, 1]),
        "name": "current",
        "showlegend": False,
        "legendgroup": "current",
        "hoverinfo": "skip",
        "marker": {
            "symbol": "triangle-up",
            "size": 6,
            "color": INK,
            "angle": numbers(np.degrees(np.arctan2(current[:, 0] / reach[0], current[:, 1] / reach[1]))),
        },
    }
    return [shafts, heads]
