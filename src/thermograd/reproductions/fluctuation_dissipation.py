"""Does training reach the stationary state of the fluctuation-dissipation relations? Yaida, arXiv 1810.00004.

The paper shows curves, not numbers; its statements are compared with numbers that have intervals. It trains a perceptron
784-200-200-10 with rectified linear units on MNIST (batches of 100, weight decay 0.01) and a small convolutional network
on CIFAR-10 with momentum 0.9, batches reshuffled every epoch, and measures distances from the origin.
"""

from __future__ import annotations

from thermograd.reproductions import (
    fluctuation_dissipation_first_cut,
    fluctuation_dissipation_live,
    fluctuation_dissipation_schedules,
)
from thermograd.reproductions.fluctuation_dissipation_changes import SETTABLE
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

_FULL = frozenset({"full"})

EXPERIMENTS: Experiments = {
    "digits": ReproductionExperiment(
        "ratio, rates and landscape on a small network on digits, trained here without any data folder",
        fluctuation_dissipation_live.digits,
        settable=SETTABLE,
    ),
    "ratio-mlp": ReproductionExperiment(
        "Fig 1a: the perceptron on MNIST at one learning rate; too short to decide without --full",
        fluctuation_dissipation_live.ratio_mlp,
        _FULL,
        SETTABLE,
    ),
    "ratio-cnn": ReproductionExperiment(
        "Fig 1b: the convolutional network on CIFAR-10, momentum 0.9; too short to decide without --full",
        fluctuation_dissipation_live.ratio_cnn,
        _FULL,
        SETTABLE,
    ),
    "rates": ReproductionExperiment(
        "Fig 2a: the perceptron on MNIST at one learning rate after another; too short to decide without --full",
        fluctuation_dissipation_live.rates,
        _FULL,
        SETTABLE,
    ),
    "rates-cnn": ReproductionExperiment(
        "Fig 2b: the convolutional network on CIFAR-10 at one learning rate after another; too short to decide without --full",
        fluctuation_dissipation_live.rates_cnn,
        _FULL,
        SETTABLE,
    ),
    "landscape": ReproductionExperiment(
        "Fig 3a: the squared gradient against the learning rate, with independent and with reshuffled batches",
        fluctuation_dissipation_live.landscape,
        _FULL,
        SETTABLE,
    ),
    "schedules": ReproductionExperiment(
        "Fig 4: schedules side by side, on digits; --full on MNIST",
        fluctuation_dissipation_schedules.reproduce,
        _FULL,
    ),
    "first-cut": ReproductionExperiment(
        "first cuts of a regression on digits whose equilibration is known from an ensemble",
        fluctuation_dissipation_first_cut.reproduce,
    ),
}
