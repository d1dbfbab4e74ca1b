from __future__ import annotations

import io

from thermograd.cli import terminal
from thermograd.cli.progress_display import ProgressDisplay, rows
from thermograd.ensemble.progress import Progress


def at(done: int, seconds: float = 15.0, diverged: int = 0, mean: float = 0.25) -> Progress:
    return Progress(1, 4, done, 1000, seconds, done, diverged, "train_loss", mean)


def test_a_pipe_gets_one_line_per_tenth(capsys):
    with ProgressDisplay("run") as display:
        for done in range(0, 1001, 5):
            display.show(at(done))
        display.say("a note")
    out, errors = capsys.readouterr()
    assert out == ""
    lines = errors.splitlines()
    assert [line.split(" %")[0] for line in lines[:-1]] == [str(10 * tenth) for tenth in range(1, 11)]
    assert lines[-1] == "a note"


def test_quiet_is_quiet(capsys):
    terminal.set_quiet(True)
    try:
        with ProgressDisplay("run") as display:
            display.show(at(500))
            display.say("a note")
    finally:
        terminal.set_quiet(False)
    assert capsys.readouterr().err == ""


def test_what_is_said():
    """500 of 1000 in 15 s: 15 s are left, within a quarter (1/√16)."""
    said = dict(rows(at(500, diverged=3)))
    assert said["trajectory-steps"] == "500 of 1000"
    assert said["speed"] == "33.3 trajectory-steps/s"
    assert said["time left"] == "11 s to 19 s"
    assert said["mean train_loss in the last block"] == "0.25"
    assert said["diverged"] == "3"
    assert "diverged" not in dict(rows(at(500)))
    assert not any("mean" in key for key in dict(rows(at(500, mean=float("nan")))))
    assert dict(rows(at(0)))["time left"] == "not known yet"


def test_a_terminal_gets_a_table(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressDisplay("runs/kick") as display:
        display.show(at(500))
        display._live.refresh()
    assert "runs/kick" in screen.getvalue()
    assert "500 of 1000" in screen.getvalue()
