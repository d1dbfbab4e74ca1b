"""`thermograd doctor`: what is installed here, and does it work?"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import thermograd
from thermograd.cli import terminal
from thermograd.cli.exit_codes import DONE, INCOMPLETE

_NEEDED = ("", "lab")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:;.*extra == ['\"]([a-z0-9_-]+)['\"])?")


def doctor(*, json: Annotated[bool, Parameter(negative=(), show_default=False)] = False) -> int:
    """Say what is installed and train one step on each engine; exit code 1 if something is at fault.

    Packages of optional extras may be absent, which is no fault: the line says how to install them.

    Args:
        json: print one JSON object.

    Returns:
        Exit code.
    """
    faults: list[str] = []
    found: dict[str, str] = {
        "thermograd": thermograd.__version__,
        "Python": f"{platform.python_version()} on {platform.machine()}",
        "processors": str(os.cpu_count()),
        "free disk": f"{shutil.disk_usage(Path.cwd()).free / 1e9:.3g} GB here",
    }
    for package, extra in packages().items():
        found[package] = _version(package, extra, faults)
    checks = (
        ("compiler", _compiler),
        ("processor features", _features),
        ("engine eager", partial(_one_step, "eager")),
        ("engine compiled", _compiled),
        ("engine kernel", _kernel),
        ("data folder", _data_folder),
    )
    for name, check in checks:
        found[name] = _tried(name, check, faults)
    if json:
        terminal.result_json({"ok": not faults, "found": found, "faults": faults})
    else:
        for name, text in found.items():
            terminal.result(f"{name:20} {text}")
        terminal.result("all is well" if not faults else "\n".join(f"fault: {fault}" for fault in faults))
    return INCOMPLETE if faults else DONE


def packages() -> dict[str, str]:
    """Every package that thermograd or one of its extras asks for, with the extra; "" needs none.

    >>> packages()["numpy"], packages()["plotly"]
    ('', 'lab')
    """
    found: dict[str, str] = {}
    for line in requires("thermograd") or ():
        parsed = _REQUIREMENT.match(line)
        if parsed is not None and parsed[2] != "dev":
            found.setdefault(parsed[1], parsed[2] or "")
    return dict(sorted(found.items(), key=lambda entry: (entry[1] not in _NEEDED, entry[1])))


def _version(package: str, extra: str, faults: list[str]) -> str:
    try:
        installed = version(package)
    except PackageNotFoundError:
        command = f"pip install 'thermograd{f'[{extra}]' if extra else ''}'"
        if extra not in _NEEDED:
            return f"absent, optional: {command}"
        faults.append(f"{package} is not installed: {command}")
        return f"absent: {command}"
    return installed if extra in _NEEDED else f"{installed} (extra {extra})"


def _tried(name: str, check: Callable[[], str], faults: list[str]) -> str:
    try:
        return check()
    except Exception as error:  # whatever is wrong with the installation is what is asked for
        text = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        faults.append(f"{name}: {text}")
        return text


def _features() -> str:
    import torch  # here, so that --help stays quick

    return (
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, "
        f"{'CUDA' if torch.cuda.is_available() else 'no CUDA device'}"
    )


def _data_folder() -> str:
    """The folder of data sets that are not part of the package, and which of them it holds."""
    from thermograd.problems import cifar10_images, mnist_images
    from thermograd.problems.data_folder import VARIABLE, present_files

    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"none: {VARIABLE} is not set (MNIST and CIFAR-10 need it)"
    if not Path(folder).is_dir():
        message = f"{VARIABLE} is {folder}, which is no folder"
        raise NotADirectoryError(message)
    held = []
    for images in (mnist_images, cifar10_images):
        files = present_files(images.DATA_SET, images.FORMS)
        small = " (small)" if len(files) == 1 else ""
        held.append(f"{images.DATA_SET}{small}" if files else f"no {images.DATA_SET}")
    return f"{folder}: {', '.join(held)}"


def _compiler() -> str:
    """The C++ compiler that builds kernels; that there is none is no fault."""
    from thermograd.ensemble.engines.kernel.compiler import compiler, no_compiler

    known = compiler()
    return no_compiler() if known is None else f"{known[0]}: {known[1]}"


def _compiled() -> str:
    """One step of the compiled engine, which needs a C++ compiler on the processor."""
    from thermograd.ensemble.engines.kernel.compiler import compiler

    return "needs a C++ compiler" if compiler() is None else _one_step("compiled")


def _kernel() -> str:
    """One step of the kernel engine, and where built kernels are kept."""
    from thermograd.ensemble.engines.kernel.compiler import cache_folder, compiler

    return (
        "needs a C++ compiler"
        if compiler() is None
        else f"{_one_step('kernel')}; kernels in {cache_folder()}"
    )


def _one_step(engine: str) -> str:
    """One step of a problem whose answer is known: θ' = θ − η (θ − x̄) for unit curvature and full batches."""
    from thermograd.dynamics import SGD
    from thermograd.ensemble.experiment import Experiment
    from thermograd.ensemble.run import run
    from thermograd.minibatching import WithoutReplacement
    from thermograd.problems import Quadratic

    problem = Quadratic(curvatures=(1.0,), samples=4)
    experiment = Experiment(
        problem,
        minibatching=WithoutReplacement(batch_size=None),
        dynamics=SGD(0.5),
        trajectories=2,
        steps=1,
        engine=engine,
    )
    before = experiment.initial_weights([0, 1])["position"]
    mean = float(experiment.functional.train[0].mean())
    after = run(experiment).weights()["position"]
    error = float(abs(after - (before - 0.5 * (before - mean))).max())
    if not error < 1e-12:
        message = f"one step is wrong by {error:.3g}"
        raise ArithmeticError(message)
    return "one step of two trajectories is right"
