"""Surviving kills, full disks, damage and signals: no paper, a promise of ours.

Every row does something to runs again and again and compares their numbers, as bytes, with those of a run that nothing
happened to. Of n rounds without a failure follows a failure rate below 3/n at 95 %.
"""

from __future__ import annotations

from thermograd.reproductions import running_reliability
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

EXPERIMENTS: Experiments = {
    "reliability": ReproductionExperiment(
        "kills, disk faults, damage, several owners, signals, poisoned blocks; with counts, and faults built in on purpose",
        running_reliability.reproduce,
        frozenset({"full"}),
    ),
}
