import gzip
import struct

import numpy as np
import pytest

from thermograd.errors import DamagedDataError, MissingDataError
from thermograd.problems.mnist_images import FORMS, read_idx, read_mnist


def idx(array, *, magic=b"\0\0\x08", sizes=None):
    shape = array.shape if sizes is None else sizes
    header = magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + array.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with an MNIST of five training and three test images."""
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    generator = np.random.default_rng(0)
    for place, count in ((0, 5), (2, 3)):
        images, labels = (
            generator.integers(0, 256, (count, 28, 28), np.uint8),
            np.arange(count, dtype=np.uint8),
        )
        (tmp_path / "mnist" / FORMS[0][place]).write_bytes(gzip.compress(idx(images)))
        (tmp_path / "mnist" / FORMS[0][place + 1]).write_bytes(gzip.compress(idx(labels)))
    return tmp_path / "mnist"


def test_written_images_are_read(folder):
    train, test = read_mnist()
    expected = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    assert np.array_equal(train.images, expected)
    assert train.labels.tolist() == [0, 1, 2, 3, 4]
    assert test.images.shape == (3, 28, 28)


WHOLE = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (WHOLE, "begins with|whole gzip"),
        (gzip.compress(WHOLE)[:-4], "not a whole gzip file"),
        (gzip.compress(WHOLE)[:-9] + b"\xff" * 9, "not a whole gzip file"),
        (gzip.compress(WHOLE[:-1]), r"holds 5 values; its header says \(2, 3\), which is 6"),
        (gzip.compress(WHOLE + b"\0"), "holds 7 values"),
        (gzip.compress(WHOLE[:7]), "ends within its header"),
        (gzip.compress(b"\0\0"), "begins with 00 00; an idx"),
        (gzip.compress(idx(np.zeros(3, np.uint8), magic=b"\0\0\x0d")), "begins with 00 00 0d 01"),
        (gzip.compress(idx(np.zeros(3, np.uint8), sizes=(2**31, 2**31, 2**31))), "holds 3 values"),
    ],
    # Not from the content: compressed data hold the time, and all workers must find the same names.
    ids=[
        "plain", "cut short", "altered", "a value too few", "a value too many", "short header", "no header",
        "other type", "huge sizes",
    ],
)  # fmt: skip
def test_files_that_are_not_what_they_say_are_refused(tmp_path, content, says):
    file = tmp_path / "broken.gz"
    file.write_bytes(content)
    with pytest.raises(DamagedDataError, match=says) as error:
        read_idx(file)
    assert "broken.gz" in str(error.value)


def test_the_harness_reads_a_whole_file(tmp_path):
    file = tmp_path / "whole.gz"
    file.write_bytes(gzip.compress(WHOLE))
    assert read_idx(file).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_labels_of_other_images_are_refused(folder):
    (folder / FORMS[0][1]).write_bytes((folder / FORMS[0][3]).read_bytes())
    with pytest.raises(DamagedDataError, match=r"\(3,\) labels .* for 5 images"):
        read_mnist()


def test_without_the_files_their_names_are_said(folder):
    (folder / FORMS[0][0]).unlink()
    with pytest.raises(MissingDataError, match=r"mnist/train-images-idx3-ubyte\.gz.*mnist-small-5000-1000"):
        read_mnist()


def test_the_real_files(named_data, monkeypatch, tmp_path):
    """Counts of each digit as published; the small file is the beginning of the large ones."""
    train, test = read_mnist()
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(train.images.mean() / 255 - 0.1307) < 5e-5
    assert abs(train.images.std() / 255 - 0.3081) < 5e-5
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / FORMS[1][0]).symlink_to(named_data / "mnist" / FORMS[1][0])
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    for small, whole in zip(read_mnist(), (train, test), strict=True):
        assert np.array_equal(small.images, whole.images[: len(small.images)])
        assert np.array_equal(small.labels, whole.labels[: len(small.labels)])
