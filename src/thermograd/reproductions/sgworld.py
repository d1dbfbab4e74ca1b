"""Sampling a posterior by SGD: Adhikari, Kabakcioglu, Strang, Yuret, Hinczewski, arXiv 2306.03521, section 4.6 and Fig 6.

The paper predicts that SGWORLD's distance from the posterior falls as the sixth power of the learning rate. That is so for
the continuous equation it starts from. Here the algorithms are compared beside the equation: by their exact moments, which
need no simulation, and by simulation.
"""

from __future__ import annotations

from thermograd.reproductions import sgworld_digits, sgworld_regression
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

_FULL = frozenset({"full"})

EXPERIMENTS: Experiments = {
    "regression": ReproductionExperiment(
        "Fig 6: divergence from the posterior against the learning rate, theory and algorithms; 7 parameters",
        sgworld_regression.regression,
        _FULL,
    ),
    "digits": ReproductionExperiment(
        "SGLD against SGWORLD at equal gradients: 650 weights on digits with wrong labels, no data folder needed",
        sgworld_digits.digits,
        _FULL,
    ),
}
