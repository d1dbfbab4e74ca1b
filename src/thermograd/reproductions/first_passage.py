"""When does training arrive, and does a kick get it there sooner? Meir, Keidar, Reuveni, Hirshberg, arXiv 2502.04121.

Recorded runs stand for the trainings that two cores cannot repeat: a ResNet-18 with learning rate 0.02, batches of
125 (the last incomplete one dropped), no augmentation, a first convolution 3×3 of stride 1 and no pooling, momentum
0 or 0.9, 1000 runs of 200 epochs.
"""

from __future__ import annotations

from thermograd.errors import ConfigError
from thermograd.reproductions import first_passage_cifar10, first_passage_live, first_passage_supplement
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment, Settings, Stages


def _phase_retrieval(settings: Settings) -> Stages:
    if settings.full and not settings.live:
        message = "--full is for training: add --live; the recorded runs of phase-retrieval are at full size already"
        raise ConfigError(message)
    train = first_passage_live.phase_retrieval
    return (train if settings.live else first_passage_supplement.phase_retrieval)(settings)


EXPERIMENTS: Experiments = {
    "digits": ReproductionExperiment(
        "the whole study with its brute-force check, trained here: small networks on digits with wrong labels",
        first_passage_live.digits,
        frozenset({"full"}),
    ),
    "cifar10": ReproductionExperiment(
        "1000 recorded runs of ResNet-18 on CIFAR-10, shrink and perturb, target 72 %",
        first_passage_cifar10.reproduce,
    ),
    "cifar100-momentum": ReproductionExperiment(
        "309 recorded runs of ResNet-18 with momentum 0.9 on CIFAR-100, target 55 %",
        first_passage_supplement.cifar100_momentum,
    ),
    "cifar100": ReproductionExperiment(
        "recorded runs of ResNet-18 without momentum on CIFAR-100; the file has to be supplied",
        first_passage_supplement.cifar100,
    ),
    "phase-retrieval": ReproductionExperiment(
        "100 recorded runs of a network that retrieves MNIST images from Fourier magnitudes, target loss 0.4",
        _phase_retrieval,
        frozenset({"live", "full"}),
    ),
}
