"""`thermograd advise`: text, JSON, page, and usage that cannot work."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cyclopts import App

from thermograd.cli import main
from thermograd.cli.advise import advise
from thermograd.errors import ConfigError


def values_of(times, horizon):
    return (np.arange(1, horizon + 1) >= np.asarray(times)[:, None]).astype(float)


def call(*arguments):
    """As the command line would, without its handling of errors."""
    app = App()
    app.command(advise)
    return app(
        ["advise", *map(str, arguments)], exit_on_error=False, print_error=False, result_action="return_value"
    )


@pytest.fixture
def logs(tmp_path):
    generator = np.random.default_rng(1)
    times = np.where(generator.random(80) < 0.5, generator.integers(6, 10, 80), 1000)
    np.savez(tmp_path / "plain.npz", unperturbed_acc=100 * values_of(times, 60))
    kicked = 30 + generator.geometric(0.3, 40)
    np.savez(tmp_path / "kicked.npz", P30=100 * values_of(kicked, 80), unperturbed_acc=np.zeros((4, 80)))
    return tmp_path


@pytest.mark.data
def test_the_recorded_trainings(data_folder, capsys):
    folder = data_folder / "firstpassage" / "dev"
    code = call(
        folder / "cifar10_resnet18_unperturbed_seeds0-499.npz",
        folder / "cifar10_resnet18_unperturbed_seeds500-999.npz",
        "perturbation_interval",
        "--target", 72,
        "--scale", 0.01,
        "--candidate", f"shrink={folder}/cifar10_resnet18_shrink_perturb_dev.npz:P100@100",
    )  # fmt: skip
    output = capsys.readouterr()
    assert code == 0
    assert output.err == ""
    assert output.out.startswith("Apply shrink every 20 epochs: expected 18.7 (")
    assert "29 % of unperturbed runs never arrived" in output.out
    assert "worth one test" in output.out


@pytest.mark.data
def test_one_name_at_several_intervals_is_one_candidate(data_folder, capsys):
    folder = data_folder / "firstpassage" / "dev"
    file = f"{folder}/cifar10_resnet18_shrink_perturb_dev.npz"
    call(
        folder / "cifar10_resnet18_unperturbed_seeds0-499.npz",
        folder / "cifar10_resnet18_unperturbed_seeds500-999.npz",
        "--target", 72,
        "--scale", 0.01,
        "--candidate", f"shrink={file}:P10@10",
        "--candidate", f"shrink={file}:P30@30",
        "--candidate", f"shrink={file}:P100@100",
        "--json",
    )  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found["ranking"]] == ["shrink", "reset", "nothing"]
    assert set(found["ranking"][0]) == {
        "name", "interval", "predicted_mean", "predicted_interval", "mean_residual_time",
        "at_least_speed_up", "extrapolated_speed_up", "probability_of_being_best",
    }  # fmt: skip
    # Nobody arrives unperturbed before 11, so the mean is 10 and the residual time measured there.
    assert found["ranking"][0]["interval"] == 10
    assert found["ranking"][0]["predicted_mean"] == pytest.approx(13.891, abs=1e-3)
    assert found["ranking"][0]["mean_residual_time"] == pytest.approx(3.891, abs=1e-3)
    assert sum(entry["probability_of_being_best"] for entry in found["ranking"]) == pytest.approx(1.0)
    kinds = {verdict["kind"]: verdict for verdict in found["verdicts"]}
    assert kinds["plateau"]["holds"] is True
    assert "plateau_assumed" not in kinds


def test_json_on_stdout_is_one_object(logs, capsys):
    call(
        logs / "plain.npz", "--target", 1, "--scale", 0.01,
        "--candidate", f"kick={logs}/kicked.npz:P30@30", "--json",
    )  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["ranking", "unperturbed", "recommendation", "verdicts"]
    assert set(found["ranking"][0]) == {
        "name", "interval", "predicted_mean", "predicted_interval", "mean_residual_time",
        "at_least_speed_up", "extrapolated_speed_up", "probability_of_being_best",
    }  # fmt: skip
    assert {entry["name"] for entry in found["ranking"]} == {"kick", "reset", "nothing"}
    assert found["unperturbed"]["trajectories"] == 80
    assert found["unperturbed"]["reached"] == round(80 * (1 - found["unperturbed"]["censored_fraction"]))
    assert set(found["verdicts"][0]) == {"holds", "kind", "text"}


def test_numbers_that_are_not_finite_are_null(logs, capsys, tmp_path):
    np.savez(tmp_path / "never.npz", unperturbed=np.full((30, 20), 0.5))
    out = tmp_path / "advice.json"
    call(tmp_path / "never.npz", "--target", 0.9, "--json", out)
    text = out.read_text("utf-8")
    assert "Infinity" not in text
    assert "NaN" not in text
    reset = next(entry for entry in json.loads(text)["ranking"] if entry["name"] == "reset")
    assert reset["predicted_mean"] is None
    assert reset["predicted_interval"] == [None, None]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("These runs cannot tell")
    assert printed[-1] == str(out)


def test_a_candidate_of_which_none_arrived_has_no_speed_up(logs, capsys):
    np.savez(logs / "short.npz", short=np.zeros((40, 25)))
    arguments = [logs / "plain.npz", "--target", 100, "--candidate", f"short={logs}/short.npz@20"]
    call(*arguments, "--json")
    found = json.loads(capsys.readouterr().out)
    short, reset = (next(e for e in found["ranking"] if e["name"] == name) for name in ("short", "reset"))
    assert short["predicted_mean"] > 0
    assert short["at_least_speed_up"] is None
    assert short["extrapolated_speed_up"] is None
    assert reset["at_least_speed_up"] > 1
    call(*arguments)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if ". short every" in line]
    assert "no speed-up can be stated" in line
    assert "≥" not in line


def test_logs_of_which_every_run_diverged(tmp_path, capsys):
    np.savez(tmp_path / "lost.npz", unperturbed=np.full((30, 20), np.inf))
    call(tmp_path / "lost.npz", "--target", 0.9)
    assert "every run diverged (30 of 30)" in capsys.readouterr().out.splitlines()[0]


def test_page(logs, capsys):
    pytest.importorskip("plotly")
    page = logs / "advice.html"
    call(logs / "plain.npz", "--target", 100, "--candidate", f"kick={logs}/kicked.npz:P30@30", "--html", page)
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    text = page.read_text("utf-8")
    assert "Survival" in text
    assert "Speed-up against the interval" in text


def test_csv_of_steps_and_its_notes(tmp_path, capsys):
    rows = [
        f"{run},{30 * (epoch + 1)},{float(epoch >= 3 + run % 4)}" for run in range(30) for epoch in range(12)
    ]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["seed,step,acc", *rows, "0,30,0.0"]), encoding="utf-8")
    call(log, "--target", 1, "--steps-per-epoch", 30)
    output = capsys.readouterr()
    assert "doing nothing takes 5.43 (" in output.out
    assert "epochs" in output.out
    assert "1 repeated steps, the later value counts" in output.err
    call(log, "--target", 1, "--metric", "acc")
    assert "doing nothing takes 163 (" in capsys.readouterr().out


def written_as(layout, folder, table, steps_per_epoch=30):
    """The same recorded runs in another layout, and how it is named."""
    folder.mkdir()
    run, epoch = (place.ravel().tolist() for place in np.indices(table.shape))
    cells = list(zip(run, [steps_per_epoch * (at + 1) for at in epoch], table.ravel().tolist(), strict=True))
    file = folder / "log.csv"
    if layout == "wandb":
        heads = [
            f'"seed - {name} - acc{end}"' for name in range(len(table)) for end in ("", "__MIN", "__MAX")
        ]
        rows = [
            f"{steps_per_epoch * (at + 1)}," + ",".join(f'"{value}"' for value in np.repeat(table[:, at], 3))
            for at in range(table.shape[1])
        ]
        file.write_text("\n".join(["Step," + ",".join(heads), *rows]), encoding="utf-8")
    elif layout == "long":
        rows = [f"{name},{step},0.5,{value}" for name, step, value in cells]
        file.write_text("\n".join(["seed,step,loss,acc", *rows]), encoding="utf-8")
    elif layout == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = dict(zip(("seed", "step", "acc"), map(list, zip(*cells, strict=True)), strict=True))
        parquet.write_table(arrow.table(columns), folder / "log.parquet")
        return folder / "log.parquet"
    else:
        for name, values in enumerate(table.tolist()):
            rows = [f"{1e9 + at},{steps_per_epoch * (at + 1)},{value}" for at, value in enumerate(values)]
            text = "\n".join(["Wall time,Step,Value", *rows])
            (folder / f"run-{name}-tag-acc.csv").write_text(text, encoding="utf-8")
        return folder if layout == "tensorboard folder" else folder / "run-*-tag-acc.csv"
    return file


LAYOUTS = ("wandb", "long", "parquet", "tensorboard folder", "tensorboard pattern")


def test_every_layout_gives_the_same_advice(tmp_path, capsys):
    generator = np.random.default_rng(4)
    plain = np.sort(generator.normal(60, 8, (40, 30)), axis=1).round(2)
    kicked = np.concatenate([plain[:, :10], generator.normal(66, 5, (40, 20)).round(2)], axis=1)
    np.savez(tmp_path / "both.npz", unperturbed=plain, P10=kicked)
    both = tmp_path / "both.npz"
    call(both, "--target", 72, "--candidate", f"kick={both}:P10@10", "--json")
    wanted = capsys.readouterr()
    assert '"name": "kick"' in wanted.out
    for place, layout in enumerate(LAYOUTS):
        sources = [
            written_as(layout, tmp_path / f"{name}{place}", table)
            for name, table in (("plain", plain), ("kicked", kicked))
        ]
        call(
            sources[0], "--target", 72, "--candidate", f"kick={sources[1]}@10", "--metric", "acc",
            "--steps-per-epoch", 30, "--json",
        )  # fmt: skip
        assert capsys.readouterr() == wanted, layout
    call(sources[0], "--target", 72)
    assert "steps" in capsys.readouterr().out


@pytest.mark.data
def test_every_layout_of_recorded_trainings_gives_the_same_advice(data_folder, tmp_path, capsys):
    folder = data_folder / "firstpassage" / "dev"
    with np.load(folder / "cifar10_resnet18_unperturbed_seeds0-499.npz") as archive:
        plain = archive["test_acc_x100"][:60]
    with np.load(folder / "cifar10_resnet18_shrink_perturb_dev.npz") as archive:
        kicked = archive["P30"][:60]
    np.savez(tmp_path / "slice.npz", unperturbed=plain, P30=kicked)
    options = ["--target", 72, "--scale", 0.01]
    call(tmp_path / "slice.npz", *options, "--candidate", f"shrink={tmp_path}/slice.npz:P30@30", "--json")
    wanted = capsys.readouterr()
    options += ["--steps-per-epoch", 400, "--metric", "acc", "--json"]
    for layout in LAYOUTS[:-1]:
        first = written_as(layout, tmp_path / f"plain {layout}", plain, 400)
        second = written_as(layout, tmp_path / f"kicked {layout}", kicked, 400)
        call(first, "--candidate", f"shrink={second}@30", *options)
        assert capsys.readouterr() == wanted, layout


def test_a_log_that_counts_from_0(tmp_path, capsys):
    rows = [f"{epoch}," + ",".join(str(int(epoch >= 2 + run % 3)) for run in range(30)) for epoch in range(9)]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["epoch," + ",".join(f"r{run}" for run in range(30)), *rows]), encoding="utf-8")
    call(log, "--target", 1)
    output = capsys.readouterr()
    assert "doing nothing takes 3 (" in output.out
    assert "begins at epoch 0" in output.err
    call(log, "--target", 1, "--counts-from", 0)
    output = capsys.readouterr()
    assert "doing nothing takes 4 (" in output.out
    assert output.err == ""


def test_downward(tmp_path, capsys):
    np.savez(tmp_path / "loss.npz", loss=2.0 - values_of(np.arange(2, 32), 40))
    call(tmp_path / "loss.npz", "--target", 1, "--direction", "down")
    assert "doing nothing takes 16.5 (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["LOGS/plain.npz", "--target", "10000"], "did you mean 100"),
        (["LOGS/absent.npz", "--target", "1"], "no file"),
        (["perturbation_interval", "--target", "1"], "no log of unperturbed runs"),
        (["LOGS/plain.npz", "learning_rate", "--target", "100"], "neither a file nor an advisor"),
        (["LOGS/plain.npz", "--target", "100", "--candidate", "kick"], "write NAME=SOURCE@P"),
        (["LOGS/plain.npz", "--target", "100", "--candidate", "kick=LOGS/kicked.npz:P30"], "write NAME=SOURCE@P"),
        (["LOGS/plain.npz", "--target", "100", "--candidate", "kick=LOGS/kicked.npz:P30@0"], "write NAME=SOURCE@P"),
        (["LOGS/plain.npz", "--target", "100", "--candidate", "k=LOGS/kicked.npz@30"], "would read the unperturbed"),
        (["LOGS/plain.npz", "--target", "100", "--candidate", "reset=LOGS/kicked.npz:P30@30"], "is taken"),
        (["LOGS/plain.npz", "--target", "100", "--steps-per-epoch", "30"], "counts epochs"),
        (["LOGS/plain.npz", "--target", "100", "--html", "LOGS/none/x.html"], "folder that exists"),
        (
            ["LOGS/plain.npz", "--target", "100", "--candidate", "k=LOGS/kicked.npz:P30@30",
             "--candidate", "k=LOGS/kicked.npz:P30@30"],
            "given twice",
        ),
    ],
)  # fmt: skip
def test_usage_that_cannot_work(logs, arguments, message):
    before = sorted(logs.iterdir())
    with pytest.raises(ConfigError, match=message) as caught:
        call(*(argument.replace("LOGS", str(logs)) for argument in arguments))
    assert caught.value.exit_code == 2
    assert sorted(logs.iterdir()) == before


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_an_output_never_replaces_what_is_read(option, tmp_path, capsys):
    log = tmp_path / "log.csv"
    log.write_text("epoch,a,b\n1,0.1,0.2\n2,0.9,0.3\n")
    content = log.read_bytes()
    assert main(["advise", str(log), "--target", "0.8", option, str(log)]) == 2
    assert main(["advise", str(tmp_path), "--target", "0.8", option, str(tmp_path / "new.csv")]) == 2
    assert (
        main(["estimate", str(log), "first_passage.restricted_mean", "--target", "0.8", "--csv", str(log)])
        == 2
    )
    assert "choose another name" in capsys.readouterr().err
    assert log.read_bytes() == content
    assert list(tmp_path.iterdir()) == [log]


def test_the_same_file_twice_is_refused(tmp_path, capsys):
    log = tmp_path / "log.csv"
    log.write_text("epoch,a,b\n1,0.1,0.2\n2,0.9,0.3\n")
    assert main(["advise", str(log), str(log), "--target", "0.8"]) == 2
    assert "given twice" in capsys.readouterr().err
