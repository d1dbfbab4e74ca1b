"""Exceptions that say what is wrong, what was got and what to do, and carry the partial result.

Every error the library foresees derives from `ThermogradError` and carries the exit code the command
line ends with. Where a builtin fits (`ValueError`, `MemoryError`, ...) the class derives from it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ThermogradError(Exception):
    """Base of all foreseen errors; `exit_code` is what the command line returns for it.

    >>> from thermograd.ensemble.config import load_config
    >>> try:
    ...     load_config("no/such/experiment.toml")
    ... except ThermogradError as error:
    ...     type(error).__name__, error.exit_code
    ('ConfigError', 2)
    """

    exit_code = 1


class ConfigError(ThermogradError, ValueError):
    """A configuration or an argument cannot be used. `problems` lists (dotted path, message).

    >>> from thermograd.ensemble.config import parse_config
    >>> try:
    ...     parse_config('problem = "quadratik"')
    ... except ConfigError as error:
    ...     [path for path, message in error.problems]
    ['problem.kind', 'steps']
    """

    exit_code = 2

    def __init__(self, message: str, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class NothingCommittedError(ConfigError):
    """The run is fine, but holds nothing yet that could be analysed."""


class RunInUseError(ThermogradError):
    """Another process owns the run directory."""

    exit_code = 3


class ExperimentMismatchError(ThermogradError, ValueError):
    """The run holds another experiment; the message names the fields that differ."""

    exit_code = 3


class ForeignDirectoryError(ThermogradError, ValueError):
    """The directory is not a run of ours."""

    exit_code = 3


class DamagedRunError(ThermogradError):
    """Part of a run cannot be trusted. `damage` says which arrays and blocks."""

    exit_code = 3

    def __init__(self, message: str, damage: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.damage = damage


class NewerFormatError(ThermogradError):
    """The run was written by a newer version of the format."""

    exit_code = 3


class OlderFormatError(ThermogradError):
    """The run is of an earlier format: it is read, but only the version that wrote it can go on with it."""

    exit_code = 3


class EnvironmentChangedError(ThermogradError):
    """The environment differs from the one the run was started in, and `strict` was asked for."""

    exit_code = 3


class DiskFullError(ThermogradError, OSError):
    """Writing failed; what is on disk is consistent and can be resumed."""

    exit_code = 4


class MemoryLimitError(ThermogradError, MemoryError):
    """The request would not fit in memory."""

    exit_code = 4


class MissingExtraError(ThermogradError, ImportError):
    """An optional dependency is absent; the message holds the pip line.

    Args:
        package: what could not be imported.
        extra: the extra of thermograd that installs it.
        purpose: what needs it, as the subject of the sentence.

    >>> str(MissingExtraError(package="zarr", extra="lab", purpose="A run directory"))
    "A run directory needs the package 'zarr', which is not installed: pip install 'thermograd[lab]'"
    """

    exit_code = 4

    def __init__(self, *, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed: pip install 'thermograd[{extra}]'"
        )


class MissingDataError(ThermogradError, FileNotFoundError):
    """A data set that has to be supplied is not in the data folder; the message names the files."""

    exit_code = 4


class DamagedDataError(ThermogradError, ValueError):
    """A file of a data set is not what its format says.

    Args:
        file: its path.
        what: what is wrong with it.

    >>> str(DamagedDataError("mnist/labels.gz", "ends too early"))
    'mnist/labels.gz: ends too early. Put the original file there again'
    """

    exit_code = 4

    def __init__(self, file: object, what: str) -> None:
        super().__init__(f"{file}: {what}. Put the original file there again")


class BlockFailedError(ThermogradError):
    """A block of trajectories could not be finished."""

    exit_code = 1


class EngineUnavailableError(ThermogradError):
    """The engine asked for by name cannot run this experiment."""

    exit_code = 4


class CensoredError(ThermogradError, ValueError):
    """The mean is not defined because some trajectories never arrived. `partial` holds what is.

    >>> from thermograd.estimators.first_passage import first_passage_times, mean_first_passage_time
    >>> passages = first_passage_times([[0.1, 0.9, 0.9], [0.1, 0.2, 0.3]], target=0.5)
    >>> try:
    ...     mean_first_passage_time(passages)
    ... except CensoredError as error:
    ...     error.partial["censored_fraction"], str(error.partial["restricted"])
    (0.5, '2.5 (2 to 3 at 95 %) epoch, from 2 pieces (mean of min(T, 3))')
    """

    exit_code = 1

    def __init__(self, message: str, partial: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.partial = dict(partial)


class NotApplicableError(ThermogradError, ValueError):
    """What was asked for is not defined for what it was asked of. `instead` says what is.

    Args:
        what: what was asked for, and of what, as the subject of the sentence.
        why: why it is not defined, as its predicate.
        instead: what to call.

    >>> str(NotApplicableError(what="temperature() of Adam", why="has no one noise level", instead="verdict()"))
    'temperature() of Adam has no one noise level. Instead: verdict()'
    """

    exit_code = 2

    def __init__(self, *, what: str, why: str, instead: str) -> None:
        super().__init__(f"{what} {why}. Instead: {instead}")
        self.what = what
        self.why = why
        self.instead = instead


class UnstableStepSizeError(ConfigError):
    """Steps of this size move away from the minimum faster than towards it.

    Args:
        message: what is wrong, what was got, what to do.
        limit: the largest learning rate that is stable.
        curvature: the largest curvature h of the potential.
        got: the learning rate asked for.

    >>> from thermograd.dynamics import SGLD
    >>> from thermograd.dynamics.stability import check_stability
    >>> try:
    ...     check_stability(SGLD(learning_rate=0.3), curvature=10.0, steps_per_epoch=5)
    ... except UnstableStepSizeError as error:
    ...     error.limit, error.got
    (0.2, 0.3)
    """

    def __init__(self, message: str, *, limit: float, curvature: float, got: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.curvature = curvature
        self.got = got


class DivergedError(ThermogradError, ArithmeticError):
    """Weights became infinite or NaN, or grew without bound. `partial` holds what was found before, None if nothing.

    Args:
        message: which chain or solution, when, and what to do.
        partial: the draws made before, or the theory of the steps before.

    >>> from thermograd.problems import GaussianMixture
    >>> from thermograd.theory.mean_field import solve
    >>> hardly_any_samples = GaussianMixture(sample_ratio=0.01, weight_decay=1.0)
    >>> try:  # w ← (1 − ηλ) w = −3 w
    ...     solve(hardly_any_samples, learning_rate=4.0, steps=40, selection="gd", paths=4)
    ... except DivergedError as error:
    ...     type(error.partial).__name__, error.partial.steps < 40
    ('MeanField', True)
    """

    exit_code = 1

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial


class InterruptedRunError(KeyboardInterrupt):
    """A signal stopped a run at a step boundary; it can be resumed. `exit_code` is 128 + the signal.

    >>> InterruptedRunError("stopped at step 200", signal=15).exit_code
    143
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal
