"""Studies of training code that knows nothing of us."""

import random
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.errors import ExperimentMismatchError
from thermograd.estimators.first_passage import first_passage_times, restricted_mean
from thermograd.perturbations import PartialReset, Reset, ResetToBest, ShrinkAndPerturb, WarmRestart

INPUTS = torch.randn(120, 5, generator=torch.Generator().manual_seed(3))
CLASSES = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()


def make(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))
    return model, torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)


def epoch(state, seed):
    model, optimizer = state
    order = torch.randperm(80, generator=torch.Generator().manual_seed(seed))
    for batch in order.split(16):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(INPUTS[batch]), CLASSES[batch]).backward()
        optimizer.step()
    return model, optimizer


def accuracy(state):
    with torch.no_grad():
        return (state[0](INPUTS[80:]).argmax(1) == CLASSES[80:]).float().mean()


def settings(**changes):
    return tg.PerturbationStudy(
        **{
            "target": 0.85,
            "interval": 4,
            "trajectories": 6,
            "horizon": 3,
            "candidates": {"shrink": ShrinkAndPerturb(), "partial": PartialReset()},
            "seed": 2,
        }
        | changes
    )


def same(one, other):
    assert np.array_equal(one.unperturbed, other.unperturbed, equal_nan=True)
    assert np.array_equal(one.survivor, other.survivor)
    for name, values in one.residual.items():
        assert np.array_equal(values, other.residual[name], equal_nan=True)


@dataclass
class Training:
    model: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int = 0


def test_a_plain_tuple_a_dataclass_a_dict_and_a_closure_give_the_same():
    record = settings().drive(make, epoch, accuracy)
    assert record.survivor.size
    assert record.unperturbed.shape == (6, 4)

    def in_place(state, seed):
        epoch((state.model, state.optimizer), seed)
        state.epochs += 1

    same(
        record, settings().drive(lambda seed: Training(*make(seed)), in_place, lambda s: accuracy((s.model,)))
    )

    def in_dict(state, seed):
        epoch((state["model"], state["optimizer"]), seed)

    def dict_start(seed):
        return dict(zip(("model", "optimizer"), make(seed), strict=True))

    same(record, settings().drive(dict_start, in_dict, lambda state: accuracy((state["model"],))))

    def closures():
        data = INPUTS, CLASSES
        calls = []

        def train(state, seed):
            calls.append(seed)
            assert data
            return epoch(state, seed)

        return train, calls

    train, calls = closures()
    same(record, settings().drive(make, train, accuracy))
    assert len(set(calls)) < len(calls)  # branches of one survivor share their seeds


def test_branches_continue_the_survivor_in_pairs():
    """With a perturbation that does nothing every branch is the continuation of its trajectory."""

    def nothing(weights, state, context):
        return dict(weights), dict(state)

    record = settings(candidates={"a": nothing, "b": lambda w, s, c: (w, s)}).drive(make, epoch, accuracy)
    longer = settings(interval=7, candidates={}).drive(make, epoch, accuracy)
    np.testing.assert_array_equal(record.residual["a"], record.residual["b"])
    np.testing.assert_array_equal(record.residual["a"], longer.unperturbed[record.survivor, 4:])


def test_as_the_perturbations_do_it():
    """The kick is that of `tg.perturb` with fresh values from the user's own start."""
    seen = {}

    def spy(weights, state, context):
        seen["fresh"], seen["step"], seen["metric"] = context.fresh()[0], context.step, context.metric
        return ShrinkAndPerturb().apply(weights, state, context)

    record = settings(candidates={"spy": spy}, trajectories=1, target=2.0).drive(make, epoch, accuracy)
    assert seen["step"] == 4
    assert seen["metric"] == record.unperturbed[0, -1]
    assert {name: value.shape for name, value in seen["fresh"].items()} == {
        name: value.shape for name, value in make(0)[0].named_parameters()
    }


def test_code_without_any_network_of_known_law():
    """A coin that falls with probability 0.1 each unit: after a kick that doubles it, times are geometric."""

    def start(seed):
        return {"chance": 0.1, "done": 0.0}

    def train(state, seed):
        if random.Random(seed).random() < state["chance"]:
            state["done"] = 1.0
        return state

    def double(state, candidate, seed):
        state["chance"] *= candidate
        return state

    study = settings(target=1.0, interval=5, horizon=60, trajectories=600, candidates={"twice": 2})
    record = study.drive(start, train, lambda state: state["done"], perturb=double)
    passages = first_passage_times(record.unperturbed, 1.0)
    # 600 trajectories survive 5 units with probability 0.59 (standard error 0.02): 4 standard errors
    assert abs((~passages.reached).mean() - 0.9**5) < 0.08
    residual = restricted_mean(first_passage_times(record.residual["twice"], 1.0))
    assert abs(residual.value - 5) < 4 * 4.5 / np.sqrt(record.survivor.size)
    brute = study.verify([5])["twice"][5]
    expected = sum(0.9**t for t in range(5))
    chance, alive, time = 0.1, 0.9**5, 5
    while time < 65:
        chance = min(2 * chance, 1)
        for _ in range(5):
            expected += alive
            alive *= 1 - chance
            time += 1
    assert abs(restricted_mean(brute).value - expected) < 4 * 4 / np.sqrt(600)


