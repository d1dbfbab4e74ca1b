from __future__ import annotations

import dataclasses
import tomllib

import pytest

from thermograd.dynamics import SGD
from thermograd.ensemble.config import Config, load_config, parse_config
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.identity import describe
from thermograd.ensemble.plugin_fields import ROLES, kinds
from thermograd.ensemble.toml_text import toml_text
from thermograd.errors import ConfigError
from thermograd.numerics.log_times import Epochs, Every, Logarithmic
from thermograd.observables import Accuracy, Loss
from thermograd.problems import Digits
from thermograd.reproductions.running_bad_input import EXAMPLE
from thermograd.store.options import StoreOptions


def refused(*overrides: tuple[str, str], text: str = EXAMPLE) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "experiment.toml", overrides)
    assert str(caught.value).startswith("experiment.toml")
    return caught.value


def test_the_complete_example_says_what_it_says():
    config = parse_config(EXAMPLE)
    experiment = config.experiment
    assert config.name == "Shrink and perturb on digits"
    assert experiment.problem == Digits()
    assert experiment.dynamics == SGD(learning_rate=0.1)
    assert experiment.observe == (Loss(split="train", at=Every(10)), Accuracy(split="test", at=Epochs(1)))
    assert experiment.save_weights == Logarithmic(per_decade=3)
    assert experiment.perturb == Epochs(10)
    assert experiment.perturbation == kinds("perturbation")["shrink_and_perturb"](shrink=0.4, perturb=0.1)
    assert (experiment.trajectories, experiment.epochs, experiment.steps, experiment.block_size) == (
        200,
        40,
        None,
        50,
    )
    assert config.store == StoreOptions()
    assert config.executor == {"kind": "process", "workers": 2}


def test_a_config_is_the_same_experiment_as_python():
    config = parse_config('problem = "digits"\nepochs = 3\ndynamics = { kind = "sgd", learning_rate = 1 }')
    assert config.experiment == Experiment(Digits(), dynamics=SGD(1.0), epochs=3)
    assert config.identity == describe(Experiment(Digits(), dynamics=SGD(1), epochs=3)).identity


def test_round_trip_through_canonical_text():
    config = parse_config(EXAMPLE)
    again = parse_config(config.to_toml())
    assert again == config
    assert again.identity == config.identity
    assert again.to_toml() == config.to_toml()


@pytest.mark.parametrize("role", list(ROLES))
def test_every_plugin_can_be_named_by_its_kind(role):
    for kind, plugin in kinds(role).items():
        text = f'{role} = ["{kind}"]' if role == "observe" else f'{role} = "{kind}"'
        extra = 'perturb = "epochs"\n' if role == "perturbation" else ""
        problem = "" if role == "problem" else 'problem = "quadratic"\n'
        experiment = parse_config(f"{problem}steps = 5\n{extra}{text}").experiment
        found = getattr(experiment, role)
        assert (found[0] if role == "observe" else found) == plugin()


def test_identity_is_that_of_the_numbers_not_of_the_text():
    identity = parse_config(EXAMPLE).identity
    table = tomllib.loads(EXAMPLE)
    backwards = toml_text(dict(reversed(list(table.items()))))
    assert backwards != toml_text(table)
    assert parse_config(backwards).identity == identity
    assert parse_config(EXAMPLE.replace("0.1\n", "1e-1\n")).identity == identity
    assert parse_config(EXAMPLE.replace('name = "Shrink', 'name = "Other')).identity == identity
    assert parse_config(EXAMPLE.replace("workers = 2", "workers = 9")).identity == identity
    assert (
        parse_config(EXAMPLE.replace("checkpoint_seconds = 60", "checkpoint_seconds = 5")).identity
        == identity
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", "1"),
        ("trajectories", "201"),
        ("epochs", "41"),
        ("block_size", "51"),
        ("dtype", '"float32"'),
        ("dynamics.learning_rate", "0.10000000000000002"),
        ("minibatching.batch_size", "31"),
        ("observe.0.at.steps", "11"),
        ("observe.1.split", '"train"'),
        ("save_weights.per_decade", "4"),
        ("perturb.n", "9"),
        ("perturbation.shrink", "0.5"),
        ("problem.flipped", "0.25"),
    ],
)
def test_any_number_changes_the_identity(path, value):
    assert parse_config(EXAMPLE, "", [(path, value)]).identity != parse_config(EXAMPLE).identity


