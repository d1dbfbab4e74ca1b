"""A run on two nodes that share one folder and nothing else: looked at, cut off twice, resumed, reported.

Both nodes are this machine: each is a Dask worker that was started in a folder of its own, and both see the run
directory. On a cluster the commands are the same, one on each machine. `thermograd resume ... --executor submitit`
would go on with the same run as jobs of Slurm instead.
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
from thermograd.store.block_log import read_owners

EXPERIMENT = """
name = "Two nodes"
trajectories = 16
block_size = 2
epochs = 8
engine = "eager"
observe = [{ kind = "accuracy" }, { kind = "loss" }]
problem = { kind = "digits", train_samples = 600, flipped = 0.2 }
dynamics = { kind = "sgd", learning_rate = 0.2 }
minibatching = { kind = "without_replacement", batch_size = 20 }
"""


@contextlib.contextmanager
def started(folder: Path, *words: str) -> Generator[subprocess.Popen[bytes]]:
    """A process in a folder of its own, its messages in a file there."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *words], cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def thermograd(*words: str | Path) -> None:
    """A command as somebody types it, and what it says."""
    print("$ thermograd", *words)
    subprocess.run(
        [sys.executable, "-m", "thermograd", *map(str, words)], stderr=subprocess.STDOUT, check=True
    )


def wait_for(run: Path, blocks: int) -> None:
    """Until so many blocks are done."""
    while not (run / "manifest.json").exists() or done(tg.open_run(run)) < blocks:
        time.sleep(0.05)


def done(run: tg.Run) -> int:
    """The number of blocks that are finished."""
    return int((run.committed == run.steps).sum())


def main() -> None:
    """Run it there, cut off and resumed, and here; compare."""
    with tempfile.TemporaryDirectory(prefix="two-nodes-") as folder:
        shared = Path(folder)
        config, run, scheduler = shared / "experiment.toml", shared / "run", shared / "scheduler.json"
        config.write_text(EXPERIMENT, encoding="utf-8")
        here = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
        file = ("--scheduler-file", str(scheduler))
        worker = ("dask", "worker", *file, "--nthreads", "1", "--no-nanny", *here)
        there = ("--executor", "dask", "--executor.address", str(scheduler))
        with (
            started(shared / "scheduler", "dask", "scheduler", *file, "--port", "0", *here),
            started(shared / "node-a", *worker) as first,
            started(shared / "node-b", *worker) as second,
        ):
            nodes = {first.pid: "node a", second.pid: "node b"}
            while not scheduler.exists():
                time.sleep(0.1)
            begun = ("thermograd", "run", str(config), "--out", str(run), *there)
            with started(shared / "login", *begun) as coordinator:
                wait_for(run, 2)
                thermograd("list", "runs", shared)
                second.kill()
                print("node b is killed; what it had goes on from its checkpoint on node a")
                wait_for(run, 4)
                coordinator.kill()
                print("the coordinator is killed; its log:", (shared / "login" / "log").read_text())
            thermograd("list", "runs", shared)
            thermograd("resume", run, *there)
        thermograd("watch", run, "--terminal")
        thermograd("report", run)
        found, alone = tg.open_run(run), tg.run(tg.load_config(config).experiment)
        for block in range(8):
            told = [f"{line.event} on {nodes[line.process]}" for line in read_owners(run, block)]
            print(f"  block {block:2d}: {', '.join(told)}")
        for name in alone.names:
            assert found[name].tobytes() == alone[name].tobytes()
            print(f"{name} {alone[name].shape}: equal byte for byte to a run in one process")


if __name__ == "__main__":
    main()
