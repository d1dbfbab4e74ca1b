"""What is public in Python, and on which page of docs/reference/python each name stands.

Doors of `thermograd`, plug-ins, what the files of estimators, theory and advisors export, errors and interfaces are
found; the rest is listed here. What a public function returns is public too, and stands beside it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import thermograd
from thermograd import errors, protocols
from thermograd.discover import available

_INNER = ("thermograd.ensemble.executors.", "thermograd.store.layout")  # what only the engine is given
FOUND = "*"  # what the file lists in `__all__`; of a package its plug-ins
PLUGINS = tuple(
    f"thermograd.{role}" for role in ("problems", "minibatching", "dynamics", "perturbations", "observables")
)
_WORDS = {"fluctuation_dissipation": "fluctuation and dissipation"}
_INTEGRATIONS = {
    "thermograd.training.integrations.lightning": ("lightning.pytorch", "Callback"),
    "thermograd.training.integrations.transformers": ("transformers", "TrainerCallback"),
}


@dataclass(frozen=True)
class Page:
    """A page: its title, one sentence, and names by the module they are imported from."""

    title: str
    lead: str
    sections: dict[str, str]


@dataclass
class Entry:
    """A public name."""

    module: str
    name: str
    thing: Any
    page: str
    doors: list[str] = field(default_factory=list)
    by: str = ""  # what returns it, where that is why it is here

    @property
    def title(self) -> str:
        """The name; where it or its lower case is on the page twice, what tells it apart (an anchor has no capitals)."""
        on_page = [other for other in entries() if other.page == self.page]
        if sum(other.name == self.name for other in on_page) > 1:
            return f"{self.name} ({self.module.rpartition('.')[2]})"
        same = sum(other.name.lower() == self.name.lower() for other in on_page) > 1
        return f"{self.name} (class)" if same and inspect.isclass(self.thing) else self.name

    @property
    def anchor(self) -> str:
        """What is made of the title, by what shows the pages."""
        return re.sub(r"[^\w-]", "", self.title.lower().replace(" ", "-"))

    @property
    def link(self) -> str:
        return f"{self.page}#{self.anchor}"


PAGES = {
    "quantities.md": Page(
        "Quantities",
        "What flows between the parts: a value, its interval, and what it rests on.",
        {"thermograd": "Estimate Prediction Verdict Advice Landscape"},
    ),
    "problems.md": Page(
        "Problems",
        "A model, a loss per sample, and data.",
        {"thermograd": "Problem", "thermograd.problems": FOUND, "thermograd.problems.trimers": FOUND},
    ),
    "minibatching.md": Page(
        "Minibatching",
        "Which samples the next update uses.",
        {"thermograd.minibatching": FOUND, "thermograd.minibatching.batch_sampler": "BatchSampler"},
    ),
    "dynamics.md": Page("Dynamics", "The update rule.", {"thermograd.dynamics": FOUND}),
    "perturbations.md": Page(
        "Perturbations",
        "Weights to weights, in an ensemble or on a live model.",
        {"thermograd": "perturb", "thermograd.perturbations": FOUND},
    ),
    "observables.md": Page(
        "Observables",
        "Live torch state to numbers.",
        {
            "thermograd": "landscape Hessian",
            "thermograd.observables": FOUND,
            "thermograd.observables.fluctuation_dissipation": FOUND,
            "thermograd.observables.effective_loss": "minimize_effective_loss",
            "thermograd.observables.gradient_noise": "gradient_noise",
            "thermograd.observables.response": "response",
        },
    ),
    "ensemble.md": Page(
        "Ensembles",
        "Experiments, runs, and what is made of many trajectories.",
        {
            "thermograd": "Experiment plan run resume load_config PerturbationStudy sample_posterior posterior_predictive "
            "PosteriorDraws local_learning_coefficient measure_temperature",
            "thermograd.ensemble": "Start built_experiment",
            "thermograd.ensemble.run_sink": "log_means",
            "thermograd.ensemble.executors": "Inline Process Dask Submitit",
            "thermograd.numerics.log_times": "Every Epochs Logarithmic At Random",
        },
    ),
    "training.md": Page(
        "In your own training loop",
        "Nothing of yours is wrapped: one line beside the optimizer.",
        {
            "thermograd": "watch ReduceLROnStationarity Perturber PosteriorSampler",
            "thermograd.training.schedulers.cut_rules": "Equivalence Gain Ratio by_budget",
            "thermograd.training.schedulers.posterior_steps": "cyclical decaying",
            "thermograd.training.integrations.lightning": "WatchCallback",
            "thermograd.training.integrations.transformers": "WatchCallback",
        },
    ),
    "store.md": Page(
        "Runs and logs",
        "What was recorded, in memory and on disk.",
        {
            "thermograd": "open_run Run",
            "thermograd.store": "load_trajectories trajectories_of_run",
            "thermograd.store.options": "StoreOptions",
            "thermograd.store.trajectories": "in_epochs",
            "thermograd.store.sinks": "sink_of",
        },
    ),
    "advisor.md": Page(
        "Advice",
        "Estimates and predictions to what should be done.",
        {
            "thermograd.advisor.perturbation_interval": FOUND,
            "thermograd.advisor.learning_rate_decay": FOUND,
            "thermograd.advisor.posterior_step": FOUND,
            "thermograd.advisor.effective_temperature": "advise",
        },
    ),
    "report.md": Page(
        "Figures and pages",
        "`.plot()` of anything that flows needs none of these.",
        {
            "thermograd.report.figures": "figure figures_of",
            "thermograd.report.page": "write_page report_run",
            "thermograd.report.theory_beside_simulation": "Elements theory_beside_simulation",
        },
    ),
    "errors.md": Page(
        "Errors",
        "All but the last derive from `ThermogradError`; what they mean on the command line: [exit codes](../exit_codes.md).",
        {
            "thermograd.errors": " ".join(
                name
                for name, thing in vars(errors).items()
                if inspect.isclass(thing) and issubclass(thing, BaseException)
            )
        },
    ),
    "protocols.md": Page(
        "Interfaces of plug-ins",
        "What a class of yours must have: [Add a plug-in of my own](../../how-to/add_a_plug_in.md).",
        {
            "thermograd.protocols": "Dynamics Minibatching Perturbation Observable Accumulator Tracker Executor Batch "
            "HiddenLayer Times Kicks Oracle Context Tracking Future",
            "thermograd.discover": "available",
        },
    ),
}


def pages() -> dict[str, Page]:
    """Those above, and between them one for every phenomenon that is estimated, and one for theory."""
    last = ("advisor.md", "report.md", "errors.md", "protocols.md")
    return {
        **{file: page for file, page in PAGES.items() if file not in last},
        **{
            f"estimators_{stem}.md": Page(
                f"Estimates: {_WORDS.get(stem, stem.replace('_', ' '))}",
                "Recorded numbers to an estimate with its interval; numpy and scipy only.",
                {f"thermograd.estimators.{stem}": FOUND},
            )
            for stem in exporting("thermograd.estimators")
        },
        "theory.md": Page(
            "Theory",
            "Parameters to a prediction that never touched the data; numpy and scipy only.",
            {f"thermograd.theory.{stem}": FOUND for stem in exporting("thermograd.theory")},
        ),
        **{file: PAGES[file] for file in last},
    }


def exporting(package: str) -> list[str]:
    """The files of a package that say what they export; the others hold parts of these."""
    root = importlib.import_module(package)
    stems = [file.name for file in pkgutil.iter_modules(root.__path__)]
    return [stem for stem in stems if hasattr(importlib.import_module(f"{package}.{stem}"), "__all__")]


@cache
def entries() -> tuple[Entry, ...]:
    """Every public name once, where it comes first; functions before classes."""
    found: dict[int, Entry] = {}
    for file, page in pages().items():
        for module, names in page.sections.items():
            for name in listed(module) if names == FOUND else names.split():
                thing = getattr(imported(module), name)
                found.setdefault(id(thing), Entry(module, name, thing, file))
    waiting = list(found.values())
    while waiting:
        entry = waiting.pop(0)
        for thing in returned(entry.thing):
            if id(thing) not in found and not thing.__module__.startswith(_INNER):
                found[id(thing)] = Entry(thing.__module__, thing.__name__, thing, entry.page, by=entry.name)
                waiting.append(found[id(thing)])
    for name in doors():
        found[id(getattr(thermograd, name))].doors.append(f"tg.{name}")
    return tuple(found.values())


def doors() -> list[str]:
    return [name for name in thermograd.__all__ if name != "__version__"]


def listed(module: str) -> list[str]:
    """What a file exports, functions first, or the plug-ins of a package."""
    found = imported(module)
    if not hasattr(found, "__all__"):
        return [plugin.__name__ for plugin in available(module).values()]
    names = [name for name in found.__all__ if callable(getattr(found, name))]
    return sorted(names, key=lambda name: inspect.isclass(getattr(found, name)))


def constants(module: str) -> dict[str, Any]:
    """What a file exports that cannot be called."""
    found = imported(module)
    values = {name: getattr(found, name) for name in getattr(found, "__all__", ())}
    return {name: value for name, value in values.items() if not callable(value)}


@cache
def imported(module: str) -> types.ModuleType:
    """A module; that of an extra beside an empty base class, so that the page is the same without the extra."""
    if module not in _INTEGRATIONS or module in sys.modules:
        return importlib.import_module(module)
    foreign, base = _INTEGRATIONS[module]
    empty = types.ModuleType(foreign)
    setattr(empty, base, type(base, (), {}))
    names = {foreign, foreign.partition(".")[0]}
    earlier = {name: sys.modules[name] for name in names & sys.modules.keys()}
    sys.modules.update(dict.fromkeys(names, empty))
    try:
        found = importlib.import_module(module)
    finally:  # as if nothing had been imported
        for name in names | {module}:
            sys.modules.pop(name, None)
        sys.modules.update(earlier)
    package, _, stem = module.rpartition(".")
    delattr(sys.modules[package], stem)
    return found


def returned(thing: Any) -> Iterator[type]:
    """Our own classes that a function, or a method of a class, is annotated to return."""
    functions = [thing] if inspect.isfunction(thing) else [member for _, member in members(thing)]
    for function in functions:
        function = getattr(function, "fget", getattr(function, "__func__", function))
        annotation = str(getattr(function, "__annotations__", {}).get("return", ""))
        for name in re.findall(r"\b[A-Z]\w+", annotation):
            found = _looked_up(function.__module__, name)
            if inspect.isclass(found) and found.__module__.startswith("thermograd."):
                yield found


def members(thing: Any) -> list[tuple[str, Any]]:
    """Public methods and properties of a class of ours, in the order of the source; a plug-in's verbs aside."""
    if not inspect.isclass(thing) or issubclass(thing, BaseException):
        return []
    found: dict[str, Any] = {}
    for base in reversed(thing.__mro__):
        if base.__module__.startswith("thermograd"):
            found |= {name: value for name, value in vars(base).items() if name[0] != "_"}
    shown = (property, staticmethod, classmethod, types.FunctionType, cached_property)
    return [
        (name, value)
        for name, value in found.items()
        if isinstance(value, shown)
        and not (name in _verbs() and is_plugin(thing))
        and not name.startswith("on_")  # what a trainer calls
    ]


def is_plugin(thing: Any) -> bool:
    return any(thing in available(package).values() for package in PLUGINS)


@cache
def _verbs() -> frozenset[str]:
    """What the engine calls on plug-ins; their interfaces have a page."""
    interfaces = [value for value in vars(protocols).values() if getattr(value, "_is_protocol", False)]
    return frozenset(name for one in interfaces for name in vars(one) if name[0] != "_") | {
        "refuses",
        "epoch",
        "not_covered",
    }


def _looked_up(module: str, name: str) -> Any:
    found = sys.modules.get(module)
    if found is None or hasattr(found, name):
        return getattr(found, name, None)
    for line in ast.walk(ast.parse(inspect.getsource(found))):
        if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("thermograd"):
            if name in {one.name for one in line.names}:
                return getattr(importlib.import_module(str(line.module)), name, None)
    return None
