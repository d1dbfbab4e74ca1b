from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from thermograd.report.differing_fields import differing_fields, labels, swept


def run(name="", folder=None, **experiment):
    path = Path(folder) if folder else None
    return SimpleNamespace(name=name, path=path, manifest={"experiment": experiment} if experiment else {})


def test_fields_are_named_by_their_path_and_absent_ones_said():
    fields = differing_fields(
        [
            run(dynamics={"kind": "sgd", "learning_rate": 0.1}),
            run(dynamics={"kind": "adam", "learning_rate": 0.1, "eps": 1}),
        ]
    )
    assert fields == {"dynamics.kind": ("sgd", "adam"), "dynamics.eps": (None, 1)}


def test_one_observable_more_shifts_no_other():
    loss, accuracy = ({"name": name, "kind": name, "at": {"n": 1}} for name in ("loss", "accuracy"))
    fields = differing_fields([run(observe=[loss]), run(observe=[accuracy, loss])])
    assert set(fields) == {"observe.accuracy.name", "observe.accuracy.kind", "observe.accuracy.at.n"}


def test_numbers_that_are_equal_are_no_difference():
    assert differing_fields([run(rate=0.1, hidden=[16, 8]), run(hidden=[16, 8], rate=0.1)]) == {}
    assert differing_fields([run(), run()]) == {}


def test_labels_are_the_names_if_they_tell_runs_apart():
    assert labels([run("a"), run("b")], {}) == ["a", "b"]


def test_a_sweep_is_labelled_by_its_setting():
    runs = [run("same", f"/runs/{rate}", rate=rate) for rate in (0.1, 0.2)]
    fields = {"dynamics.learning_rate": (0.1, 0.2)}
    assert labels(runs, fields) == ["learning_rate = 0.1", "learning_rate = 0.2"]
    assert swept(fields) == ("dynamics.learning_rate", [0.1, 0.2])


def test_else_by_folder_and_else_by_number():
    runs = [run("same", "/x/a"), run("same", "/x/b")]
    fields = {"one": (1, 2), "two": (1, 2)}
    assert labels(runs, fields) == ["a", "b"]
    assert labels([run("same", "/x/a/run"), run("same", "/x/b/run")], fields) == ["a/run", "b/run"]
    assert labels([run("same"), run("same"), run("other")], {}) == ["same (1)", "same (2)", "other"]
    assert labels([run("n" * 100), run("n" * 100)], {})[1].endswith("(2)")


def test_what_is_no_sweep():
    assert swept({"a": (1, 1)}) is None
    assert swept({"a": (1, None)}) is None
    assert swept({"a": (True, False)}) is None
    assert swept({"a": (1, 2), "b": (1, 2)}) is None
    assert swept({}) is None
