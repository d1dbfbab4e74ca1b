"""Aging: what a tracker of displacements costs beside the training it follows, and how long an exponent takes.

`python benchmarks/aging.py` prints Markdown tables, progress on stderr; `--steps` for shorter runs. One thread,
processor time, everything seeded. Exit code 1 if a bar is missed at full length.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
import torch
from printed_table import print_table, say
from sklearn.datasets import load_digits
from torch import nn

from thermograd.estimators.aging import DisplacementTable, aging_exponent
from thermograd.observables import TwoTimeDisplacement

BATCH = 100
MARKS = (1_000, 10_000, 100_000)
SECONDS = 3.0
REPETITIONS = 5


class Tracked(NamedTuple):
    """A tracker, and the bar on its share of the training."""

    words: str
    tracker: TwoTimeDisplacement
    bar: float


TRACKED = (
    Tracked("defaults", TwoTimeDisplacement(), 0.01),
    Tracked("by layer", TwoTimeDisplacement(by="layer"), 0.01),
    Tracked(
        "sketch of 4096, 200 waiting times per decade",
        TwoTimeDisplacement(sketch=4096, waiting_per_decade=200, max_anchors=2000),
        0.05,
    ),
)


class Share(NamedTuple):
    """What was spent up to a step, in seconds."""

    step: int
    training: float
    tracking: float
    records: int
    megabytes: float


def shares(tracked: Tracked, steps: int) -> list[Share]:
    """Training of a 64-200-200-10 network on digits with SGD, and the tracker's calls in it, timed in turn."""
    images, labels = load_digits(return_X_y=True)
    inputs, classes = torch.tensor(images[:1500] / 16, dtype=torch.float32), torch.tensor(labels[:1500])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    tracking = tracked.tracker.start(dict(model.named_parameters()))
    found = []
    spent = np.zeros(2)
    step = records = 0
    while step < steps:
        for batch in torch.randperm(1500).split(BATCH):
            begun = time.thread_time()
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[batch]), classes[batch]).backward()
            optimizer.step()
            step += 1
            trained = time.thread_time()
            if step >= tracking.due:
                tracking.record(step)
                records += 1
            spent += (trained - begun, time.thread_time() - trained)
            if step in MARKS:
                found.append(Share(step, *spent, records, tracking.nbytes / 1e6))
    begun = time.thread_time()
    tracking.table()
    say(f"  {tracked.words}: table in {time.thread_time() - begun:.2g} s")
    return found


def tracker_cost(steps: int) -> bool:
    """The share of the processor time of a training, at several lengths of it; the bar is on the longest."""
    rows, met = [], True
    for tracked in TRACKED:
        say(f"{tracked.words} ...")
        found = shares(tracked, steps)
        for share in found:
            part = share.tracking / share.training
            last = share is found[-1]
            met &= not last or part <= tracked.bar
            verdict = ("yes" if part <= tracked.bar else "**missed**") if last else ""
            rows.append(
                [
                    tracked.words,
                    f"{share.step}",
                    f"{1e3 * share.training / share.step:.2f}",
                    f"{share.records}",
                    f"{1e6 * share.tracking / share.records:.0f}",
                    f"{share.megabytes:.1f}",
                    f"{100 * part:.2f} %",
                    f"<= {100 * tracked.bar:g} %" if last else "",
                    verdict,
                ]
            )
    head = ("tracker", "steps", "step, ms", "records", "record, µs", "kept, MB", "share", "bar", "met")
    print_table(head, rows)
    return met


def exponent_cost() -> bool:
    """An exponent over 100 trajectories, 25 waiting times, 48 lags, 1000 resamples."""
    waiting = np.unique(np.rint(10 ** (np.arange(25) / 4)).astype(int))
    lags = np.unique(np.rint(10 ** (np.arange(52) / 8)).astype(int))[:48]
    draws = np.random.default_rng(0)
    mean = ((waiting[:, None] + lags) ** 0.4 - waiting[:, None] ** 0.4)[None, :, :, None]
    squared = 100 * mean * draws.gamma(50, 1 / 50, (100, waiting.size, lags.size, 1))
    displacements = DisplacementTable(waiting, lags, squared, sizes=[100])
    spent = []
    for _ in range(REPETITIONS):
        begun = time.thread_time()
        found = aging_exponent(displacements)
        spent.append(time.thread_time() - begun)
    seconds = float(np.median(spent))
    shape = f"R = 100, W = {waiting.size}, L = {lags.size}, 1000 resamples"
    met = seconds <= SECONDS
    say(found)
    print_table(
        ("aging_exponent", "seconds", "bar", "met"),
        [[shape, f"{seconds:.2g}", f"<= {SECONDS:g}", "yes" if met else "**missed**"]],
    )
    return met


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=MARKS[-1], help="of the training, 1000 or more")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    met = exponent_cost()
    met &= tracker_cost(arguments.steps)
    return 0 if met or arguments.steps < MARKS[-1] else 1


if __name__ == "__main__":
    raise SystemExit(main())
