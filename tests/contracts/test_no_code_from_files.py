"""No file can run code: no pickle, no eval, no YAML, no archive extraction, and tensors by `weights_only=True` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import thermograd

SOURCE = Path(thermograd.__file__).parent
FORBIDDEN_IMPORTS = {"yaml", "marshal", "shelve", "dill", "cloudpickle", "joblib", "tarfile", "runpy"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {
    "pickle": {"load", "loads", "Unpickler"},
    "shutil": {"unpack_archive"},
    "code": {"interact", "InteractiveConsole"},
}
EXTRACTING = {"extractall", "unpack_archive"}
ALLOWED = {
    ("ensemble/plugin_fields.py", "eval"),  # annotations of installed classes
    ("cli/recipes.py", "eval"),  # annotations of installed functions
    ("reproductions/running_forked_workers.py", "pickle.loads"),  # from its own forks, through a pipe
    ("reproductions/running_jobs.py", "runpy"),  # thermograd itself
}


def faults(source: str, file: str = "") -> list[str]:
    """What in a source could run code that a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in FORBIDDEN_IMPORTS]
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")[0]
            names = {name.name for name in node.names}
            found += [module] if module in FORBIDDEN_IMPORTS else []
            found += [f"{module}.{name}" for name in names & FORBIDDEN_METHODS.get(module, set())]
        elif isinstance(node, ast.Call):
            found += _called(node)
    return [entry for entry in found if (file, entry) not in ALLOWED]


def _called(node: ast.Call) -> list[str]:
    if isinstance(node.func, ast.Name):
        return [node.func.id] if node.func.id in FORBIDDEN_CALLS else []
    if not isinstance(node.func, ast.Attribute):
        return []
    owner, method = ast.unparse(node.func.value), node.func.attr
    if method in EXTRACTING:
        return [method]
    if (owner, method) == ("pickle", "loads") and ast.unparse(node.args[0]).startswith("pickle.dumps("):
        return []  # what this process has just made
    if method in FORBIDDEN_METHODS.get(owner, set()):
        return [f"{owner}.{method}"]
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if (owner, method) == ("torch", "load") and said.get("weights_only") != "True":
        return ["torch.load without weights_only=True"]
    if owner in {"np", "numpy"} and method == "load" and said.get("allow_pickle") != "False":
        return ["np.load without allow_pickle=False"]
    if owner in {"np", "numpy"} and method.startswith("save") and said.get("allow_pickle") != "False":
        return (
            [f"np.{method} without allow_pickle=False"]
            if method in {"save", "savez", "savez_compressed"}
            else []
        )
    return []


def test_nothing_runs_what_a_file_holds():
    sources = {
        str(file.relative_to(SOURCE)): file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py")
    }
    assert {name: found for name, text in sources.items() if (found := faults(text, name))} == {}
    assert len(sources) > 300


@pytest.mark.parametrize(
    "source",
    [
        "import yaml",
        "from joblib import load",
        "import pickle\npickle.loads(b'')",
        "from pickle import Unpickler",
        "eval('1')",
        "exec(text)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "zipfile.ZipFile(file).extractall()",
        "shutil.unpack_archive(file)",
    ],
)
def test_each_of_them_would_be_noticed(source):
    assert faults(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.UnpicklingError",
        "pickle.loads(pickle.dumps(x))",
        "model.eval()",
        "torch.load(f, weights_only=True)",
    ],
)
def test_what_is_harmless_passes(source):
    assert faults(source) == []
