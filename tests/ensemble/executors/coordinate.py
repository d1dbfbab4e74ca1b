"""A coordinator to be killed: `coordinate.py RUN process|detached|unfenced`.

Detached workers have another parent and go on when it is killed, as those of a cluster would. Unfenced ones, a negative
control, neither lock their block nor look at the generation.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "reliability")]

TASK = """
import sys
sys.path[:] = {path!r}
if {unfenced!r}:
    from thermograd.ensemble import stop_file
    from thermograd.store import block_lock
    from thermograd.store.writer import DirectoryStorage
    block_lock._locked = lambda *_: True
    stop_file.StopWatch._going_on = lambda _: True
    DirectoryStorage.check_generation = lambda _: None
from thermograd.ensemble.worker import train_block
train_block(*{arguments!r})
"""


class Detached:
    """An executor whose workers outlive it; it never hears from them."""

    def __init__(self, *, unfenced: bool) -> None:
        self.unfenced = unfenced

    def submit(self, function, /, *arguments):
        code = TASK.format(path=sys.path, unfenced=self.unfenced, arguments=arguments)
        subprocess.run(["sh", "-c", 'setsid "$@" &', "sh", sys.executable, "-c", code], check=True)
        return self

    def done(self) -> bool:
        return False

    def cancel(self) -> bool:
        return False


def experiment():
    from gated import Gated

    from thermograd.ensemble.experiment import Experiment
    from thermograd.minibatching import WithReplacement
    from thermograd.problems import Quadratic

    return Experiment(
        Quadratic(),
        minibatching=WithReplacement(10),
        observe=[Gated()],
        trajectories=2,
        block_size=2,
        steps=30,
        engine="eager",
    )


def main(run: str, how: str) -> None:
    import thermograd as tg

    executor = "process" if how == "process" else Detached(unfenced=how == "unfenced")
    tg.run(experiment(), store=run, executor=executor)


if __name__ == "__main__":
    main(*sys.argv[1:])
