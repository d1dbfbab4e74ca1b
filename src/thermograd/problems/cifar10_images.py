"""CIFAR-10 as it lies in the data folder: the original binary version, or a small npz of its first images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thermograd.errors import DamagedDataError
from thermograd.problems.data_folder import (
    ImageSplits,
    LabelledImages,
    checked,
    found_files,
    read_splits,
)

DATA_SET = "cifar10"
SHAPE = (3, 32, 32)
FORMS = (
    tuple(
        f"cifar-10-batches-bin/{name}.bin"
        for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
    ),
    ("cifar10-small-5000-1000.npz",),
)
"""Files of the full set (50 000 and 10 000 images, the binary archive unpacked), or of its first 5000 and 1000."""

_RECORDS = 10_000
_RECORD_BYTES = 1 + 3 * 32 * 32


def read_cifar10() -> ImageSplits:
    """Training and test images, (samples, 3, 32, 32) uint8 in the order red, green, blue, and their classes.

    Krizhevsky, *Learning multiple layers of features from tiny images* (2009).

    Raises:
        MissingDataError: the files are not in the data folder.
        DamagedDataError: a file is not what its format says.
    """
    files = found_files(DATA_SET, FORMS)
    if len(files) == 1:
        return read_splits(files[0], SHAPE)
    *train, test = (read_batch(file) for file in files)
    whole = LabelledImages(
        np.concatenate([batch.images for batch in train]), np.concatenate([batch.labels for batch in train])
    )
    return ImageSplits(whole, test)


def read_batch(file: Path, records: int = _RECORDS) -> LabelledImages:
    """One file of the binary version: records of one label and 3 · 32 · 32 pixels, one byte each.

    Args:
        file: a `.bin` file.
        records: how many it must hold.

    Returns:
        Its images and classes.

    Raises:
        DamagedDataError: it holds another number of bytes, or a label that is no class.
    """
    content = np.fromfile(file, np.uint8)
    if content.size != records * _RECORD_BYTES:
        expected = f"{records} records of {_RECORD_BYTES}, {records * _RECORD_BYTES}"
        raise DamagedDataError(file, f"holds {content.size} bytes; expected {expected}")
    table = content.reshape(records, _RECORD_BYTES)
    return checked(file, table[:, 1:].reshape(records, *SHAPE), table[:, 0], SHAPE)
