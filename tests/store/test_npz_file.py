from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError, DamagedDataError
from thermograd.store.npz_file import read_arrays, write_arrays


def test_what_is_written_comes_back(tmp_path):
    file = write_arrays(tmp_path / "a.npz", {"values": [[1.0, np.nan]], "name": "kick"})
    read = read_arrays(file, "us")
    np.testing.assert_array_equal(read["values"], [[1.0, np.nan]])
    assert read["name"].item() == "kick"
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_every_cut_is_noticed(tmp_path):
    file = write_arrays(tmp_path / "a.npz", {"values": np.arange(50.0)})
    whole = file.read_bytes()
    for length in range(2, len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(DamagedDataError, match="cut short or altered"):
            read_arrays(file, "us")


def test_python_objects_are_not_opened(tmp_path):
    np.savez(tmp_path / "code.npz", values=np.array([{}], dtype=object))
    with pytest.raises(DamagedDataError):
        read_arrays(tmp_path / "code.npz", "us")


def test_another_kind_of_file_is_named(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ConfigError, match=r"no npz file; Table\.save writes one"):
        read_arrays(tmp_path / "text.npz", "Table.save")
    with pytest.raises(ConfigError, match="no file"):
        read_arrays(tmp_path / "absent.npz", "us")
