"""The executor that somebody asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from thermograd.discover import available, nearest
from thermograd.ensemble.executors.dask_client import DaskClient
from thermograd.ensemble.executors.given import Given
from thermograd.ensemble.executors.inline import Inline, InlineExecutor
from thermograd.ensemble.executors.kind import ExecutorKind
from thermograd.ensemble.executors.process import Process
from thermograd.errors import ConfigError

PACKAGE = "thermograd.ensemble.executors"
_QUEUES = ("slurm", "pbs")


def executor_kinds() -> dict[str, type]:
    """The kinds that a text can name, those of installed packages included.

    >>> {"inline", "process"} <= set(executor_kinds())
    True
    """
    return available(PACKAGE)


def executor_of(choice: Any) -> ExecutorKind:
    """The kind of executor of a choice.

    Args:
        choice: None or "inline"; the name of a kind; a mapping with `kind` and its options; a kind such as
            `Process(workers=4)`; or an object with `submit`. A `ProcessPoolExecutor` stands for `Process` with as
            many workers: its own processes may be forked, and could not be replaced when one dies. A
            `distributed.Client` stands for its workers.

    Returns:
        The kind.

    Raises:
        ConfigError: unknown kind or option, or an object that cannot run tasks.

    >>> executor_of({"kind": "process", "workers": 3})
    Process(workers=3, threads_per_worker=1)
    """
    if choice is None:
        return Inline()
    if isinstance(choice, str):
        return _named(choice, {})
    if isinstance(choice, Mapping):
        return _named(str(choice.get("kind", "inline")), choice)
    if isinstance(choice, InlineExecutor):
        return Inline()
    if _is_kind(choice):
        kind: ExecutorKind = choice
        return kind
    if isinstance(choice, ProcessPoolExecutor):
        return Process(int(getattr(choice, "_max_workers", 2)))
    return _given(choice)


def _named(kind: str, options: Mapping[str, Any]) -> ExecutorKind:
    known = executor_kinds()
    if kind not in known:
        error = _error("kind", f"unknown kind {kind!r}. {nearest(kind, known)}{kind_of_queue(kind)}")
        raise error
    fields = [entry.name for entry in dataclasses.fields(known[kind]) if entry.init]
    for name in options:
        if name != "kind" and name not in fields:
            error = _error(
                str(name),
                f"unknown field for kind {kind!r}. {nearest(str(name), fields)}"
                if fields
                else f"kind {kind!r} has no options; workers belong to another kind, such as 'process'",
            )
            raise error
    try:
        made: ExecutorKind = known[kind](**{name: value for name, value in options.items() if name != "kind"})
    except (ValueError, TypeError) as refused:
        name = str(refused).partition(" ")[0]
        error = _error(name if name in fields else "", str(refused))
        raise error from refused
    return made


def kind_of_queue(name: str) -> str:
    """The end of a refusal where a queue system was named as the kind, "" otherwise.

    >>> kind_of_queue("slurm"), kind_of_queue("thread")
    (". For slurm: dask with cluster = 'slurm', or submitit", '')
    """
    queue = f". For {name}: dask with cluster = {name!r}" if name in _QUEUES else ""
    return queue + (", or submitit" if name == "slurm" else "")


def _given(choice: Any) -> ExecutorKind:
    if any(
        f"{base.__module__}.{base.__name__}" == "distributed.client.Client" for base in type(choice).__mro__
    ):
        return DaskClient(choice)
    executor, workers = choice, getattr(choice, "_max_workers", 0)
    if not isinstance(choice, type) and callable(getattr(choice, "get_executor", None)):
        executor = choice.get_executor(pure=False)
        count = getattr(choice, "nthreads", None)
        workers = sum(count().values()) if callable(count) else 0
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        error = _error(
            "kind",
            f"an object of type {type(choice).__name__} is no executor: it has no submit(function, *arguments); "
            f"give a kind ({', '.join(executor_kinds())}) or an executor",
        )
        raise error
    return Given(executor, workers if isinstance(workers, int) else 0)


def _is_kind(choice: Any) -> bool:
    verbs = ("check", "open", "alone", "lost")
    return not isinstance(choice, type) and all(callable(getattr(choice, verb, None)) for verb in verbs)


def _error(field: str, message: str) -> ConfigError:
    path = f"executor.{field}" if field else "executor"
    return ConfigError(f"{path}: {message}", ((path, message),))
