"""How the mean-field equations are solved: checked in one place, with the memory it takes."""

from __future__ import annotations

from dataclasses import dataclass

from thermograd.errors import ConfigError, MemoryLimitError
from thermograd.numerics.finite_number import check_finite_number
from thermograd.numerics.whole_number import check_whole_number
from thermograd.store.free_memory import free_memory
from thermograd.theory.mean_field_memory import SampleResponses
from thermograd.theory.training_settings import check_positive

_SHARE = 0.8
"""Of the free memory that may be taken."""


@dataclass(frozen=True, kw_only=True)
class SolverSettings:
    """Learning rate, number of steps, and how many paths stand for the samples.

    Attributes:
        learning_rate: η.
        steps: T.
        temperature: T₀ of white noise √(2 T₀ η) in every step, 0 for none.
        replicas: 1, or 2 trainings with the same start and data.
        paths: samples of the representative process.
        response_paths: how many of them the responses are averaged over; shared by the replicas.
        seeds: number of independent solutions.
        memory: steps for which responses of samples are kept; None = all.
        seed: of all randomness.

    Raises:
        ConfigError: a ValueError that names the argument, what was got and what is allowed.
    """

    learning_rate: float
    steps: int
    temperature: float = 0.0
    replicas: int = 1
    paths: int = 10_000
    response_paths: int = 800
    seeds: int = 4
    memory: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        check_finite_number("temperature", self.temperature, error=ConfigError)
        for name, least in (("steps", 1), ("paths", 2), ("seeds", 1), ("seed", 0)):
            check_whole_number(name, getattr(self, name), least, error=ConfigError)
        check_whole_number("replicas", self.replicas, 1, 2, error=ConfigError)
        check_whole_number("response_paths", self.response_paths, self.replicas, error=ConfigError)
        if self.memory is not None:
            check_whole_number("memory", self.memory, 1, error=ConfigError)

    @property
    def depth(self) -> int:
        """Steps for which responses of samples are kept."""
        return self.steps - 1 if self.memory is None else min(self.memory, self.steps - 1)

    @property
    def paths_per_replica(self) -> int:
        """Of each replica, the paths that the responses are averaged over."""
        return min(self.response_paths // self.replicas, self.paths)

    def bytes_needed(self, *, replayed: bool = False) -> dict[str, int]:
        """Memory by what it is for.

        Args:
            replayed: whether the selection comes as one array of all steps.
        """
        steps, replicas = self.steps, self.replicas
        kept = 2 * self.seeds * (3 + replicas) + 3 * replicas**2 + 2
        return {
            "responses": SampleResponses.bytes_for(replicas * self.paths_per_replica, steps, self.depth),
            "paths": 8 * self.paths * steps * replicas * (4 if replayed else 3),
            "kernels": 8 * (steps + 1) ** 2 * kept,
        }

    def check_memory(self, *, replayed: bool = False) -> None:
        """Refuse what would not fit, before anything is allocated.

        Args:
            replayed: whether the selection comes as one array of all steps.

        Raises:
            MemoryLimitError: more than 80 % of the free memory.
        """
        sizes = self.bytes_needed(replayed=replayed)
        needed, free = sum(sizes.values()), free_memory()
        if needed <= _SHARE * free:
            return
        parts = ", ".join(f"{name} {size / 1e9:.2g}" for name, size in sizes.items())
        message = (
            f"{self.steps} steps need {needed / 1e9:.3g} GB ({parts}), more than 80 % of the {free / 1e9:.3g} GB that are "
            "free. Use memory= (steps for which responses are kept), or fewer response_paths or paths"
        )
        raise MemoryLimitError(message)
