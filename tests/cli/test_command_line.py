"""What the system says about a file ends in one sentence and a code, never as a bug of ours."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from thermograd.cli import main

LOG = "epoch," + ",".join(f"run{run}" for run in range(12)) + "\n"
LOG += "".join(
    f"{epoch}," + ",".join(f"{min(0.1 + epoch * (run + 3) / 60, 0.95):.3f}" for run in range(12)) + "\n"
    for epoch in range(1, 21)
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "log.csv"
    file.write_text(LOG, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (errno.EROFS, 4, "(Read-only file system): choose another place"),
        (errno.ENOSPC, 4, "(No space left on device): free space, or choose another place"),
        (errno.EACCES, 4, "(Permission denied): choose another place"),
        (errno.ENOENT, 2, "No such file or directory"),
        (errno.ENAMETOOLONG, 2, "File name too long"),
    ],
)
def test_a_page_that_cannot_be_written_is_no_bug(log, tmp_path, monkeypatch, capsys, number, code, says):
    import os

    from thermograd.store import atomic_file

    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic_file, "_write_new", refuse)
    page = tmp_path / "advice.json"
    assert main(["advise", str(log), "--target", "0.8", "--json", str(page)]) == code
    said = capsys.readouterr().err
    assert "bug" not in said
    assert str(page) in said
    assert said.splitlines()[-1].endswith(says)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")
def test_a_full_output_is_the_disks_fault():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "thermograd", "list", "plugins"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,
        )
    assert done.returncode == 4
    assert done.stderr == (
        "cannot write standard output (No space left on device): free space, or choose another place\n"
    )


def test_an_error_without_a_path_stays_a_bug(log, monkeypatch, capsys):
    def fail(*_arguments):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("thermograd.store.trajectories.load_trajectories", fail)
    monkeypatch.setattr("thermograd.cli.recorded_log.load_trajectories", fail)
    assert main(["advise", str(log), "--target", "0.8"]) == 70
    assert "thermograd has a bug" in capsys.readouterr().err


def test_a_report_into_a_folder_is_refused_before_any_work(tmp_path, capsys):
    assert main(["report", str(tmp_path / "no run"), "--out", str(tmp_path)]) == 2
    assert f"--out {tmp_path}: it must be a file" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "no run"), "--out", str(tmp_path / "no" / "x.html")]) == 2
    assert "in a folder that exists" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_wrong_words_are_told_in_the_words_of_the_help(capsys):
    assert main(["advise", "--target", "1"]) == 2
    assert "SOURCE" in capsys.readouterr().err
    assert main(["report", "x", "--bogus", "1"]) == 2
    said = capsys.readouterr().err
    assert "unknown option --bogus" in said
    assert "Did you mean" not in said
    assert main(["report", "x", "--ot", "1"]) == 2
    assert "Did you mean '--out'?" in capsys.readouterr().err


def test_what_comes_from_files_does_not_drive_the_terminal(capsys):
    from thermograd.cli import terminal

    terminal.say("a\x1b[31mb\nc\x9bd")
    terminal.complain("\x07")
    assert capsys.readouterr().err == "a\ufffd[31mb\nc\ufffdd\n\ufffd\n"
