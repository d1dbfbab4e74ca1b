"""What a process costs: its processor time, its peak memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Mapping

# Between fork and exec a process counts the memory of its parent, so the parent has to be a small one.
_LAUNCHER = (
    "import os, subprocess, sys\n"
    "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
    "_, status, usage = os.wait4(child.pid, 0)\n"
    "print(usage.ru_maxrss)\n"
    "sys.exit(os.waitstatus_to_exitcode(status))\n"
)


def processor_seconds(*words: str, environment: Mapping[str, str] | None = None) -> float:
    """User and system time of `python *words`, of the processes it waited for too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak_megabytes(*words: str) -> float:
    """Largest resident memory of `python *words`, in 10^6 bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, sys.executable, *words], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e6
