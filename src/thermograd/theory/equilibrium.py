"""Three kinds of stationary state: a Boltzmann state, an equilibrium on another landscape, a nonequilibrium state.

Detailed balance holds if and only if nothing circulates, C = 0. Even then the density is exp(−βL) only if the noise is
the same in all directions, D ∝ I; with other noise that commutes with the Hessian the state is in equilibrium on
another landscape Φ = ½ δᵀΣ⁻¹δ (Adhikari, Kabakçıoğlu, Strang, Yuret, Hinczewski, arXiv 2306.03521).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.quantities import Verdict

Array = npt.NDArray[Any]

TOLERANCE = 1e-8


def equilibrium_verdict(circulation: Array, flow: Array, diffusion: Array) -> Verdict:
    """Whether a stationary state is one of equilibrium, and of which kind.

    `holds` is True for `boltzmann` (C = 0, D ∝ I) and `equilibrium` (C = 0 only), False for `nonequilibrium`. C counts
    as 0 if ‖C‖ < 1e-8 ‖(I−A)Σ‖. All three matrices may be in any one orthonormal basis.

    Args:
        circulation: C.
        flow: (I − A) Σ, whose antisymmetric part C is.
        diffusion: D.

    Returns:
        The verdict; `evidence` has `circulation_share`, ‖C‖/‖(I−A)Σ‖, and `anisotropy`, ‖D − I tr D/N‖/‖D‖.

    >>> still, isotropic = np.zeros((2, 2)), np.eye(2)
    >>> equilibrium_verdict(still, isotropic, isotropic).kind
    'boltzmann'
    >>> equilibrium_verdict(still, isotropic, np.diag([1.0, 2.0])).kind
    'equilibrium'
    >>> equilibrium_verdict(np.array([[0.0, 0.1], [-0.1, 0.0]]), isotropic, isotropic).kind
    'nonequilibrium'
    """
    share = _share(np.linalg.norm(circulation), np.linalg.norm(flow))
    even = np.trace(diffusion) / len(diffusion) * np.eye(len(diffusion))
    anisotropy = _share(np.linalg.norm(diffusion - even), np.linalg.norm(diffusion))
    evidence = {"circulation_share": share, "anisotropy": anisotropy}
    if share >= TOLERANCE:
        text = (
            f"not in equilibrium: the weights circulate for ever ({100 * share:.2g} % of the flow), "
            "so the stationary density is no Boltzmann distribution of the loss"
        )
        return Verdict(False, "nonequilibrium", text, evidence)
    if anisotropy >= TOLERANCE:
        text = (
            "in equilibrium, but not on the loss: nothing circulates, and the density is exp(−Φ) on another "
            "landscape, Φ = ½ δᵀ Σ⁻¹ δ"
        )
        return Verdict(True, "equilibrium", text, evidence)
    text = (
        "a Boltzmann state exp(−βL): nothing circulates and the noise is the same in every direction "
        "(to first order in learning rate × curvature)"
    )
    return Verdict(True, "boltzmann", text, evidence)


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole > 0 else 0.0
