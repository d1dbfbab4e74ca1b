"""The state of a run in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from thermograd.store.resume_command import resume_command


def state_in_words(
    state: str,
    finished: int,
    blocks: int,
    outcome: Mapping[str, int],
    path: Path,
    executor: Sequence[str] = (),
    python_objects: Sequence[str] = (),
) -> str:
    """What a person wants to know first, and what to do.

    Args:
        state: of the run.
        finished: number of finished blocks.
        blocks: number of all.
        outcome: trajectories that are `finished`, `diverged`, `failed` and `pending`.
        path: the run directory.
        executor: words that choose who trains the blocks, as at the last start.
        python_objects: of the experiment, which no command can resume.

    Returns:
        One or two sentences.

    >>> state_in_words("interrupted", 3, 16, {"finished": 12, "diverged": 0}, Path("runs/a"))
    'Interrupted: 3 of 16 blocks finished. Go on with: thermograd resume runs/a'
    """
    done = f"{finished} of {blocks} block{'s' * (blocks != 1)} finished"
    resume = resume_command(path, executor, python_objects)
    if state == "interrupted":
        return f"Interrupted: {done}. Go on with: {resume}"
    if state == "failed":
        pending = f", {outcome['pending']} were not trained to the end" if outcome["pending"] else ""
        return f"Failed: {done}, {outcome['failed']} trajectories are missing{pending}. To try them again: {resume}"
    if state == "finished":
        diverged = f", {outcome['diverged']} diverged" if outcome["diverged"] else ""
        ended = outcome["finished"]
        return f"Finished: {ended} trajector{'y' if ended == 1 else 'ies'} reached the end{diverged}."
    return f"{'Running' if state == 'running' else 'About to begin'}: {done}."
