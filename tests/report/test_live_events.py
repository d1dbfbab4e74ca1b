from __future__ import annotations

import json

import pytest

from thermograd.report.live_events import EventTail
from thermograd.store.events import FILE, append_event


def write(folder, *lines):
    with (folder / FILE).open("ab") as stream:
        stream.write(b"".join(lines))


def line(event, **details):
    return json.dumps({"time": "2026-01-01T00:00:00.000Z", "event": event, **details}).encode() + b"\n"


def test_each_event_is_given_once(tmp_path):
    tail = EventTail(tmp_path)
    assert tail.new() == []
    append_event(tmp_path, "started", generation=1)
    append_event(tmp_path, "block_started", block=3)
    assert [event["event"] for event in tail.new()] == ["started", "block_started"]
    assert tail.new() == []
    append_event(tmp_path, "checkpoint", block=3, step=5)
    assert [event["step"] for event in tail.new()] == [5]
    assert [said for _, said in tail.last] == [
        "started, generation 1", "block started, block 3", "checkpoint, block 3, step 5",
    ]  # fmt: skip


def test_a_torn_line_waits_for_its_end(tmp_path):
    tail = EventTail(tmp_path)
    whole = line("checkpoint", block=0, step=1)
    write(tmp_path, whole[:20])
    assert tail.new() == []
    write(tmp_path, whole[20:])
    assert len(tail.new()) == 1


@pytest.mark.parametrize(
    "garbage", [b"\n\x00\xff\n", b"[1]\n", b'{"event": "other"}\n', b"[" * 3000 + b"\n", b"x" * 9000]
)
def test_garbage_is_skipped_and_does_not_stay(tmp_path, garbage):
    tail = EventTail(tmp_path)
    write(tmp_path, garbage)
    assert tail.new() == []
    append_event(tmp_path, "finished", failed=[])
    assert [event["event"] for event in tail.new()] == ["finished"]


def test_blocks_at_work_since_the_last_start(tmp_path):
    tail = EventTail(tmp_path)
    write(
        tmp_path, line("started"), *(line("block_started", block=block) for block in (0, 1, 2)),
        line("block_finished", block=0), line("block_failed", block=1), line("block_started", block="x"),
    )  # fmt: skip
    tail.new()
    assert tail.at_work == {2}
    write(tmp_path, line("resumed"), line("block_started", block=1))
    tail.new()
    assert tail.at_work == {1}


def test_of_commits_in_a_row_the_newest_is_kept(tmp_path):
    tail = EventTail(tmp_path)
    write(tmp_path, line("started"), *(line("checkpoint", block=0, step=step) for step in range(5)))
    assert len(tail.new()) == 6
    write(
        tmp_path,
        line("checkpoint", block=1, step=9),
        line("block_finished", block=1),
        line("checkpoint", block=0, step=7),
    )
    tail.new()
    assert [said for _, said in tail.last] == [
        "started", "checkpoint, block 1, step 9", "block finished, block 1", "checkpoint, block 0, step 7",
    ]  # fmt: skip


def test_what_is_kept_is_bounded_and_printable(tmp_path):
    tail = EventTail(tmp_path)
    write(tmp_path, *(line("block_started", block=number) for number in range(100)))
    write(tmp_path, line("interrupted", why="\x1b[31m" + 3000 * "x", time="\x1b[2J"))
    tail.new()
    assert len(tail.last) == 12
    when, said = tail.last[-1]
    assert (when + said).isprintable()
    assert len(when + said) < 300
