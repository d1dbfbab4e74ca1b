"""What the wheel holds: the package with its types, what the kernel and the pages are made of, the licences; nothing else.

The wheel is the folder `src/thermograd` as it is, so the folder is looked at.
"""

import tomllib
from pathlib import Path

import thermograd

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "thermograd"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
KERNEL = {"cuda_math.h", "kernel.cpp", "kernel.cu", "lanes.h", "randomness.h", "scalars.h", "vector_math.h"}
PAGES = {"live.css", "live.js", "page.css", "page.js", "theme.js"}


def test_files():
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/thermograd"]}
    files = [file for file in PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    others = {str(file.relative_to(PACKAGE)) for file in files if file.suffix != ".py"}
    kernel = {f"ensemble/engines/kernel/{name}" for name in KERNEL}
    stubs = {name for name in others if name.endswith("__init__.pyi")}  # which ones: test_static_types.py
    assert others == {"py.typed"} | stubs | kernel | {f"report/{name}" for name in PAGES}
    assert not [file for file in files if file.name.startswith(("test_", "conftest"))]
    assert sum(file.stat().st_size for file in files) < 6_000_000


def test_licences_and_version():
    project = PROJECT["project"]
    assert project["version"] == thermograd.__version__
    assert project["license"] == "Apache-2.0"
    notices = {name: (ROOT / name).read_text(encoding="utf-8") for name in project["license-files"]}
    assert notices.keys() == {"LICENSE", "THIRD_PARTY_NOTICES.md"}
    assert all(name in notices["THIRD_PARTY_NOTICES.md"] for name in PAGES)


def test_the_version_has_its_place_in_the_changelog():
    heads = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    ]
    assert heads[0] == "## [Unreleased]" or heads[0].startswith(f"## [{thermograd.__version__}]"), heads[0]
