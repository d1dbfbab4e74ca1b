"""The executor of a run as words of the command line, so that whoever resumes it need not remember them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from thermograd.discover import snake_case
from thermograd.ensemble.executors.choice import executor_kinds
from thermograd.ensemble.executors.inline import Inline


def command_words(kind: Any) -> list[str]:
    """`--executor NAME`, and every option that is not at its default.

    Args:
        kind: of executor.

    Returns:
        None for `inline`, which needs no word, and for an executor that no text can name.

    >>> from thermograd.ensemble.executors.submitit import Submitit
    >>> " ".join(command_words(Submitit(workers=50, parameters={"mem_gb": 4, "slurm_partition": "long"})))
    '--executor submitit --workers 50 --executor.parameters.mem_gb 4 --executor.parameters.slurm_partition long'
    """
    name = snake_case(type(kind).__name__)
    known = executor_kinds().get(name)
    if known is None or known is Inline or type(kind) is not known:
        return []
    words = ["--executor", name]
    for entry in dataclasses.fields(known):
        value = getattr(kind, entry.name)
        if value != (
            entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()
        ):
            words += _option("workers" if entry.name == "workers" else f"executor.{entry.name}", value)
    return words


def _option(path: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [word for key, one in value.items() for word in _option(f"{path}.{key}", one)]
    return [f"--{path}", value if isinstance(value, str) else json.dumps(value, default=str)]
