import os
from pathlib import Path

import numpy as np
import pytest

from thermograd.store.array_cache import ArrayCache, content_hash

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], np.int64)}


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_what_is_written_is_read(home):
    cache = ArrayCache("shapes", {"seed": 0, "size": 1.5})
    assert cache.read() == {}
    cache.write(ARRAYS)
    assert cache.path.parent == home / "thermograd" / "shapes"
    found = ArrayCache("shapes", {"size": 1.5, "seed": 0}).read()
    assert set(found) == set(ARRAYS)
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype
    assert [path.name for path in cache.path.parent.iterdir()] == [cache.path.name]


def test_another_recipe_is_another_file(home):
    one, other = (ArrayCache("shapes", {"seed": seed}) for seed in (0, 1))
    one.write(ARRAYS)
    assert other.read() == {}
    os.replace(one.path, other.path)
    assert other.read() == {}  # a file under another name is not believed


def test_every_single_byte_counts(home):
    cache = ArrayCache("shapes", {})
    cache.write(ARRAYS)
    whole = cache.path.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        cache.path.write_bytes(bytes(changed))
        assert cache.read() == {}, place
    cache.path.write_bytes(whole + b"x")
    assert cache.read() == {}
    cache.path.write_bytes(whole)
    assert set(cache.read()) == set(ARRAYS)


def test_without_a_variable_it_is_the_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ArrayCache("shapes", {}).path.parent == tmp_path / ".cache" / "thermograd" / "shapes"


def test_no_folder_is_no_error(monkeypatch, home):
    (home / "thermograd").write_text("in the way")
    cache = ArrayCache("shapes", {})
    cache.write(ARRAYS)
    assert cache.read() == {}

    def homeless(path):
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert cache.path is None
    cache.write(ARRAYS)
    assert cache.read() == {}


def test_the_hash_sees_values_shapes_types_and_order():
    value = np.arange(6.0)
    found = {
        content_hash(*arrays)
        for arrays in (
            (value,),
            (value.reshape(2, 3),),
            (value.astype(np.float32),),
            (value, value),
            (value + 1e-15,),
        )
    }
    assert len(found) == 5
    assert content_hash(value) == content_hash(value.astype(">f8")) == content_hash(np.repeat(value, 2)[::2])
