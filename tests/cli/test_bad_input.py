"""Bad input through the command: what was got, what is allowed, the dotted path; exit 2 or 3, and nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from thermograd.cli import main
from thermograd.reproductions.running_bad_input import EXAMPLE

CONFIG = (
    EXAMPLE.replace('kind = "process"\nworkers = 2', 'kind = "inline"')
    .replace("200", "4")
    .replace("= 40", "= 2")
)
CONFIG = CONFIG.replace("block_size = 50", "block_size = 2").replace("n = 10", "n = 1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(CONFIG, "utf-8")
    return tmp_path


def refused(folder, capsys, *words, code=2):
    before = sorted(folder.rglob("*"))
    assert main(list(words)) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.replace("\n", "").isprintable()
    assert "bug" not in output.err
    assert sorted(folder.rglob("*")) == before
    return output.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--dynamics", "sdg"],
            ["a.toml: dynamics.kind: unknown kind 'sdg'. Did you mean 'sgd'? Known: adam, "],
        ),
        (["--trajectories", "many"], ["a.toml: trajectories: got 'many'", "integer"]),
        (["--dynamics.learning_rate", "nan"], ["dynamics.learning_rate: got nan", "finite"]),
        (["--dynamics.learning_rate", "-1"], ["dynamics.learning_rate", "-1.0", "0 or larger"]),
        (["--minibatching.batch_size", "9999"], ["minibatching.batch_size", "9999", "1297 samples"]),
        (["--observe.0.at.kind", "at", "--observe.0.at.steps", "[9999]"], ["observe.0.at", "no time within"]),
        (["--observe.0.at.steps", "0"], ["observe.0.at", "0"]),
        (["--problem", "os:system"], ["problem.kind", "--allow-import"]),
        (["--trajectories", "1000000000000"], ["trajectories", "8 TB", "free here", "files"]),
        (
            ["--trajectories", "1000000000"],
            ["trajectories", "TB before compression", "free on the disk", "files"],
        ),
        (["--epochs", "90000000"], ["observe.0.at", "times in a run of", "at most"]),
        (["--save_weights.per_decade", "1e9"], ["a.toml: save_weights", "per_decade", "at most"]),
        (["--executor", "proces"], ["Did you mean 'process'?"]),
        (["--exectuor", "process"], ["Did you mean '--executor'?"]),
    ],
)
def test_values_of_a_config(folder, capsys, words, said):
    error = refused(folder, capsys, "run", "a.toml", *words)
    assert all(part in error for part in said), error


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "learning_rate",
            "learning_rte",
            "dynamics.learning_rte: unknown field for kind 'sgd'. Did you mean",
        ),
        (
            "epochs = 2",
            "epochs = 2\nsteps = 9",
            "steps: give exactly one of steps and epochs; both are given",
        ),
        ("epochs = 2\n", "", "steps: give exactly one of steps and epochs; neither is given"),
        ('perturb = { kind = "epochs", n = 1 }\n', "", "perturb (when) is missing"),
        (
            'kind = "accuracy"\nsplit = "test"',
            'kind = "loss"\nsplit = "train"',
            "observe.0 has the name 'train_loss' too",
        ),
        ("seed = 0", '"\\u001b[31msed" = 0', "a.toml: \ufffd[31msed: unknown field"),
        ("seed = 0", "seed = = 0", "a.toml:2: not TOML"),
    ],
)
def test_the_text_of_a_config(folder, capsys, old, new, said):
    assert old in CONFIG
    Path("a.toml").write_text(CONFIG.replace(old, new), "utf-8")
    assert said in refused(folder, capsys, "run", "a.toml")


def test_all_problems_of_all_files_at_once(folder, capsys):
    Path("b.toml").write_text(
        CONFIG.replace("seed = 0", "sed = 0").replace("shrink = 0.4", "shrink = 'x'"), "utf-8"
    )
    assert main(["run", "a.toml", "b.toml", "none.toml", "--dry-run", "--json"]) == 2
    output = capsys.readouterr()
    files = {entry["file"]: entry for entry in json.loads(output.out)["files"]}
    assert files["a.toml"]["ok"]
    assert {error["path"] for error in files["b.toml"]["errors"]} == {"sed", "perturbation.shrink"}
    assert files["none.toml"]["errors"] == [{"path": "", "message": "there is no such file"}]
    assert sorted(path.name for path in folder.iterdir()) == ["a.toml", "b.toml"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name = 'x'\ny = '\xe9'", "b.toml:2: is not UTF-8"),
        (b"#" * (2**20 + 1), "b.toml: is larger than 1 MiB"),
        (None, "b.toml: there is no such file"),
    ],
)
def test_files_that_are_no_config(folder, capsys, content, said):
    if content is not None:
        Path("b.toml").write_bytes(content)
    assert said in refused(folder, capsys, "run", "b.toml")
    assert "is a directory; give a TOML file" in refused(folder, capsys, "run", str(folder))


def test_a_model_that_no_memory_holds(folder, capsys, monkeypatch):
    def refuse(*_arguments):
        message = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
        raise RuntimeError(message)

    monkeypatch.setattr("thermograd.ensemble.preparation.Trainer", refuse)
    assert "a.toml: model or data do not fit in the memory" in refused(
        folder, capsys, "run", "a.toml", code=4
    )


@pytest.fixture
def kick(folder, capsys):
    assert main(["run", "a.toml", "--out", "kick"]) == 0
    capsys.readouterr()
    return folder


def test_folders_that_are_refused(kick, capsys):
    other = refused(kick, capsys, "run", "a.toml", "--out", "kick", "--dynamics.learning_rate", "0.2", code=3)
    assert "dynamics.learning_rate: 0.1 in the run, 0.2 given" in other
    Path("full").mkdir()
    Path("full/x").touch()
    for words in (["run", "a.toml", "--out", "full"], ["resume", "full"], ["report", "full"]):
        assert "full is not a run of thermograd" in refused(kick, capsys, *words, code=3)
    assert "load_trajectories" in refused(kick, capsys, "resume", "full", code=3)
    for name, spoil in (
        ("gone", lambda file: file.unlink()),
        ("torn", lambda file: file.write_text("{", "utf-8")),
    ):
        shutil.copytree("kick", name)
        spoil(Path(name) / "manifest.json")
        assert f"thermograd resume {name} --repair" in refused(kick, capsys, "report", name, code=3)
        assert main(["resume", name, "--repair"]) == 0
        capsys.readouterr()
