"""Stopping a run: the first signal at the next step boundary, the second at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from thermograd.ensemble.stop_file import FILE, LOOK_SECONDS, StopRequest, ask_to_stop, asked_to_stop
from thermograd.errors import InterruptedRunError
from thermograd.store.resume_command import resume_command

_LOOK_SECONDS = LOOK_SECONDS


class Interruption:
    """Listens for SIGINT, SIGTERM and SIGHUP, and for the file `stop`, while a run goes on.

    Args:
        run: the run directory.
        generation: this start; a `stop` file of another start is not meant for it.
        say: told once that the run is stopping.
        until: step at which workers elsewhere are to stop.
        executor: words of the command line that choose who trains the blocks, for whoever resumes.
        python_objects: of the experiment, which the command line cannot resume.
    """

    def __init__(
        self,
        run: Path,
        generation: int,
        say: Callable[[str], None],
        until: int | None = None,
        executor: Sequence[str] = (),
        python_objects: Sequence[str] = (),
    ) -> None:
        self.signal: int | None = None
        self._file = run / FILE
        self._run = run
        self._generation = generation
        self._until = until
        self._resume = resume_command(run, executor, python_objects)
        self._say = say
        self._previous: dict[int, Any] = {}
        self._looked = time.monotonic()
        self._asked = False

    def __enter__(self) -> Interruption:
        self._file.unlink(missing_ok=True)
        if self._until is not None:
            ask_to_stop(self._run, StopRequest(self._generation, self._until))
        if threading.current_thread() is threading.main_thread():
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(name) is not signal.SIG_IGN:  # as under nohup
                    self._previous[name] = signal.signal(name, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for name, handler in self._previous.items():
            signal.signal(name, handler)
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def stopping(self) -> bool:
        """Whether to stop at this step boundary."""
        if self.signal is not None or self._asked:
            return True
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            request = asked_to_stop(self._run, self._generation)
            self._asked = request is not None and request.step is None
        return self._asked

    def ask_workers(self) -> None:
        """Ask those who work elsewhere to stop; a disk that refuses even that lets them go on to their end."""
        with contextlib.suppress(OSError):
            ask_to_stop(self._run, StopRequest(self._generation))

    def error(self) -> InterruptedRunError | None:
        """The error to end with, None if no signal came."""
        if self.signal is None:
            return None
        name = signal.Signals(self.signal).name
        message = f"stopped by {name}; everything is kept. Go on with: {self._resume}"
        return InterruptedRunError(message, self.signal)

    def _received(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is not None:
            self.signal = number
            error = self.error()
            assert error is not None
            raise error
        self.signal = number
        self.ask_workers()
        self._say(f"{signal.Signals(number).name}: stopping at the next step (once more: at once)")
