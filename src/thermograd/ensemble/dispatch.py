"""Handing blocks to workers, hearing what came of them, and going on when a worker dies."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from thermograd.ensemble.block_report import FAILED, LEFT, BlockReport
from thermograd.ensemble.executors.kind import ExecutorKind
from thermograd.errors import BlockFailedError
from thermograd.protocols import Executor, Future

POLL_SECONDS = 0.2
_AHEAD = 2
_UNKNOWN_WIDTH = 32
_MOST_BARREN = 3

Train = Callable[[str, int, int], BlockReport]


class Listener(Protocol):
    """Who is told what comes of the blocks."""

    def halted(self) -> bool:
        """Whether no further block should begin, and those at work were asked to stop."""

    def at_work(self, block: int) -> bool:
        """Whether somebody of this start has begun the block and not ended it."""

    def reported(self, report: BlockReport) -> None:
        """A block was left by its owner."""

    def looked(self, blocks: Iterable[int]) -> None:
        """Some time has passed; these blocks were handed out."""

    def lost(self, suspects: list[int], error: BaseException) -> None:
        """A worker died; these blocks were at work there, or may have been. Notes of the error say how."""

    def poisoned(self, block: int, error: BaseException) -> None:
        """A block lost its worker a second time, alone."""


class Dispatch:
    """Runs blocks through one kind of executor.

    A worker that dies takes its executor with it, so every block that was at work there is a suspect. Suspects run
    one at a time in an executor of one worker, while the others go on in a new one.

    Args:
        run: the run directory.
        generation: this start of it.
        kind: where blocks run.
        train: the task, `train_block` for workers elsewhere.
        listener: who is told.
    """

    def __init__(
        self, run: Path, generation: int, kind: ExecutorKind, train: Train, listener: Listener
    ) -> None:
        self._run, self._generation, self._kind, self._train = run, generation, kind, train
        self._listener = listener
        self._waiting: deque[int] = deque()
        self._suspects: deque[int] = deque()
        self._barren = 0
        self._left: dict[int, tuple[int, int]] = {}

    def work(self, blocks: Iterable[int]) -> None:
        """Run blocks until all are reported, or the listener halts.

        Args:
            blocks: which, in the order in which they should begin.

        Raises:
            BlockFailedError: workers die before they begin a block, whatever is tried.
        """
        self._waiting = deque(blocks)
        with (
            _Lane(lambda: self._kind.open(self._run)) as main,
            _Lane(lambda: self._kind.alone(self._run)) as alone,
        ):
            while True:
                halted = self._listener.halted()
                if halted:
                    self._let_go(main, alone)
                else:
                    self._submit(main, alone)
                heard = self._collect(main, alone)
                self._listener.looked([*main.futures, *alone.futures])
                if (
                    not main.futures
                    and not alone.futures
                    and (halted or not (self._waiting or self._suspects))
                ):
                    return
                if not heard:
                    time.sleep(POLL_SECONDS)

    def _submit(self, main: _Lane, alone: _Lane) -> None:
        """Hand out as much as there is room for."""
        width = self._kind.workers or _UNKNOWN_WIDTH
        on_trial = bool(self._suspects or alone.futures)
        if self._suspects and not alone.futures and (width > 1 or not main.futures):
            self._hand_out(alone, self._suspects)
        room = max(0, width - 1) if on_trial else (width + _AHEAD if self._kind.remote else 1)
        while self._waiting and len(main.futures) < room:
            if not self._hand_out(main, self._waiting):
                return
            if not self._kind.remote:
                return
        if not on_trial:
            alone.close()

    def _hand_out(self, lane: _Lane, blocks: deque[int]) -> bool:
        """Submit the next block; False if the executor takes none any more."""
        block = blocks[0]
        try:
            future = lane.executor.submit(self._train, str(self._run), block, self._generation)
        except Exception as error:
            if not self._kind.lost(error):
                raise
            if not lane.futures:  # otherwise their futures tell
                lane.close(error)
                self._listener.lost([], error)
                self._count_barren(error)
            return False
        blocks.popleft()
        lane.futures[block] = future
        return True

    def _collect(self, main: _Lane, alone: _Lane) -> bool:
        """Take what is done; whether anything was."""
        lost_alone, heard_alone = self._results(alone)
        lost, heard = self._results(main)
        for block, error in lost_alone.items():
            alone.close(error)
            self._listener.lost([block], error)
            self._listener.poisoned(block, error)
        if lost:
            self._replace(main, lost)
        return heard or heard_alone or bool(lost) or bool(lost_alone)

    def _results(self, lane: _Lane) -> tuple[dict[int, BaseException], bool]:
        """Blocks whose worker died, with what their futures say; the reports of the others are passed on."""
        lost: dict[int, BaseException] = {}
        heard = False
        for block, future in list(lane.futures.items()):
            if not future.done():
                continue
            del lane.futures[block]
            heard = True
            try:
                report = future.result()
            except CancelledError:
                self._waiting.appendleft(block)
            except Exception as error:
                if self._kind.lost(error):
                    lost[block] = error
                else:
                    self._listener.reported(BlockReport(block, FAILED).with_error(error))
            else:
                self._barren = 0
                self._listener.reported(self._again(report) if report.outcome == LEFT else report)
        return lost, heard

    def _again(self, report: BlockReport) -> BlockReport:
        """A block whose place was taken away waits for another one, unless it gets nowhere in any."""
        step, times = self._left.get(report.block, (report.step, 0))
        times = times + 1 if report.step <= step else 1
        self._left[report.block] = report.step, times
        if times < _MOST_BARREN:
            self._waiting.append(report.block)
            return report
        message = (
            f"its place was taken away {times} times in a row, and not one step was done between (still at step "
            f"{report.step}): a wall-clock limit that is too short for it, or notice that comes too early"
        )
        return replace(report, outcome=FAILED, kind="WallClockLimit", message=message, attempts=times)

    def _replace(self, lane: _Lane, lost: dict[int, BaseException]) -> None:
        """A new executor for the blocks that had not begun; a trial for the others."""
        error = next(iter(lost.values()))
        if self._kind.survives_loss:
            suspects = sorted(lost)
        else:
            lost |= dict.fromkeys(lane.futures, error)
            lane.close(error)
            suspects = sorted(block for block in lost if self._listener.at_work(block))
        self._waiting.extendleft(sorted(set(lost) - set(suspects), reverse=True))
        self._suspects.extend(suspects)
        self._listener.lost(suspects, error)
        if not suspects:
            self._count_barren(error)

    def _count_barren(self, error: BaseException) -> None:
        """Give up on workers that die whatever they are given."""
        self._barren += 1
        if self._barren < _MOST_BARREN:
            return
        message = (
            f"workers died {self._barren} times in a row before they began a block ({type(error).__name__}: {error}); "
            "everything that was committed is kept. Is memory left? Try fewer workers, or the inline executor"
        )
        raise BlockFailedError(message) from error

    def _let_go(self, *lanes: _Lane) -> None:
        """Take back what has not begun; what has was asked to stop."""
        for lane in lanes:
            for block, future in list(lane.futures.items()):
                if future.done() or self._listener.at_work(block):
                    continue
                future.cancel()
                del lane.futures[block]


class _Lane:
    """An executor, opened when it is needed, and what it was given."""

    def __init__(self, make: Callable[[], contextlib.AbstractContextManager[Executor]]) -> None:
        self._make = make
        self._stack = contextlib.ExitStack()
        self._executor: Executor | None = None
        self.futures: dict[int, Future] = {}

    def __enter__(self) -> _Lane:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]  # the three of a with statement
        self._executor = None

    @property
    def executor(self) -> Executor:
        """The open executor."""
        if self._executor is None:
            self._executor = self._stack.enter_context(self._make())
        return self._executor

    def close(self, error: BaseException | None = None) -> None:
        """Leave it, for an error if there is one; the next one is fresh."""
        self.futures.clear()
        self._executor = None
        with contextlib.suppress(type(error)) if error is not None else contextlib.nullcontext():
            self._stack.__exit__(type(error) if error is not None else None, error, None)
