"""A folder of csv logs and no code: when do runs arrive, and would restarting get there sooner? About ten seconds.

Makes logs as Lightning, Keras and W&B write them, of runs of which some are stuck, and asks on the command line.
"""

import contextlib
import csv
import sys
from pathlib import Path

import numpy as np

from thermograd.cli import main as thermograd

DRAW = np.random.default_rng(3)
EPOCHS = 50
LIGHTNING = ["--metric", "val_acc", "--steps-per-epoch", "30", "--counts-from", "0"]


def accuracies(runs):
    """Seven runs in ten rise after a few epochs, the others hardly ever."""
    rise = np.where(DRAW.random(runs) < 0.7, DRAW.gamma(6, 1.2, runs), 20 + DRAW.exponential(400, runs))
    rows = 0.6 + 0.35 / (1 + np.exp(np.minimum(rise[:, None] - np.arange(1, EPOCHS + 1), 50)))
    return rows + DRAW.normal(0, 0.005, rows.shape)


def write(name, rows):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def make_logs():
    for run, values in enumerate(
        accuracies(40)
    ):  # epochs and steps count from 0, training and validation in turn
        rows = [["epoch", "step", "train_loss", "val_acc", "val_loss"]]
        for epoch, value in enumerate(values[: 31 if run == 7 else EPOCHS]):  # one run was stopped early
            last = 30 * epoch + 29
            rows += [[epoch, last - 10, 1 - value, "", ""], [epoch, last, "", value, 1 - value]]
        write(f"lightning_logs/version_{run}/metrics.csv", rows)
    for run, values in enumerate(accuracies(40)):  # in the third run three evaluations are missing
        rows = [["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]]
        for epoch, value in enumerate(values):
            shown = "" if run == 2 and 20 <= epoch < 23 else value
            rows.append([epoch, value + 0.02, 1 - value, shown, 1 - value])
        write(f"keras/run{run}.csv", rows)
    head = [f"sweep-{run} - val/acc{end}" for run in range(30) for end in ("", "__MIN", "__MAX")]
    table = np.repeat(accuracies(30).T, 3, axis=1)
    steps = [[30 * epoch, *row] for epoch, row in enumerate(table, start=1)]
    write("wandb/wandb_export.csv", [["Step", *head], *steps])
    write("broken/run0.csv", [["epoch", "val_accuracy"], [1, 0.5], [2, 0.6, 0.7]])


def ask(*words):
    """What `thermograd ...` prints, and its exit code."""
    print(f"\n$ thermograd {' '.join(words)}")
    with contextlib.redirect_stderr(sys.stdout):
        return thermograd(words)


def main():
    make_logs()
    lightning = "lightning_logs/*/metrics.csv"
    # What goes wrong at first says what to do: which pattern, which column, which unit, which direction.
    assert ask("advise", "lightning_logs", "--target", "0.9") == 2
    assert ask("advise", lightning, "--target", "90", "--metric", "val_acc") == 2
    assert ask("advise", "keras", "--target", "0.1", "--metric", "val_loss") == 2
    assert ask("advise", "broken", "--target", "0.9") == 2

    first_arrivals = ["first_passage.restricted_mean", "--target", "0.9"]
    assert ask("estimate", lightning, *first_arrivals, *LIGHTNING) == 0
    assert ask("advise", lightning, "--target", "0.9", *LIGHTNING, "--html", "advice.html") == 0
    assert ask("advise", "keras", "--target", "0.1", "--metric", "val_loss", "--direction", "down") == 0
    assert ask("advise", "wandb/wandb_export.csv", "--target", "0.9", "--steps-per-epoch", "30") == 0


if __name__ == "__main__":
    main()
