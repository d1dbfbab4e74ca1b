"""Which kind of equilibrium, in which basis, and where the border is."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.theory.equilibrium import equilibrium_verdict

STILL = np.zeros((2, 2))


def curl(size):
    return np.array([[0.0, size], [-size, 0.0]])


@pytest.mark.parametrize(
    ("share", "kind", "holds"),
    [(2e-8, "nonequilibrium", False), (1e-9, "boltzmann", True), (0.0, "boltzmann", True)],
)
def test_border_of_circulation(share, kind, holds):
    verdict = equilibrium_verdict(curl(share), np.eye(2) + curl(share), np.eye(2))
    assert (verdict.kind, verdict.holds) == (kind, holds)
    assert verdict.evidence["circulation_share"] == pytest.approx(share)


@pytest.mark.parametrize(("excess", "kind"), [(1e-6, "equilibrium"), (1e-9, "boltzmann")])
def test_border_of_isotropy(excess, kind):
    verdict = equilibrium_verdict(STILL, np.eye(2), np.diag([1.0, 1.0 + excess]))
    assert (verdict.kind, verdict.holds) == (kind, True)


def test_the_basis_does_not_matter():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    circulation = np.array([[0, 1, 2], [-1, 0, 3], [-2, -3, 0.0]])
    flow, diffusion = np.diag([9.0, 8.0, 7.0]) + circulation, np.diag([1.0, 2.0, 3.0])
    first = equilibrium_verdict(circulation, flow, diffusion)
    second = equilibrium_verdict(*(turn @ matrix @ turn.T for matrix in (circulation, flow, diffusion)))
    assert first.evidence == pytest.approx(second.evidence)


def test_texts_name_what_a_reader_may_conclude():
    assert (
        "no Boltzmann distribution of the loss" in equilibrium_verdict(curl(1.0), curl(1.0), np.eye(2)).text
    )
    assert (
        "in equilibrium, but not on the loss"
        in equilibrium_verdict(STILL, np.eye(2), np.diag([1.0, 2.0])).text
    )
    assert equilibrium_verdict(STILL, STILL, STILL).kind == "boltzmann"