def test_a_kind_that_is_the_default_need_not_be_said():
    text = 'problem = "quadratic"\nsteps = 1\ndynamics.momentum = 0.5\nminibatching.batch_size = 3'
    experiment = parse_config(text).experiment
    assert experiment.dynamics == SGD(momentum=0.5)
    assert experiment.minibatching == kinds("minibatching")["without_replacement"](batch_size=3)


def test_overrides():
    config = parse_config(
        EXAMPLE, "", [("minibatching.batch_size", "7"), ("minibatching.kind", "with_replacement")]
    )
    assert dataclasses.asdict(config.experiment.minibatching) == {"batch_size": 7, "distinct": True}
    assert parse_config(EXAMPLE, "", [("dynamics", "sgd")]).experiment.dynamics == SGD()
    assert parse_config(EXAMPLE, "", [("steps", "100")]).experiment.epochs is None
    assert parse_config(
        'problem = "quadratic"\nsteps = 1\ndynamics = "sgd"', "", [("dynamics.momentum", "0.5")]
    ).experiment.dynamics == SGD(momentum=0.5)
    for path in ("observe.2.split", "observe.one.split", "seed.low"):
        assert refused((path, "test")).problems[0][0] == path


def test_an_unknown_field_is_named_with_the_nearest_and_the_list():
    error = refused(text=EXAMPLE.replace("learning_rate", "learning_rte"))
    assert error.exit_code == 2
    assert (
        "dynamics.learning_rte: unknown field for kind 'sgd'. Did you mean 'learning_rate'? Known: "
        in str(error)
    )
    assert "learning_rate, momentum" in str(error)


@pytest.mark.parametrize(
    ("path", "value", "place", "words"),
    [
        ("dynamics.kind", "sgdd", "dynamics.kind", "Did you mean 'sgd'?"),
        ("observe.1.kind", "acuracy", "observe.1.kind", "Did you mean 'accuracy'?"),
        ("problem.kind", "digit", "problem.kind", "Did you mean 'digits'?"),
        ("perturb.kind", "evry", "perturb.kind", "Did you mean 'every'?"),
        ("save_weights.kind", "random", "save_weights.kind", "Known: at, epochs, every, logarithmic"),
        ("executor.kind", "proces", "executor.kind", "Did you mean 'process'?"),
        ("trajectoris", "3", "trajectoris", "Did you mean 'trajectories'?"),
        ("store.fsink", "true", "store.fsink", "Did you mean 'fsync'?"),
        ("dynamics.learning_rate", "fast", "dynamics.learning_rate", "got 'fast'"),
        ("dynamics.learning_rate", "-1", "dynamics.learning_rate", "-1.0; it must be"),
        ("dynamics.learning_rate", "nan", "dynamics.learning_rate", "finite"),
        ("dynamics.learning_rate", "inf", "dynamics.learning_rate", "finite"),
        ("dynamics.learning_rate", "true", "dynamics.learning_rate", "got True"),
        ("dynamics", "3", "dynamics", "got 3"),
        ("trajectories", "1.5", "trajectories", "got 1.5"),
        ("trajectories", "0", "trajectories", "from 1 to"),
        ("trajectories", "true", "trajectories", "got True"),
        ("seed", "-1", "seed", "from 0 to"),
        ("engine", "turbo", "engine", "Known: auto"),
        ("start", "middle", "start", "got 'middle'"),
        ("minibatching.batch_size", "0", "minibatching.batch_size", "1 or larger"),
        ("problem.hidden", "[3, 0]", "problem.hidden", "1 or larger"),
        ("problem.hidden", "7", "problem.hidden", "got 7"),
        ("store.checkpoint_seconds", "-1", "store.checkpoint_seconds", "not negative"),
        ("store.time_chunk", "0", "store.time_chunk", "1 or larger"),
        ("problem", "os:system", "problem.kind", "--allow-import"),
    ],
)
def test_a_bad_value_has_a_dotted_path_what_was_got_and_what_is_allowed(path, value, place, words):
    error = refused((path, value))
    assert [entry[0] for entry in error.problems] == [place], error
    assert words in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (EXAMPLE.replace("epochs = 40\n", "epochs = 40\nsteps = 3\n"), "steps"),
        (EXAMPLE.replace("epochs = 40\n", ""), "steps"),
        (EXAMPLE.replace("perturb = { kind", "perturb_ = { kind"), "perturb"),
        (EXAMPLE.replace('kind = "accuracy"\nsplit = "test"', 'kind = "loss"\nsplit = "train"'), "observe"),
        (EXAMPLE.replace('[problem]\nkind = "digits"', ""), "problem"),
        (EXAMPLE.replace('kind = "digits"', ""), "problem"),
    ],
)
def test_contradictions(text, place):
    assert any(path.split(".")[0] == place for path, _ in refused(text=text).problems)


