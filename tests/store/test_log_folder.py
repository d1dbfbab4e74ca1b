"""Folders and patterns of one-run files: order, names, tags, and folders that hold something else."""

from __future__ import annotations

import pytest

from thermograd.errors import ConfigError
from thermograd.store.trajectories import in_epochs, load_trajectories


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "logs"
    inside.mkdir()
    return inside


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_natural_order_and_stems(folder):
    for seed in (10, 9, 1):
        write(folder, f"seed{seed}.csv", f"epoch,loss,acc\n1,0,{seed}\n2,0,{seed}\n")
    write(folder, "README.md", "not a log")
    write(folder, "._seed1.csv", "\x00 left by another file system")
    for source in (folder, f"{folder}/*.csv", folder / "seed*.csv"):
        read = load_trajectories(source, metric="acc")
        assert read.names == ("seed1", "seed9", "seed10")
        assert read.values[:, 0].tolist() == [1, 9, 10]
    assert load_trajectories(f"{folder}/seed[19].csv", metric="acc").names == ("seed1", "seed9")


def test_a_pattern_over_folders_is_named_by_the_folders(folder):
    for version in (2, 10):
        text = f"epoch,step,train_loss,val_acc\n0,9,0.3,\n0,29,,{version}\n1,49,0.2,\n1,59,,3\n"
        write(folder, f"version_{version}/metrics.csv", text)
    read = load_trajectories(f"{folder}/**/metrics.csv", metric="val_acc", counts_from=0)
    assert read.names == ("version_2/metrics", "version_10/metrics")
    assert (read.times.tolist(), read.unit) == ([30, 60], "step")


def test_a_name_with_brackets_that_exists_is_no_pattern(folder):
    file = write(folder, "lr[0.1].csv", "epoch,a,b\n1,2,3\n")
    assert load_trajectories(file).names == ("a", "b")


def test_which_column(folder):
    write(folder, "a.csv", "epoch,train_loss,val_acc\n1,2,3\n")
    with pytest.raises(ConfigError, match=r"a\.csv: which column is the value\? .*: train_loss, val_acc"):
        load_trajectories(folder)
    with pytest.raises(ConfigError, match=r"no value column 'val_ac'. Did you mean 'val_acc'\?"):
        load_trajectories(folder, metric="val_ac")


def test_tensorboard_tags_are_metrics(folder):
    for seed in range(2):
        write(folder, f"run-{seed}-tag-acc_val.csv", f"Wall time,Step,Value\n1,5,{seed}\n")
        write(folder, f"run-{seed}-tag-loss.csv", "Wall time,Step,Value\n1,5,9\n")
    with pytest.raises(
        ConfigError, match=r"several scalars; choose one with metric= \(--metric\): acc_val, loss"
    ):
        load_trajectories(folder)
    assert load_trajectories(folder, metric="acc/val").values.tolist() == [[0], [1]]
    with pytest.raises(ConfigError, match=r"holds no scalar 'los'. Did you mean 'loss'"):
        load_trajectories(folder, metric="los")


def test_mixed_units_and_mixed_layouts(folder):
    write(folder, "a.csv", "epoch,acc\n1,2\n")
    write(folder, "b.csv", "step,acc\n1,2\n")
    with pytest.raises(ConfigError, match=r"a\.csv counts epochs, but b\.csv steps"):
        load_trajectories(folder)
    write(folder, "b.csv", "acc\n2\n")
    with pytest.raises(ConfigError, match=r"b\.csv rows \(it has no column step or epoch\)"):
        load_trajectories(folder)
    write(folder, "b.csv", "epoch,acc\n")
    with pytest.raises(ConfigError, match=r"b\.csv has a header but no values: leave the file out"):
        load_trajectories(folder)
    for several in ("run,epoch,acc\nx,1,2\n", "Step,x - acc,y - acc\n1,2,3\n"):
        write(folder, "b.csv", several)
        with pytest.raises(ConfigError, match=r"b\.csv holds several runs"):
            load_trajectories(folder)


def test_folders_that_hold_something_else(folder):
    with pytest.raises(ConfigError, match="logs is a folder, and empty"):
        load_trajectories(folder)
    write(folder, "notes.txt", "x")
    with pytest.raises(
        ConfigError, match=r"has no \.csv in it; it holds notes\.txt\. For files further down"
    ):
        load_trajectories(folder)
    write(folder, "run_a/manifest.json", "{}")
    with pytest.raises(ConfigError, match=r"holds run directories; give them one by one.*run_a"):
        load_trajectories(folder)
    with pytest.raises(ConfigError, match=r"no file matches .*\*\.csv"):
        load_trajectories(folder / "*.csv")
    with pytest.raises(ConfigError, match=r"matches .*notes\.txt: a pattern is for csv files"):
        load_trajectories(folder / "*.txt")


def test_files_further_down_are_found_and_their_pattern_is_named(folder):
    for version in range(3):
        write(folder, f"lightning_logs/version_{version}/metrics.csv", "epoch,acc\n1,2\n")
    for run in "ab":
        write(folder, f"keras/{run}.csv", "epoch,acc\n1,2\n")
    with pytest.raises(
        ConfigError, match=r"as .*logs/lightning_logs/\*/metrics\.csv.? \(3 of them\) or .*/keras/\*\.csv"
    ):
        load_trajectories(folder)


@pytest.mark.parametrize("several", ["run,epoch,acc\nx,1,2\ny,1,3\n", "Step,x - acc,y - acc\n1,2,3\n"])
def test_a_folder_of_one_export_is_the_export(folder, several):
    write(folder, "export.csv", several)
    assert load_trajectories(folder).names == ("x", "y")
    assert load_trajectories(folder / "*.csv").values.tolist() == [[2], [3]]


@pytest.mark.parametrize(
    ("first", "options"), [(0, "--steps-per-epoch 30 --counts-from 0"), (1, "--steps-per-epoch 30")]
)
def test_epochs_beside_the_steps_are_pointed_out_once_until_they_are_used(folder, first, options):
    for version in range(2):
        ends = "".join(f"{first + e},{30 * (e + 1) - 1 + first},0.1\n{first + e},7,\n" for e in range(3))
        write(folder, f"version_{version}/metrics.csv", f"epoch,step,acc\n{ends}")
    read = load_trajectories(folder / "*/metrics.csv", counts_from=first)
    assert [note for note in read.notes if note.endswith(f"30 steps each: {options} counts in epochs")] == [
        *read.notes
    ]
    assert len(read.notes) == 1
    epochs = in_epochs(read, 30)
    assert (epochs.times.tolist(), epochs.notes) == ([1, 2, 3], ())


def test_an_early_end_is_said_in_the_unit_that_is_asked_for(folder):
    write(folder, "long.csv", "step,acc\n30,1\n60,2\n90,3\n")
    write(folder, "short.csv", "step,acc\n30,1\n60,2\n")
    (note,) = in_epochs(load_trajectories(folder), 30).notes
    assert note.startswith("1 of 2 runs ends early (the first at epoch 2)")


def test_values_in_mid_epoch_point_to_nothing(folder):
    write(folder, "a.csv", "epoch,step,acc\n0,9,1\n0,19,2\n1,29,3\n")
    assert load_trajectories(folder).notes == ()
