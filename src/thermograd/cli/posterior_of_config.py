"""From a config file to the draws of its chains."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermograd.advisor.posterior_step import advise
from thermograd.cli import terminal
from thermograd.cli.run import split_words
from thermograd.ensemble.config import Config, load_config
from thermograd.ensemble.config_errors import config_error
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.posterior import sample_posterior
from thermograd.ensemble.preparation import located, slug
from thermograd.errors import ConfigError, InterruptedRunError, MissingExtraError, ThermogradError
from thermograd.store.atomic_file import write_atomically

if TYPE_CHECKING:
    from thermograd.estimators.posterior_draws import PosteriorDraws

DRAWS = "draws.safetensors"
_LARGEST_CHAINS = 512
_USED = ("problem", "minibatching", "dynamics", "trajectories", "epochs", "seed", "dtype", "engine", "device")


@dataclass(frozen=True)
class Sampling:
    """The options of `thermograd sample`.

    Attributes:
        prior_precision: a number, "none", or None if it was not given.
        burn_in: in epochs; None for half.
        thin: in epochs.
        virial_every: in draws.
        directions: number of directions measured apart.
        start: a safetensors file of weights, or None.
        out: the run directory, or None.
        export: "netcdf", "npz" or None.
    """

    prior_precision: float | str | None
    burn_in: int | None = None
    thin: int = 1
    virial_every: int = 10
    directions: int = 0
    start: Path | None = None
    out: Path | None = None
    export: str | None = None

    def precision(self) -> float | None:
        """The prior precision as `sample_posterior` takes it.

        Raises:
            ConfigError: it was not given.
        """
        if self.prior_precision is None:
            message = (
                "--prior-precision is missing, and has no default: 1/variance of the prior of each weight, 0 for a flat prior, "
                "or none if loss and regulariser of the problem are the negative log posterior already"
            )
            raise ConfigError(message)
        return None if isinstance(self.prior_precision, str) else self.prior_precision


def sample_config(words: Sequence[str], wanted: Sampling, *, as_json: bool, allow_import: bool) -> bool:
    """Sample by a config, write the draws and say whether they converged.

    Args:
        words: the config file and overrides.
        wanted: the options.
        as_json: print one JSON object.
        allow_import: allow kinds that import code.

    Returns:
        Whether convergence was shown.

    Raises:
        ConfigError: a config or an option cannot be used.
    """
    source, config = _config(words, allow_import)
    precision, experiment = wanted.precision(), config.experiment
    if wanted.export == "netcdf":
        _check_netcdf()
    folder = wanted.out or Path("posterior") / f"{slug(config.name or source)}-{config.identity[:8]}"
    options = _options(source, experiment, wanted)
    terminal.say(f"{experiment.trajectories} chains of {experiment.epochs} epochs in {folder}")
    draws = _drawn(source, experiment, prior_precision=precision, store=folder, **options)
    file = folder / DRAWS
    draws.save(file)
    written = [str(file), *_exported(draws, folder, wanted.export)]
    verdict = draws.convergence()
    if as_json:
        terminal.result_json(
            {
                "draws": str(file),
                "files": written,
                "holds": verdict.holds,
                "kind": verdict.kind,
                "text": verdict.text,
            }
            | {"evidence": verdict.evidence, "notes": list(draws.facts["notes"])}
        )
        return verdict.holds is True
    for note in draws.facts["notes"]:
        terminal.say(note)
    terminal.result(str(draws))
    terminal.result(str(verdict))
    for name in reversed(written):
        terminal.result(name)
    return verdict.holds is True


def advise_on_config(words: Sequence[str], wanted: Sampling, *, as_json: bool, allow_import: bool) -> None:
    """Say which learning rate would do for a config.

    Args:
        words: the config file and overrides.
        wanted: the options.
        as_json: print one JSON object.
        allow_import: allow kinds that import code.

    Raises:
        ConfigError: a config or an option cannot be used.
    """
    source, config = _config(words, allow_import)
    experiment = config.experiment
    options = _options(source, experiment, wanted)
    advice = advise(
        experiment.problem,
        start=options["start"],
        prior_precision=wanted.precision(),
        batch_size=options["batch_size"],
        dynamics=options["dynamics"],
    )
    if as_json:
        ranking = [
            {
                "dynamics": str(step.dynamics),
                "learning_rate": step.learning_rate,
                "limit": step.limit,
                "epochs_per_draw": step.epochs_per_draw,
            }
            for step in advice.ranking
        ]
        terminal.result_json(
            {"recommendation": advice.recommendation, "ranking": ranking, "caveats": advice.caveats}
        )
        return
    terminal.result(str(advice))
    rate = options["dynamics"].learning_rate
    terminal.result(f"the config has learning_rate {rate:g}: {_beside(rate, advice.ranking[0])}")


def _beside(rate: float, step: Any) -> str:
    if rate >= step.limit:
        return "unstable"
    times = rate / step.learning_rate
    if times > 1.05:
        return f"{times:.3g} times what is advised, so more biased"
    return "within what is advised" if times > 0.5 else f"safe, but {1 / times:.3g} times slower than advised"


def _drawn(source: str, experiment: Experiment, **options: Any) -> PosteriorDraws:
    """The draws; what a problem or plug-in refuses becomes an error with its dotted path."""
    try:
        return sample_posterior(experiment.problem, progress=_progress(experiment), **options)
    except InterruptedRunError as stopped:
        message = f"stopped in {options['store']}; everything is kept. Give the same command again to go on"
        again = InterruptedRunError(message, stopped.exit_code - 128)
        raise again from stopped
    except ThermogradError:
        raise
    except ValueError as error:
        raise config_error(source, [(located(str(error), experiment), str(error))]) from error


def _config(words: Sequence[str], allow_import: bool) -> tuple[str, Config]:
    files, overrides = split_words(words)
    if len(files) != 1:
        message = f"give one config file: thermograd sample CONFIG; got {len(files)}"
        raise ConfigError(message)
    source = files[0]
    config = load_config(source, overrides, allow_import=allow_import)
    _check_unused(source, config.experiment)
    return source, config


def _check_unused(source: str, experiment: Experiment) -> None:
    """Refuse what sampling would not follow."""
    problems = []
    for entry in fields(Experiment):
        default = entry.default
        if entry.name in (*_USED, "steps", "observe") or getattr(experiment, entry.name) == default:
            continue
        problems.append((entry.name, "has no meaning for sampling; leave it out"))
    if experiment.observe is not None:
        problems.append(
            (
                "observe",
                "has no meaning for sampling: the potential and the virial are measured; leave it out",
            )
        )
    if experiment.epochs is None:
        problems.append(
            ("steps", "chains are counted in epochs, at whose ends draws are made; give epochs instead")
        )
    if not hasattr(experiment.dynamics, "temperature"):
        kind = type(experiment.dynamics).__name__
        problems.append(("dynamics.kind", f"{kind} draws from no temperature; use 'sgld' or 'sgworld'"))
    if experiment.trajectories > _LARGEST_CHAINS:
        problems.append(
            (
                "trajectories",
                f"{experiment.trajectories} chains; at most {_LARGEST_CHAINS}, 4 to 16 are enough",
            )
        )
    if problems:
        raise config_error(source, problems)


def _options(source: str, experiment: Experiment, wanted: Sampling) -> dict[str, Any]:
    batch_size = getattr(experiment.minibatching, "batch_size", None)
    if batch_size is None:
        raise config_error(source, [("minibatching.batch_size", "is missing: sampling is by minibatches")])
    epochs = experiment.epochs
    assert epochs is not None  # checked
    built = experiment.functional
    start = None if wanted.start is None else _weights(wanted.start, built.shapes)
    return {
        "dynamics": experiment.dynamics,
        "batch_size": min(batch_size, built.samples),
        "chains": experiment.trajectories,
        "epochs": epochs,
        "burn_in": epochs // 2 if wanted.burn_in is None else wanted.burn_in,
        "thin": wanted.thin,
        "virial_every": wanted.virial_every,
        "directions": wanted.directions,
        "seed": experiment.seed,
        "dtype": experiment.dtype or experiment.functional.problem.dtype,
        "engine": experiment.engine,
        "device": experiment.device,
        "start": start,
    }


def _weights(file: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Weights from a safetensors file.

    Raises:
        ConfigError: there is none, or it holds other weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, torch.Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        message = f"{file} cannot be read as safetensors ({error}); write one with safetensors.torch.save_file(model.state_dict(), ...)"
        raise ConfigError(message) from error
    got = {name: tuple(value.shape) for name, value in found.items()}
    if got != shapes:
        message = f"{file} holds weights {got}; the problem has {shapes}"
        raise ConfigError(message)
    return found


def _progress(experiment: Experiment) -> Any:
    """Says how far the chains are: a line in a terminal, else one every tenth."""
    if terminal.quiet() or sys.stderr.isatty():
        return not terminal.quiet()
    total, said = experiment.total_steps, [0]

    def show(block: int, step: int) -> None:
        del block
        tenth = 10 * step // total
        if tenth > said[0]:
            said[0] = tenth
            terminal.say(f"{10 * tenth} %")

    return show


def _check_netcdf() -> None:
    try:
        import arviz  # ruff: ignore[unused-import]  # asked for before hours of sampling
    except ImportError as error:
        raise MissingExtraError(package="arviz", extra="arviz", purpose="--export netcdf") from error


def _exported(draws: PosteriorDraws, folder: Path, kind: str | None) -> list[str]:
    if kind is None:
        return []
    if kind == "netcdf":
        file = folder / "draws.nc"
        unfinished = folder / ".draws.nc.tmp"
        draws.to_arviz().to_netcdf(str(unfinished))
        unfinished.replace(file)
        return [str(file)]
    file = folder / "draws.npz"
    names = ("potential", "virial", "measured", "epochs", "weights")
    measured = {f"measured/{name}": getattr(draws, name) for name in names}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **dict(draws.parameters), **measured)
    write_atomically(file, stream.getvalue())
    return [str(file)]
