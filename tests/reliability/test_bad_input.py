"""Whatever a config or a log holds: it is read, or refused with a foreseen error that names the file."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermograd.ensemble.config import load_config, parse_config
from thermograd.ensemble.toml_text import toml_text
from thermograd.errors import ConfigError, ThermogradError
from thermograd.reproductions.running_bad_input import EXAMPLE, LOGS, READERS, rounds
from thermograd.store.trajectories import load_trajectories

NIGHTLY = bool(os.environ.get("THERMOGRAD_NIGHTLY"))
COUNT = 20_000 if NIGHTLY else 500
_CHECKED = settings(max_examples=COUNT, deadline=None, derandomize=not NIGHTLY, database=None)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_spoilt_is_read_or_refused_by_its_name(kind):
    assert rounds(COUNT, seed=2026, readers={kind: READERS[kind]}) == ()


def _breaks(file: Path) -> None:
    if b"nan" in file.read_bytes():
        raise KeyError(file)


def _hides_the_file(file: Path) -> None:
    try:
        READERS["config"](file)
    except ConfigError as error:
        message = "something is wrong"
        raise ConfigError(message) from error


def _speaks_in_control_characters(file: Path) -> None:
    message = f"{file}: \x1b[2J"
    raise ConfigError(message)


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (_breaks, "KeyError"),
        (_hides_the_file, "does not name the file"),
        (_speaks_in_control_characters, "control characters"),
    ],
)
def test_a_reader_that_is_not_sound_is_found_out(read, what):
    found = rounds(60, seed=0, readers={"config": read})
    assert found
    assert all(what in str(failure) for failure in found)


def test_an_input_depends_on_the_seed_and_its_number_alone():
    first: list[bytes] = []
    again: list[bytes] = []
    rounds(5, seed=1, readers={"log": lambda file: first.append(file.read_bytes())})
    rounds(
        3, seed=1, readers={"config": lambda file: None, "log": lambda file: again.append(file.read_bytes())}
    )
    assert again == first[:3]
    assert len(set(first)) == 5


def test_the_examples_themselves_are_sound(tmp_path):
    assert parse_config(EXAMPLE).experiment.trajectories == 200
    for name, text in LOGS.items():
        (tmp_path / f"{name}.csv").write_text(text, "utf-8")
        assert load_trajectories(tmp_path / f"{name}.csv").values.size


_SCALARS = st.one_of(
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=True),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(["sgd", "loss", "digits", "os:system", "none", "a" * 5000]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
_CHANGES = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["drop", "rename", "set"]), st.text(max_size=6), _VALUES),
    min_size=1,
    max_size=3,
)


def _places(table, path=()):
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*path, key))


def _changed(changes):
    content = tomllib.loads(EXAMPLE)
    for place, how, name, value in changes:
        places = list(_places(content))
        if not places:
            break
        *above, last = places[place % len(places)]
        holder = content
        for key in above:
            holder = holder[key]
        if how == "set":
            holder[last] = value
        else:
            old = holder[last]
            del holder[last]
            if how == "rename" and isinstance(holder, dict):
                holder[name] = old
    return content


def met(read, name, kind=ThermogradError):
    """What was read; None if it was refused as it should be."""
    refusal = None
    try:
        return read()
    except kind as error:
        refusal = error
    assert name in str(refusal)
    assert str(refusal).replace("\n", "").isprintable()
    if kind is ConfigError:
        assert refusal.problems
    return None


@_CHECKED
@given(_CHANGES)
def test_a_changed_config_comes_through_or_is_refused_by_its_name(changes):
    text = toml_text(_changed(changes))
    config = met(lambda: parse_config(text, "some/experiment.toml"), "some/experiment.toml", ConfigError)
    if config is not None:
        again = parse_config(config.to_toml())
        assert again == config
        assert again.identity == config.identity


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    return tmp_path_factory.mktemp("logs") / "spoilt.csv"


@_CHECKED
@given(
    st.sampled_from(sorted(LOGS)),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 4), st.text(max_size=3)), min_size=1, max_size=4),
)
def test_a_changed_log_is_read_or_refused_by_its_name(spoilt, name, edits):
    text = LOGS[name]
    for place, length, inserted in edits:
        text = text[:place] + inserted + text[place + length :]
    spoilt.write_bytes(text.encode("utf-8", "surrogatepass"))
    read = met(lambda: load_trajectories(spoilt), str(spoilt))
    if read is not None:
        assert read.values.shape == (len(read.names), read.times.size)


@_CHECKED
@given(st.text(max_size=40), st.sampled_from(["kind", "learning_rate", "momentum"]))
def test_an_override_of_any_text_is_read_or_refused_by_its_name(text, key):
    override = [(f"dynamics.{key}", text)]
    met(lambda: parse_config(EXAMPLE, "some/experiment.toml", override), "some/experiment.toml")


def test_the_identity_is_that_of_the_numbers(tmp_path):
    """Neither order, comments, spacing nor the way a number is written; each number itself."""
    config = parse_config(EXAMPLE)
    (tmp_path / "canonical.toml").write_text(config.to_toml(), "utf-8")
    assert load_config(tmp_path / "canonical.toml") == config
    same = EXAMPLE.replace("learning_rate = 0.1", "learning_rate   = 1e-1 # a tenth").replace(
        "shrink = 0.4", "shrink = 4E-1"
    )
    tables = same.split("[problem]")
    reordered = "\n".join(reversed(tables[0].strip().splitlines())) + "\n[problem]" + tables[1]
    assert parse_config(reordered).identity == config.identity
    assert parse_config(reordered) == config
    numbers = [
        ("seed", "1"),
        ("trajectories", "201"),
        ("epochs", "41"),
        ("block_size", "49"),
        ("perturb.n", "11"),
    ]
    numbers += [("dynamics.learning_rate", "0.10000000000000002"), ("dynamics.momentum", "1e-300")]
    numbers += [
        ("observe.0.at.steps", "11"),
        ("save_weights.per_decade", "4"),
        ("perturbation.perturb", "0.11"),
    ]
    identities = {parse_config(EXAMPLE, "x", [change]).identity for change in numbers}
    assert len(identities | {config.identity}) == len(numbers) + 1
    for free in (("name", '"other"'), ("store.checkpoint_seconds", "5"), ("executor.workers", "3")):
        other = parse_config(EXAMPLE, "x", [free])
        assert other.identity == config.identity
        assert (
            dataclasses.astuple(other)[0::2] != dataclasses.astuple(config)[0::2]
            or other.executor != config.executor
        )
