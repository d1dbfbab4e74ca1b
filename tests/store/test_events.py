from __future__ import annotations

import json
import re

import pytest

from thermograd.store.events import LONGEST, append_event, read_events


def test_events_are_lines_in_order(tmp_path):
    assert read_events(tmp_path) == []
    append_event(tmp_path, "created", run_id="x")
    append_event(tmp_path, "checkpoint", block=3, step=7)
    first, second = read_events(tmp_path)
    assert (first["event"], first["run_id"]) == ("created", "x")
    assert (second["block"], second["step"]) == (3, 7)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])


def test_a_torn_line_is_ignored_and_swallows_nothing(tmp_path):
    append_event(tmp_path, "created")
    with (tmp_path / "events.jsonl").open("ab") as stream:
        stream.write(b'{"time": "2026", "event": "star')
    assert [event["event"] for event in read_events(tmp_path)] == ["created"]
    append_event(tmp_path, "resumed")
    assert [event["event"] for event in read_events(tmp_path)] == ["created", "resumed"]


def test_a_line_is_never_longer_than_a_page(tmp_path):
    append_event(tmp_path, "block_failed", message="x" * 100_000)
    (line,) = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert len(line) <= LONGEST
    assert json.loads(line)["event"] == "block_failed"


def test_an_unknown_event_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown event 'exploded'"):
        append_event(tmp_path, "exploded")
