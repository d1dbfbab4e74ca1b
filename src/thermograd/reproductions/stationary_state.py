"""The stationary state of SGD: Adhikari, Kabakcioglu, Strang, Yuret, Hinczewski, arXiv 2306.03521.

The paper shows scatter plots of theory against simulation for a regression with seven parameters and a linear classifier
of MNIST, with batches drawn with and without replacement. Here every such plot becomes a measured over predicted
ratio with an interval, in directions of the Hessian, so that flat directions count as much as steep ones.
"""

from __future__ import annotations

from thermograd.reproductions import stationary_state_classifier, stationary_state_regression
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

_FULL = frozenset({"full"})

EXPERIMENTS: Experiments = {
    "regression": ReproductionExperiment(
        "Figs 2 to 4: seven parameters, with and without replacement, and the shaken landscape",
        stationary_state_regression.regression,
        _FULL,
    ),
    "digits": ReproductionExperiment(
        "Fig 3, linear classifier: 160 weights on digits, with and without replacement, no data folder needed",
        stationary_state_classifier.digits,
        _FULL,
    ),
    "mnist": ReproductionExperiment(
        "Fig 3, linear classifier: 490 weights on MNIST; --full on all 60 000 images",
        stationary_state_classifier.mnist,
        _FULL,
    ),
}
