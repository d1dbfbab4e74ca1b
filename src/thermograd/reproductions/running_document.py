"""The reliability plan as a page of the documentation."""

from __future__ import annotations

import time
from collections.abc import Sequence

from thermograd.reproductions.running_reliability import PlayedRow, machine

_INTRODUCTION = """\
# What a run survives

Each row does something to runs, again and again, and then compares all of their numbers, byte for byte, with those of one
run that nothing happened to. A row with *n* rounds and no failure says that the failure rate is below 3/*n* at 95 %; an
exhaustive row has tried every case there is. The negative controls are rows too: there a fault was built in on purpose,
and the row holds if the harness noticed it.

```bash
thermograd reproduce running          # fewer rounds, a few minutes
thermograd reproduce running --full   # the counts below
```
"""
_MEANING = """\
## What this proves, and what it does not

SIGKILL takes a process away between any two writes, and a write that the kernel has taken stays: that is the fate of a
process, on any machine whose kernel lives on. Power loss and a crash of the kernel are not played. Checkpoints and the
manifest are flushed before they replace the old ones (`fsync`); chunks of arrays are not, unless the run was made with
`fsync = true` under `[store]`, so without it a run whose machine lost power may come back damaged. It is then named, since
every chunk has a checksum and every chunk that was committed must exist, and `thermograd resume RUN --repair` computes the
same bits again. Rounds with workers start them by a fork from a warm process, so that hundreds of rounds take minutes; every
50th run of the first row, and the comparison of executors, start them as a user does. A full disk is a refusal of every
write from one on, and once a real file system. Memory that runs out is played as the SIGKILL by which the kernel answers
it. Several machines on one shared file system are played as several processes on this one: a network file system that
lies about renames or locks is not. All runs are small: one to twenty blocks of few trajectories, of parabolas or of a
chaotic map.
"""


def document(played: Sequence[PlayedRow], *, full: bool) -> str:
    """The page, in Markdown.

    Args:
        played: the rows.
        full: whether with as many rounds as at night.

    Returns:
        The text.
    """
    seconds = sum(row.seconds for row in played)
    facts = "; ".join(value for _, value in machine())
    command = "make reliability" if full else "a quick run of the same code, with fewer rounds"
    lines = [
        _INTRODUCTION,
        f"Made by {command} in {seconds / 60:.0f} minutes on {time.strftime('%Y-%m-%d', time.gmtime())}. {facts}.",
        "",
        "| what is done | rounds | must hold | failures | so | verdict |",
        "|---|---|---|---|---|---|",
        *(_line(row) for row in played),
        "",
        _MEANING,
    ]
    return "\n".join(lines)


def _line(row: PlayedRow) -> str:
    counted = row.counted
    answer = {True: "holds", False: "**fails**", None: "open"}[counted.verdict.holds]
    failures = f"noticed in {len(counted.failures)}" if counted.control else str(len(counted.failures))
    so = counted.missing or counted.rate or counted.verdict.text
    cells = (
        counted.what + (f" ({counted.detail})" if counted.detail else ""),
        f"{counted.rounds:,}".replace(",", " "),
        counted.must_hold,
        failures,
        so,
        answer if counted.verdict.holds is not False else f"{answer}: {counted.verdict.text}",
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
