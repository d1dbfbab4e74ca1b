"""The CUDA source of an experiment's update: one trajectory a thread, K updates a launch.

The statements are those of `lower_cpp.py` for single numbers; what surrounds them (`kernel.cu`, `scalars.h`,
`cuda_math.h`) is for the runtime compiler NVRTC. A warp for each trajectory, which would serve larger networks, is not
written.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from thermograd.ensemble.engines.kernel.source import Frame, KernelSource, kernel_source
from thermograd.ensemble.engines.update_function import CannotTraceError

if TYPE_CHECKING:
    from thermograd.ensemble.experiment import Experiment

CUDA = Frame("kernel.cu", ("scalars.h", "cuda_math.h", "randomness.h"))
MOST_PARAMETERS = 128
_LOCAL_BYTES = 512 * 1024  # of a thread: CUDA C++ Programming Guide, technical specifications
_CALL_BYTES = 4096  # of the arguments of a kernel; more since CUDA 12.1 only
_UNROLLED = 16  # repetitions a compiler may write one after another
_LOOP = re.compile(r"for \(int (\w+) = 0; \1 < (\d+);")


def cuda_source(experiment: Experiment) -> KernelSource:
    """The source of an experiment for a GPU.

    Raises:
        CannotTraceError: says what the kernel has no form for, or what a thread has no room for.
    """
    large = too_large(experiment)
    if large:
        raise CannotTraceError(large)
    source = kernel_source(experiment, frame=CUDA)
    if source.work_bytes > _LOCAL_BYTES:
        message = (
            f"an update needs {source.work_bytes // 1024} kB for one trajectory; a thread of a GPU has "
            f"{_LOCAL_BYTES // 1024}, so use smaller batches"
        )
        raise CannotTraceError(message)
    pointers = len(source.slots) + len(source.arrays)
    if 8 * pointers > _CALL_BYTES - 128:
        message = f"an update works on {pointers} arrays; a launch passes at most {_CALL_BYTES // 8 - 16}"
        raise CannotTraceError(message)
    return replace(source, text=_LOOP.sub(_rolled, source.text))


def too_large(experiment: Experiment) -> str:
    """The sentence that says that a network has too many parameters for a thread, "" if it has not."""
    parameters = experiment.functional.parameters
    if parameters <= MOST_PARAMETERS:
        return ""
    return f"a thread trains one network of at most {MOST_PARAMETERS} parameters on a GPU; this one has {parameters}"


def _rolled(loop: re.Match[str]) -> str:
    return f"ROLLED {loop[0]}" if int(loop[2]) > _UNROLLED else loop[0]
