"""Where data sets lie that are not part of the package: the folder that THERMOGRAD_DATA names."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thermograd.errors import DamagedDataError, MissingDataError

VARIABLE = "THERMOGRAD_DATA"


class LabelledImages(NamedTuple):
    """Images and their classes as they lie on disk: (samples, ...) uint8, and (samples,) integers 0 to 9."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


class ImageSplits(NamedTuple):
    """The two splits of an image data set, in the order of the files."""

    train: LabelledImages
    test: LabelledImages


def present_files(
    data_set: str, forms: Sequence[Sequence[str]], folder: str | None = None
) -> tuple[Path, ...]:
    """The files of the first form of a data set that is complete, none if none is.

    Args:
        data_set: its subfolder of the data folder.
        forms: lists of file names; every file of one form is needed, the earlier form is preferred.
        folder: where the files lie instead.
    """
    place = _place(data_set, folder)
    if place is None:
        return ()
    for form in forms:
        files = tuple(place / name for name in form)
        if all(file.is_file() for file in files):
            return files
    return ()


def found_files(
    data_set: str, forms: Sequence[Sequence[str]], folder: str | None = None, *, instead: str = ""
) -> tuple[Path, ...]:
    """The same; it is an error if there is none.

    Args:
        data_set: its subfolder of the data folder.
        forms: lists of file names.
        folder: where the files lie instead.
        instead: for the error, what may serve in place of the data set.

    Raises:
        MissingDataError: says which files are expected, where, and what the environment variable is.
    """
    files = present_files(data_set, forms, folder)
    if files:
        return files
    names = [[name if folder else f"{data_set}/{name}" for name in form] for form in forms]
    expected = "; or ".join(", ".join(form) for form in names)
    named = os.environ.get(VARIABLE)
    if folder:
        state, remedy = f"data is {folder!r}", f"Let it name a folder that holds {expected}"
    else:
        state = f"{VARIABLE} is {named}" if named else f"the environment variable {VARIABLE} is not set"
        remedy = f"Let {VARIABLE} name a folder that holds {expected}"
    message = f"the data set {data_set} is not here: {state}. {remedy}"
    raise MissingDataError(f"{message}. {instead}" if instead else message)


def _place(data_set: str, folder: str | None) -> Path | None:
    if folder:
        return Path(folder)
    named = os.environ.get(VARIABLE)
    return Path(named) / data_set if named else None


def read_splits(file: Path, image_shape: tuple[int, ...]) -> ImageSplits:
    """An npz with `x_train`, `y_train`, `x_test`, `y_test`: uint8 images, integer labels 0 to 9.

    Args:
        file: the npz.
        image_shape: shape of one image.

    Returns:
        Its splits.

    Raises:
        DamagedDataError: the file cannot be read, or an array is absent or of another shape or type.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as content:
            arrays = {
                name: content[name] for name in ("x_train", "y_train", "x_test", "y_test") if name in content
            }
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as cause:
        raise DamagedDataError(file, f"not a readable npz ({cause})") from cause
    splits = []
    for split in ("train", "test"):
        absent = [name for name in (f"x_{split}", f"y_{split}") if name not in arrays]
        if absent:
            raise DamagedDataError(file, f"array {absent[0]} is absent")
        splits.append(checked(file, arrays[f"x_{split}"], arrays[f"y_{split}"], image_shape))
    return ImageSplits(*splits)


def checked(file: Path, images: Any, labels: Any, image_shape: tuple[int, ...]) -> LabelledImages:
    """Images and labels of a split, if they are what they should be.

    Raises:
        DamagedDataError: other shapes, types or classes.
    """
    if images.dtype != np.uint8 or images.shape[1:] != image_shape:
        raise DamagedDataError(
            file, f"images are {images.dtype} {images.shape}; expected uint8 (samples, {image_shape})"
        )
    if labels.dtype.kind not in "ui" or labels.shape != images.shape[:1]:
        raise DamagedDataError(file, f"{labels.shape} labels ({labels.dtype}) for {len(images)} images")
    if len(labels) == 0 or labels.min() < 0 or labels.max() > 9:
        span = f"{labels.min()} to {labels.max()}" if len(labels) else "none"
        raise DamagedDataError(file, f"labels are {span}; expected 0 to 9")
    return LabelledImages(images, labels.astype(np.uint8))


def first_images(split: LabelledImages, count: int, name: str) -> LabelledImages:
    """The first images of a split.

    Raises:
        ValueError: there are not so many.
    """
    if count > len(split.images):
        message = f"{name} is {count}; the files hold {len(split.images)} images of that split"
        raise ValueError(message)
    return LabelledImages(split.images[:count], split.labels[:count])
