"""`thermograd quickstart`: the main job on real data, from an ensemble to advice and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE
from thermograd.cli.progress_display import ProgressDisplay

if TYPE_CHECKING:
    from thermograd.advisor.perturbation_interval import Candidate
    from thermograd.ensemble.experiment import Experiment
    from thermograd.ensemble.perturbation_study import PerturbationStudy
    from thermograd.quantities import Advice
    from thermograd.store.perturbation_record import PerturbationRecord
    from thermograd.store.run import Run

TRAJECTORIES, EPOCHS, HORIZON, TARGET = 64, 80, 40, 0.904


def quickstart(*, out: Path = Path("quickstart"), seed: int = 0) -> int:
    """Train 64 small networks on noisy digits and ask whether, and how often, to perturb them.

    The networks see handwritten digits of which three in ten carry a random label, so accuracy peaks and
    then decays. When does a run first reach 90.4 % of the test images, would shrinking, partly resetting or
    restarting get it there sooner, and does brute force agree? The last line on stdout is the page.

    Args:
        out: run directory; what it holds already is not trained again.
        seed: seed of all randomness.

    Returns:
        Exit code.
    """
    from thermograd.advisor.perturbation_interval import advise  # here, so that --help needs no torch
    from thermograd.report.page import STUDY, report_run

    run = _train(out, seed)
    study = question(seed)
    record = _known(study, out / STUDY)
    if record is None:
        terminal.say(f"branching the runs that have not arrived after {EPOCHS} epochs, once per perturbation")
        record = _checked(study, advise(study.run(experiment(seed), unperturbed=run)))
        record.save(out / STUDY)
    page = report_run(out)
    terminal.result(str(advise(record)))
    terminal.result(str(page))
    return DONE


def experiment(seed: int) -> Experiment:
    """64 tanh networks 64-64-10 on 600 digits, 30 % of the labels redrawn; 80 epochs of 30 steps."""
    from thermograd.dynamics.sgd import SGD
    from thermograd.ensemble.experiment import Experiment
    from thermograd.minibatching.without_replacement import WithoutReplacement
    from thermograd.numerics.log_times import Epochs
    from thermograd.observables.accuracy import Accuracy
    from thermograd.observables.loss import Loss
    from thermograd.problems.digits import Digits

    return Experiment(
        Digits(hidden=(64,), train_samples=600, flipped=0.3),
        WithoutReplacement(batch_size=20),
        SGD(learning_rate=0.5),
        observe=[Accuracy(split="test"), Loss(split="train", at=Epochs(2))],
        trajectories=TRAJECTORIES,
        epochs=EPOCHS,
        seed=seed,
        dtype="float32",
        block_size=TRAJECTORIES,
    )


def question(seed: int) -> PerturbationStudy:
    """When is 90.4 % test accuracy first reached, and would a perturbation get there sooner?"""
    from thermograd.ensemble.perturbation_study import PerturbationStudy
    from thermograd.perturbations.partial_reset import PartialReset
    from thermograd.perturbations.shrink_and_perturb import ShrinkAndPerturb

    return PerturbationStudy(
        target=TARGET,
        direction="up",
        interval=EPOCHS,
        trajectories=TRAJECTORIES,
        horizon=HORIZON,
        candidates={"shrink_and_perturb": ShrinkAndPerturb(), "partial_reset": PartialReset()},
        seed=seed,
    )


def _train(out: Path, seed: int) -> Run:
    from thermograd.ensemble.directory_run import run_in_directory
    from thermograd.ensemble.launch import Launch

    terminal.say(f"training {TRAJECTORIES} networks for {EPOCHS} epochs on handwritten digits")
    with ProgressDisplay(str(out)) as display:
        launch = Launch(
            show=display.show, say=display.say, command=f"thermograd quickstart --out {out} --seed {seed}"
        )
        return run_in_directory(experiment(seed), out, name="quickstart", launch=launch)


def _known(study: PerturbationStudy, file: Path) -> PerturbationRecord | None:
    """The record of an earlier quickstart in this run directory, if it asked the same."""
    from thermograd.store.perturbation_record import PerturbationRecord

    if not file.is_file():
        return None
    record = PerturbationRecord.load(file)
    same = all(
        getattr(record, name) == getattr(study, name)
        for name in ("target", "direction", "interval", "horizon", "seed")
    )
    named = {name: repr(candidate) for name, candidate in study.candidates.items()}
    return record if same and dict(record.candidates) == named else None


def _checked(study: PerturbationStudy, advice: Advice) -> PerturbationRecord:
    """The study's record, with what is recommended, or else the best in the running, tried on fresh networks."""
    from thermograd.advisor.perturbation_interval import recommended

    assert study.record is not None  # run() made it
    chosen = recommended(advice)
    tried = chosen or _in_the_running(advice)
    if tried is None:
        terminal.say("there is nothing to check: no perturbation was in the running")
        return study.record
    if chosen is None:
        terminal.say("the advice is to leave training alone; the best alternative is checked all the same")
    terminal.say(
        f"checking by brute force: {TRAJECTORIES} fresh networks, {tried.name} every {tried.interval} epochs"
    )
    assert tried.interval is not None  # without one it is neither recommended nor in the running
    study.verify([tried.interval], [tried.name])
    return study.record


def _in_the_running(advice: Advice) -> Candidate | None:
    """The best alternative that has an interval; one whose mean is known before one whose mean is a bound."""
    perturbing = [entry for entry in advice.ranking if entry.interval is not None]
    return min(perturbing, key=lambda entry: entry.optimistic, default=None)
