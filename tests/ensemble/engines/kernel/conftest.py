"""Kernels that are built quickly, or with another compiler."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from thermograd.ensemble.engines.kernel import compiler

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def quick_build(monkeypatch):
    """Kernels that are built in half the time, for tests that compare no numbers of many kinds of them."""
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))


@pytest.fixture
def other_compiler(monkeypatch):
    """Function path -> kernels are built with that one, until the test ends."""

    def use(path):
        monkeypatch.setenv("THERMOGRAD_CXX", path)
        compiler.compiler.cache_clear()

    yield use
    compiler.compiler.cache_clear()
