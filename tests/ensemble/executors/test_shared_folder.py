"""A worker refuses a run that is not the one its coordinator sees."""

import re
import shutil
import threading
import time

import pytest

from thermograd.ensemble.executors.shared_folder import refused, train_shared
from thermograd.store.manifest import read_manifest, write_manifest


@pytest.fixture
def run(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "run")


def test_the_same_run_is_accepted(run):
    manifest = read_manifest(run)
    for generation in (manifest.generation, manifest.generation - 1):  # an old start's block leaves by itself
        assert refused(run, 0, manifest.run_id, generation, patience=0) is None


def test_another_run_is_refused_at_once(run):
    report = train_shared("0" * 32, print, str(run), 7, 1)
    assert (report.block, report.outcome, report.run_id) == (7, "failed", read_manifest(run).run_id)


def test_no_run_is_refused(tmp_path):
    report = refused(tmp_path / "absent", 7, "0" * 32, 1, patience=0.2)
    assert (report.block, report.outcome, report.run_id) == (7, "failed", "")
    assert report.kind == "ForeignDirectoryError"


def test_an_old_view_is_refused_when_it_stays_old(run):
    manifest = read_manifest(run)
    report = refused(run, 7, manifest.run_id, manifest.generation + 1, patience=0)
    assert (report.outcome, report.run_id) == ("stale", manifest.run_id)
    assert re.search(
        r"still sees start number 1 of .*, not 2, after 0 s: .* one shared file system", report.message
    )


def test_a_file_system_that_is_behind_is_waited_for(run):
    manifest = read_manifest(run)
    replaced = threading.Timer(0.3, write_manifest, (run, manifest.replace(generation=2)))
    replaced.start()
    try:
        assert refused(run, 0, manifest.run_id, 2, patience=30) is None
    finally:
        replaced.join()
    assert read_manifest(run).generation == 2


def test_threads_of_one_process_take_turns(run):
    manifest = read_manifest(run)
    inside, most = [], []

    def train(path, block, generation):
        inside.append(block)
        most.append(len(inside))
        time.sleep(0.02)
        inside.remove(block)

    arguments = ((manifest.run_id, train, str(run), block, 1) for block in range(6))
    threads = [threading.Thread(target=train_shared, args=words) for words in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
