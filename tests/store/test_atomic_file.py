"""Replacing a file: whole or not at all, and nothing left beside it."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from thermograd.store import atomic_file
from thermograd.store.atomic_file import write_atomically


def test_a_file_is_made_and_replaced(tmp_path):
    file = tmp_path / "page.html"
    for content in (b"one", b"", b"two" * 10_000):
        write_atomically(file, content)
        assert file.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
    assert file.stat().st_mode & 0o600 == 0o600


def test_a_file_of_the_user_is_not_taken_for_the_temporary_one(tmp_path):
    mine = tmp_path / "page.html.tmp"
    mine.write_text("mine")
    write_atomically(tmp_path / "page.html", b"new")
    assert mine.read_text() == "mine"


def test_a_folder_in_the_place_is_refused_and_nothing_is_left(tmp_path):
    place = tmp_path / "folder"
    place.mkdir()
    with pytest.raises(OSError, match="folder") as refusal:
        write_atomically(place, b"x" * 1000)
    assert refusal.value.filename == str(place)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(FileNotFoundError) as absent:
        write_atomically(tmp_path / "no" / "page.html", b"x")
    assert absent.value.filename == str(tmp_path / "no" / "page.html")


def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch):
    file = tmp_path / "page.html"
    write_atomically(file, b"old")

    def refuse(_descriptor, _content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "write", refuse)
    with pytest.raises(OSError, match=r"No space left on device: .*page\.html"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_many_writers_at_once_leave_one_whole_file(tmp_path):
    contents = [bytes([64 + number]) * 50_000 for number in range(4)]
    writers = [
        threading.Thread(target=lambda content=content: write_atomically(tmp_path / "a", content))
        for content in contents
        for _ in range(5)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (tmp_path / "a").read_bytes() in contents
    assert os.listdir(tmp_path) == ["a"]


def test_a_refusal_names_the_file_as_it_was_given(tmp_path):
    file = tmp_path / "nowhere" / "page.html"
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*/nowhere/page.html'$"):
        write_atomically(file, b"whole")
