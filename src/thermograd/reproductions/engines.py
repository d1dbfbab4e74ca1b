"""How fast ensembles of trajectories are trained, beside what one writes by hand in PyTorch.

The programs behind studies such as Adhikari, Kabakcioglu, Strang, Yuret, Hinczewski (arXiv 2306.03521) or Meir, Keidar,
Reuveni, Hirshberg (arXiv 2502.04121) train one network after another, a few thousand steps a second. Instead of a paper's
number the table holds how many times as fast we mean to be; measured numbers are those of this machine, one thread.
"""

from __future__ import annotations

from thermograd.reproductions import engines_speed
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

EXPERIMENTS: Experiments = {
    "speed": ReproductionExperiment(
        "trajectory-steps per second of every engine beside a loop and torch.func.vmap, five networks",
        engines_speed.reproduce,
        frozenset({"full"}),
    ),
}
