"""The cache of built kernels: private, shared between builders, never half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from thermograd.ensemble.engines.kernel import compiler
from thermograd.errors import EngineUnavailableError

needs_compiler = pytest.mark.skipif(compiler.compiler() is None, reason="no C++ compiler")
SOURCE = 'extern "C" long answer() { return 42; }'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("THERMOGRAD_CACHE", str(tmp_path / "kernels"))
    compiler.cache_folder.cache_clear()
    yield tmp_path / "kernels"
    compiler.cache_folder.cache_clear()


@needs_compiler
def test_a_library_is_built_once_and_found_again(folder, monkeypatch):
    assert compiler.library(SOURCE).answer() == 42
    assert (folder.stat().st_mode & 0o777) == 0o700
    assert sorted(path.suffix for path in folder.iterdir()) == [".sha256", ".so"]
    monkeypatch.setattr(compiler, "_build", lambda *_: pytest.fail("built again"))
    assert compiler.library(SOURCE).answer() == 42


@needs_compiler
def test_builders_at_the_same_time_do_not_disturb_each_other(folder):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: compiler.library(SOURCE + "//").answer(), range(4)))
    assert found == [42] * 4
    assert len(list(folder.glob("*.so"))) == 1
    assert not list(folder.glob("building-*"))


@needs_compiler
def test_what_decides_the_machine_code_is_in_the_name(folder, monkeypatch):
    compiler.library(SOURCE)
    monkeypatch.setattr(compiler, "instruction_sets", lambda: "another processor")
    compiler.library(SOURCE)
    assert len(list(folder.glob("*.so"))) == 2


@needs_compiler
def test_a_refused_source_leaves_nothing(folder):
    with pytest.raises(EngineUnavailableError, match=r"could not build a kernel: .*error"):
        compiler.library("int answer( {")
    assert list(folder.iterdir()) == []


def test_a_folder_others_can_write_to_is_refused(folder):
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(EngineUnavailableError, match="can be written to by others; make it private"):
        compiler.cache_folder()


def test_a_folder_that_cannot_be_made_is_replaced_by_a_temporary_one(folder):
    folder.write_text("a file in its place")
    found = compiler.cache_folder()
    assert found != folder
    assert (found.stat().st_mode & 0o777) == 0o700


@needs_compiler
def test_a_read_only_folder_is_replaced_by_a_temporary_one(tmp_path):
    """In a process of its own, without the rights of root."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    script = (
        "import os; os.getuid() == 0 and (os.chown(os.environ['THERMOGRAD_CACHE'], 65534, 65534), os.setuid(65534));"
        "from thermograd.ensemble.engines.kernel import compiler; print(compiler.cache_folder())"
    )
    tmp_path.chmod(0o755)
    environment = {**os.environ, "THERMOGRAD_CACHE": str(locked), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"another user cannot import the package here: {done.stderr.strip().splitlines()[-1]}")
    assert done.stdout.strip() != str(locked)


@needs_compiler
@pytest.mark.parametrize("size", [0, 2000])
def test_a_library_that_was_cut_is_built_again(folder, size):
    compiler.library(SOURCE)
    (found,) = folder.glob("*.so")
    whole = found.read_bytes()
    # under another name first: the loaded one must not change under this process
    found.rename(folder / "loaded")
    found.write_bytes(whole[:size])
    assert compiler.library(SOURCE).answer() == 42
    assert found.stat().st_size == len(whole)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "without an error and without a file"),
        ('echo rubbish > "$out"; exit 0', "cannot be loaded"),
    ],
)
def test_a_compiler_that_only_seems_to_work_is_found_out(folder, tmp_path, monkeypatch, script, words):
    program = tmp_path / "c++"
    last = 'for word; do out="$word"; done'
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo odd 1.0 && exit 0\n{last}\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("THERMOGRAD_CXX", str(program))
    compiler.compiler.cache_clear()
    try:
        with pytest.raises(EngineUnavailableError, match=words):
            compiler.library(SOURCE)
    finally:
        compiler.compiler.cache_clear()
    assert not list(folder.glob("*.so"))