def test_all_errors_of_a_file_are_reported_together():
    error = refused(
        ("dynamics.learning_rate", "x"),
        ("trajectories", "0"),
        ("minibatching.batch_size", "-1"),
        ("sed", "1"),
    )
    assert {path for path, _ in error.problems} == {
        "dynamics.learning_rate",
        "trajectories",
        "minibatching.batch_size",
        "sed",
    }
    assert "4 errors" in str(error)


def test_files_that_are_no_config(tmp_path):
    cases = {
        "syntax.toml": (b"a = 1\nb = = 2\n", "syntax.toml:2: not TOML"),
        "latin.toml": ("name = 'ok'\nx = 'é'".encode("latin-1"), "latin.toml:2: is not UTF-8"),
        "large.toml": (b"#" * (2**20 + 1), "larger than 1 MiB"),
        "deep.toml": (b"a = " + b"[" * 100_000, "not TOML"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=words) as caught:
            load_config(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="is a directory"):
        load_config(tmp_path)


def test_an_imported_kind_needs_permission():
    text = EXAMPLE.replace('kind = "sgd"', 'kind = "thermograd.dynamics.sgd:SGD"')
    assert [path for path, _ in refused(text=text).problems] == ["dynamics.kind"]
    assert parse_config(text, allow_import=True).experiment.dynamics == SGD(0.1)
    for bad in ("no_such_module:SGD", "thermograd.dynamics.sgd:Nope", "os:system"):
        with pytest.raises(ConfigError, match=bad):
            parse_config(text.replace("thermograd.dynamics.sgd:SGD", bad), allow_import=True)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("def x(:\n", "SyntaxError: invalid syntax"),
        ("raise RuntimeError('on import')\n", "RuntimeError: on import"),
        ("import no_such_module\n", "No module named 'no_such_module'\\)$"),
        (None, "name its folder in PYTHONPATH"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(tmp_path, monkeypatch, written, said):
    monkeypatch.syspath_prepend(tmp_path)
    if written is not None:
        (tmp_path / "broken_of_mine.py").write_text(written, encoding="utf-8")
    text = EXAMPLE.replace('kind = "sgd"', 'kind = "broken_of_mine:Mine"')
    with pytest.raises(ConfigError, match=said):
        parse_config(text, allow_import=True)


def test_none_is_written_where_the_default_is_something():
    config = parse_config(
        'problem = "quadratic"\nsteps = 2\nminibatching = { kind = "with_replacement", batch_size = "none" }'
    )
    assert config.experiment.minibatching.batch_size is None
    assert parse_config(config.to_toml()) == config


def test_the_schema_knows_every_plugin_and_field():
    schema = Config.json_schema()
    assert set(schema["properties"]) == {
        "name",
        "store",
        "executor",
        *(field.name for field in dataclasses.fields(Experiment)),
    }
    text = str(schema)
    assert all(f"'{kind}'" in text for role in ROLES for kind in kinds(role))
