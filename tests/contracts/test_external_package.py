"""The page on plug-ins, made into an installed package: found, configured, run and resumed by the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("zarr")

from thermograd.store.reader import open_run

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add_a_plug_in.md"
KINDS = {"perturbations": "noise_kick", "observables": "weight_norm", "dynamics": "sign_descent"}


def blocks(language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder as pip would leave it: the module, and the metadata that names its plug-ins."""
    folder = tmp_path_factory.mktemp("site")
    classes = [block for block in blocks("python") if "class " in block]
    (folder / "my_plugins.py").write_text("\n".join(classes), encoding="utf-8")
    metadata = folder / "my_plugins-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugins\nVersion: 0.1\n")
    points = blocks("toml")[0].replace('[project.entry-points."thermograd.plugins"]', "[thermograd.plugins]")
    (metadata / "entry_points.txt").write_text(re.sub(r'"([\w.:]+)"', r"\1", points))
    (folder / "experiment.toml").write_text(blocks("toml")[1], encoding="utf-8")
    return folder


def started(folder, *words, found=True):
    path = os.pathsep.join(filter(None, [str(folder) if found else "", *sys.path]))
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, words)],
        cwd=folder if found else folder.parent,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def thermograd(folder, *words, found=True):
    return started(folder, "-m", "thermograd", *words, found=found)


LISTS = """
from thermograd.cli import main
assert main(["list", "plugins", "--json"]) == 0
print("~")
assert main(["list", "schema"]) == 0
"""

RUN_AND_RESUME = """
import sys
from thermograd.cli import main
run = sys.argv[1]
assert main(["run", "experiment.toml", "--out", run, "--dynamics.learning_rate", "0.005"]) == 0
assert main(["resume", run]) == 0
"""


def test_it_is_listed_with_its_summary_and_in_the_schema(installed):
    done = started(installed, "-c", LISTS)
    assert done.returncode == 0, done.stderr
    plugins, schema = done.stdout.split("~\n", 1)
    listed = json.loads(plugins)
    assert all(kind in listed[role] for role, kind in KINDS.items())
    assert "signSGD" in listed["dynamics"]["sign_descent"]
    assert all(f'"{kind}"' in schema for kind in KINDS.values())


def test_it_is_configured_run_and_resumed(installed, tmp_path):
    run = tmp_path / "run"
    done = started(installed, "-c", RUN_AND_RESUME, run)
    assert done.returncode == 0, done.stderr
    assert "finished already" in done.stderr
    norms = open_run(run)["weight_norm"]
    assert norms.shape == (8, 5)
    assert (norms > 0).all()
    # a kick of half the norm, independent of the weights, lengthens them by 12 % after two epochs
    assert (norms[:, 3] > norms[:, 2]).all()


@pytest.mark.slow
def test_a_wrong_field_is_named_and_a_missing_package_is_refused(installed, tmp_path):
    wrong = thermograd(
        installed, "run", "experiment.toml", "--out", tmp_path / "a", "--perturbation.scal", "1"
    )
    assert wrong.returncode == 2
    assert "Did you mean 'scale'?" in wrong.stderr
    refused = thermograd(
        installed, "run", "experiment.toml", "--out", tmp_path / "b", "--perturbation.scale", "-1"
    )
    assert refused.returncode == 2
    assert "perturbation.scale" in refused.stderr
    absent = thermograd(installed, "run", installed / "experiment.toml", "--out", tmp_path / "c", found=False)
    assert absent.returncode == 2
    assert "sign_descent" in absent.stderr
    assert list(tmp_path.iterdir()) == []
