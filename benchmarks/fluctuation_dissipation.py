"""Fluctuation-dissipation: what watching costs, when each rule first cuts, where schedules end.

`python benchmarks/fluctuation_dissipation.py` prints Markdown tables, progress on stderr. The other packages come
with `pip install --no-deps -r benchmarks/peers.txt`; what is not there is said and left out. THERMOGRAD_DATA names
the folder of MNIST and CIFAR-10. One thread, everything seeded and in turn in one process.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import torch
from fluctuation_dissipation_parts import final_loss, networks, overhead, peers, price, recorded, rules
from fluctuation_dissipation_parts.known_truth import equilibration_step, known_tasks
from fluctuation_dissipation_parts.rules import Rule
from printed_table import print_table, say

SASA_OF_ITS_CLASS = {
    "leak_ratio": 4, "minN_stats": 400, "testfreq": 100, "significance": 0.02,
}  # fmt: skip
PARTS = ("overhead", "first_cut", "price", "final_loss")
FIRST_CUT_WITHIN = 5
HEAD = (
    "schedule",
    "final objective",
    "minus that of the best single cut, 1e-3",
    "steps spent",
    "cuts, by seed",
)


def number(value: float, digits: int = 3) -> str:
    return "never" if math.isinf(value) else f"{value:.{digits}g}"


def rules_of_others(modules: dict[str, ModuleType]) -> dict[str, recorded.RecordedRule]:
    """Every other rule of the first-cut table."""
    found = {
        "the paper's, X = .01, at epoch ends": recorded.half_running_ratio(None),
        "its author's code, each 1000 steps": recorded.half_running_ratio(1000),
        "`ReduceLROnPlateau`, patience 10": recorded.plateau,
    }
    if "statopt" in modules:
        statopt = modules["statopt"]
        found["statopt SASA, as its page has it"] = recorded.sasa_rule(statopt)
        found["statopt SASA, settings of its docstring"] = recorded.sasa_rule(statopt, **SASA_OF_ITS_CLASS)
    if "physfdt" in modules:
        found["physfdt `FDREquilibriumLR`"] = recorded.physfdt_rule(modules["physfdt"])
    return found


def first_cuts(modules: dict[str, ModuleType], seeds: int, quick: bool) -> None:
    """Step of the first cut over the step at which an ensemble has equilibrated."""
    ours = {
        "ours, default": rules.stationarity(),
        'ours, `rule="equivalence"`': rules.stationarity(rule="equivalence"),
    }
    others = rules_of_others(modules)
    head, rows = ["rule"], {name: [name] for name in (*ours, *others)}
    for known in known_tasks():
        truth = equilibration_step(known, runs=12 if quick else 48)
        horizon = FIRST_CUT_WITHIN * truth
        head.append(f"{known.task.name}, truth {truth}")
        runs = recorded.recorded(known.task, horizon, seeds, seed=1)
        cuts = {name: [rule(run) for run in runs] for name, rule in others.items()}
        for name, rule in ours.items():
            cuts[name] = [rules.first_cut(known.task, rule, seed, horizon) for seed in range(seeds)]
        for name, found in cuts.items():
            low, middle, high = (number(cut / truth) for cut in rules.spread(found))
            rows[name].append(f"**{middle}** ({low} to {high}), step {number(float(np.median(found)), 6)}")
            say(f"{known.task.name}: {name}: {sorted(found)}")
    print(f"### Step of the first cut over the truth: median (smallest to largest) of {seeds} seeds\n")
    print(f"Never: not within {FIRST_CUT_WITHIN} times the truth.\n")
    print_table(head, list(rows.values()))


def cut_prices(seeds: int) -> None:
    """What the watch says a cut gives, beside a real cut."""
    print(
        "### Waiting as long again, foretold and then seen; a cut to a tenth, predicted and real (uncut minus cut, "
        f"epochs 4 to 12); {seeds} seeds\n"
    )
    rows = []
    for name, (task, ages) in price.priced_tasks().items():
        runs = [price.prices(task, ages, seed) for seed in range(seeds)]
        for looks in zip(*runs, strict=True):
            waiting, fell, cutting, real = (
                [getattr(look, field) for look in looks] for field in ("waiting", "fell", "cutting", "real")
            )
            factor = np.divide(real, cutting)
            held = f"{sum(look.held for look in looks)} of {len(looks)}" if np.isfinite(fell).all() else ""
            rows.append([
                name, str(looks[0].epoch), span(waiting), span(fell) if held else "", held,
                span(cutting), span(real), span(factor),
                ", ".join(sorted({look.kind for look in looks})),
            ])  # fmt: skip
            say(rows[-1])
    head = (
        "training",
        "epoch",
        "waiting",
        "fell then",
        "held",
        "cutting",
        "real",
        "real over predicted",
        "verdicts",
    )
    print_table(head, rows)


def span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def final_losses(seeds: int, quick: bool) -> None:
    """Final objective of every schedule on every network at two budgets."""
    trials, absent = networks.trials()
    for text in absent:
        print(f"Left out: {text}\n")
    print(f"### Final training objective, and steps spent; {seeds} seeds\n")
    print(
        "Steps spent: until nine tenths of what the best single cut gains over the constant rate are had.\n"
    )
    for trial in trials:
        budgets = [epochs * trial.task.steps_per_epoch // (8 if quick else 1) for epochs in trial.budgets]
        for budget, rows in zip(budgets, schedules(trial.task, budgets, seeds), strict=True):
            epochs = budget // trial.task.steps_per_epoch
            print(f"**{trial.task.name}**, {budget} steps ({epochs} epochs)\n")
            print_table(HEAD, rows)


def schedules(task: networks.Task, budgets: Sequence[int], seeds: int) -> list[list[list[str]]]:
    """Rows of each budget's table."""
    free: dict[str, Rule] = {
        "constant": rules.constant,
        "`ReduceLROnPlateau`": rules.plateau,
        "ours": rules.stationarity(),
    }
    told: dict[str, Rule] = {
        "cuts at 50, 75 %": rules.cuts_at(0.5, 0.75),
        "cuts at 80, 90 %": rules.cuts_at(0.8, 0.9),
        "ours, `total_steps`": rules.stationarity(budgeted=True),
    }
    start = time.perf_counter()
    ends = [final_loss.searched(task, seed, budgets) for seed in range(seeds)]
    say(f"{task.name}: search in {time.perf_counter() - start:.0f} s")
    paths = {}
    for name, rule in free.items():
        both = [final_loss.followed(task, rule, seed, budgets, max(budgets)) for seed in range(seeds)]
        paths |= {(name, budget): both for budget in budgets}
        say(f"{task.name}: {name}: cuts {[path.cuts for path in both]}, {time.perf_counter() - start:.0f} s")
    for name, rule in told.items():
        for budget in budgets:
            paths[name, budget] = [
                final_loss.followed(task, rule, seed, [budget], budget) for seed in range(seeds)
            ]
            say(f"{task.name}: {name}: cuts {[path.cuts for path in paths[name, budget]]}")
    say(f"{task.name}: all in {time.perf_counter() - start:.0f} s")
    return [rows_of(ends, paths, [*free, *told], budget) for budget in budgets]


