import numpy as np
import pytest
from scipy.spatial import cKDTree

from thermograd.problems import trimers
from thermograd.problems.trimer_search import descend
from thermograd.problems.trimers import make_trimers

STEPS = (0, 1, 3, 6, 10)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def nearest_neighbour_accuracy(inputs, labels, half, neighbours=25):
    """The most frequent label of the nearest of the first half, on the second."""
    _, near = cKDTree(inputs[:half]).query(inputs[half:], neighbours)
    votes = (labels[:half][near][:, :, None] == np.arange(4)).sum(axis=1)
    return (votes.argmax(axis=1) == labels[half:]).mean()


def descents(count):
    """Distances after each of `STEPS`, and labels, from one descent each."""
    starts = np.random.default_rng(0).uniform(0, 2 * 3**0.5, (count, 9))
    found = [descend(start, 2.0) for start in starts]
    inputs = np.array([[d.path[min(step, len(d.path) - 1)] for step in STEPS] for d in found])
    return inputs.swapaxes(0, 1), np.array([d.label for d in found])


def test_the_first_samples_are_those_of_fewer(cache):
    inputs, labels = make_trimers(30)
    assert (inputs.shape, inputs.dtype, labels.dtype) == ((30, 2), np.float64, np.int64)
    fewer = make_trimers(10)
    np.testing.assert_array_equal(fewer[0], inputs[:10])
    np.testing.assert_array_equal(fewer[1], labels[:10])
    all_three, same = make_trimers(30, coordinates=3)
    np.testing.assert_array_equal(all_three[:, :2], inputs)
    np.testing.assert_array_equal(same, labels)
    other, _ = make_trimers(10, seed=1)
    assert not np.isin(other, inputs).any()


def test_no_steps_give_the_starts(cache):
    inputs, _ = make_trimers(5, coordinates=3, descent_steps=0)
    positions = np.random.default_rng(0).uniform(0, 2 * 3**0.5, (5, 3, 3))
    first = np.linalg.norm(positions[:, 0] - positions[:, 1], axis=1)
    third = np.linalg.norm(positions[:, 1] - positions[:, 2], axis=1)
    np.testing.assert_allclose(inputs[:, [0, 2]], np.stack([first, third], 1), rtol=1e-12)


def test_one_computation_serves_until_more_are_asked_for(cache, monkeypatch):
    done = []
    monkeypatch.setattr(trimers, "descend", lambda *given: done.append(given) or descend(*given))
    first = make_trimers(6)
    make_trimers(4)
    make_trimers(6, coordinates=3)
    assert len(done) == 6
    more = make_trimers(9)
    assert len(done) == 9
    np.testing.assert_array_equal(more[0][:6], first[0])
    make_trimers(6, descent_steps=3)
    assert len(done) == 15
    monkeypatch.setattr("scipy.__version__", "0.0")
    make_trimers(6)
    assert len(done) == 21


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_broken_file_is_made_anew(cache, damage):
    expected = make_trimers(8)
    (file,) = cache.rglob("*.npz.sha256")
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    file.write_bytes({"cut": whole[:-20], "flip": bytes(flipped), "text": b"hello", "empty": b""}[damage])
    again = make_trimers(8)
    for one, other in zip(expected, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert file.read_bytes() == whole


def test_it_works_without_a_cache(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    inputs, _ = make_trimers(3)
    assert np.isfinite(inputs).all()
    assert (tmp_path / "file").read_text() == "in the way"


def check_shares(labels):
    """0.20, 0.26, 0.27, 0.27 within 0.02 at 5000; at fewer, and 4 standard errors."""
    shares = np.bincount(labels, minlength=4) / len(labels)
    error = 0.0 if len(labels) >= 5000 else 4 * (0.25 / len(labels)) ** 0.5
    assert (np.abs(shares - [0.20, 0.26, 0.27, 0.27]) < 0.02 + error).all(), shares


def test_shares_and_predictability_of_a_small_set():
    """More steps and more coordinates tell more; a classifier of shuffled labels does not beat the largest class."""
    inputs, labels = descents(1600)
    check_shares(labels)
    two = [nearest_neighbour_accuracy(each[:, :2], labels, 1000) for each in inputs]
    three = [nearest_neighbour_accuracy(each, labels, 1000) for each in inputs]
    assert (np.diff(two) > -0.03).all()
    assert (np.array(three) > two).all()
    assert two[0] < 0.62
    assert 0.74 < two[3] < 0.86
    assert three[-1] > 0.9
    shuffled = np.random.default_rng(0).permutation(labels)
    assert nearest_neighbour_accuracy(inputs[3][:, :2], shuffled, 1000) < 0.36


@pytest.mark.slow
def test_shares_and_predictability():
    """25 nearest neighbours among 5000, tested on 5000 others: a standard error below 0.007."""
    inputs, labels = descents(10_000)
    check_shares(labels[:5000])
    two = [nearest_neighbour_accuracy(each[:, :2], labels, 5000) for each in inputs]
    three = [nearest_neighbour_accuracy(each, labels, 5000) for each in inputs]
    np.testing.assert_allclose(two, [0.58, 0.63, 0.70, 0.82, 0.92], atol=0.028)
    np.testing.assert_allclose(three, [0.80, 0.86, 0.90, 0.94, 0.98], atol=0.028)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"samples": True}, "samples is True"),
        ({"coordinates": 4}, "coordinates is 4; it must be a whole number from 1 to 3"),
        ({"descent_steps": -1}, "descent_steps is -1"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"box": 0.0}, "box is 0"),
        ({"box": float("nan")}, "box is nan"),
        ({"axilrod_teller": -1.0}, "axilrod_teller is -1"),
        ({"samples": 2, "box": 1000.0}, "found no minimum"),
    ],
)
def test_bad_settings_are_named(cache, options, says):
    with pytest.raises(ValueError, match=says):
        make_trimers(**options)
