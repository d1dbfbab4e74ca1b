"""A text file that gains one line a step, and keeps them right through kills, resumed training and full disks."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from pathlib import Path

from thermograd.errors import ConfigError
from thermograd.store.atomic_file import write_atomically
from thermograd.store.printable import excerpt


class LineFile:
    """Lines in the order of their steps, after an optional header.

    A line counts once it ends in a newline: what a crash tore is dropped before the next one is added, and what
    did not fit on the disk is taken back at once. Where the step goes back, as it does when training resumes
    from a checkpoint, the lines from that step on are dropped, since they come again. Where that would leave
    none, the file is of another training and is first renamed to `<stem>-1<suffix>`, `-2`, ....

    Args:
        path: the file; it is made by the first line, its folder must exist.
        start: what every such file begins with.
        step_of: the step of a line without its newline; ValueError if it has none.
        header: whether the first line is a header.

    Raises:
        ConfigError: there is no such folder, or the file holds something else.
    """

    def __init__(self, path: Path, start: bytes, step_of: Callable[[bytes], int], *, header: bool) -> None:
        # training may change the folder it works in
        self.path = path.absolute()
        self._step_of, self._header = step_of, int(header)
        self._last: int | None = None
        self._size = 0
        self._check(start)

    def rewind(self, step: int) -> bool:
        """Drop what is torn and, if the step goes back, the lines from it on.

        Args:
            step: of the line that comes next.

        Returns:
            Whether other lines than those appended may stand there now.

        Raises:
            OSError: the disk refuses.
        """
        if self._last is not None and step >= self._last:
            return False
        lines = self.lines()
        header, body = lines[: self._header], lines[self._header :]
        kept = [line for line in body if self._step_of(line) < step]
        if body and not kept:
            os.rename(self.path, self._free_name())
            header = []
        self.replace([*header, *kept])
        self._last = step
        return True

    def append(self, line: bytes, step: int) -> None:
        """Add one line with a single write.

        Args:
            line: without its newline.
            step: it belongs to.

        Raises:
            OSError: the disk refuses, or something else writes to the file too.
        """
        content = line + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            if os.fstat(descriptor).st_size != self._size:
                message = f"something else writes to {self.path} too: give every log a file of its own"
                raise OSError(message)
            if os.write(descriptor, content) != len(content):
                os.ftruncate(descriptor, self._size)
                message = f"no room for a line in {self.path}"
                raise OSError(message)
        finally:
            os.close(descriptor)
        self._size += len(content)
        self._last = step

    def replace(self, lines: Iterable[bytes]) -> None:
        """Write other lines in the place of all, header included.

        Args:
            lines: without newlines.

        Raises:
            OSError: the disk refuses; the old file is untouched.
        """
        content = b"".join(line + b"\n" for line in lines)
        if not self.path.exists() or self.path.read_bytes() != content:
            write_atomically(self.path.resolve(), content)
        self._size = len(content)

    def lines(self) -> list[bytes]:
        """All whole lines, header included."""
        return [line.removesuffix(b"\r") for line in self._content().split(b"\n")[:-1]]

    def _content(self) -> bytes:
        return self.path.read_bytes().removeprefix(BOM_UTF8) if self.path.exists() else b""

    def _check(self, start: bytes) -> None:
        if not self.path.parent.is_dir():
            message = f"no folder {self.path.parent} for the log {self.path.name}: make it first"
            raise ConfigError(message)
        if self.path.exists() and not self.path.is_file():
            message = f"{self.path} is not a file: choose another name for the log"
            raise ConfigError(message)
        content = self._content()
        try:
            if content[: len(start)] != start[: len(content)]:
                raise ValueError
            for line in self.lines()[self._header :]:
                self._step_of(line)
        except ValueError:
            shown = excerpt(content[:60].decode("utf-8", "replace"))
            message = (
                f"{self.path} was not written by this logger, and it would be damaged; it begins {shown!r}. "
                "Choose another name"
            )
            raise ConfigError(message) from None

    def _free_name(self) -> Path:
        number = 1
        while (free := self.path.with_name(f"{self.path.stem}-{number}{self.path.suffix}")).exists():
            number += 1
        return free
