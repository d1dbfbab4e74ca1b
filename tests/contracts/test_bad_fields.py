"""A field of a plug-in that cannot be is refused with a ValueError when it is made, never with an error of Python's own."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest

from thermograd.discover import available

BAD = (
    None,
    "abc",
    -1,
    0,
    2.5,
    math.nan,
    math.inf,
    True,
    [],
    {},
    10**30,
    [1.0, 2.0],
    1e308,
    object(),
    1j,
    ("a",),
)
ROLES = ("problems", "minibatching", "dynamics", "perturbations", "observables")
PLUGINS = {
    kind: plugin
    for role in ROLES
    for kind, plugin in available(f"thermograd.{role}").items()
    if dataclasses.is_dataclass(plugin)
}


def refusals(plugin):
    """What is said of the bad values of each field that are refused."""
    told = {field.name: [] for field in dataclasses.fields(plugin)}
    for name, value in itertools.product(told, BAD):
        try:
            plugin(**{name: value})
        except ValueError as refusal:
            told[name].append(str(refusal))
    return told


@pytest.mark.parametrize("kind", PLUGINS)
def test_what_cannot_be_is_refused_in_words(kind):
    told = refusals(PLUGINS[kind])
    for field in dataclasses.fields(PLUGINS[kind]):
        assert all(field.name in said or "both x and y" in said for said in told[field.name])
        if field.type in {"bool", "int", "int | None", "float | None"}:
            assert len(told[field.name]) >= 8, field.name


@dataclasses.dataclass(frozen=True)
class Careless:
    share: float = 0.5

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError("share must be a share")


def test_a_careless_plugin_is_found_out():
    with pytest.raises(TypeError):
        refusals(Careless)
