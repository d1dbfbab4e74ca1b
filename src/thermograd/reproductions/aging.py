"""Ageing of training: Herrera Segura, Montoya, Tapias, Subaging in underparametrized deep neural networks.

The paper trains narrow tanh networks by plain SGD with a constant learning rate and asks how long the weights take to move
a given distance, and how that time grows with the age of the training: t* ~ t_w^μ with 0 < μ < 1, as in glasses below their
transition (Baity-Jesi et al., arXiv 1803.06969). Here every exponent carries an interval, and what it rests on is printed:
the window of waiting times, the thresholds, and what is censored.
"""

from __future__ import annotations

from thermograd.reproductions import aging_digits, aging_gap, aging_mnist, aging_trimers
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

_FULL = frozenset({"full"})

EXPERIMENTS: Experiments = {
    "trimers": ReproductionExperiment(
        "Figs 1, 2, 7, A.1, A.3: networks of three depths learn with which bond three atoms end; made here, no data folder needed",
        aging_trimers.trimers,
        _FULL,
    ),
    "digits": ReproductionExperiment(
        "whether the exponent depends on the depth: one and three hidden layers on digits, no data folder needed",
        aging_digits.digits,
        _FULL,
    ),
    "mnist": ReproductionExperiment(
        "Figs 4, 5, 6: the exponent at fixed ratio of parameters to data; needs the four files of MNIST",
        aging_mnist.mnist,
        _FULL,
    ),
    "gap": ReproductionExperiment(
        "Fig A.2: generalisation gap against the trace of the Hessian, four sizes of the training set, three depths",
        aging_gap.gap,
        _FULL,
    ),
}
