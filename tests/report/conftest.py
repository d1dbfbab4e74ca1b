"""A synthetic ensemble and a browser, shared by the tests of the report."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from thermograd.estimators.displacement_table import DisplacementTable
from thermograd.estimators.effective_temperature import estimate
from thermograd.store.layout import DIVERGED, FINISHED, ArraySpec, Checkpoint, Header
from thermograd.store.memory import MemoryStorage
from thermograd.store.run import Run


def make_run(values, *, name="A run", steps_per_epoch=10, block_size=16, committed=True, diverged_at=None):
    """A run in memory with the given arrays (trajectory, time), recorded at every epoch from 0 on."""
    first = next(iter(values.values()))
    trajectories, count = first.shape[:2]
    times = np.arange(count) * steps_per_epoch
    specs = tuple(ArraySpec(key, array.shape[2:], "float64", times) for key, array in values.items())
    steps = int(times[-1])
    header = Header(name, 0, trajectories, steps, steps_per_epoch, block_size, "eager", "a test", specs)
    storage = MemoryStorage(header, None)
    ends = np.full(trajectories, -1) if diverged_at is None else np.asarray(diverged_at)
    for index in range(header.blocks if committed else 0):
        members = header.block(index)
        part = slice(members.start, members.stop)
        sink = storage.sink(index)
        for key, array in values.items():
            for row in range(count):
                recorded = array[part, row].copy()
                recorded[(ends[part] >= 0) & (ends[part] <= times[row])] = np.nan
                sink.record(key, row, recorded)
        outcome = np.where(ends[part] >= 0, DIVERGED, FINISHED).astype(np.uint8)
        sink.commit(Checkpoint(steps, {"diverged_at": ends[part]}), outcome)
    return Run(storage)


@pytest.fixture
def run_of():
    return make_run


def named_traces(figure, name):
    return [entry for entry in figure.traces if entry["name"] == name]


def check_writable(figure):
    json.dumps([figure.traces, figure.layout], allow_nan=False)
    assert len({len(column) for column in figure.table.values()}) == 1


@pytest.fixture
def trace():
    """A function (figure, name) that gives the traces of that name."""
    return named_traces


@pytest.fixture
def writable():
    """A function that asserts that a page can hold the figure."""
    return check_writable


def make_block(step, rate, ratio=None, verdict="warming_up", **more):
    """One block; the ratio has an interval of ± 0.05."""
    found = {"step": step, "epoch": step / 10, "learning_rate": rate, "tolerance": 0.1, "verdict": verdict}
    if ratio is not None:
        found |= {"ratio": ratio, "ratio_low": ratio - 0.05, "ratio_high": ratio + 0.05}
        found |= {"ratio_origin": ratio, "ratio_origin_low": ratio - 0.2, "ratio_origin_high": ratio + 0.2}
        found |= {"coverage": step / 20, "dissipation": 0.1 * ratio, "fluctuation": 0.1, "temperature": 1e-4}
    return found | more


WATCH_HISTORY = [
    make_block(10, 0.1),
    make_block(20, 0.1),
    make_block(30, 0.1, 0.5, "approaching"),
    make_block(40, 0.1, 0.8, "approaching"),
    make_block(50, 0.1, 0.97, "equilibrated"),
    make_block(60, 0.01),
    make_block(70, 0.01, 0.9, "slow_directions_remain"),
]
WATCH_HISTORY_WITH_LOSSES = [
    entry | {"loss": 2.0 - entry["step"] / 100, "waiting": 0.05, "waiting_low": 0.04, "waiting_high": 0.06}
    for entry in WATCH_HISTORY
]


@pytest.fixture
def block():
    """A function that makes one block of a watch's history."""
    return make_block


@pytest.fixture
def history():
    """A watch's history in which the learning rate was cut once."""
    return WATCH_HISTORY


@pytest.fixture
def losses():
    """The same with losses, and what waiting would take off them."""
    return WATCH_HISTORY_WITH_LOSSES


@pytest.fixture
def growing(tmp_path):
    """A run in a folder whose first block has 8 of 20 steps."""
    from growing_run import GrowingRun  # needs zarr, and the path that the test files add

    with GrowingRun(tmp_path / "run") as run:
        run.train(0, 8)
        yield run


