"""A queue system that starts every job at once on this machine, under the names of Slurm's commands.

`python queue_of_one_machine.py sbatch SCRIPT`, and so on; the folder `$QUEUE_OF_ONE_MACHINE` remembers the jobs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ.get("QUEUE_OF_ONE_MACHINE", "."))
COMMANDS = ("sbatch", "srun", "scancel", "sacct")


def install(folder: Path) -> None:
    """Make the commands in a folder, to be put on the PATH."""
    for command in COMMANDS:
        file = folder / command
        file.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {command} "$@"\n')
        file.chmod(0o755)


def sbatch(script: str) -> None:
    """Start the processes of a job, or of an array of jobs."""
    text = Path(script).read_text()
    number = 100 + len(list(FOLDER.glob("*.script")))
    (FOLDER / f"{number}.script").write_text(text)
    array = re.search(r"^#SBATCH --array=(\d+)-(\d+)", text, re.MULTILINE)
    indices = [None] if array is None else range(int(array[1]), int(array[2]) + 1)
    for index in indices:
        job = f"{number}" if index is None else f"{number}_{index}"
        known = {"SLURM_JOB_ID": str(number), "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1"}
        known |= {"SLURM_NODEID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
        if index is not None:
            known |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(index)}
        with (FOLDER / f"{job}.log").open("w") as log:
            process = subprocess.Popen(
                ["bash", FOLDER / f"{number}.script"],
                env=os.environ | known,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        (FOLDER / f"{job}.pid").write_text(str(process.pid))
        process.returncode = 0  # it goes on without this one
    sys.stdout.write(f"Submitted batch job {number}\n")


def srun(*words: str) -> None:
    """Become the command that follows the options."""
    rest = list(words)
    while rest[0].startswith("--"):
        option = rest.pop(0)
        if option in {"--output", "--error"}:
            rest.pop(0)
    os.execvp(rest[0], rest)


def scancel(job: str, *_: str) -> None:
    """Kill the processes of a job."""
    for file in (*FOLDER.glob(f"{job}.pid"), *FOLDER.glob(f"{job}_*.pid")):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(file.read_text()), signal.SIGKILL)


def sacct(*_: str) -> None:
    """Say which jobs run."""
    sys.stdout.write("JobID|State|NodeList\n")
    for file in sorted(FOLDER.glob("*.pid")):
        state = "RUNNING" if alive(int(file.read_text())) else "COMPLETED"
        sys.stdout.write(f"{file.stem}|{state}|here\n")


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one whose parent has not asked for it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def gone(pid: int, seconds: float = 20.0) -> bool:
    """Whether a process ends soon."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
