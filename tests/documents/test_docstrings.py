"""Public names show an example, say what they raise, and describe what they take."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import python_names
from docstring_parts import parts_of

_FAMILY = "raised like all its family, whose base shows how it is met and which code it ends with"
_GIVEN = "given to a plug-in, whose example calls it"
WITHOUT_EXAMPLE = {
    **dict.fromkeys(
        (
            "NothingCommittedError",
            "RunInUseError",
            "ExperimentMismatchError",
            "ForeignDirectoryError",
            "DamagedRunError",
            "NewerFormatError",
            "OlderFormatError",
            "EnvironmentChangedError",
            "DiskFullError",
            "MemoryLimitError",
            "MissingDataError",
            "BlockFailedError",
            "EngineUnavailableError",
        ),
        _FAMILY,
    ),
    "Oracle": f"{_GIVEN} (`Dynamics`, `SGD`)",
    "Context": f"{_GIVEN} (`Perturbation`, `PartialReset`)",
    "HiddenLayer": f"{_GIVEN} (`ContinualBackprop`)",
    "Tracking": "what `TwoTimeDisplacement.start` returns, whose example calls it",
    "Future": "what `Executor.submit` returns, whose example calls it",
}
_REFUSES = re.compile(r"_?check(ed)?_\w+")


def without_example(things):
    return {name for name, thing in things if ">>>" not in (inspect.getdoc(thing) or "")}


def undescribed(things):
    """Arguments of functions that no entry of `Args` names."""
    found = set()
    for name, thing in things:
        if inspect.isfunction(thing):
            told = re.findall(r"\w+", " ".join(parts_of(thing).documented("Args")))
            found |= {
                (name, argument) for argument in inspect.signature(thing).parameters if argument not in told
            }
    return found


def refuses(function):
    """Whether a function raises by itself, or by a call whose name says so."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [getattr(one, "id", getattr(one, "attr", "")) for one in called]
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree)) or any(map(_REFUSES.fullmatch, names))


def silent_about_errors(things):
    found = set()
    for name, thing in things:
        making = vars(thing).get("__post_init__") if inspect.isclass(thing) else thing
        if inspect.isfunction(making) and refuses(making) and "Raises" not in parts_of(thing).sections:
            found.add(name)
    return found


def public():
    return [(entry.name, entry.thing) for entry in python_names.entries()]


def members():
    for name, thing in public():
        for member, value in python_names.members(thing):
            yield f"{name}.{member}", getattr(value, "__func__", value)


def shrinking(weights, factor):
    """Weights, smaller.

    Args:
        weights: any.
    """
    if factor < 0:
        raise ValueError(factor)
    return weights * factor


def test_every_public_name_shows_an_example():
    """In its own docstring, which is what its place in the reference shows."""
    assert without_example(public()) == set(WITHOUT_EXAMPLE), "write one, or say here why there is none"
    assert without_example([("shrinking", shrinking)]) == {"shrinking"}


def test_every_public_name_says_what_it_raises():
    assert silent_about_errors([*public(), *members()]) == set()
    assert silent_about_errors([("shrinking", shrinking)]) == {"shrinking"}


def test_every_argument_is_described():
    assert undescribed(public()) == set()
    assert undescribed([("shrinking", shrinking)]) == {("shrinking", "factor")}
