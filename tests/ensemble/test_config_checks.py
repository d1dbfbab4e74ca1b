"""Contradictions are reported beside every other error of a file, not one launch after another."""

from __future__ import annotations

import pytest

from thermograd.ensemble.config import parse_config
from thermograd.errors import ConfigError

WRONG_ELSEWHERE = 'problem = "quadratic"\nsteps = 5\nsed = 1\n'


def problems(text: str, *, allow_import: bool = False) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, allow_import=allow_import)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("observe", "places"),
    [
        ('["loss", "loss"]', {"observe.1.name"}),
        ('["loss", "accuracy", "loss", "loss"]', {"observe.2.name", "observe.3.name"}),
        ('["los", { kind = "accuracy", name = "a" }, { kind = "loss", name = "a" }]', {"observe.2.name"}),
        ('["loss", "displacement", { kind = "loss", split = "test" }]', set()),
        ('["loss", { kind = "loss", split = 3 }]', set()),
    ],
)
def test_two_records_of_one_name_beside_another_error(observe, places):
    found = problems(f"{WRONG_ELSEWHERE}observe = {observe}")
    assert "sed" in found
    assert {place for place in found if place.endswith(".name")} == places
    assert all("give one of them another name" in found[place] for place in places)


def test_imported_observables_are_told_apart_too():
    kinds = '["thermograd.observables:Loss", "loss"]'
    found = problems(f"{WRONG_ELSEWHERE}observe = {kinds}", allow_import=True)
    assert set(found) == {"sed", "observe.1.name"}


def test_far_too_many_trajectories_say_what_they_would_take():
    found = problems('problem = "quadratic"\nsteps = 5\ntrajectories = 1000000000000\nblock_size = 1000')
    text = found["trajectories"]
    assert "from 1 to 2^32 − 1" in text
    assert "8 TB" in text
    assert "B are free here" in text
    assert "at least 1000000000 files, of which 200000 are allowed" in text


@pytest.mark.parametrize("more", ["trajectories = -1", "trajectories = 4294967296\nblock_size = 0"])
def test_what_has_no_size_gets_none(more):
    found = problems(f'problem = "quadratic"\nsteps = 5\n{more}')
    assert "TB" not in found["trajectories"]
