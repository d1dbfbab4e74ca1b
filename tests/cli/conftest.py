"""One tiny experiment, in a folder of its own that is the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = """
name = "Tiny quadratic"
problem = "quadratic"
trajectories = 5
block_size = 2
steps = 12
observe = ["loss"]
minibatching = { kind = "with_replacement", batch_size = 10 }
"""


@pytest.fixture(scope="session")
def tiny() -> str:
    return CONFIG


@pytest.fixture
def config(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.toml"
    path.write_text(tiny, encoding="utf-8")
    return path
