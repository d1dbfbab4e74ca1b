"""The reliability plan, played row by row."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import thermograd
from thermograd.reproductions.reproduction import PROMISE, Reproduction, Settings, Stages
from thermograd.reproductions.running_counted import Counted
from thermograd.reproductions.running_harness import harness
from thermograd.reproductions.running_plan import PLAN

TITLE = "What a run survives"


@dataclass(frozen=True)
class PlayedRow:
    """A row that was played.

    Attributes:
        name: of the row in the plan.
        counted: what came of it.
        seconds: how long it took.
    """

    name: str
    counted: Counted
    seconds: float


def reproduce(settings: Settings) -> Stages:
    """One row after another.

    Args:
        settings: `full` plays as many rounds as at night, about 15 minutes on two idle cores.

    Yields:
        The table so far.
    """
    rows, facts = [], machine()
    for place, played in enumerate(play(settings), 1):
        rows.append(played.counted.row())
        facts.append((played.name, f"{played.counted.found}; {played.seconds:.0f} s"))
        yield Reproduction(
            "running",
            "reliability",
            TITLE,
            tuple(rows),
            facts=tuple(facts),
            complete=place == len(PLAN),
            wording=PROMISE,
        )


def play(settings: Settings) -> Iterator[PlayedRow]:
    """Every row of the plan.

    Args:
        settings: `full`, `seed` and `say` are looked at.

    Yields:
        The rows, each when it was played.
    """
    with harness() as where:
        for name, row in PLAN.items():
            settings.say(f"{name}: playing")
            begun = time.monotonic()
            counted = row.play(where, settings.seed, full=settings.full)
            yield PlayedRow(name, counted, time.monotonic() - begun)


def machine() -> list[tuple[str, str]]:
    """Where and with what the rounds are played: (name, value)."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "zarr"))
    return [
        (
            "Machine",
            f"{platform.system()} {platform.release()} on {platform.machine()}, {os.cpu_count()} cores",
        ),
        ("Versions", f"thermograd {thermograd.__version__}, Python {platform.python_version()}, {packages}"),
    ]
