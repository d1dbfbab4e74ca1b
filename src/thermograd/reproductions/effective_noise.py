"""The effective noise of SGD: Mignacco and Urbani, arXiv 2112.10852.

Only the abstract was available; figure-level parameters are not known to us. Checked are its qualitative statements, and
our theory against our simulation. Loss, data, learning rates and batches are ours.
"""

from __future__ import annotations

from thermograd.reproductions import effective_noise_mixture
from thermograd.reproductions.reproduction import Experiments, ReproductionExperiment

EXPERIMENTS: Experiments = {
    "mixture": ReproductionExperiment(
        "statements of the abstract on Gaussian clusters: temperature, replica distance, boundary; theory beside simulation",
        effective_noise_mixture.mixture,
        frozenset({"full"}),
    ),
}
