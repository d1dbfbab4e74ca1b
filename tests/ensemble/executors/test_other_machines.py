"""Workers on machines that are not like this one, or do not see its files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from pathlib import Path

import pytest
from logistic_map import everything

from thermograd.ensemble.block_report import FAILED, BlockReport
from thermograd.ensemble.directory_run import run_in_directory
from thermograd.ensemble.launch import Launch
from thermograd.ensemble.run import run
from thermograd.errors import BlockFailedError, EnvironmentChangedError, ForeignDirectoryError
from thermograd.store.reader import open_run


class Elsewhere:
    """Runs tasks here and tells that they ran elsewhere."""

    def __init__(self, changed: Callable[[BlockReport], BlockReport]) -> None:
        self.changed = changed

    def submit(self, function, /, *arguments) -> Future:
        future: Future = Future()
        try:
            future.set_result(self.changed(function(*arguments)))
        except BrokenExecutor as error:
            future.set_exception(error)
        return future


def other_processor(report: BlockReport) -> BlockReport:
    return replace(report, host="n3", changed="cpu AVX2 → AVX512")


def test_another_processor_is_noted_once_or_refused(made, truth, tmp_path):
    said: list[str] = []
    launch = Launch(executor=Elsewhere(other_processor), say=said.append)
    found = run_in_directory(made(), tmp_path / "run", launch=launch)
    note = "bits may differ in the last place on host n3: cpu AVX2 → AVX512"
    assert found.notes.count(note) == said.count(note) == 1
    assert everything(found) == truth
    with pytest.raises(EnvironmentChangedError, match=r"on host n3.*without --strict"):
        run_in_directory(made(), tmp_path / "strict", launch=replace(launch, strict=True))
    assert open_run(tmp_path / "strict").state == "interrupted"


def sees(kind: str, run_id: str) -> Callable[[BlockReport], BlockReport]:
    return lambda report: BlockReport(report.block, FAILED, kind=kind, run_id=run_id, host="n3")


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (sees("", "f" * 32), "host n3 sees another run at"),
        (sees("ForeignDirectoryError", ""), "host n3 sees no run at"),
    ],
)
def test_another_file_system_ends_the_run_without_a_failure(made, tmp_path, report, words):
    with pytest.raises(ForeignDirectoryError, match=words):
        run(made(), store=tmp_path / "run", executor=Elsewhere(report))
    assert open_run(tmp_path / "run").failures == ()


def test_an_executor_that_broke_says_what_to_do(made, truth, tmp_path):
    path = tmp_path / "run"

    class Breaking(Elsewhere):
        def submit(self, function, /, *arguments) -> Future:
            if Path(path / "blocks" / "00000").exists():
                raise BrokenExecutor
            return super().submit(function, *arguments)

    def lost(report: BlockReport) -> BlockReport:
        raise BrokenExecutor

    with pytest.raises(BlockFailedError, match="takes no more blocks"):
        run(made(), store=path, executor=Breaking(lost))
    assert open_run(path).state == "interrupted"
    assert everything(run(made(), store=path)) == truth
