"""Who is tried again where when a worker dies, told by executors that only pretend."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from thermograd.ensemble import dispatch
from thermograd.ensemble.block_report import FAILED, FINISHED, LEFT, BlockReport
from thermograd.ensemble.dispatch import Dispatch
from thermograd.errors import BlockFailedError


class Pretended:
    """Blocks finish when somebody looks; `deadly` ones break the pool, and those that were begun with it."""

    remote = True

    def __init__(self, deadly: dict[int, int], *, workers: int = 2, survives_loss: bool = False) -> None:
        self.deadly, self.workers, self.survives_loss = deadly, workers, survives_loss
        self.opened: list[tuple[str, list[int]]] = []
        self.begun: set[int] = set()
        self.before_beginning = 0

    def open(self, run):
        return self._pool("main", self.workers)

    def alone(self, run):
        return self._pool("alone", 1)

    def lost(self, error: BaseException) -> bool:
        return isinstance(error, BrokenProcessPool)

    @contextlib.contextmanager
    def _pool(self, name: str, width: int):
        pool = Pool(self, width)
        self.opened.append((name, pool.given))
        yield pool


class Pool:
    def __init__(self, kind: Pretended, width: int) -> None:
        self.kind, self.width = kind, width
        self.given: list[int] = []
        self.open: list[Task] = []
        self.broken = False

    def submit(self, function, run: str, block: int, generation: int) -> Task:
        if self.broken:
            raise BrokenProcessPool
        self.given.append(block)
        self.open.append(Task(self, block))
        return self.open[-1]

    def turn(self) -> None:
        """Every worker does one block."""
        kind = self.kind
        at_work = self.open[: self.width]
        if kind.before_beginning:
            kind.before_beginning -= 1
            dead = self.open if not kind.survives_loss else at_work
        else:
            deadly = [task for task in at_work if kind.deadly.get(task.block, 0)]
            for task in deadly:
                kind.deadly[task.block] -= 1
            if deadly:
                kind.begun |= {task.block for task in at_work}
            dead = [] if not deadly else (deadly if kind.survives_loss else self.open)
        self.broken = bool(dead) and not kind.survives_loss
        for task in dead:
            task.set_exception(BrokenProcessPool("gone"))
        for task in at_work:
            if task not in dead:
                task.set_result(BlockReport(task.block, FINISHED))
        self.open = [task for task in self.open if not Future.done(task)]


class Task(Future):
    def __init__(self, pool: Pool, block: int) -> None:
        super().__init__()
        self.pool, self.block = pool, block

    def done(self) -> bool:
        if not super().done() and self.pool.open[0] is self:
            self.pool.turn()
        return super().done()


class Heard:
    """A listener that notes."""

    def __init__(self, kind: Pretended, halt_after: int = 10**9) -> None:
        self.kind, self.halt_after = kind, halt_after
        self.finished: list[int] = []
        self.poisons: list[int] = []
        self.suspected: list[list[int]] = []

    def halted(self) -> bool:
        return len(self.finished) >= self.halt_after

    def at_work(self, block: int) -> bool:
        return block in self.kind.begun

    def reported(self, report: BlockReport) -> None:
        self.kind.begun.discard(report.block)
        self.finished.append(report.block)

    def looked(self, blocks) -> None:
        list(blocks)

    def lost(self, suspects, error) -> None:
        self.kind.begun -= set(suspects)
        self.suspected.append(suspects)

    def poisoned(self, block, error) -> None:
        self.poisons.append(block)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 0.0)


def worked(kind: Pretended, tmp_path, blocks: int = 8, **options) -> Heard:
    heard = Heard(kind, **options)
    Dispatch(tmp_path, 1, kind, pytest.fail, heard).work(range(blocks))
    return heard


def test_all_blocks_in_their_order_a_few_ahead(tmp_path):
    kind = Pretended({})
    assert worked(kind, tmp_path).finished == list(range(8))
    assert [name for name, _ in kind.opened] == ["main"]


@pytest.mark.parametrize("survives_loss", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_poison_is_found_alone_and_all_others_finish(tmp_path, workers, survives_loss):
    kind = Pretended({4: 2}, workers=workers, survives_loss=survives_loss)
    heard = worked(kind, tmp_path)
    assert heard.poisons == [4]
    assert sorted(heard.finished) == [0, 1, 2, 3, 5, 6, 7]
    together, alone = heard.suspected
    assert 4 in together
    assert len(together) <= (1 if survives_loss else workers)
    assert alone == [4]


def test_one_that_is_killed_once_is_no_poison(tmp_path):
    kind = Pretended({4: 1})
    heard = worked(kind, tmp_path)
    assert (heard.poisons, sorted(heard.finished)) == ([], list(range(8)))
    assert heard.suspected == [[4, 5]]
    assert sorted(block for name, given in kind.opened if name == "alone" for block in given) == [4, 5]


def test_blocks_that_had_not_begun_are_not_suspected(tmp_path):
    kind = Pretended({0: 2})
    heard = worked(kind, tmp_path)
    assert heard.suspected == [[0, 1], [0]]
    assert heard.poisons == [0]


def test_workers_that_die_whatever_they_are_given_end_the_run(tmp_path):
    kind = Pretended({})
    kind.before_beginning = 2
    assert sorted(worked(kind, tmp_path).finished) == list(range(8))
    kind.before_beginning = 3
    with pytest.raises(BlockFailedError, match="died 3 times in a row before they began"):
        worked(kind, tmp_path)


class Evicted(Future):
    """Whose place was taken away, at a step that the test says."""

    def __init__(self, block: int, step: int) -> None:
        super().__init__()
        self.set_result(BlockReport(block, LEFT, step) if step < 9 else BlockReport(block, FINISHED, step))


class Evicting(Pretended):
    """Gives a block its next step at every try."""

    def __init__(self, steps: dict[int, list[int]]) -> None:
        super().__init__({})
        self.steps = {block: iter(found) for block, found in steps.items()}

    def open(self, run):
        return contextlib.nullcontext(self)

    def submit(self, function, run: str, block: int, generation: int) -> Future:
        return Evicted(block, next(self.steps[block]))


def test_a_block_that_is_taken_away_three_times_without_a_step_has_failed_and_one_that_gets_on_has_not(
    tmp_path,
):
    heard = Heard(Evicting({}))
    told: dict[int, list[BlockReport]] = {0: [], 1: [], 2: []}
    heard.reported = lambda report: told[report.block].append(report)
    kind = Evicting({0: [3, 3, 3, 9], 1: [3, 3, 4, 4, 5, 9], 2: [9]})
    Dispatch(tmp_path, 1, kind, pytest.fail, heard).work(range(3))
    assert [report.outcome for report in told[0]] == [LEFT, LEFT, FAILED]
    failed = told[0][-1]
    assert (failed.kind, failed.attempts, failed.step) == ("WallClockLimit", 3, 3)
    assert (
        "taken away 3 times in a row, and not one step was done between (still at step 3)" in failed.message
    )
    assert [report.outcome for report in told[1]] == [LEFT] * 5 + [FINISHED]
    assert [report.outcome for report in told[2]] == [FINISHED]


def test_a_halt_does_not_wait_for_what_never_began(tmp_path):
    """As when workers are still starting up; a block that has begun is waited for."""

    class Starting(Pretended):
        def open(self, run):
            return contextlib.nullcontext(self)

        def submit(self, function, run: str, block: int, generation: int) -> Future:
            self.futures.append(Future())
            return self.futures[-1]

    kind = Starting({})
    kind.futures = []
    heard = Heard(kind)
    looks = iter([False, True, True, True])

    def halted() -> bool:
        now = next(looks)
        if now and kind.begun and heard.finished == []:
            kind.futures[0].set_result(BlockReport(0, FINISHED))
        return now

    heard.halted = halted
    Dispatch(tmp_path, 1, kind, pytest.fail, heard).work(range(8))
    assert heard.finished == []
    assert all(future.cancelled() for future in kind.futures)
    kind.futures, looks = [], iter([False, True, True, True])
    kind.begun = {0}
    Dispatch(tmp_path, 1, kind, pytest.fail, heard).work(range(8))
    assert heard.finished == [0]


def test_a_halt_begins_nothing_more(tmp_path):
    kind = Pretended({})
    heard = worked(kind, tmp_path, blocks=100, halt_after=3)
    assert len(heard.finished) <= 3 + kind.workers
