"""Where three atoms fall, learned from a glance at their distances: a classification problem of any size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from thermograd.numerics.whole_number import check_whole_number
from thermograd.problems.perceptron import checked_hidden, parameter_count, perceptron
from thermograd.problems.problem import Problem
from thermograd.problems.trimers import check_view, make_trimers, trimer_energy
from thermograd.store.array_cache import content_hash

__all__ = ["LennardJones", "make_trimers", "trimer_energy"]

_CLASSES = 4


@dataclass(frozen=True)
class LennardJones:
    """Where three atoms end, predicted by a tanh network from distances on the way; cross-entropy, R = λ Σ θ².

    Four classes, see `make_trimers`: the triangle, and the line with each of the three atoms in the middle. Two of the three
    distances after six steps decide about four of five samples. Glorot uniform weights, biases 0. Training and test samples
    follow each other in one list, which is made once (about a second for 1000) and kept in the user's cache folder;
    `run.notes` says the hash of the data.

    A problem like that of Herrera Segura, Montoya, Tapias (Subaging in underparametrized deep neural networks), after Verpoort, Lee,
    Wales (PNAS 117, 21857 (2020)), whose recorded set is another: `SGD(learning_rate=0.05)`,
    `WithoutReplacement(batch_size=100)`, 150 000 steps.

    Attributes:
        hidden: widths of the hidden layers; (10,), (5, 5) and (4, 4, 4) have about as many parameters, (1,), (1, 1) are chains.
        samples: training samples.
        test_samples: test samples.
        coordinates: how many of r₁₂, r₁₃, r₂₃ the network gets, 1 to 3.
        descent_steps: iterations of L-BFGS after which they are taken; 0 = the starts.
        regulariser: λ.
        seed: of the atoms' starts.
        dtype: see `Problem`.

    Raises:
        ValueError: a field is out of its range.

    >>> [LennardJones(hidden=hidden).parameter_count for hidden in ((10,), (5, 5), (4, 4, 4), (1, 1, 1))]
    [74, 69, 72, 15]
    """

    hidden: tuple[int, ...] = (5, 5)
    samples: int = 1000
    test_samples: int = 5000
    coordinates: int = 2
    descent_steps: int = 6
    regulariser: float = 1e-4
    seed: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", checked_hidden(self.hidden))
        check_whole_number("samples", self.samples, 1)
        check_whole_number("test_samples", self.test_samples, 1)
        check_view(self.coordinates, self.descent_steps, self.seed)

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases; needs no data."""
        return parameter_count(self._widths)

    def build(self) -> Problem:
        """The problem with its data."""
        inputs, labels = make_trimers(
            self.samples + self.test_samples,
            coordinates=self.coordinates,
            descent_steps=self.descent_steps,
            seed=self.seed,
        )
        data = torch.from_numpy(inputs), torch.from_numpy(labels)
        return Problem(
            model=self._network,
            loss=nn.CrossEntropyLoss(reduction="none"),
            train=(data[0][: self.samples], data[1][: self.samples]),
            test=(data[0][self.samples :], data[1][self.samples :]),
            regulariser=self.regulariser,
            dtype=self.dtype,
            name="lennard_jones",
            provenance=f"{self.samples} + {self.test_samples} trimers, sha256 {content_hash(inputs, labels)}",
        )

    @property
    def _widths(self) -> tuple[int, ...]:
        return (self.coordinates, *self.hidden, _CLASSES)

    def _network(self) -> nn.Module:
        return perceptron(self._widths)
