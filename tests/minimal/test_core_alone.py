"""The practitioner's core with torch, numpy and scipy only; run by `make minimal` in a venv of its own."""

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGLD
from thermograd.errors import MissingExtraError
from thermograd.estimators.first_passage import first_passage_times, restricted_mean, survival_function
from thermograd.minibatching import WithoutReplacement
from thermograd.numerics.log_times import Epochs
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.problems import Digits
from thermograd.store.sinks import sink_of
from thermograd.theory.first_passage import restart_mean

EXTRAS = ("zarr", "safetensors", "pydantic", "cyclopts", "rich", "plotly", "sklearn")
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) for name in EXTRAS),
    reason="extras are installed here; `make minimal` runs this in a venv without them",
)


def make_experiment(**options):
    inputs = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    problem = tg.Problem(
        model=lambda: torch.nn.Linear(2, 2),
        loss=torch.nn.CrossEntropyLoss(reduction="none"),
        train=(inputs[:40], (inputs[:40, 0] > 0).long()),
        test=(inputs[40:], (inputs[40:, 0] > 0).long()),
    )
    return tg.Experiment(problem, WithoutReplacement(8), trajectories=6, epochs=5, **options)


def test_what_is_installed_is_the_wheel_with_all_its_files():
    """Types, kernel templates and page sources travel with it; tests do not."""
    installed, source = Path(tg.__file__).parent, Path(__file__).parents[2] / "src" / "thermograd"
    assert installed != source

    def files(root):
        kept = (file for file in root.rglob("*") if file.is_file() and file.suffix != ".pyc")
        return {str(file.relative_to(root)) for file in kept}

    assert files(installed) == files(source)
    assert {"py.typed", "report/page.js", "ensemble/engines/kernel/kernel.cpp"} <= files(installed)
    assert not (installed.parent / "tests").exists()
    licences = importlib.metadata.distribution("thermograd").metadata
    assert licences["License-Expression"] == "Apache-2.0"
    assert licences["License-File"] == "LICENSE"


def test_every_module_of_the_core_imports():
    packages = (
        "numerics",
        "estimators",
        "theory",
        "problems",
        "minibatching",
        "dynamics",
        "perturbations",
        "observables",
        "training",
        "advisor",
    )
    for package in packages:
        root = importlib.import_module(f"thermograd.{package}")
        for module in pkgutil.iter_modules(root.__path__):
            importlib.import_module(f"thermograd.{package}.{module.name}")


def test_an_ensemble_in_memory_and_its_analysis():
    run = tg.run(make_experiment(perturbation=ShrinkAndPerturb(), perturb=Epochs(2)))
    passages = first_passage_times(run["test_accuracy"][:, 1:], target=0.8)
    survival = survival_function(passages)
    assert np.isfinite(restricted_mean(passages).value)
    assert restart_mean(survival).value.shape == (5,)


def test_advice_from_a_study():
    study = tg.PerturbationStudy(
        target=0.999, interval=3, horizon=3, trajectories=6, candidates={"shrink": ShrinkAndPerturb()}
    )
    assert tg.advise(study.run(make_experiment())).recommendation


def test_a_loop_of_ones_own():
    """Watched, perturbed, and asked where it is: with what the command line and the store would need absent."""
    problem = make_experiment().problem
    inputs, labels = problem.train
    cross_entropy = torch.nn.functional.cross_entropy
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    watch = tg.watch(optimizer, steps_per_epoch=5)
    scheduler = tg.ReduceLROnStationarity(optimizer, watch)
    perturber = tg.Perturber(model, optimizer, ShrinkAndPerturb(), every=30, seed=0)
    for _ in range(60):
        chosen = torch.randint(40, (8,))
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        perturber.step()
        scheduler.step(loss)
    assert watch.report()
    land = tg.landscape(model, (inputs, labels), criterion=cross_entropy, weight_decay=0.1, refine=True)
    assert "learning rate 0.1" in str(tg.stationary_state(land, learning_rate=0.1, batch_size=8))
    with tg.Hessian(model, lambda: cross_entropy(model(inputs), labels)) as curvature:
        assert curvature.trace().value > 0


def test_draws_of_a_posterior():
    problem = make_experiment().problem
    settings = {"prior_precision": 1.0, "batch_size": 8}
    draws = tg.sample_posterior(problem, dynamics=SGLD(1e-3), chains=2, epochs=12, burn_in=2, **settings)
    assert draws.convergence().kind
    assert tg.posterior_predictive(draws, problem, problem.train[0], output="softmax").mean.shape == (40, 2)


def test_a_run_directory_names_the_extra(tmp_path):
    with pytest.raises(MissingExtraError, match=r"pip install 'thermograd\[lab\]'"):
        tg.run(make_experiment(), store=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_digits_name_the_extra():
    with pytest.raises(MissingExtraError, match="scikit-learn"):
        Digits().build()


def test_a_figure_names_the_extra():
    with pytest.raises(MissingExtraError, match="plotly"):
        tg.Estimate(1.0, (0.5, 1.5)).plot()


@pytest.mark.parametrize("library", ["lightning", "transformers"])
def test_a_callback_names_the_extra(library):
    with pytest.raises(MissingExtraError, match=rf"pip install 'thermograd\[{library}\]'"):
        importlib.import_module(f"thermograd.training.integrations.{library}")


def test_a_sink_needs_nothing(tmp_path):
    sink_of(tmp_path / "log.csv")({"ratio": 0.98}, 50)
    assert (tmp_path / "log.csv").read_text() == "step,ratio\n50,0.98\n"


def test_the_command_line_is_one_line():
    for words in (["--help"], ["quickstart"]):
        done = subprocess.run(
            [sys.executable, "-m", "thermograd", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 4
        assert done.stdout == ""
        assert "pip install 'thermograd[lab]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1
