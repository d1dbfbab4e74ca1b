"""Four that start at once: one works, three are told so."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from thermograd.reproductions.running_counted import NOTICED, Counted
from thermograd.reproductions.running_harness import SMALL, Harness
from thermograd.reproductions.running_numbers import everything
from thermograd.reproductions.running_servers import Answer
from thermograd.store.reader import open_run

WHAT = "4 simultaneous starts of the same run, made or resumed"
MUST_HOLD = "exactly one works, three exit 3 and write nothing; equal bytes"
_PATIENCE = 60.0


def rounds(harness: Harness, count: int | None, seed: int, controls: tuple[str, ...] = ()) -> Counted:
    """Resume a run four times at once; every fourth round makes it instead.

    Args:
        harness: where.
        count: how many rounds.
        seed: does not matter: which one is first is for the machine to say.
        controls: what to break on purpose in all four; played until that is noticed.

    Returns:
        What came of it.
    """
    stopped = harness.whole(SMALL, until=2)
    made = harness.fresh()
    if controls:
        found = harness.until_noticed(partial(_raced, harness, controls), [stopped] * (count or 20), seed)
        what = f"negative control, {', '.join(controls)}: {WHAT}"
        return Counted(what, NOTICED, len(found), tuple(filter(None, found)), control=True)
    cases = [made if place % 4 == 3 else stopped for place in range(count or 0)]
    found = harness.servers.each(partial(_raced, harness, ()), cases)
    return Counted(WHAT, MUST_HOLD, len(found), tuple(filter(None, found)))


def _raced(harness: Harness, controls: tuple[str, ...], start: Path) -> str:
    resumed = start.exists()
    patience = 1.0 if controls else _PATIENCE  # without a lock nobody ends before the others
    run = harness.copy(start) if resumed else harness.fresh()
    answers = harness.train_at_once(
        run, SMALL, 4, race=run.parent / "race", patience=patience, controls=controls
    )
    wrong = _wrong(harness, run, answers, ["started", "resumed"][: 1 + resumed])
    harness.drop(run)
    return wrong


def _wrong(harness: Harness, run: Path, answers: list[Answer], started: list[str]) -> str:
    codes = sorted(answer["code"] for answer in answers)
    if codes != [0, 3, 3, 3] or {answer["error"] for answer in answers} != {"", "RunInUseError"}:
        return f"exit codes {codes}: {[answer['error'] for answer in answers]}"
    if everything(open_run(run)) != harness.truth(SMALL):
        return "other numbers"
    starts = [event["event"] for event in open_run(run).events() if event["event"] in {"started", "resumed"}]
    if starts != started:
        return f"the events tell of {starts}"
    left = [entry.name for entry in run.parent.iterdir() if "creating" in entry.name]
    return f"{left} was left beside the run" if left else ""
