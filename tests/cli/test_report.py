from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from cyclopts import App
from thermograd.cli.report import report
app = App(name="thermograd", result_action="return_value")
app.command(report)
assert "numpy" not in sys.modules
try:
    code = app(sys.argv[1:], exit_on_error=False, print_error=False)
except Exception as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    code = getattr(error, "exit_code", 2)
assert "torch" not in sys.modules
sys.exit(code)
"""


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-c", CODE, "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_a_foreign_folder_is_refused_without_torch(tmp_path):
    done = call(tmp_path)
    assert done.returncode == 3
    assert "is not a run of thermograd" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [(), ("--outt", "x")])
def test_wrong_usage_is_refused(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_help_needs_neither_numpy_nor_torch():
    done = subprocess.run(
        [sys.executable, "-c", "import thermograd.cli.report, sys; sys.exit('numpy' in sys.modules)"],
        timeout=50,
    )
    assert done.returncode == 0
