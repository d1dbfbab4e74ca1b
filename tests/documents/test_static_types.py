"""What a type checker knows of names that are loaded lazily, in a file of a user's."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

import pytest
from package_stubs import PACKAGE, stubs

from thermograd.discover import available

# numbers of other libraries are not asked for; without them the check takes seconds
SETTINGS = """
[mypy]
strict = True
[mypy-torch.*,numpy.*,scipy.*,sklearn.*]
follow_imports = skip
"""
USER = """
import thermograd as tg
from thermograd.dynamics import SGD
from thermograd.observables import Accuracy
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.minibatching import WithReplacement
from thermograd.problems import Digits
from thermograd.store import open_run

reveal_type(SGD)
reveal_type(SGD(0.1).momentum)
reveal_type(WithReplacement)
reveal_type(ShrinkAndPerturb())
reveal_type(Digits().parameter_count)
reveal_type(open_run)
reveal_type(tg.open_run("a").names)
"""
REVEALED = [
    "def (learning_rate: float =, momentum: float =, dampening: float =) -> thermograd.dynamics.sgd.SGD",
    "float",
    "thermograd.minibatching.with_replacement.WithReplacement",
    "thermograd.perturbations.shrink_and_perturb.ShrinkAndPerturb",
    "int",
    "-> thermograd.store.run.Run",
    "str",
]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What mypy says of a text that is outside the package."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "mypy.ini").write_text(SETTINGS, encoding="utf-8")

    def check(text):
        (folder / "user.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "user.py"],
            cwd=folder,
            env=os.environ | {"MYPYPATH": str(PACKAGE.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    return check


def test_the_stubs_are_up_to_date():
    found = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.pyi")}
    assert found == stubs(), "stubs are out of date: make reference"


@pytest.mark.parametrize("role", ["problems", "minibatching", "dynamics", "perturbations", "observables"])
def test_a_stub_has_every_plug_in_of_ours_and_no_name_that_does_not_exist(role):
    names = set(re.findall(r" as (\w+)$", stubs()[f"{role}/__init__.pyi"], re.MULTILINE))
    package = importlib.import_module(f"thermograd.{role}")
    assert all(getattr(package, name).__name__ == name for name in names)
    ours = {
        one.__name__
        for one in available(package.__name__).values()
        if one.__module__.startswith("thermograd.")
    }
    assert ours <= names


def test_a_user_sees_types(checked):
    said = checked(USER)
    assert "error" not in said, said
    revealed = re.findall(r'Revealed type is "(.*)"', said)
    assert len(revealed) == len(REVEALED), said
    assert [part for part, found in zip(REVEALED, revealed, strict=True) if part not in found] == [], said


def test_a_wrong_argument_and_a_wrong_name_are_found(checked):
    """Negative control: as `Any` both would pass."""
    said = checked("from thermograd.dynamics import SGD, SDG\nSGD(learning_rate='high')\n")
    assert '"SDG"' in said
    assert 'expected "float"' in said