def rows_of(
    ends: Sequence[dict[tuple[int, float], float]],
    paths: dict[tuple[str, int], list[final_loss.Path]],
    names: Sequence[str],
    budget: int,
) -> list[list[str]]:
    """Objective, its excess over the best single cut, and steps until nine tenths of that cut's gain are had.

    The gain is what the best single cut ends below the late mean of the constant rate.
    """
    share, best = final_loss.best_single_cut(ends, budget)
    late = np.mean([path.late(budget) for path in paths["constant", budget]])
    level = best.mean() + 0.1 * (late - best.mean())
    rows = [[f"best single cut, at {share:.0%}", f"{best.mean():.5f}", "0", "", ""]]
    for name in names:
        chosen = paths[name, budget]
        final = np.mean([path.at(budget) for path in chosen])
        spent = float(np.median([path.reached(level, budget) for path in chosen]))
        cuts = [[cut for cut in path.cuts if cut < budget] for path in chosen]
        shown = "; ".join(
            " ".join(map(str, each[:3])) + (" …" if each[3:] else "") or "none" for each in cuts
        )
        rows.append([name, f"{final:.5f}", f"{1e3 * (final - best.mean()):+.2f}", number(spent, 6), shown])
    return rows


def costs(modules: dict[str, ModuleType], rounds: int) -> None:
    """Overhead a step, block ends and host reads."""
    physfdt, statopt = modules.get("physfdt"), modules.get("statopt")
    rows = []
    for name in overhead.OPTIMIZERS:
        bare = overhead.bare(name)
        entries = [overhead.ratio(overhead.watched(name, every), bare, rounds) for every in (1, 20)]
        entries.append(overhead.ratio(overhead.watched(name, 1, scheduled=True), bare, rounds))
        row = [name, *(f"{entry:.3f}" for entry in entries)]
        row += [
            f"{overhead.ratio(overhead.physfdt_loop(physfdt, name, every), bare, rounds):.3f}"
            if physfdt
            else "absent"
            for every in (1, 20)
        ]
        momentum = {"SGD": 0.0, "SGD, momentum": 0.9}.get(name)
        sasa = statopt is not None and momentum is not None
        row.append(
            f"{overhead.ratio(overhead.sasa_loop(statopt, momentum), bare, rounds):.3f}" if sasa else ""
        )
        rows.append(row)
        say(f"overhead: {row}")
    print("### Processor time a step over the bare loop, 64-200-200-10, batch 100, 600 steps an epoch\n")
    head = ["optimizer", "watch, every=1", "every=20", "every=1 with scheduler and losses"]
    print_table([*head, "physfdt, every=1", "every=20", "statopt SASA"], rows)
    others(modules)