@pytest.fixture
def server(growing):
    """Its live page, served."""
    from live_serving import serving

    from thermograd.report.live import LiveServer
    from thermograd.report.live_run import LiveRun

    with serving(LiveServer(LiveRun(growing.path))) as found:
        yield found


@pytest.fixture
def open_server(growing):
    """The same, answering beyond this machine."""
    from live_serving import serving

    from thermograd.report.live import LiveServer
    from thermograd.report.live_run import LiveRun

    with serving(LiveServer(LiveRun(growing.path), "0.0.0.0")) as found:
        yield found


@dataclass(frozen=True)
class Seen:
    """What the browser made of a page."""

    dom: str
    console: tuple[str, ...]

    @property
    def ready(self) -> bool:
        return bool(re.search(r"<body[^>]*data-ready=\"1\"", self.dom))


@functools.cache
def _browser() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def browse(tmp_path):
    """A function that opens a file or address in Chromium and returns what it drew; nothing is left running."""
    program = _browser()
    if program is None:
        pytest.skip("no Chromium found; on Debian: apt-get install chromium")

    def look(page: Path | str, *, picture: Path | None = None, width: int = 1280, dark: bool = False) -> Seen:
        profile = tmp_path / f"profile-{len(list(tmp_path.glob('profile-*')))}"
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
            "--disable-background-networking --disable-component-update --disable-sync --enable-logging=stderr "
            f"--user-data-dir={profile} --window-size={width},900 --virtual-time-budget=6000 --dump-dom "
            f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        ).split()
        flags += [f"--screenshot={picture}"] if picture else []
        process = subprocess.Popen(
            [program, *flags, page if isinstance(page, str) else page.as_uri()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            dom, log = process.communicate(timeout=45)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        console = tuple(line for line in log.splitlines() if "CONSOLE" in line)
        return Seen(dom, console)

    return look


def make_walks(power=0.5, *, runs=6, size=40, steps=3000, first=3, last=1000, seed=0):
    """Displacements of walks of independent steps whose variance falls like s^(-power)."""
    rng = np.random.default_rng(seed)
    waiting = np.unique(np.round(10 ** (np.arange(0, 17) / 4))).astype(int)
    waiting = waiting[(waiting >= first) & (waiting <= last)]
    lags = np.unique(np.round(10 ** (np.arange(0, 29) / 8))).astype(int)
    lags = lags[lags < steps]
    scale = np.sqrt(0.01 * np.arange(1, steps + 1) ** -power)
    path = np.zeros((runs, steps + 1, size))
    path[:, 1:] = np.cumsum(rng.normal(size=(runs, steps, size)) * scale[:, None], axis=1)
    squared = np.full((runs, waiting.size, lags.size, 1), np.nan)
    for row, start in enumerate(waiting):
        known = start + lags <= steps
        squared[:, row, known, 0] = np.square(path[:, start + lags[known]] - path[:, [start]]).sum(axis=2)
    return DisplacementTable(waiting, lags, squared, [size])


@pytest.fixture
def walks():
    """A function that makes the table of displacements of walks that slow down."""
    return make_walks


@pytest.fixture
def walk():
    """One such table."""
    return make_walks()


@pytest.fixture(scope="session")
def langevin():
    """An effective temperature of one mode, η = 0.1, k = 2, from rows that scatter by 2 %."""

    def made(temperature, rows=6, seed=0, **options):
        a, lags = 0.8, np.arange(1, 22)
        scatter = 1 + 0.02 * np.random.default_rng(seed).normal(size=(rows, 1))
        moved = temperature * (1 - a**lags) / (2 * 0.9)
        return estimate(scatter * moved, np.tile((1 - a ** lags[:-1]) / 2, (rows, 1)), **options)

    return made


def _luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(scope="session")
def contrast():
    """The contrast of two colours as WCAG 2 defines it, 1 to 21."""

    def of(one, other):
        low, high = sorted((_luminance(one), _luminance(other)))
        return (high + 0.05) / (low + 0.05)

    return of
