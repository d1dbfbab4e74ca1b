"""MNIST as it lies in the data folder: the four original files, or a small npz of their first images."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedDataError
from thermograd.problems.data_folder import ImageSplits, checked, found_files, read_splits

DATA_SET = "mnist"
SIDE = 28
PIXELS, CLASSES = SIDE**2, 10
FORMS = (
    (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ),
    ("mnist-small-5000-1000.npz",),
)
"""Files of the full set (60 000 and 10 000 images), or of its first 5000 and 1000."""

_INSTEAD = "Digits, the smaller images of scikit-learn, need no files"
_UNSIGNED_BYTE = 8


def read_mnist(folder: str | None = None) -> ImageSplits:
    """Training and test images, (samples, 28, 28) uint8, and their digits.

    LeCun, Bottou, Bengio, Haffner, Proceedings of the IEEE 86, 2278 (1998).

    Args:
        folder: where the files lie; None = `mnist` in the data folder.

    Raises:
        MissingDataError: the files are not there.
        DamagedDataError: a file is not what its format says.
    """
    files = found_files(DATA_SET, FORMS, folder, instead=_INSTEAD)
    if len(files) == 1:
        return read_splits(files[0], (SIDE, SIDE))
    arrays = [read_idx(file) for file in files]
    pairs = zip(files[::2], arrays[::2], arrays[1::2], strict=True)
    return ImageSplits(*(checked(file, images, labels, (SIDE, SIDE)) for file, images, labels in pairs))


def read_idx(file: Path) -> npt.NDArray[np.uint8]:
    """The array of bytes in a gzipped idx file.

    Two zero bytes, 8 for "unsigned byte", the number of dimensions, each size as a big-endian 32-bit integer, then the
    values in row-major order and nothing behind them.

    Args:
        file: an idx file of bytes, gzipped.

    Returns:
        Its array.

    Raises:
        DamagedDataError: it is no such file, or is cut short, or goes on too long.
    """
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as cause:
        raise DamagedDataError(file, f"not a whole gzip file ({cause})") from cause
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTE)):
        raise DamagedDataError(
            file, f"begins with {content[:4].hex(' ')}; an idx file of bytes begins with 00 00 08"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DamagedDataError(file, "ends within its header")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    expected, got = int(np.prod(shape, dtype=np.int64)), len(content) - start
    if got != expected:
        raise DamagedDataError(file, f"holds {got} values; its header says {shape}, which is {expected}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