def others(modules: dict[str, ModuleType]) -> None:
    """Cockpit, block ends, and how often numbers are read from the device."""
    bare = overhead.bare("SGD")
    rows = []
    if {"cockpit", "backpack"} <= modules.keys():
        for configuration in ("economy", "full"):
            run = overhead.cockpit_loop(modules["cockpit"], modules["backpack"], configuration)
            rows.append(
                [
                    f"cockpit `{configuration}`, step over the bare loop",
                    f"x {overhead.ratio(run, bare, 3, 4):.0f}",
                ]
            )
    rows += [
        [
            f"block end with decision, 55 000 parameters, {name}",
            f"{overhead.block_end_milliseconds(name):.2f} ms",
        ]
        for name in overhead.OPTIMIZERS
    ]
    blocks, epoch = 70, 5
    for name in overhead.OPTIMIZERS:
        run = overhead.watched(name, 1, epoch, scheduled=True)
        reads = overhead.host_reads(run, blocks * epoch) - overhead.host_reads(
            overhead.bare(name), blocks * epoch
        )
        rows.append([f"host reads a block, {name}", f"{reads / blocks:.2f}"])
    peers_loops: dict[str, Callable[[], overhead.Loop]] = {}
    if "physfdt" in modules:
        peers_loops["physfdt"] = lambda: overhead.physfdt_loop(modules["physfdt"], "SGD", 1)
    if "statopt" in modules:
        peers_loops["statopt SASA"] = lambda: overhead.sasa_loop(modules["statopt"], 0.0)
    rows += [
        [f"host reads a step, {name}, 6 tensors", f"{overhead.host_reads(make(), 50) / 50:.0f}"]
        for name, make in peers_loops.items()
    ]
    print_table(["what", "measured"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS)
    parser.add_argument(
        "--quick", action="store_true", help="1 or 2 seeds, an eighth of the budgets, few rounds"
    )
    parser.add_argument("--seeds", type=int, help="20 for the first cut and 2 for the final loss if left out")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    modules, absent = peers.found()
    for name, cause in absent.items():
        print(f"Left out: {name} cannot be imported ({cause})\n")
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}\n")
    wanted = arguments.only or PARTS
    if "overhead" in wanted:
        costs(modules, rounds=3 if arguments.quick else 31)
    if "first_cut" in wanted:
        first_cuts(modules, arguments.seeds or (2 if arguments.quick else 20), arguments.quick)
    if "price" in wanted:
        cut_prices(arguments.seeds or (1 if arguments.quick else 3))
    if "final_loss" in wanted:
        final_losses(arguments.seeds or (1 if arguments.quick else 2), arguments.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
