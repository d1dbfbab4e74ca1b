"""A report of a run that recorded two-time displacement shows how it ages."""

import pytest

from thermograd.dynamics.sgd import SGD
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.run import run
from thermograd.numerics.log_times import Every
from thermograd.observables.loss import Loss
from thermograd.observables.two_time_displacement import TwoTimeDisplacement
from thermograd.problems.quadratic import Quadratic
from thermograd.report.aging_of_a_run import aging_of_a_run
from thermograd.report.figures import figures_of

TRACKED = (TwoTimeDisplacement(),)


def recorded(steps=3000, observe=TRACKED, **options):
    experiment = Experiment(
        Quadratic(), dynamics=SGD(1e-3), observe=[Loss(at=Every(500)), *observe], trajectories=4, steps=steps
    )
    return run(experiment, **options)


def test_the_displacement_and_the_times_are_drawn():
    done = recorded()
    names = [figure.name for figure in aging_of_a_run(done)]
    assert names[0] == "two_time_displacement"
    assert set(names) <= {figure.name for figure in figures_of(done)}


@pytest.mark.parametrize("options", [{"observe": ()}, {"until": 1}, {"steps": 3}])
def test_a_run_without_enough_of_it_draws_nothing(options):
    assert aging_of_a_run(recorded(**options)) == ()
