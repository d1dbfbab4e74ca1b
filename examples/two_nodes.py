"""A run on two nodes that share one folder and nothing else: looked at, cut off twice, resumed, reported.

Both nodes are this machine: each is a Dask worker that was started in a folder of its own, and both see the run
directory. On a cluster the commands are the same, one on each machine. `thermograd resume ... --executor submitit`
would go on with the same run as jobs of Slurm instead.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import thermograd as tg

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
    """A command as somebody types it."""
    print("$ thermograd", *words, flush=True)
    subprocess.run([sys.executable, "-m", "thermograd", *words], stderr=subprocess.STDOUT, check=True)


def wait_for(path: Path, blocks: int) -> None:
    """Until so many blocks are done."""
    done = 0
    while done < blocks:
        time.sleep(0.05)
        if (path / "manifest.json").exists():
            run = tg.open_run(path)
            done = (run.committed == run.steps).sum()


def main() -> None:
    """Run it there, cut off and resumed, and here; compare."""
    shared = Path("two-nodes").resolve()
    shared.mkdir()
    config, run, scheduler = shared / "experiment.toml", shared / "run", shared / "scheduler.json"
    config.write_text(EXPERIMENT, encoding="utf-8")
    options = "--scheduler-file ../scheduler.json --host 127.0.0.1 --dashboard-address 127.0.0.1:0".split()
    worker = ("dask", "worker", *options, "--nthreads", "1", "--no-nanny")
    there = ("--executor", "dask", "--executor.address", str(scheduler))
    with (
        started(shared / "scheduler", "dask", "scheduler", *options, "--port", "0"),
        started(shared / "node-a", *worker),
        started(shared / "node-b", *worker) as second,
    ):
        while not scheduler.exists():
            time.sleep(0.1)
        words = ("thermograd", "run", str(config), "--out", str(run), *there)
        with started(shared / "login", *words) as coordinator:
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
    for name in alone.names:
        assert found[name].tobytes() == alone[name].tobytes()
        print(f"{name} {alone[name].shape}: equal byte for byte to a run in one process")


if __name__ == "__main__":
    main()
