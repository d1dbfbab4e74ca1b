"""The stationary state of SGD with momentum, exact for a quadratic loss, from one 4×4 system per pair of modes.

PyTorch's b ← β b + (1 − d) g, θ ← θ − η b. With u = η b a Hessian mode of a = η (1 − d) h has the map
[[1 − a, −β], [a, β]] of (θ, u) and noise 2 D (1 − d)² [[1, −1], [−1, 1]]; weights and u are of like size, weights and b
are not, on which a general solver loses its digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.numerics.lyapunov import RelaxationModes
from thermograd.theory.equilibrium import equilibrium_verdict
from thermograd.theory.fluctuation_dissipation import relaxation_times
from thermograd.theory.linear_process import StationaryState

Array = npt.NDArray[Any]

KICK = np.array([[1.0, -1.0], [-1.0, 1.0]])


def pair_covariances(steps: Array, diffusion: Array, momentum: float) -> Array:
    """⟨p q⟩ for p, q of (θ, u), one `(N, N)` block each: `(2, 2, N, N)`.

    Args:
        steps: a = η (1 − d) h per mode, `(N,)`.
        diffusion: D (1 − d)² in the modes, `(N, N)`.
        momentum: β.

    >>> found = pair_covariances(np.array([0.1]), np.array([[0.005]]), 0.0)  # plain: 2 D / (2 a − a²)
    >>> round(float(found[0, 0, 0, 0]), 12) == round(0.01 / 0.19, 12)
    True
    """
    first, second = np.triu_indices(len(steps))
    relaxation = np.empty((len(steps), 2, 2))
    relaxation[:, 0, 0], relaxation[:, 0, 1] = steps, momentum
    relaxation[:, 1, 0], relaxation[:, 1, 1] = -steps, 1 - momentum
    left, right, same = relaxation[first], relaxation[second], np.eye(2)
    system = (
        np.einsum("kpr,qs->kpqrs", left, same)
        + np.einsum("pr,kqs->kpqrs", same, right)
        - np.einsum("kpr,kqs->kpqrs", left, right)
    ).reshape(-1, 4, 4)
    kicks = 2 * diffusion[first, second][:, None] * KICK.reshape(4)
    solved = np.linalg.solve(system, kicks[..., None]).reshape(-1, 2, 2)
    blocks = np.empty((2, 2, len(steps), len(steps)))
    blocks[:, :, first, second] = solved.transpose(1, 2, 0)
    blocks[:, :, second, first] = solved.transpose(2, 1, 0)
    return blocks


def heavy_ball(
    modes: RelaxationModes,
    diffusion: Array,
    *,
    learning_rate: float,
    momentum: float,
    dampening: float,
    facts: dict[str, Any],
) -> StationaryState:
    """The stationary state of weights and momentum buffer, discrete time.

    Args:
        modes: of the Hessian, all curved and stable.
        diffusion: D of SGD without momentum at this learning rate, `(N, N)`.
        learning_rate: η.
        momentum: β.
        dampening: d.
        facts: the attributes of the state that the process does not give, `mean` at least.
    """
    steps = learning_rate * (1 - dampening) * modes.rates
    kept = (1 - dampening) ** 2 * diffusion
    local = modes.into(kept)
    blocks = pair_covariances(steps, local, momentum)
    flow = np.empty_like(blocks)
    flow[0] = steps[:, None] * blocks[0] + momentum * blocks[1]
    flow[1] = -steps[:, None] * blocks[0] + (1 - momentum) * blocks[1]
    circulating = (flow - flow.transpose(1, 0, 3, 2)) / 2
    scale = np.array([1.0, 1 / learning_rate])
    joint, joint_circulation = (_joined(modes, part, scale) for part in (blocks, circulating))
    joint, joint_circulation = (joint + joint.T) / 2, (joint_circulation - joint_circulation.T) / 2
    size, same = len(diffusion), np.eye(len(diffusion))
    gradient = (1 - dampening) * modes.back(np.diag(modes.rates))
    propagator = np.block(
        [
            [same - learning_rate * gradient, -learning_rate * momentum * same],
            [gradient, momentum * same],
        ]
    )
    return StationaryState(
        **facts
        | {
            "covariance": joint[:size, :size],
            "circulation": joint_circulation[:size, :size],
            "diffusion": kept,
            "propagator": propagator,
            "equilibrium": equilibrium_verdict(circulating[0, 0], flow[0, 0], local),
            "relaxation_times": np.sort(relaxation_times(steps, momentum)),
            "joint_covariance": joint,
            "joint_circulation": joint_circulation,
            "rests_on": f"{facts.get('rests_on', '')}; with momentum the noise drives N of 2N coordinates, so that entropy "
            "production is not defined",
        }
    )


def _joined(modes: RelaxationModes, blocks: Array, scale: Array) -> Array:
    """Blocks of (θ, u) in the modes as one matrix of (θ, b) in the coordinates."""
    turned = [
        [scale[row] * scale[column] * modes.back(blocks[row, column]) for column in range(2)]
        for row in range(2)
    ]
    return np.block(turned)
