"""The file of a study: the same after a round trip, and clear about files that are something else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from thermograd.errors import ConfigError, DamagedRunError, NewerFormatError
from thermograd.store.perturbation_record import PerturbationRecord

NAN = np.nan


@pytest.fixture
def record():
    return PerturbationRecord(
        np.array([[0.1, 0.9, NAN], [0.2, 0.3, 0.4], [0.5, 0.4, 0.3]]),
        {"kick/1": np.array([[0.9, NAN], [0.2, 0.3]]), "rest": np.array([[0.4, 0.9], [0.2, 0.2]])},
        np.array([1, 2]),
        target=0.9,
        direction="up",
        interval=3,
        horizon=2,
        unit="epoch",
        seed=7,
        candidates={"kick/1": "Kick(strength=2)", "rest": "Rest()"},
        verified={
            "kick/1": {2: np.array([[0.3, 0.9]]), 4: np.array([[0.1, 0.2]])},
            "reset": {1: np.zeros((1, 2))},
        },
    )


def test_round_trip(record, tmp_path):
    read = PerturbationRecord.load(record.save(tmp_path / "study.npz"))
    assert np.array_equal(read.unperturbed, record.unperturbed, equal_nan=True)
    assert read.survivor.tolist() == [1, 2]
    assert list(read.residual) == ["kick/1", "rest"]
    for name, values in record.residual.items():
        assert np.array_equal(read.residual[name], values, equal_nan=True)
    for field in ("target", "direction", "interval", "horizon", "unit", "seed", "candidates"):
        assert getattr(read, field) == getattr(record, field)
    assert {name: list(found) for name, found in read.verified.items()} == {"kick/1": [2, 4], "reset": [1]}
    assert (read.verified["kick/1"][2] == record.verified["kick/1"][2]).all()


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(record, tmp_path):
    file = tmp_path / "study.npz"
    file.write_text("old")
    record.save(file)
    assert PerturbationRecord.load(file).seed == 7
    assert [path.name for path in tmp_path.iterdir()] == ["study.npz"]


@pytest.mark.parametrize("kept", [4, 200, 0.5, 0.98])
def test_a_file_cut_short_is_damaged(record, tmp_path, kept):
    file = record.save(tmp_path / "study.npz")
    content = file.read_bytes()
    file.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(DamagedRunError, match="cut short"):
        PerturbationRecord.load(file)


def test_one_altered_byte_is_noticed(record, tmp_path):
    file = record.save(tmp_path / "study.npz")
    content = bytearray(file.read_bytes())
    place = content.find(b"unperturbed.npy") + 40
    content[place] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(DamagedRunError):
        PerturbationRecord.load(file)


def test_foreign_files(tmp_path):
    with pytest.raises(ConfigError, match="no file"):
        PerturbationRecord.load(tmp_path / "absent.npz")
    text = tmp_path / "text.npz"
    text.write_text("epoch,a\n1,2\n")
    with pytest.raises(ConfigError, match=r"no npz file; PerturbationRecord\.save writes one"):
        PerturbationRecord.load(text)
    other = tmp_path / "other.npz"
    np.savez(other, accuracy=np.zeros(3))
    with pytest.raises(ConfigError, match="it holds: accuracy"):
        PerturbationRecord.load(other)


def rewritten(file, change):
    with np.load(file) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(file, **arrays)


def test_a_newer_format_is_named(record, tmp_path):
    file = record.save(tmp_path / "study.npz")

    def newer(arrays):
        described = json.loads(arrays["description"].item()) | {"version": 2}
        arrays["description"] = np.array(json.dumps(described))

    rewritten(file, newer)
    with pytest.raises(NewerFormatError, match="format 2"):
        PerturbationRecord.load(file)


def test_a_missing_array_is_damage(record, tmp_path):
    file = record.save(tmp_path / "study.npz")
    rewritten(file, lambda arrays: arrays.pop("residual_1"))
    with pytest.raises(DamagedRunError, match="part missing"):
        PerturbationRecord.load(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unperturbed": np.zeros((3, 2))}, "one column per epoch up to the interval"),
        ({"survivor": np.array([1, 3])}, "rows of the 3 trajectories"),
        ({"residual": {"kick": np.zeros((3, 2))}}, r"\(2, 2\), got \(3, 2\)"),
    ],
)
def test_parts_that_do_not_fit(record, change, message):
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    with pytest.raises(ConfigError, match=message):
        PerturbationRecord(**(fields | change))
