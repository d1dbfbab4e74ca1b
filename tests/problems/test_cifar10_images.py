import numpy as np
import pytest

from thermograd.errors import DamagedDataError, MissingDataError
from thermograd.problems import cifar10_images
from thermograd.problems.cifar10_images import FORMS, read_batch, read_cifar10


def test_records_are_a_label_and_three_planes_of_rows(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    content = b"".join(bytes([label]) + image.tobytes() for label, image in enumerate(images))
    file = tmp_path / "batch.bin"
    file.write_bytes(content)
    batch = read_batch(file, records=4)
    assert np.array_equal(batch.images, images)
    assert batch.labels.tolist() == [0, 1, 2, 3]
    with pytest.raises(DamagedDataError, match="holds 12292 bytes; expected 5 records of 3073, 15365"):
        read_batch(file, records=5)
    file.write_bytes(content[:-1])
    with pytest.raises(DamagedDataError, match=r"batch\.bin: holds 12291 bytes"):
        read_batch(file, records=4)
    file.write_bytes(b"\x0a" + content[1:])
    with pytest.raises(DamagedDataError, match="labels are 1 to 10"):
        read_batch(file, records=4)


def test_batches_are_joined_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("THERMOGRAD_DATA", str(tmp_path))
    monkeypatch.setattr(cifar10_images, "read_batch", lambda file: read_batch(file, records=1))
    with pytest.raises(MissingDataError, match=r"cifar10/cifar-10-batches-bin/data_batch_1\.bin"):
        read_cifar10()
    for label, name in enumerate(FORMS[0]):
        file = tmp_path / "cifar10" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([label]) + bytes(3 * 32 * 32))
    train, test = read_cifar10()
    assert train.labels.tolist() == [0, 1, 2, 3, 4]
    assert train.images.shape == (5, 3, 32, 32)
    assert test.labels.tolist() == [5]


def test_the_real_files(named_data):
    train, test = read_cifar10()
    assert train.images.shape[1:] == (3, 32, 32)
    assert np.bincount(train.labels[:5000]).tolist() == [505, 460, 519, 486, 519, 488, 519, 486, 520, 498]
    assert np.bincount(test.labels[:1000]).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
