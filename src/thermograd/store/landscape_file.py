"""A landscape in an npz file."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from thermograd.errors import ConfigError, DamagedDataError, NewerFormatError
from thermograd.quantity_landscape import LANDSCAPE_ARRAYS, Landscape
from thermograd.store.npz_file import read_arrays, write_arrays
from thermograd.store.printable import printable

_FORMAT, _VERSION = "thermograd landscape", 1
_NUMBERS = ("loss", "gradient_covariance_trace")
_LEFT_OUT = "sample_hessian_products, a function, are not in the file it was read from"


def save_landscape(landscape: Landscape, path: str | os.PathLike[str]) -> None:
    """Write a landscape, atomically.

    Args:
        landscape: of whose fields `sample_hessian_products`, a function, is left out, which its note says.
        path: the file to create or replace.

    Raises:
        OSError: the disk refuses; an old file is untouched.
    """
    found = {name: getattr(landscape, name) for name in (*LANDSCAPE_ARRAYS, *_NUMBERS)}
    products = landscape.sample_hessian_products is not None
    shapes = landscape.shapes
    about = {
        "shapes": None if shapes is None else [[name, list(shape)] for name, shape in shapes.items()],
        "note": "; ".join(filter(None, (landscape.note, _LEFT_OUT if products else ""))),
    }
    write_arrays(
        path,
        {
            "format": np.array(_FORMAT),
            "version": np.array(_VERSION),
            "description": np.array(json.dumps(about)),
            **{name: value for name, value in found.items() if value is not None},
        },
    )


def load_landscape(path: str | os.PathLike[str]) -> Landscape:
    """The landscape of a file of `save_landscape`. Nothing in it is executed.

    Args:
        path: the file.

    Raises:
        ConfigError: a ValueError: there is no such file, or it is something else.
        DamagedDataError: a ValueError: cut short or altered.
        NewerFormatError: written by a newer version.
    """
    fields: dict[str, Any] = read_arrays(path, "Landscape.save")
    if str(fields.pop("format", "")) != _FORMAT:
        held = printable(", ".join(fields)) or "nothing"
        message = f"{printable(path)} is no landscape (Landscape.save writes one); it holds: {held}"
        raise ConfigError(message)
    try:
        version = int(fields["version"])
        if version > _VERSION:
            message = f"{printable(path)} is of version {version}, this thermograd reads {_VERSION}: pip install -U thermograd"
            raise NewerFormatError(message)
        about = json.loads(str(fields["description"]))
        shapes = about["shapes"]
        found = {name: fields[name] for name in LANDSCAPE_ARRAYS if name in fields}
        found |= {name: float(fields[name]) for name in _NUMBERS if name in fields}
        named = None if shapes is None else {str(name): tuple(map(int, shape)) for name, shape in shapes}
        return Landscape(**found, shapes=named, note=str(about["note"]))
    except NewerFormatError:
        raise
    except (ConfigError, KeyError, ValueError, TypeError) as error:
        raise DamagedDataError(printable(path), f"altered ({error})") from error
