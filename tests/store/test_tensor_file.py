"""Files of tensors: a round trip, and what is damaged or something else."""

import numpy as np
import pytest

pytest.importorskip("safetensors")

from thermograd.errors import DamagedDataError
from thermograd.store.tensor_file import read_tensor_file, write_tensor_file

ARRAYS = {
    "z": np.arange(6.0).reshape(2, 3),
    "a": np.arange(3, dtype=np.float32),
    "half": np.ones(5, np.float16),
    "count": np.array(7),
    "flags": np.array([True, False]),
    "nothing": np.zeros((0, 4)),
    "turned": np.arange(6).reshape(2, 3).T.astype(">i8"),
}


def test_a_round_trip(tmp_path):
    write_tensor_file(tmp_path / "file", ARRAYS, {"who": "me"})
    arrays, texts = read_tensor_file(tmp_path / "file")
    assert list(arrays) == list(ARRAYS)
    assert texts == {"who": "me"}
    for name, value in ARRAYS.items():
        assert arrays[name].dtype == value.dtype.newbyteorder("=")
        assert arrays[name].shape == value.shape
        assert (arrays[name] == value).all()
    arrays["z"][0] = 1  # may be written to


def test_the_package_reads_ours_and_we_read_its(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    write_tensor_file(tmp_path / "ours", ARRAYS, {})
    theirs = package.load_file(tmp_path / "ours")
    assert all((theirs[name] == value).all() for name, value in ARRAYS.items())
    package.save_file({"a": ARRAYS["a"]}, tmp_path / "theirs", metadata={"who": "they"})
    arrays, texts = read_tensor_file(tmp_path / "theirs")
    assert (arrays["a"] == ARRAYS["a"]).all()
    assert texts == {"who": "they"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{]",
        (60).to_bytes(8, "little") + b'{"a": {"dtype": "F64", "shape": [9], "data_offsets": [0, 8]}}'[:60].ljust(60) + b" " * 8,
        (61).to_bytes(8, "little") + b'{"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 8]}}' + b" " * 8,
        (62).to_bytes(8, "little") + b'{"a": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]}}' + b" " * 8,
    ],
)  # fmt: skip
def test_what_is_no_such_file(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DamagedDataError, match="not a safetensors file"):
        read_tensor_file(tmp_path / "file")
