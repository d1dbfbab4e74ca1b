"""The reliability plan as a page of the documentation."""

from __future__ import annotations

import time
from collections.abc import Sequence

from thermograd.reproductions.running_reliability import PlayedRow, machine

_INTRODUCTION = """\
# What a run survives

Each row does something to runs, again and again, and then compares all of their numbers, byte for byte, with those of one
run that nothing happened to. Of *n* rounds without a failure follows a failure rate below 3/*n* at 95 %; an exhaustive row
has tried every case there is. In a negative control a fault was built in on purpose, and the row holds if it was noticed.

```bash
thermograd reproduce running          # a few minutes on two idle cores
thermograd reproduce running --full   # more rounds, a quarter of an hour
```
"""
_MEANING = """\
## What this proves, and what it does not

Shown, as far as the counts go, is what becomes of a run when processes die at any time, when the disk refuses, when a file is
spoilt, and when several want the same run: its numbers are those of a run that nothing happened to, or the fault is named. **Power loss and a crash of
the kernel are not played**: a process that is killed leaves every write that it has made, a machine that stops may not.
Checkpoints and the manifest are flushed to the disk before they replace older ones; chunks of arrays are only with
`fsync = true` under `[store]`. Without it a run may come back damaged from a power cut. Then every chunk is read when it is
resumed, one that is lost or spoilt is named, and `thermograd resume RUN --repair` computes the same bytes again.

Where a round is not the real thing:

- Workers are forked from a warm process, so that hundreds of rounds take minutes. Those of every 50th run of the first row, and
  of the comparison of executors, are started as a user starts them.
- A full disk is one that refuses every write from one on; once, it is a real file system of 4 MiB.
- Memory that runs out is the SIGKILL with which the kernel answers.
- Workers on other machines are processes of this one that outlive their coordinator. A network file system that lies about
  renames or locks is not played.
- All runs are small: up to 20 blocks of a few parabolas, or of a chaotic map.
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
    command = (
        "`make reliability`"
        if full
        else "`python benchmarks/reliability.py --quick`, with fewer rounds than `make reliability`,"
    )
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
