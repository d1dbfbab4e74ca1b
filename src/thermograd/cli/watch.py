"""`thermograd watch`: a run while it goes on, in a browser or in the terminal."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from thermograd.cli import terminal as output
from thermograd.cli.exit_codes import DONE
from thermograd.errors import ConfigError

if TYPE_CHECKING:
    from thermograd.report.live import LiveServer
    from thermograd.report.live_run import LiveRun


def watch(
    run: Path,
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    terminal: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Show a run while it goes on: its state, its blocks, its means with their spread, how long it will take.

    The first line on stdout is the address of the page, which is served until Ctrl-C; nothing is written, and the
    run does not notice. It can be started while the run goes on or later, as often as you like.

    Args:
        run: the run directory.
        host: address to serve on; on another than this machine's own a secret is part of the URL.
        port: port to serve on; 0 takes a free one.
        terminal: no server; a table here, or one line per change into a pipe, until the run ends.

    Returns:
        The exit code; 0 after Ctrl-C.

    Raises:
        ConfigError: the address or port cannot be used.
    """
    if not 0 <= port <= 65535:
        message = f"--port {port}: a port is a number from 0 (any free one) to 65535"
        raise ConfigError(message)
    from thermograd.cli.terminal_view import TerminalView
    from thermograd.report.live_run import LiveRun  # here, so that --help needs no numpy

    with _quiet_end():
        live = LiveRun(run)
        if terminal:
            return TerminalView(live).follow()
        with _server(live, host, port) as server:
            if server.token:
                output.say(
                    f"warning: {host} can be reached from other machines, without encryption; "
                    "whoever has the whole address can read the numbers of this run"
                )
            output.result(server.url)
            output.say("Ctrl-C ends the page, not the run")
            server.serve_forever()
    return DONE


@contextlib.contextmanager
def _quiet_end() -> Generator[None]:
    """Ctrl-C and SIGTERM end the block and say nothing."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        before = signal.signal(signal.SIGTERM, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _server(live: LiveRun, host: str, port: int) -> LiveServer:
    """The server, listening.

    Raises:
        ConfigError: the address cannot be used, or the port is taken.
    """
    from thermograd.report.live import LiveServer

    try:
        return LiveServer(live, host, port)
    except OSError as error:
        other = "choose another --port, or 0 for a free one" if port else "choose another --host"
        message = f"cannot serve on --host {host} --port {port} ({error.strerror or error}); {other}"
        raise ConfigError(message) from error
