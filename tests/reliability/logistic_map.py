"""The tiny loop and its numbers, for tests that put this folder on their path."""

from thermograd.reproductions.running_logistic_map import LogisticMap, LogisticTrainer
from thermograd.reproductions.running_numbers import everything

__all__ = ["LogisticMap", "LogisticTrainer", "everything"]
