"""`thermograd run` and `resume`: exit codes, what is said where, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import thermograd
from thermograd.cli import main
from thermograd.ensemble.engines.kernel import compiler


def test_a_run_ends_with_its_path_and_the_numbers_of_a_run_in_memory(config, capsys):
    assert main(["run", str(config), "--dynamics.learning_rate", "0.02"]) == 0
    out, errors = capsys.readouterr()
    path = Path(out.strip())
    assert out.count("\n") == 1
    assert path.parent.name == "runs"
    assert path.name.startswith("tiny-quadratic-")
    assert "100 %" in errors
    loaded = thermograd.load_config(config, [("dynamics.learning_rate", "0.02")])
    assert path.name.endswith(loaded.identity[:8])
    recorded, memory = thermograd.open_run(path), thermograd.run(loaded.experiment)
    np.testing.assert_array_equal(recorded["train_loss"], memory["train_loss"])
    np.testing.assert_array_equal(recorded.weights()["position"], memory.weights()["position"])
    assert recorded.name == "Tiny quadratic"
    assert thermograd.load_config(path / "experiment.toml").identity == loaded.identity
    assert main(["run", str(config), "--dynamics.learning_rate=0.02", "--quiet"]) == 0
    out, errors = capsys.readouterr()
    assert (Path(out.strip()), errors) == (path, "")
    assert main(["resume", str(path)]) == 0
    assert "is finished already; every chunk is whole" in capsys.readouterr().err


def test_json(config, capsys):
    assert main(["run", str(config), "--out", "kick", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "finished"
    assert found["outcome"] == {"pending": 0, "finished": 5, "diverged": 0, "failed": 0}


def test_a_dry_run_validates_all_files_and_writes_nothing(config, tmp_path, capsys):
    bad = tmp_path / "bad.toml"
    bad.write_text(config.read_text() + "learning_rte = 1\n[dynamics]\nkind = 'sgdd'\n", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    assert main(["run", str(config), str(bad), "--dry-run", "--json"]) == 2
    good, refused = json.loads(capsys.readouterr().out)["files"]
    assert (good["file"], good["ok"], good["errors"]) == (str(config), True, [])
    # 5 trajectories: 2 records of the loss (the ends), and 3 weights once, 8 bytes each
    assert good["bytes"] == 5 * (2 + 3) * 8
    assert good["memory_per_worker"] > 0
    assert not refused["ok"]
    assert {error["path"] for error in refused["errors"]} == {"learning_rte", "dynamics.kind"}
    assert main(["run", str(config), "--dry-run"]) == 0
    assert f"{good['files']} files" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_the_planned_files_are_those_of_the_run(config, capsys, tmp_path):
    main(["run", str(config), "--dry-run", "--json"])
    planned = json.loads(capsys.readouterr().out)["files"][0]["files"]
    assert main(["run", str(config), "--out", "kick"]) == 0
    real = sum(file.is_file() for file in (tmp_path / "kick").rglob("*"))
    assert real <= planned <= real + 12


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["--minibatching.batch_size", "500"], "minibatching.batch_size"),
        (["--dynamics.learning_rte", "1"], "dynamics.learning_rte"),
        (["--executor", "process", "--workers", "0"], "executor.workers"),
        (["--executor", "process", "--executor.threds_per_worker", "2"], "executor.threds_per_worker"),
        (["--executor", "inlne"], "executor.kind"),
        (
            ["--workers", "2"],
            "executor.workers: kind 'inline' has no options; workers is one of 'dask', 'process', 'submitit'",
        ),
        (["--trajectories", "1000000000"], "trajectories"),
        (["--trajectories", "1000000000000"], "trajectories"),
        (["--observe", '[{ kind = "loss", at = { kind = "at", steps = [99] } }]'], "observe.0.at"),
        (["--steps", "nan"], "steps"),
    ],
)
def test_refused_before_anything_is_written(config, tmp_path, capsys, words, place):
    assert main(["run", str(config), *words]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert f"{config}: {place}" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == [config]


def test_too_many_files_say_how_many_and_what_fits(config, capsys):
    main(["run", str(config), "--trajectories", "1000000000"])
    said = capsys.readouterr().err
    assert "files" in said
    assert "B before compression" in said
    assert "free on the disk" in said
    fits = said.split("block_size = ")[1].split(",")[0]
    assert main(["run", str(config), "--trajectories", "1000000000", "--block_size", fits, "--dry-run"]) == 0


def test_an_engine_that_cannot_run_is_refused_before_a_file_is_written(config, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("THERMOGRAD_CXX", "/nonexistent/c++")
    compiler.compiler.cache_clear()
    try:
        assert main(["run", str(config), "--engine", "kernel"]) == 4
    finally:
        compiler.compiler.cache_clear()
    said = capsys.readouterr().err
    assert (
        "kernel: no C++ compiler found (tried /nonexistent/c++): THERMOGRAD_CXX must name one program" in said
    )
    assert list(tmp_path.iterdir()) == [config]


def test_refused_directories(config, capsys, tmp_path):
    assert main(["run", str(config), "--out", "kick"]) == 0
    capsys.readouterr()
    assert main(["run", str(config), "--out", "kick", "--seed", "1"]) == 3
    assert "seed: 0 in the run, 1 given" in capsys.readouterr().err
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("dear reader", encoding="utf-8")
    for verb in (["run", str(config), "--out", "foreign"], ["resume", "foreign"]):
        assert main(verb) == 3
        assert "thesis.txt" in capsys.readouterr().err
    assert [file.name for file in foreign.iterdir()] == ["thesis.txt"]
    assert main(["resume", "nowhere"]) == 3
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "data.zarr").mkdir()
    (tmp_path / "data.zarr" / "zarr.json").write_text("{}", encoding="utf-8")
    assert main(["resume", "data.zarr"]) == 3
    assert "load_trajectories" in capsys.readouterr().err


def test_divergence_is_a_result(config, capsys):
    assert main(["run", str(config), "--dynamics.learning_rate", "1e200", "--out", "kick"]) == 0
    errors = capsys.readouterr().err
    assert "5 of 5 trajectories diverged by step" in errors
    assert "learning_rate = 1e+200" in errors
    run = thermograd.open_run("kick")
    assert run.complete
    assert (run.outcome == 2).all()
    assert (run.committed == 12).all()


def test_a_failed_block_ends_with_1(config, capsys, monkeypatch):
    from thermograd.ensemble.training_loop import Trainer

    train = Trainer.train

    def sometimes(self, block, sink, **options):
        if block == 1:
            message = "cosmic ray"
            raise ArithmeticError(message)
        train(self, block, sink, **options)

    monkeypatch.setattr(Trainer, "train", sometimes)
    assert main(["run", str(config), "--out", "kick"]) == 1
    assert "block 1 failed: ArithmeticError: cosmic ray" in capsys.readouterr().err
    assert thermograd.open_run("kick").outcome.tolist() == [1, 1, 3, 3, 1]
    monkeypatch.undo()
    assert main(["resume", str(config.parent / "kick")]) == 0
    assert thermograd.open_run(config.parent / "kick").complete


def test_a_damaged_run_says_how_to_repair(config, capsys):
    assert main(["run", str(config), "--out", "kick"]) == 0
    before = thermograd.open_run("kick")["train_loss"]
    next(Path("kick/trajectories.zarr/train_loss/c/1").rglob("0")).unlink()
    capsys.readouterr()
    assert main(["resume", "kick"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "train_loss/c/1" in said.err
    assert "--repair recomputes the same bits" in said.err
    assert main(["resume", "kick", "--repair"]) == 0
    assert "block 1 is computed anew" in capsys.readouterr().err
    np.testing.assert_array_equal(thermograd.open_run("kick")["train_loss"], before)


def test_a_large_finished_run_is_not_read_through(config, capsys, monkeypatch):
    assert main(["run", str(config), "--out", "kick"]) == 0
    weights = Path("kick/trajectories.zarr/weights")
    next(file for file in weights.rglob("c/*/*") if file.is_file() or file.is_dir()).rename("elsewhere")
    capsys.readouterr()
    assert main(["resume", "kick"]) == 3
    assert "weights" in capsys.readouterr().err
    monkeypatch.setattr("thermograd.cli.resume._READ_AT_MOST", 199)
    assert main(["resume", "kick"]) == 0
    err = capsys.readouterr().err
    # 5 trajectories: 2 records of the loss, and 3 weights once, 8 bytes each
    assert "its 200 bytes were not read: thermograd resume kick --repair verifies every file" in err


def test_resume_tells_an_executor_its_options_and_takes_nothing_else(config, capsys):
    assert main(["run", str(config), "--out", "kick"]) == 0
    for words, message in (
        (["--executor", "dask", "--executor.adress", "x"], "Did you mean 'address'?"),
        (["--executor", "process", "--executor.workers", "0"], "executor.workers"),
        (["--dynamics.learning_rate", "3"], "only a new run can have another"),
        (["--repiar"], "Did you mean '--repair'?"),
        (["other"], "one run directory at a time"),
    ):
        capsys.readouterr()
        assert main(["resume", "kick", *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["resume", "kick", "--executor", "process", "--executor.workers", "1"]) == 0
    assert "finished already" in capsys.readouterr().err


def test_resume_of_an_unreadable_manifest(config, capsys):
    assert main(["run", str(config), "--out", "kick"]) == 0
    before = thermograd.open_run("kick")["train_loss"]
    run_id = thermograd.open_run("kick").manifest["run_id"]
    Path("kick/manifest.json").write_text("{", encoding="utf-8")
    capsys.readouterr()
    assert main(["resume", "kick"]) == 3
    assert "--repair" in capsys.readouterr().err
    assert main(["resume", "kick", "--repair"]) == 0
    run = thermograd.open_run("kick")
    np.testing.assert_array_equal(run["train_loss"], before)
    assert run.manifest["run_id"] == run_id
    assert run.name == "Tiny quadratic"


def test_a_changed_environment_is_noted_or_refused(config, capsys, monkeypatch):
    thermograd.run(thermograd.load_config(config).experiment, store="kick", until=4)
    real = __import__("thermograd.ensemble.environment", fromlist=["environment"]).environment()
    changed = {**real, "torch": "9.9.9"}
    monkeypatch.setattr("thermograd.ensemble.coordinator.environment", lambda: changed)
    assert main(["resume", "kick", "--strict"]) == 3
    assert f"torch {real['torch']} → 9.9.9" in capsys.readouterr().err
    assert main(["resume", "kick"]) == 0
    assert "bits may differ in the last place" in capsys.readouterr().err
    assert any("9.9.9" in note for note in thermograd.open_run("kick").notes)
