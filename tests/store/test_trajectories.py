"""Reading recorded logs: each layout, resumed duplicates, and files that are something else."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError, DamagedRunError
from thermograd.store.trajectories import Trajectories, in_epochs, joined, load_trajectories

TABLE = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]])


def written(folder, name, text):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def archive(tmp_path):
    file = tmp_path / "log.npz"
    np.savez(file, unperturbed_acc=TABLE, P5=TABLE * 2, seeds=np.arange(2))
    return file


def test_npz_prefers_the_unperturbed_array(archive):
    read = load_trajectories(archive, scale=0.1)
    assert read.values == pytest.approx(TABLE / 10)
    assert read.times.tolist() == [1, 2, 3]
    assert read.unit == "epoch"
    assert read.names == ("unperturbed_acc[0]", "unperturbed_acc[1]")


def test_scaling_by_a_hundredth_gives_the_decimal_number(tmp_path):
    counts = np.arange(1, 10_001)[None]
    np.savez(tmp_path / "x100.npz", accuracy_x100=counts)
    read = load_trajectories(tmp_path / "x100.npz", scale=0.01)
    assert read.values[0].tolist() == [float(f"{count}e-2") for count in counts[0]]
    assert (counts[0] * 0.01).tolist() != read.values[0].tolist()
    assert load_trajectories(tmp_path / "x100.npz", scale=2.5).values[0, 1] == pytest.approx(5.0)


def test_npz_keeps_single_precision(tmp_path):
    np.savez(tmp_path / "single.npz", loss=TABLE.astype(np.float32))
    read = load_trajectories(tmp_path / "single.npz", scale=0.1)
    assert read.values.dtype == joined([read, read]).values.dtype == np.float32


def test_npz_array_by_key_or_in_the_name(archive):
    assert (load_trajectories(archive, key="P5").values == TABLE * 2).all()
    assert (load_trajectories(f"{archive}:P5").values == TABLE * 2).all()


def test_npz_with_one_table_needs_no_name(tmp_path):
    np.savez(tmp_path / "one.npz", anything=TABLE.astype("uint16"), seeds=np.arange(2))
    assert (load_trajectories(tmp_path / "one.npz").values == TABLE).all()


def test_npz_metric_picks_among_unperturbed_arrays(tmp_path):
    np.savez(tmp_path / "two.npz", unperturbed_loss=TABLE, unperturbed_acc=-TABLE)
    assert (load_trajectories(tmp_path / "two.npz", metric="acc").values == -TABLE).all()
    with pytest.raises(
        ConfigError, match=r"2 arrays could be meant .* two\.npz:KEY\. It holds: unperturbed_loss"
    ):
        load_trajectories(tmp_path / "two.npz")


def test_npz_that_cannot_be_used(archive, tmp_path):
    with pytest.raises(ConfigError, match=r"no array 'P6'.*P5"):
        load_trajectories(archive, key="P6")
    with pytest.raises(ConfigError, match="must be numbers"):
        load_trajectories(archive, key="seeds")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DamagedRunError, match="cut short"):
        load_trajectories(cut)


def test_npz_with_pickled_objects_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", unperturbed=np.array([[print]], dtype=object))
    with pytest.raises(ConfigError, match="something else than arrays of plain numbers") as refusal:
        load_trajectories(tmp_path / "evil.npz")
    assert "allow_pickle" not in str(refusal.value)


def test_what_is_no_npz_is_said_in_our_words(tmp_path):
    np.save(tmp_path / "one.npy", TABLE)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(ConfigError, match=r"one array \(\.npy\): save it with np\.savez"):
        load_trajectories(tmp_path / "one.npz")
    for content in (b"", b"epoch,a\n1,2\n", b"\x00\xff" * 99):
        (tmp_path / "garbage.npz").write_bytes(content)
        with pytest.raises(ConfigError, match=r"garbage\.npz is not an npz file, but something else$"):
            load_trajectories(tmp_path / "garbage.npz")
    np.savez(tmp_path / "flat.npz", np.zeros(200))
    with pytest.raises(
        ConfigError, match=r"arr_0 has shape \(200,\); a table \(trajectory, time\) is needed"
    ):
        load_trajectories(tmp_path / "flat.npz")


def test_runs_without_any_number_are_named_and_counted(tmp_path):
    file = written(tmp_path, "w.csv", "epoch,a,b,c,d,e\n1,1,,nan,,\n2,2,,,,\n")
    with pytest.raises(
        ConfigError, match=r"w\.csv: 4 of 5 runs hold no number at all \(b, c, d and 1 more\)"
    ):
        load_trajectories(file)


def test_a_note_counts_the_runs_that_end_early(tmp_path):
    read = load_trajectories(written(tmp_path, "w.csv", "epoch,a,b,c\n3,1,2,3\n4,1,,3\n5,2,,\n6,2,,\n"))
    assert read.notes[0].startswith("2 of 3 runs end early (the first at epoch 3)")
    whole = load_trajectories(written(tmp_path, "x.csv", "epoch,a,b\n1,1,\n2,1,2\n3,,\n"))
    assert whole.notes == ()


def test_wide_csv(tmp_path):
    read = load_trajectories(written(tmp_path, "w.csv", "step,a,b\n10,1,4\n20,,5\n30,3,nan\n"))
    assert read.names == ("a", "b")
    assert read.times.tolist() == [10, 20, 30]
    assert read.unit == "step"
    assert read.values == pytest.approx(np.array([[1, np.nan, 3], [4, 5, np.nan]]), nan_ok=True)


def test_wide_csv_without_times_counts_epochs_from_1(tmp_path):
    read = load_trajectories(written(tmp_path, "w.csv", "a,b\n1,4\n2,5\n"))
    assert read.times.tolist() == [1, 2]
    assert read.values.tolist() == [[1, 2], [4, 5]]
    bare = load_trajectories(written(tmp_path, "bare.csv", "1,4\n2,5\n"))
    assert bare.values.tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize(
    "header", ["run,step,value", "seed,epoch,value", "run_id,step,accuracy", "Run,Step,Value"]
)
def test_long_csv_and_its_aliases(tmp_path, header):
    read = load_trajectories(written(tmp_path, "l.csv", f"{header}\nx,1,0.5\ny,1,0.6\nx,2,0.7\n"))
    assert read.names == ("x", "y")
    assert read.unit == header.split(",")[1].lower()
    assert read.values == pytest.approx(np.array([[0.5, 0.7], [0.6, np.nan]]), nan_ok=True)


def test_long_csv_metric(tmp_path):
    file = written(tmp_path, "l.csv", "run,step,loss,acc\nx,1,2.5,0.1\n")
    assert load_trajectories(file, metric="acc").values.tolist() == [[0.1]]
    with pytest.raises(ConfigError, match=r"which column is the value.*loss, acc"):
        load_trajectories(file)
    with pytest.raises(ConfigError, match="no value column 'accuracy'"):
        load_trajectories(file, metric="accuracy")


def test_a_resumed_step_counts_once_the_later_value_and_is_reported(tmp_path):
    long = load_trajectories(written(tmp_path, "l.csv", "run,step,value\nx,1,1\nx,2,2\nx,1,9\nx,2,\nx,3,3\n"))
    assert long.values.tolist() == [[9, 2, 3]]
    assert long.notes[0].endswith("1 repeated steps, the later value counts")
    wide = load_trajectories(written(tmp_path, "w.csv", "epoch,a,b\n1,1,2\n2,3,4\n2,5,6\n1,,8\n"))
    assert wide.values.tolist() == [[1, 5], [8, 6]]
    assert "3 repeated" in wide.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("epoch,a\n", "has no values"),
        ("epoch,a\n1,one\n", r"line 2, a: 'one' is not a number"),
        ("epoch,a\n1.5,1\n", "line 2: step '1.5' is not a whole number"),
        ("epoch,a\n-1,1\n", "not a whole number >= 0"),
        ("epoch,a\n1,2,3\n", "line 2: 3 cells, but the header has 2"),
        ("run,step,value\nx,1\n", "line 2: 2 cells, but the header has 3"),
        (",a,b\n0,1,2\n", "column without a name"),
        ("epoch,a,a\n1,1,2\n", "two columns of the same name"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_trajectories(written(tmp_path, "x.csv", text))


def test_csv_that_is_not_text(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="not a csv text file"):
        load_trajectories(file)


def test_control_characters_of_a_name_do_not_reach_the_terminal(tmp_path):
    read = load_trajectories(written(tmp_path, "w.csv", "epoch,a\x1b[31m\n1,2\n"))
    assert read.names == ("a\ufffd[31m",)


def test_options_that_do_not_apply_are_refused(archive, tmp_path):
    wide = written(tmp_path, "w.csv", "epoch,a\n1,2\n")
    with pytest.raises(ConfigError, match="no metric 'acc'"):
        load_trajectories(wide, metric="acc")
    with pytest.raises(ConfigError, match="no keys to choose 'P5' from"):
        load_trajectories(wide, key="P5")
    with pytest.raises(ConfigError, match="scale must be"):
        load_trajectories(archive, scale=0.0)
    with pytest.raises(ConfigError, match="no file"):
        load_trajectories(tmp_path / "absent.npz")
    with pytest.raises(ConfigError, match=r"this version reads \.npz"):
        load_trajectories(written(tmp_path, "log.txt", "x"))


def test_joining_aligns_times():
    one = Trajectories(np.array([[1.0, 2.0]]), np.array([1, 3]), ("a",), notes=("n",))
    two = Trajectories(np.array([[5.0, 6.0]]), np.array([2, 3]), ("b",))
    both = joined([one, two])
    assert both.times.tolist() == [1, 2, 3]
    assert both.values == pytest.approx(np.array([[1, np.nan, 2], [np.nan, 5, 6]]), nan_ok=True)
    assert both.names == ("a", "b")
    assert both.notes == ("n",)
    shorter = Trajectories(np.array([[5.0]]), np.array([2]), ("c",))
    assert joined([one, shorter]).notes[1].startswith("1 of 2 runs ends early (the first at epoch 2)")
    with pytest.raises(ConfigError, match="epochs and steps"):
        joined([one, Trajectories(np.ones((1, 1)), np.array([1]), ("c",), "step")])


def test_epochs_from_steps():
    steps = Trajectories(np.ones((1, 2)), np.array([0, 60]), ("a",), "step")
    assert in_epochs(steps, 30).times.tolist() == [0, 2]
    with pytest.raises(ConfigError, match="step 60 is not the end of an epoch of 40 steps"):
        in_epochs(steps, 40)
    with pytest.raises(ConfigError, match="this log counts epochs already"):
        in_epochs(in_epochs(steps, 30), 30)
    with pytest.raises(ConfigError, match="a whole number from 1, got 0"):
        in_epochs(steps, 0)
    ends = Trajectories(np.ones((1, 2)), np.array([29, 59]), ("a",), "step")
    with pytest.raises(ConfigError, match=r"step 29 .* they all are if the log counts from 0"):
        in_epochs(ends, 30)


def test_a_log_that_counts_from_0(tmp_path):
    """`for epoch in range(n)` logs the value after the first epoch as epoch 0."""
    file = written(tmp_path, "w.csv", "epoch,a,b\n0,1,4\n1,2,5\n")
    read = load_trajectories(file)
    assert read.times.tolist() == [0, 1]
    assert "begins at epoch 0" in read.notes[0]
    assert "--counts-from 0" in read.notes[0]
    from_0 = load_trajectories(file, counts_from=0)
    assert (from_0.times.tolist(), from_0.notes) == ([1, 2], ())
    assert load_trajectories(file, counts_from=1).notes == ()
    steps = written(tmp_path, "s.csv", "step,a,b\n29,1,4\n59,2,5\n")
    assert in_epochs(load_trajectories(steps, counts_from=0), 30).times.tolist() == [1, 2]
    with pytest.raises(ConfigError, match="from 0 or from 1, got 2"):
        load_trajectories(file, counts_from=2)


def test_a_log_without_numbered_times_counts_from_nothing(archive, tmp_path):
    with pytest.raises(ConfigError, match="does not number its epochs"):
        load_trajectories(archive, counts_from=0)
    with pytest.raises(ConfigError, match="does not number its epochs"):
        load_trajectories(written(tmp_path, "bare.csv", "1,4\n2,5\n"), counts_from=0)


ACCURACY = np.round(np.sort(np.random.default_rng(5).uniform(20, 80, (12, 9)), axis=1), 2)


def as_wide(folder):
    rows = [f"{epoch}," + ",".join(map(str, ACCURACY[:, epoch - 1])) for epoch in range(1, 10)]
    return written(folder, "wide.csv", "\n".join(["epoch," + ",".join(f"r{i}" for i in range(12)), *rows]))


def as_long(folder):
    rows = [f"{epoch},r{run},{ACCURACY[run, epoch - 1]}" for run in range(12) for epoch in range(1, 10)]
    return written(folder, "long.csv", "\n".join(["epoch,run_id,acc", *rows]))


def as_wandb(folder):
    heads = [f'"r{i} - val/acc{end}"' for i in range(12) for end in ("", "__MIN", "__MAX")]
    rows = [
        ",".join([str(30 * epoch), *np.repeat(ACCURACY[:, epoch - 1], 3).astype(str)])
        for epoch in range(1, 10)
    ]
    return written(folder, "wandb.csv", "\n".join(['"Step",' + ",".join(heads), *rows]))


def as_tensorboard(folder):
    inside = folder / "downloads"
    inside.mkdir()
    for run in range(12):
        rows = [f"{1.7e9 + epoch},{30 * epoch},{ACCURACY[run, epoch - 1]}" for epoch in range(1, 10)]
        written(inside, f"r{run}.csv", "\n".join(["Wall time,Step,Value", *rows]))
    return inside


def as_one_run_each(folder):
    inside = folder / "runs"
    inside.mkdir()
    for run in range(12):
        rows = [f"{epoch},0.1,{ACCURACY[run, epoch - 1]}" for epoch in range(1, 10)]
        written(inside, f"r{run}.csv", "\n".join(["epoch,loss,acc", *rows]))
    return inside / "r*.csv"


def as_parquet(folder):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    run, epoch = (place.ravel() for place in np.indices(ACCURACY.shape))
    table = arrow.table({"seed": [f"r{i}" for i in run], "step": 30 * (epoch + 1), "acc": ACCURACY.ravel()})
    parquet.write_table(table, folder / "log.parquet")
    return folder / "log.parquet"


@pytest.mark.parametrize(
    ("write", "metric", "unit"),
    [
        (as_wide, None, "epoch"),
        (as_long, None, "epoch"),
        (as_wandb, None, "step"),
        (as_tensorboard, None, "step"),
        (as_one_run_each, "acc", "epoch"),
        (as_parquet, None, "step"),
    ],
)
def test_every_layout_of_the_same_runs_gives_the_same_table(tmp_path, write, metric, unit):
    read = load_trajectories(write(tmp_path), metric=metric)
    assert read.unit == unit
    assert "steps" in str(read) or unit == "epoch"
    read = read if unit == "epoch" else in_epochs(read, 30)
    assert read.values.tolist() == ACCURACY.tolist()
    assert read.times.tolist() == list(range(1, 10))
    assert read.names == tuple(f"r{run}" for run in range(12))
    assert read.notes == ()


@pytest.mark.parametrize("header", ["", "Relative Time (Process),a,b\n"])
def test_a_column_of_times_without_its_name_is_no_run(header, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(header + "".join(f"{t * 2.5},{0.1 * t % 0.37},0.{t}\n" for t in range(1, 9)))
    with pytest.raises(ConfigError, match="does not look like a run; call it step or epoch"):
        load_trajectories(file)
