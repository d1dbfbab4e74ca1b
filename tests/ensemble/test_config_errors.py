"""What pydantic found, in our words."""

from __future__ import annotations

import pytest

from thermograd.ensemble.config import parse_config
from thermograd.errors import ConfigError


def problems(text):
    with pytest.raises(ConfigError) as refusal:
        parse_config(text, "")
    return dict(refusal.value.problems)


def test_a_misspelt_table_is_not_judged_by_the_kind_inside_it():
    found = problems('trajectories = 5\nepochs = 2\n[problm]\nkind = "quadratic"\n')
    assert found["problm"].startswith("unknown field. Did you mean 'problem'? Known: block_size, ")
    assert found["problem"] == "is missing"


def test_a_misspelt_field_inside_a_table_is_judged_by_its_kind():
    found = problems('epochs = 2\n[problem]\nkind = "quadratic"\ncurvatres = { kind = "sgd" }\n')
    assert found["problem.curvatres"].startswith(
        "unknown field for kind 'quadratic'. Did you mean 'curvatures'? Known: curvatures, "
    )


def test_a_queue_named_as_the_kind_of_an_executor_leads_to_those_that_use_it():
    found = problems('epochs = 2\n[problem]\nkind = "quadratic"\n[executor]\nkind = "slurm"\n')
    assert found["executor.kind"].endswith("For slurm: dask with cluster = 'slurm', or submitit")


def test_a_field_that_no_file_can_hold_is_said_to_be_one():
    found = problems(
        'epochs = 2\n[problem]\nkind = "quadratic"\n[[observe]]\nkind = "two_time_displacement"\ndirections = [[1.0]]\n'
    )
    assert found["observe.0.directions"].startswith(
        "cannot be given in a config file for kind 'two_time_displacement'"
    )
