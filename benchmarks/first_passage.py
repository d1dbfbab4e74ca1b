"""First passage: estimates against scipy, perturbations against a sort; ratios measured in one run: `python benchmarks/first_passage.py`.

Prints one row per bar: what, measured ratio, bar, whether it is met. Exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy import stats

import thermograd as tg
from thermograd.advisor.perturbation_interval import advise
from thermograd.estimators.first_passage import FirstPassageTimes, restricted_mean, survival_function
from thermograd.perturbations import PartialReset, ShrinkAndPerturb
from thermograd.perturbations.context import PerturbationContext

RUNS, HORIZON, REPEATS = 100_000, 200, 5


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median wall time."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def drawn() -> FirstPassageTimes:
    times = np.random.default_rng(0).geometric(0.005, RUNS)
    return FirstPassageTimes(np.minimum(times, HORIZON), times <= HORIZON, HORIZON)


def survival_ratio(passages: FirstPassageTimes) -> float:
    """Our survival with its band over scipy's without one; both are checked to agree."""
    sample = stats.CensoredData(
        uncensored=passages.time[passages.reached], right=passages.time[~passages.reached]
    )
    ours, theirs = survival_function(passages, resamples=0), stats.ecdf(sample).sf
    difference = np.abs(ours.value - theirs.evaluate(np.arange(HORIZON + 1))).max()
    if difference > 1e-12:
        message = f"survival differs from scipy.stats.ecdf by {difference:.2g}"
        raise AssertionError(message)
    return seconds(lambda: survival_function(passages, resamples=0)) / seconds(lambda: stats.ecdf(sample))


def bootstrap_ratio(passages: FirstPassageTimes, resamples: int) -> float:
    """Time of scipy's percentile bootstrap of mean(min(T, horizon)) over ours."""
    restricted = np.minimum(passages.time, HORIZON).astype(float)

    def theirs() -> object:
        return stats.bootstrap(
            (restricted,),
            np.mean,
            n_resamples=resamples,
            method="percentile",
            batch=20,
            vectorized=True,
            rng=0,
        )

    ours = seconds(lambda: restricted_mean(passages, resamples=resamples))
    return seconds(theirs, repeats=1) / ours


def advice_seconds(folder: Path | None) -> float:
    """`advise` on 1000 trainings of 200 epochs, as a command in a fresh process if the data are there."""
    if folder is None:
        values = np.random.default_rng(1).normal(size=(1000, 200)).cumsum(axis=1)
        return seconds(lambda: advise(values, {"kick": (values, 100)}, target=10.0), repeats=1)
    files = [str(folder / f"cifar10_resnet18_unperturbed_seeds{part}.npz") for part in ("0-499", "500-999")]
    shrink = f"shrink={folder / 'cifar10_resnet18_shrink_perturb_dev.npz'}:P100@100"
    command = [sys.executable, "-m", "thermograd", "advise", *files]
    command += ["--target", "72", "--scale", "0.01", "--candidate", shrink]
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def partial_reset_ratio() -> float:
    """A full sort and its threshold, as the published rule does it, over our selection; 11 million weights."""
    generator = torch.Generator().manual_seed(0)
    weights = {f"{layer}.weight": torch.randn(1100, 1000, generator=generator) for layer in range(10)}
    fresh = {name: torch.randn(value.shape, generator=generator) for name, value in weights.items()}

    class Drawn:
        """Fresh values that cost nothing, the same for both."""

        dtype, device = torch.float32, torch.device("cpu")

        def draw_initial(self, torch_seed: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
            return fresh, {}

    def sorted_rule() -> dict[str, torch.Tensor]:
        magnitudes = torch.cat([value.flatten().abs() for value in weights.values()])
        threshold = magnitudes.sort().values[int(0.3 * magnitudes.numel()) - 1]
        return {
            name: torch.where(value.abs() <= threshold, fresh[name], value) for name, value in weights.items()
        }

    def ours() -> dict[str, torch.Tensor]:
        return PartialReset(0.3).apply(weights, {}, PerturbationContext(Drawn(), 0, 0, 1))[0]

    for name, value in sorted_rule().items():
        if not torch.equal(value, ours()[name]):
            message = f"{name}: selection and sort disagree"
            raise AssertionError(message)
    return seconds(sorted_rule, repeats=3) / seconds(ours, repeats=3)


def perturber_ratio() -> float:
    """`Perturber.step` between perturbations over `optimizer.step` of SGD with momentum, 102 070 weights."""
    network = torch.nn.Sequential(
        torch.nn.Linear(784, 120),
        torch.nn.ReLU(),
        torch.nn.Linear(120, 60),
        torch.nn.ReLU(),
        torch.nn.Linear(60, 10),
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    perturber = tg.Perturber(network, optimizer, ShrinkAndPerturb(), every=10**9)
    network(torch.randn(32, 784)).square().sum().backward()

    def many(step: Callable[[], object], count: int) -> float:
        return seconds(lambda: [step() for _ in range(count)]) / count

    return many(perturber.step, 20_000) / many(optimizer.step, 200)


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder firstpassage/dev of the recorded data")
    folder = parser.parse_args().data
    passages = drawn()
    rows = [
        ("survival with band, N = 1e5, time over scipy.stats.ecdf", survival_ratio(passages), "<=", 2.0),
        (
            "restricted mean, 2000 resamples, N = 1e5, speed over scipy.stats.bootstrap",
            bootstrap_ratio(passages, 2000),
            ">=",
            20.0,
        ),
        ("thermograd advise on 1000 x 200, seconds", advice_seconds(folder), "<=", 10.0),
        ("PartialReset of 11 million weights, speed over a full sort", partial_reset_ratio(), ">=", 3.0),
        ("Perturber.step between perturbations over optimizer.step", perturber_ratio(), "<=", 0.01),
    ]
    met = True
    for what, value, sense, bar in rows:
        good = value <= bar if sense == "<=" else value >= bar
        met &= good
        print(f"{what:76s} {value:8.3g}  bar {sense} {bar:g}  {'met' if good else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
