"""Each file of a run removed, truncated, one bit flipped: it is named or has no influence, and can be repaired."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thermograd.errors import ThermogradError
from thermograd.reproductions.running_counted import NOTICED, Counted
from thermograd.reproductions.running_harness import SMALL, Harness, chosen, digests
from thermograd.reproductions.running_numbers import everything
from thermograd.store.reader import open_run

WAYS = ("removed", "truncated", "flipped", "flipped late")
STOPPED = 5
WHAT = "each file removed, truncated, one bit flipped, of a finished run and of one stopped on the way"
MUST_HOLD = "the reader names the file or the numbers are unaffected; --repair gives equal bytes"
Damage = tuple[Path, str, str]
"""A run, one of its files, and a way."""


def rounds(harness: Harness, count: int | None, seed: int, controls: tuple[str, ...] = ()) -> Counted:
    """Damage every file in every way.

    Args:
        harness: where.
        count: how many of the damages; None for all. A few are taken of files of every kind.
        seed: chooses them.
        controls: what to break on purpose in the process that reads; played until that is noticed.

    Returns:
        What came of it.
    """
    whole = harness.whole(SMALL, time_chunk=4)
    half = harness.whole(SMALL, time_chunk=4, until=STOPPED)
    cases = [damage for run in (whole, half) for damage in damages(run)]
    if controls:
        read = partial(_read_wrongly, harness, controls)
        records = [case for case in cases if case[0] == whole and "/c/" in case[1]]
        found = harness.until_noticed(read, records, seed)
        what = f"negative control, {', '.join(controls)}: {WHAT}"
        return Counted(what, NOTICED, len(found), tuple(filter(None, found)), control=True)
    played = cases if count is None else _of_every_kind(cases, count, seed)
    found = harness.servers.each(partial(_harmed_and_repaired, harness, whole), played)
    return Counted(WHAT, MUST_HOLD, len(played), tuple(filter(None, found)), len(played) == len(cases))


def damages(run: Path) -> list[Damage]:
    """Everything that can be done to one file of a run."""
    files = sorted(str(file.relative_to(run)) for file in run.rglob("*") if file.is_file())
    return [(run, file, way) for file in files for way in WAYS]


def harm(file: Path, way: str) -> None:
    """Damage a file.

    Args:
        file: which.
        way: one of `WAYS`.
    """
    content = bytearray(file.read_bytes())
    if way == "removed":
        file.unlink()
    elif way == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif content:
        place = len(content) // 3 if way == "flipped" else (4 * len(content)) // 5
        content[place] ^= 1 << (len(content) % 8)
        file.write_bytes(content)


def misread(run: Path, file: str, truth: Mapping[str, bytes]) -> str:
    """What is wrong with what a reader makes of a damaged finished run: neither the truth nor the name of the file.

    Args:
        run: damaged.
        file: what was damaged.
        truth: `everything` of the run before.

    Returns:
        What is wrong, "" if nothing is.
    """
    try:
        found = everything(open_run(run))
    except ThermogradError as error:
        named = file in str(error) or file in getattr(error, "damage", ())
        return "" if named else f"not named in: {error}"
    return "" if found == truth else "a wrong number was read"


def _of_every_kind(cases: list[Damage], count: int, seed: int) -> list[Damage]:
    """Files that differ in a number or the array they belong to are of one kind; all kinds come first."""
    kinds: dict[str, list[Damage]] = {}
    for run, file, way in cases:
        kind = re.sub(r"\d+|(?<=zarr/)[\w.]+(?=/)", "*", file)
        kinds.setdefault(f"{run} {kind}", []).append((run, file, way))
    one_each = [chosen(found, 1, seed + place)[0] for place, found in enumerate(kinds.values())]
    rest = [case for case in cases if case not in one_each]
    return one_each[:count] + chosen(rest, max(0, count - len(one_each)), seed)


def _harmed_and_repaired(harness: Harness, whole: Path, damage: Damage) -> str:
    source, file, way = damage
    run = harness.copy(source)
    harm(run / file, way)
    wrong = _wrong(harness, run, file, finished=source == whole)
    harness.drop(run)
    return f"{file} {way}: {wrong}" if wrong else ""


def _wrong(harness: Harness, run: Path, file: str, *, finished: bool) -> str:
    truth = harness.truth(SMALL)
    if finished:
        wrong = misread(run, file, truth) or _salvaged_wrongly(run, truth)
        if wrong:
            return wrong
    else:
        plain = harness.train(run, SMALL)
        if plain["code"] not in {0, 3}:
            return f"resume ended with exit {plain['code']}: {plain['message']}"
        if plain["code"] == 0 and everything(open_run(run)) != truth:
            return "resumed to a wrong number"
    repaired = harness.train(run, SMALL, repair=True)
    if repaired["error"]:
        return f"cannot be repaired: {repaired['message']}"
    return "" if everything(open_run(run)) == truth else "a wrong number after --repair"


def _salvaged_wrongly(run: Path, truth: Mapping[str, bytes]) -> str:
    """With `salvage` every number is the true one or missing."""
    try:
        loss = open_run(run, salvage=True)["train_loss"]
    except ThermogradError:
        return ""
    true = np.frombuffer(truth["train_loss"]).reshape(loss.shape)
    return "" if (np.isnan(loss) | (loss == true)).all() else "a wrong number was salvaged"


def _read_wrongly(harness: Harness, controls: tuple[str, ...], damage: Damage) -> str:
    """The reader alone, in a child that is broken on purpose."""
    source, file, way = damage
    run = harness.copy(source)
    harm(run / file, way)
    answer: dict[str, Any] = harness.servers.ask({"do": "read", "run": run, "controls": controls})
    harness.drop(run)
    if answer["error"]:
        return "" if file in answer["message"] or file in answer["damage"] else f"{file} {way}: not named"
    return (
        "" if answer["numbers"] == digests(harness.truth(SMALL)) else f"{file} {way}: a wrong number was read"
    )
