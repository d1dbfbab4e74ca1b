"""Where rounds are played: warm servers, a folder, and the truth that every run is compared with."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from thermograd.reproductions.running_ambush import VARIABLE
from thermograd.reproductions.running_logistic_map import LogisticMap
from thermograd.reproductions.running_numbers import everything
from thermograd.reproductions.running_servers import Answer, Servers
from thermograd.reproductions.running_tiny_experiment import TinyExperiment
from thermograd.store.reader import open_run

TINY = LogisticMap(trajectories=2, block_size=2, steps=3, diverging=(), observables=1)
"""One block, four records: few enough writes to fail each of them."""
SMALL = LogisticMap(trajectories=5, block_size=2, steps=9, diverging=(3,), observables=3)
"""Three blocks, three arrays, one divergence."""

T = TypeVar("T")
_TOGETHER = 4


@dataclass(frozen=True, eq=False)
class Harness:
    """What a row is played with.

    Attributes:
        servers: do the jobs.
        folder: where runs are made.
        truths: numbers of uninterrupted runs so far.
    """

    servers: Servers
    folder: Path
    truths: dict[LogisticMap | TinyExperiment, dict[str, bytes]] = field(default_factory=dict)
    _names: Any = field(default_factory=itertools.count)

    def fresh(self) -> Path:
        """A path that nothing is at, in a folder of its own."""
        folder = self.folder / f"{next(self._names):06d}"
        folder.mkdir()
        return folder / "run"

    def copy(self, run: Path) -> Path:
        """A copy of a run, to be harmed."""
        path = self.fresh()
        shutil.copytree(run, path)
        return path

    def drop(self, run: Path) -> None:
        """Remove a run of `fresh` or `copy`."""
        shutil.rmtree(run.parent)

    def train(self, run: Path, map_: LogisticMap, **more: Any) -> Answer:
        """Make a run of a map, or go on with it, in a child; see `running_jobs`."""
        return self.train_at_once(run, map_, 1, **more)[0]

    def train_at_once(self, run: Path, map_: LogisticMap, children: int, **more: Any) -> list[Answer]:
        """`train` in several children at once."""
        job = {"do": "train map", "run": run, "map": asdict(map_), "at_once": children, **more}
        return self.servers.ask_all(job)

    def command(self, run: Path, *words: str | Path, **more: Any) -> Answer:
        """`thermograd WORDS` in a child; see `running_jobs`."""
        return self.servers.ask({"do": "command", "run": run, "words": [*words, "--allow-import"], **more})

    def begin(self, run: Path, experiment: TinyExperiment, *words: str, **more: Any) -> Answer:
        """`thermograd run` of an experiment, or go on with it."""
        config = run.parent / "config.toml"
        config.write_text(experiment.toml, encoding="utf-8")
        return self.command(run, "run", config, "--out", run, *words, **more)

    def ambushed(
        self, run: Path, experiment: TinyExperiment, ambush: Mapping[str, Any], *words: str, **more: Any
    ) -> Answer:
        """`begin`, with an ambush laid; see `Ambush`."""
        return self.begin(run, experiment, *words, environment={VARIABLE: json.dumps(ambush)}, **more)

    def truth(self, what: LogisticMap | TinyExperiment) -> Mapping[str, bytes]:
        """All numbers of a run, inline, that nothing interrupted."""
        if what not in self.truths:
            run = self.fresh()
            train = self.train if isinstance(what, LogisticMap) else self.begin
            _must_work(train(run, what))  # type: ignore[arg-type] # each takes its own kind
            self.truths[what] = everything(open_run(run))
            self.drop(run)
        return self.truths[what]

    def wrong_at_last(self, run: Path, what: LogisticMap | TinyExperiment, answer: Answer) -> str:
        """What is wrong with a run that was resumed to its end; "" if nothing is.

        Args:
            run: its directory.
            what: was trained.
            answer: of the child that resumed it.
        """
        if answer["code"]:
            return f"cannot be resumed, exit {answer['code']}: {answer['message']}"
        return "" if everything(open_run(run)) == self.truth(what) else "resumed to other numbers"

    def whole(self, map_: LogisticMap, **more: Any) -> Path:
        """A run of a map as far as `more` lets it go."""
        run = self.fresh()
        _must_work(self.train(run, map_, **more))
        return run

    def born(self, map_: LogisticMap) -> Path:
        """A run that was made but has not begun: one killed at the first change after its directory is there."""
        counted = self.fresh()
        low, high = 1, self.train(counted, map_)["writes"]
        self.drop(counted)
        while high - low > 1:
            middle = (low + high) // 2
            run = self.fresh()
            self.train(run, map_, at=middle)
            low, high = (low, middle) if run.exists() else (middle, high)
            self.drop(run)
        run = self.fresh()
        self.train(run, map_, at=high)
        return run

    def until_noticed(self, play: Callable[[T], str], cases: Sequence[T], seed: int) -> list[str]:
        """Play cases in a random order until one of them fails, for a fault that was built in on purpose."""
        found: list[str] = []
        order = np.random.default_rng(seed).permutation(len(cases))
        for first in range(0, len(cases), _TOGETHER):
            found += self.servers.each(play, [cases[place] for place in order[first : first + _TOGETHER]])
            if any(found):
                break
        return found


@contextlib.contextmanager
def harness(servers: int = 2) -> Generator[Harness]:
    """Warm servers and a temporary folder, for as long as the block runs.

    Args:
        servers: how many jobs at a time.

    Yields:
        The harness.
    """
    with tempfile.TemporaryDirectory(prefix="thermograd-reliability-") as folder, Servers(servers) as warm:
        yield Harness(warm, Path(folder))


def digests(numbers: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of every array, as a child tells it."""
    return {name: hashlib.sha256(value).hexdigest() for name, value in numbers.items()}


def chosen(cases: Iterable[Any], count: int | None, seed: int) -> list[Any]:
    """Some cases at random, in order; all of them if `count` is None or large enough.

    >>> chosen("abc", None, 0), len(chosen(range(100), 7, 0))
    (['a', 'b', 'c'], 7)
    """
    known = list(cases)
    if count is None or count >= len(known):
        return known
    places = np.random.default_rng(seed).choice(len(known), count, replace=False)
    return [known[place] for place in sorted(places)]


def _must_work(answer: Answer) -> None:
    if answer["code"]:
        message = f"a run without any fault ended with {answer}"
        raise RuntimeError(message)
