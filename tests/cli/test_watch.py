"""`thermograd watch`: the address first, quiet ends, refusals, and the view in the terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("zarr")
pytest.importorskip("plotly")
sys.path.append(str(Path(__file__).parents[1] / "report"))
from growing_run import GrowingRun

from thermograd.cli import main
from thermograd.cli.terminal_view import TerminalView, rows
from thermograd.report.live_run import LiveRun

WATCH = (
    "import sys\n"
    "from thermograd.cli import main\n"
    "code = main(['watch', *sys.argv[1:]])\n"
    "assert 'torch' not in sys.modules\n"
    "sys.exit(code)\n"
)


@pytest.fixture
def growing(tmp_path):
    with GrowingRun(tmp_path / "run", name="Small <b>run</b>") as run:
        run.train(0, 8)
        yield run


@contextlib.contextmanager
def watching(*words):
    """The command in a process of its own, and the first line it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", WATCH, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def fetched(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("number", "words", "more"),
    [(signal.SIGINT, [], "Ctrl-C ends the page, not the run\n"), (signal.SIGTERM, ["--quiet"], "")],
)
def test_the_first_line_is_the_address_and_the_end_is_quiet(growing, number, words, more):
    with watching(growing.path, *words) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert b"Small &lt;b&gt;run&lt;/b&gt;" in fetched(url)
        assert json.loads(fetched(f"{url}data.json"))["state"] == "running"
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", more)
    assert process.returncode == 0


def test_beyond_this_machine_a_secret_is_in_the_address(growing):
    with watching(growing.path, "--host", "0.0.0.0") as (process, url):
        address, token = url.split("/?token=")
        port = address.rpartition(":")[2]
        assert json.loads(fetched(f"http://127.0.0.1:{port}/data.json?token={token}"))["state"] == "running"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetched(f"http://127.0.0.1:{port}/data.json")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "can be reached from other machines, without encryption" in errors


def test_a_port_that_is_taken_is_said(growing, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["watch", str(growing.path), "--port", str(port)]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors == (
        f"cannot serve on --host 127.0.0.1 --port {port} (Address already in use); "
        "choose another --port, or 0 for a free one\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--port", "70000"], 2, "--port 70000: a port is a number from 0"),
        (["--port", "-1"], 2, "a port is a number from 0"),
        (["--host", "203.0.113.7"], 2, "choose another --host"),
        (["--host", "no such host"], 2, "choose another --host"),
        (["--prot", "1"], 2, "Did you mean '--port'?"),
    ],
)
def test_wrong_options_are_one_line(growing, capsys, words, code, says):
    assert main(["watch", str(growing.path), *words]) == code
    out, errors = capsys.readouterr()
    assert out == ""
    assert says in errors
    assert len(errors.splitlines()) == 1


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["watch", str(tmp_path)]) == 3
    assert main(["watch", str(tmp_path / "none")]) == 3
    assert "does not exist" in capsys.readouterr().err
    assert main(["watch"]) == 2


def test_a_damaged_manifest_is_refused_with_the_cure(growing, capsys):
    (growing.path / "manifest.json").write_text("{")
    assert main(["watch", str(growing.path), "--terminal"]) == 3
    assert "--repair" in capsys.readouterr().err


def stages(growing, *more):
    """What happens between two looks, one after the other."""
    steps = iter([lambda: growing.train(0), lambda: None, lambda: growing.train(1, 4), *more])
    return lambda: next(steps)()


def test_into_a_pipe_a_line_per_change_until_the_end(growing, capsys):
    view = TerminalView(LiveRun(growing.path), stages(growing, growing.finish))
    assert view.follow() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(
        "Running: 0 of 3 blocks finished; committed 16.0 %; trajectories 10 pending; Train loss "
    )
    assert "at epoch 2 over 4 of 10" in lines[0]
    assert lines[1].startswith("Running: 1 of 3 blocks finished; committed 40.0 %")
    assert lines[3].startswith("Finished: 9 trajectories reached the end, 1 diverged; committed 100.0 %")


def test_an_interruption_ends_it_and_a_lost_run_is_told(growing, capsys):
    view = TerminalView(LiveRun(growing.path), stages(growing, lambda: growing.set_state("interrupted")))
    assert view.follow() == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Interrupted: 1 of 3 blocks finished.")
    growing.set_state("running")
    view = TerminalView(LiveRun(growing.path), lambda: growing.path.rename(growing.path.with_name("away")))
    assert view.follow() == 3
    assert "is gone" in capsys.readouterr().out


def test_a_note_is_told_once(tmp_path, capsys):
    with GrowingRun(tmp_path / "run", notes=["one sample sits out"]) as growing:
        view = TerminalView(LiveRun(growing.path), stages(growing, growing.finish))
        assert view.follow() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "note: one sample sits out"
    assert sum(line.startswith("note") for line in lines) == 1


def test_failures_are_told(growing):
    growing.fail(1, "no luck")
    live = LiveRun(growing.path)
    live.refresh()
    assert ("failed", "block 1, tried 2 times, committed to step 3: RuntimeError: no luck") in rows(
        live.data()
    )


def test_a_table_in_a_terminal(growing):
    growing.finish()
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-c", WATCH, str(growing.path), "--terminal"],
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "COLUMNS": "120", "TERM": "xterm", "NO_COLOR": "1"},
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end closes with the process
            while part := screen.read(65536):
                shown += part
        assert process.wait(timeout=30) == 0
    text = shown.decode()
    for part in ("Small <b>run</b>", "Finished: 9 trajectories", "Train loss", "9 finished, 1 diverged", "█"):
        assert part in text
