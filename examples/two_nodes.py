"""A run on two nodes that share one folder and nothing else; one of them dies half-way.

Both nodes are this machine: each is a Dask worker process that was started in a folder of its own, and both see the
run directory. On a cluster the commands are the same, one on each machine: `dask scheduler --scheduler-file FILE`,
`dask worker --scheduler-file FILE --nthreads 1`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.ensemble.executors import Dask
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Epochs
from thermograd.observables import Displacement, Loss
from thermograd.problems import NonlinearRegression
from thermograd.store.block_log import read_owners

EXPERIMENT = tg.Experiment(
    NonlinearRegression(),
    WithoutReplacement(10),
    SGD(1e-6),
    observe=[Loss(at=Epochs(1)), Displacement(at=Epochs(1))],
    trajectories=48,
    block_size=4,
    epochs=8,
    engine="eager",
)


@contextlib.contextmanager
def started(folder: Path, *words: str) -> Generator[subprocess.Popen[bytes]]:
    """A process of Dask in a folder of its own, its messages in a file there."""
    folder.mkdir()
    here = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
    command = [sys.executable, "-m", "dask", *words, *here]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def run_on_two_nodes(shared: Path) -> tg.Run:
    """The run, whose second node is killed when half of the blocks are done."""
    file = shared / "scheduler.json"
    words = ("--scheduler-file", str(file))
    worker = ("worker", *words, "--nthreads", "1", "--no-nanny")
    with (
        started(shared / "scheduler", "scheduler", *words, "--port", "0"),
        started(shared / "node-a", *worker) as first,
        started(shared / "node-b", *worker) as second,
    ):
        nodes = {first.pid: "node a", second.pid: "node b"}
        while not file.exists():
            time.sleep(0.1)
        done: set[int] = set()

        def progress(block: int, step: int) -> None:
            done.update({block} if step == EXPERIMENT.total_steps else ())
            if len(done) >= 6 and second.poll() is None:
                print(f"{len(done)} of 12 blocks are done; node b is killed")
                second.kill()

        run = tg.run(EXPERIMENT, store=shared / "run", executor=Dask(str(file)), progress=progress)
        for block in range(12):
            lines = read_owners(run.path, block)
            told = [f"{line.event} on {nodes[line.process]}" for line in lines]
            print(f"  block {block:2d}: {', '.join(told)}")
        return run


def main() -> None:
    """Run it there and here, and compare."""
    with tempfile.TemporaryDirectory(prefix="two-nodes-") as folder:
        run, here = run_on_two_nodes(Path(folder)), tg.run(EXPERIMENT)
        pairs = {name: (run[name], here[name]) for name in here.names}
        pairs |= {f"weights/{name}": (run.weights()[name], value) for name, value in here.weights().items()}
        for name, (there, value) in pairs.items():
            same = there.tobytes() == value.tobytes()
            print(f"{name} {value.shape}: {'equal byte for byte' if same else 'DIFFERENT'}")
            assert same
        print(f"{run.state}, {len(run.failures)} failures")


if __name__ == "__main__":
    main()
