import numpy as np
import pytest

from thermograd.errors import DamagedDataError, MissingDataError
from thermograd.problems.data_folder import first_images, found_files, present_files, read_splits

FORMS = (("all.bin", "more.bin"), ("small.npz",))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    (tmp_path / "shapes").mkdir()
    return tmp_path / "shapes"


def splits(**changed):
    arrays = {
        "x_train": np.zeros((4, 2, 2), np.uint8),
        "y_train": np.arange(4),
        "x_test": np.ones((3, 2, 2), np.uint8),
        "y_test": np.array([0, 9, 5], np.uint8),
    } | changed
    return {name: value for name, value in arrays.items() if value is not None}


def test_without_the_variable_it_is_named_with_the_files(monkeypatch):
    monkeypatch.delenv("THERMOGRAD_DATA", raising=False)
    assert present_files("shapes", FORMS) == ()
    with pytest.raises(MissingDataError, match="THERMOGRAD_DATA is not set") as error:
        found_files("shapes", FORMS)
    for name in ("shapes/all.bin, shapes/more.bin", "or shapes/small.npz"):
        assert name in str(error.value)
    assert isinstance(error.value, FileNotFoundError)


def test_the_first_complete_form_is_taken(folder):
    (folder / "all.bin").touch()
    with pytest.raises(MissingDataError, match=f"THERMOGRAD_DATA is {folder.parent}"):
        found_files("shapes", FORMS)
    (folder / "small.npz").touch()
    assert found_files("shapes", FORMS) == (folder / "small.npz",)
    (folder / "more.bin").touch()
    assert found_files("shapes", FORMS) == (folder / "all.bin", folder / "more.bin")


def test_splits_are_read(folder):
    np.savez(folder / "small.npz", **splits())
    train, test = read_splits(folder / "small.npz", (2, 2))
    assert train.images.shape == (4, 2, 2)
    assert train.labels.dtype == np.uint8
    assert test.labels.tolist() == [0, 9, 5]
    assert first_images(test, 2, "test_samples").labels.tolist() == [0, 9]
    with pytest.raises(ValueError, match="test_samples is 4; the files hold 3"):
        first_images(test, 4, "test_samples")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"y_test": None}, "array y_test is absent"),
        ({"x_train": np.zeros((4, 2, 2))}, "images are float64"),
        ({"x_train": np.zeros((4, 2, 3), np.uint8)}, r"\(4, 2, 3\)"),
        ({"y_train": np.arange(3)}, r"\(3,\) labels"),
        ({"y_test": np.array([0, 10, 5])}, "labels are 0 to 10"),
        ({"y_test": np.array([0, -1, 5])}, "labels are -1 to 5"),
        ({"x_test": np.zeros((0, 2, 2), np.uint8), "y_test": np.zeros(0, np.uint8)}, "labels are none"),
        ({"y_test": np.array([0, None, 5])}, "not a readable npz"),
    ],
)
def test_a_wrong_npz_is_refused(folder, changed, says):
    np.savez(folder / "small.npz", **splits(**changed))
    with pytest.raises(DamagedDataError, match=says) as error:
        read_splits(folder / "small.npz", (2, 2))
    assert "small.npz" in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_npz_is_refused(folder, damage):
    file = folder / "small.npz"
    np.savez_compressed(
        file, **splits(x_train=np.random.default_rng(0).integers(0, 256, (4, 2, 2), np.uint8))
    )
    content = bytearray(file.read_bytes())
    if damage == "flip":
        place = content.index(b"x_train.npy") + 60
        content[place : place + 8] = bytes(8)
    file.write_bytes({"cut": content[: len(content) // 2], "flip": content, "text": b"hello"}[damage])
    with pytest.raises(DamagedDataError, match="not a readable npz"):
        read_splits(file, (2, 2))
