"""The table of a log against a dictionary, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermograd.errors import ConfigError, MemoryLimitError
from thermograd.store.log_table import LogTable, merged

ENTRIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.sampled_from([float("nan"), 1.0, 2.0, 3.0])),
    min_size=1,
)


@given(ENTRIES)
def test_the_later_number_wins(entries):
    seen, repeated = {}, 0
    for name, at, value in entries:
        if value == value:
            repeated += (name, at) in seen
            seen[name, at] = value
    values, times, notes = LogTable.of(entries, "step").dense(Path("log"))
    names = list(dict.fromkeys(name for name, _, _ in entries))
    assert times.tolist() == sorted({at for _, at in seen} or {at for _, at, _ in entries})
    wanted = [[seen.get((name, at), float("nan")) for at in times.tolist()] for name in names]
    assert np.array_equal(values, wanted, equal_nan=True)
    assert notes == ((f"log: {repeated} repeated steps, the later value counts",) if repeated else ())


def test_a_table_that_would_not_fit_is_refused():
    many = np.arange(20_000)
    log = LogTable(tuple(map(str, many)), many, many, many.astype(float), "step")
    with pytest.raises(MemoryLimitError, match=r"20000 runs at 20000 distinct times would take 3\.2 GB"):
        log.dense(Path("log"))


def test_no_entry_is_no_table():
    with pytest.raises(ConfigError, match="log has a header but no values"):
        LogTable.of([], "step").dense(Path("log"))


def test_runs_of_one_name_stay_apart_when_merged():
    one = LogTable.of([("a", 1, 0.5), ("b", 2, 0.6)], "epoch")
    values, _, _ = merged([one, one]).dense(Path("log"))
    assert np.array_equal(values, [[0.5, np.nan], [np.nan, 0.6]] * 2, equal_nan=True)
