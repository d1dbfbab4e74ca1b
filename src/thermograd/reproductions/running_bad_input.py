"""Configs and logs spoilt at random: each is read, or refused with a foreseen error that names the file."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermograd.ensemble.config import load_config
from thermograd.errors import ThermogradError
from thermograd.store.trajectories import load_trajectories

EXAMPLE = """\
name = "Shrink and perturb on digits"
seed = 0
trajectories = 200
epochs = 40
engine = "auto"
dtype = "float64"
block_size = 50
start = "independent"
save_weights = { kind = "logarithmic", per_decade = 3 }
perturb = { kind = "epochs", n = 10 }
[problem]
kind = "digits"
[dynamics]
kind = "sgd"
learning_rate = 0.1
[minibatching]
kind = "without_replacement"
batch_size = 32
[perturbation]
kind = "shrink_and_perturb"
shrink = 0.4
perturb = 0.1
[[observe]]
kind = "loss"
split = "train"
at = { kind = "every", steps = 10 }
[[observe]]
kind = "accuracy"
split = "test"
[store]
time_chunk = "auto"
checkpoint_seconds = 60
fsync = false
[executor]
kind = "process"
workers = 2
"""
"""A config with a value of every kind in it."""

LOGS = {
    "wide": "epoch,run0,run1,run2\n1,0.5,0.25,0.75\n2,0.625,0.5,\n3,0.75,0.5,0.875\n",
    "long": "run,step,value\na,10,0.5\na,20,0.625\nb,10,0.25\nb,20,0.5\n",
    "chart": 'Step,"first - loss","first - loss__MIN","second - loss"\n1,2.5,2.5,3.5\n2,1.5,1.5,2.5\n',
    "board": "Wall time,Step,Value\n1700000000.5,1,0.5\n1700000001.5,2,0.25\n",
}
"""A small log of every layout."""

_VALUES = (
    *(
        "0",
        "-1",
        "1",
        "3",
        "1e400",
        "-0.0",
        "nan",
        "inf",
        "-inf",
        "9223372036854775808",
        "1" * 400,
        "1e-320",
        "0x10",
    ),
    *(
        "true",
        "false",
        '""',
        '"none"',
        '"sgd"',
        '"os:system"',
        '"a.b:c"',
        "1979-05-27",
        "07:32:00",
        "[]",
        "[1, 2]",
    ),
    *(
        '[["x"]]',
        "{}",
        '{ kind = "every", steps = 0 }',
        "{ kind = 3 }",
        '{ kind = "sgd" }',
        '"' + "y" * 9000 + '"',
    ),
    *('"\\u0000\\u001b[31m"', '"naïve Ωμέγα 🜂"', "1_000_000_000_000", "[" * 300, "'''", "\x00", "= =", ""),
)
_PIECES = (
    "\x00",
    "\x1b[2J",
    "\ufeff",
    "é",
    "🜂",
    "\u202e",
    '"',
    "'",
    "[",
    "]",
    "{",
    "=",
    ",",
    "\n",
    "\r",
    "#",
    ".",
    ";",
    "\t",
)
_CELLS = (
    "",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "x",
    "-",
    "0x1",
    "1_0",
    "١",
    "🜂",
    '"',
    "1,2",
    "9" * 400,
    "=1+1",
    "\x00",
    "True",
    " ",
    "1e-400",
)


@dataclass(frozen=True)
class BadInputFailure:
    """An input that was met in no foreseen way.

    Attributes:
        kind: which reader met it.
        place: number of the round, from 0.
        content: the input.
        what: what happened.
    """

    kind: str
    place: int
    content: bytes
    what: str

    def __str__(self) -> str:
        return f"{self.kind}, round {self.place}: {self.what}; input {self.content[:200]!r}"


def read_config(file: Path) -> None:
    """Read a config; what is accepted must come through its canonical text unchanged."""
    config = load_config(file)
    canonical = file.with_name("canonical.toml")
    canonical.write_text(config.to_toml(), encoding="utf-8")
    again = load_config(canonical)
    if again != config or again.identity != config.identity:
        message = "the canonical text is another config"
        raise AssertionError(message)


def read_log(file: Path) -> None:
    """Read a recorded log."""
    load_trajectories(file)


READERS: Mapping[str, Callable[[Path], None]] = {"config": read_config, "log": read_log}


def rounds(
    count: int,
    seed: int,
    *,
    readers: Mapping[str, Callable[[Path], None]] = READERS,
    seconds: float | None = None,
) -> tuple[BadInputFailure, ...]:
    """Spoil the examples at random and read them.

    Input k of a reader depends on `(seed, k)` alone.

    Args:
        count: inputs for each reader.
        seed: non-negative integer.
        readers: by kind, "config" or "log"; each gets the path of a file.
        seconds: of the processor, which a reader may take for one input; None = any.

    Returns:
        The inputs that ended in an exception that is no `ThermogradError`, in a warning, in a message without the path of
        the file, or late. None for a sound reader.

    >>> rounds(3, seed=0)
    ()
    """
    found: list[BadInputFailure] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, read in readers.items():
            for place in range(count):
                random = np.random.default_rng((seed, place, len(kind)))
                content = _config(random) if kind == "config" else _log(random)
                file = Path(folder) / f"spoilt.{'toml' if kind == 'config' else 'csv'}"
                file.write_bytes(content)
                what = _met(read, file, seconds)
                found += [BadInputFailure(kind, place, content, what)] if what else []
    return tuple(found)


def _met(read: Callable[[Path], None], file: Path, seconds: float | None) -> str:
    """What is wrong with how an input was met; nothing if it was read or refused as it should be."""
    began = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(file)
    except ThermogradError as error:
        if str(file) not in str(error):
            return f"the message does not name the file: {error}"
        if not all(character.isprintable() or character == "\n" for character in str(error)):
            return f"the message holds control characters: {error!r}"
    except Exception as error:  # whatever it is, it should not have been
        return f"{type(error).__name__}: {error}"
    taken = time.process_time() - began
    return f"it took {taken:.1f} s" if seconds is not None and taken > seconds else ""


def _config(random: np.random.Generator) -> bytes:
    """The example with one to four changes: of lines, of keys, of values, of characters, of bytes."""
    lines = EXAMPLE.splitlines()
    for _ in range(int(random.integers(1, 5))):
        if not lines:
            break
        place = int(random.integers(len(lines)))
        key, equals, _ = lines[place].partition(" = ")
        match int(random.integers(7)):
            case 0:
                del lines[place]
            case 1:
                lines.insert(int(random.integers(len(lines) + 1)), lines[place])
            case 2 if equals:
                lines[place] = f"{_spoilt(key, random)} = {lines[place].partition(' = ')[2]}"
            case 3:
                lines[place] = _spoilt(lines[place], random)
            case 4:
                lines.insert(
                    place,
                    f"{random.choice(('seed', 'a.b', 'steps', 'observe', 'kind'))} = {_one(_VALUES, random)}",
                )
            case _ if equals:
                lines[place] = f"{key} = {_one(_VALUES, random)}"
    return _bytes("\n".join(lines), random)


def _log(random: np.random.Generator) -> bytes:
    """A log with one to four changes: of cells, of lines, of characters, of bytes."""
    lines = LOGS[_one(tuple(LOGS), random)].splitlines()
    for _ in range(int(random.integers(1, 5))):
        if not lines:
            break
        place = int(random.integers(len(lines)))
        cells = lines[place].split(",")
        match int(random.integers(6)):
            case 0:
                del lines[place]
            case 1:
                lines.insert(int(random.integers(len(lines) + 1)), lines[place])
            case 2:
                lines[place] = _spoilt(lines[place], random)
            case 3:
                cells.insert(int(random.integers(len(cells) + 1)), _one(_CELLS, random))
                lines[place] = ",".join(cells)
            case _:
                cells[int(random.integers(len(cells)))] = _one(_CELLS, random)
                lines[place] = ",".join(cells)
    return _bytes("\n".join(lines) + "\n", random)


def _spoilt(text: str, random: np.random.Generator) -> str:
    """One character dropped, doubled or replaced, or a strange one put in."""
    place = int(random.integers(len(text) + 1))
    keep = int(random.integers(2))
    strange = _one(("", text[place : place + 1], *_PIECES), random)
    return text[:place] + strange + text[place + 1 - keep :]


def _bytes(text: str, random: np.random.Generator) -> bytes:
    """UTF-8; one time in ten cut short, with a byte changed, or in another encoding."""
    raw = text.encode("utf-8", "surrogatepass")
    match int(random.integers(30)):
        case 0:
            return raw[: int(random.integers(len(raw) + 1))]
        case 1 if raw:
            place = int(random.integers(len(raw)))
            return raw[:place] + bytes([int(random.integers(256))]) + raw[place + 1 :]
        case 2:
            return text.encode("utf-16")
    return raw


def _one(choices: tuple[str, ...], random: np.random.Generator) -> str:
    return choices[int(random.integers(len(choices)))]
