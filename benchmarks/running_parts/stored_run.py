"""A run in a directory over the bare loop of the same engine, which measures the same and keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator

from paired_seconds import paired_seconds

import thermograd as tg
from running_parts.fresh_folder import in_fresh_folder
from running_parts.row import Row
from thermograd.dynamics import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.training_loop import Trainer
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Every
from thermograd.observables import Loss
from thermograd.problems import NonlinearRegression

EVERY = 10


def experiment(engine: str, steps: int, *, loss: bool) -> Experiment:
    """1000 networks of 7 weights, which are recorded every 10th step."""
    return Experiment(
        NonlinearRegression(),
        WithoutReplacement(10),
        SGD(1e-7),
        observe=[Loss(at=Every(EVERY))] if loss else [],
        save_weights=Every(EVERY),
        trajectories=1000,
        steps=steps,
        engine=engine,
    )


def bare_loop(training: Experiment) -> None:
    """Plan, start, advance by 10 steps and measure, block after block; no records, no checkpoints."""
    trainer = Trainer(training)
    header = trainer.header()
    for block in range(header.blocks):
        state = trainer.engine.start(header.block(block))
        for step in range(0, training.total_steps + 1, EVERY):
            if step:
                state = trainer.engine.advance(state, EVERY)
            for observable in training.observables:
                trainer.engine.measure(state, observable)
            for value in state.weights.values():
                value.detach().cpu().numpy()


def rows(*, quick: bool) -> Iterator[Row]:
    """The engine that is chosen, with and without a loss to measure, and the reference engine."""
    settings = [("auto", 3000, True, 1.10), ("eager", 1000, False, 1.10), ("auto", 3000, False, None)]
    for engine, steps, loss, bar in settings[: 1 if quick else None]:
        length = 1000 if quick else steps
        training = experiment(engine, length, loss=loss)
        chosen = Trainer(training).plan.engine
        store = in_fresh_folder(lambda folder, training=training: tg.run(training, store=folder / "run"))
        repeats = 2 if quick else 5
        ours, bare = paired_seconds(store, lambda training=training: bare_loop(training), repeats)
        records = "loss and weights" if loss else "weights"
        what = f"stored run, 1000 x 7, {records} every 10th of {length} steps, over the bare loop ({chosen})"
        yield Row(what, ours / bare, "<=", bar) if bar else Row(what, ours / bare)