def test_divergence_is_data():
    record = settings(
        target=0.0, direction="down", trajectories=2, candidates={"s": ShrinkAndPerturb()}
    ).drive(make, epoch, lambda state: float("nan"))
    assert np.isinf(record.unperturbed).all()
    assert record.survivor.size == 0


def test_reset_and_best_and_verify():
    study = settings(candidates={"best": ResetToBest(), "reset": Reset()}, target=0.99, trajectories=3)
    record = study.drive(make, epoch, accuracy)
    assert record.residual["best"].shape == (3, 3)
    passages = study.verify([2, 4])
    assert set(passages) == {"best", "reset"}
    assert study.record.verified["reset"][2].shape == (3, 7)
    advice = tg.advise(study.record)
    assert {entry.name for entry in advice.ranking} >= {"nothing", "reset", "best"}


def test_an_interrupted_study_goes_on_without_running_anything_twice(tmp_path):
    whole = settings().drive(make, epoch, accuracy)
    file, started = tmp_path / "study.log", []

    def counted(seed):
        started.append(seed)
        return make(seed)

    def fragile(state, seed):
        if len(started) == 4:
            raise RuntimeError("power cut")
        return epoch(state, seed)

    with pytest.raises(RuntimeError, match="power cut"):
        settings().drive(counted, fragile, accuracy, resume=file)
    content = file.read_bytes()
    file.write_bytes(content + b"0123abcd {torn")
    started.clear()
    resumed = settings().drive(counted, epoch, accuracy, resume=file)
    same(whole, resumed)
    assert file.read_bytes().startswith(content)
    started.clear()
    again = settings()
    same(whole, again.drive(counted, epoch, accuracy, resume=file))
    assert not started
    passages = again.verify([3])
    started.clear()
    again = settings()
    again.drive(counted, epoch, accuracy, resume=file)
    assert again.verify([3])["shrink"][3].time.tolist() == passages["shrink"][3].time.tolist()
    assert not started
    with pytest.raises(ExperimentMismatchError, match="horizon: 3 there, 5 here"):
        settings(horizon=5).drive(make, epoch, accuracy, resume=file)


def test_a_killed_process_resumes_to_the_same_record(tmp_path):
    program = textwrap.dedent(
        """
        import os, sys, random
        import thermograd as tg

        def train(state, seed):
            if "die" in sys.argv and len(open("study.log").readlines()) == 4:
                os.kill(os.getpid(), 9)
            return state + random.Random(seed).random()

        study = tg.PerturbationStudy(target=9.0, interval=5, horizon=40, trajectories=8, candidates={"half": 0.5})
        record = study.drive(float, train, float, perturb=lambda x, half, seed: x * half, resume="study.log")
        record.save("record.npz")
        """
    )
    (tmp_path / "program.py").write_text(program)

    def run(*words):
        return subprocess.run([sys.executable, "program.py", *words], cwd=tmp_path, capture_output=True)

    assert run("die").returncode == -9
    assert len((tmp_path / "study.log").read_bytes().splitlines()) == 4
    assert run().returncode == 0
    from thermograd.store.perturbation_record import PerturbationRecord

    resumed = PerturbationRecord.load(tmp_path / "record.npz")
    (tmp_path / "study.log").unlink()
    assert run().returncode == 0
    same(resumed, PerturbationRecord.load(tmp_path / "record.npz"))


@pytest.mark.parametrize(
    ("functions", "candidates", "says"),
    [
        ((make, lambda state, seed: 0.3, accuracy), None, "train returned a float, but the state is a tuple"),
        (
            (make, epoch, lambda state: {"accuracy": 1}),
            None,
            "evaluate returned a dict; it must return one number",
        ),
        ((make, epoch, accuracy), {"warm": WarmRestart()}, "acts at every optimiser step"),
        ((lambda seed: [seed], lambda s, seed: s, lambda s: 0.0), None, "no model and optimizer are found"),
        (
            (lambda seed: lambda: seed, lambda s, seed: s, lambda s: 0.0),
            None,
            "a function, whose variables no copy",
        ),
    ],
)
def test_what_cannot_be_done_is_said(functions, candidates, says):
    study = settings() if candidates is None else settings(candidates=candidates)
    with pytest.raises(ValueError, match=says):
        study.drive(*functions)


@pytest.mark.parametrize("candidate", [lambda w, s, c: (w, s), object()])
def test_a_candidate_without_a_lasting_name_is_not_resumed(candidate, tmp_path):
    study = settings(candidates={"kick": candidate})
    with pytest.raises(ValueError, match="could not tell from another one"):
        study.drive(make, epoch, accuracy, perturb=lambda s, c, seed: s, resume=tmp_path / "study.log")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_study_is_left_alone(tmp_path):
    file = tmp_path / "precious.txt"
    file.write_text("my thesis\n")
    with pytest.raises(ValueError, match="is not the file of a study"):
        settings().drive(make, epoch, accuracy, resume=file)
    assert file.read_text() == "my thesis\n"
    with pytest.raises(ValueError, match="in a folder that exists"):
        settings().drive(make, epoch, accuracy, resume=tmp_path / "nowhere" / "study.log")
