"""`load_config`: an experiment as a TOML file."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from thermograd.ensemble.config_checks import TIMES, cross_checks
from thermograd.ensemble.config_errors import Problem, config_error, problems_of
from thermograd.ensemble.config_models import (
    BaseModel,
    Table,
    ValidationError,
    config_model,
)
from thermograd.ensemble.config_overrides import overridden
from thermograd.ensemble.executors.choice import executor_kinds
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.identity import describe
from thermograd.ensemble.plugin_fields import (
    ROLES,
    default_of,
    field_types,
    imported,
    kind_of,
    kinds,
    times_kinds,
)
from thermograd.ensemble.toml_text import toml_text
from thermograd.numerics.argument_kind import check_path
from thermograd.store.options import StoreOptions
from thermograd.store.printable import printable

LARGEST_BYTES = 2**20


@dataclass(frozen=True)
class Config:
    r"""What a config file says.

    Attributes:
        name: of the run.
        experiment: what is run; what alone decides the numbers.
        store: how the files are written.
        executor: `kind` and its options.

    >>> config = parse_config('problem = "quadratic"\nsteps = 100')
    >>> config.experiment.steps, config.executor, config.store.checkpoint_seconds
    (100, {'kind': 'inline'}, 60.0)
    >>> parse_config(config.to_toml()).identity == config.identity  # all defaults written
    True
    """

    name: str
    experiment: Experiment
    store: StoreOptions
    executor: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON of the whole experiment."""
        return describe(self.experiment).identity

    def to_toml(self) -> str:
        """Canonical TOML with all defaults written; reading it gives an equal config."""
        content = {"name": self.name, **describe(self.experiment).content}
        return toml_text(
            {**content, "store": dataclasses.asdict(self.store), "executor": dict(self.executor)}
        )

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """JSON Schema of a config, every installed plug-in included."""
        return config_model().model_json_schema()


def load_config(
    path: str | Path, overrides: Iterable[tuple[str, str]] = (), *, allow_import: bool = False
) -> Config:
    r"""Read and validate a config file; nothing in it is executed.

    Args:
        path: a TOML file of at most 1 MiB.
        overrides: (dotted path, value in TOML syntax), applied before validation.
        allow_import: allow `kind = "module:name"`, which imports that module.

    Returns:
        The config.

    Raises:
        ConfigError: all problems of the file together, `.problems` as (dotted path, message).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "experiment.toml")
    ...     _ = path.write_text('problem = "quadratic"\nsteps = 100\ndynamics = "sgd"', encoding="utf-8")
    ...     load_config(path, [("dynamics.learning_rate", "0.02")]).experiment.dynamics.learning_rate
    0.02
    """
    check_path("path", path)
    return parse_config(_file_text(Path(path)), str(path), overrides, allow_import=allow_import)


def parse_config(
    text: str,
    source: str = "config",
    overrides: Iterable[tuple[str, str]] = (),
    *,
    allow_import: bool = False,
) -> Config:
    """The config in a text; `source` is how errors call it.

    >>> parse_config(chr(10).join(["problem = 'quadratic'", "steps = 5"])).experiment.dynamics
    SGD(learning_rate=0.1, momentum=0.0, dampening=0.0)
    """
    content, problems = overridden(_toml_content(text, source), overrides)
    model = _validated(content, source, problems, allow_import=allow_import)
    executor = dict(content.get("executor", {"kind": "inline"}))
    store = _built(getattr(model, "store", None)) or StoreOptions()
    return Config(str(getattr(model, "name", "")), _experiment(model, source), store, executor)


def built_experiment(content: Mapping[str, Any], source: str, *, allow_import: bool = False) -> Experiment:
    """The experiment that a canonical description describes.

    Args:
        content: what a config file holds, or the `experiment` in the manifest of a run.
        source: where it is from, for messages.
        allow_import: allow `kind = "module:name"`, which imports that module.

    Returns:
        The experiment, its fields built.

    Raises:
        ConfigError: all problems together.

    >>> built_experiment({"problem": "quadratic", "steps": 100}, "here").total_steps
    100
    """
    return _experiment(_validated(dict(content), source, [], allow_import=allow_import), source)


def _toml_content(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{source}:{line[1]}" if line else source
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise config_error(where, [("", f"not TOML: {why}")]) from error


def _file_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise config_error(str(path), [("", "there is no such file")]) from error
    except IsADirectoryError as error:
        raise config_error(str(path), [("", "is a directory; give a TOML file")]) from error
    except (OSError, ValueError) as error:
        raise config_error(str(path), [("", f"cannot be read ({error})")]) from error
    if len(raw) > LARGEST_BYTES:
        raise config_error(str(path), [("", "is larger than 1 MiB; a config holds no data")])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        where = f"{path}:{line}"
        raise config_error(where, [("", "is not UTF-8")]) from error


def _validated(
    content: dict[str, Any], source: str, problems: list[Problem], *, allow_import: bool
) -> BaseModel:
    """The validated model of a config, or every problem of it at once."""
    content.update(_expanded(content))
    extra = _imports(content, problems, allow_import=allow_import)
    model: BaseModel | None = None
    try:
        model = config_model(extra).model_validate(content)
    except ValidationError as error:
        reported = {path for path, _ in problems}
        found = problems_of(error.errors(include_url=False), content, _known_fields(extra))
        problems += [entry for entry in found if entry[0] not in reported]
    except RecursionError as error:
        raise config_error(source, [("", "nested too deeply")]) from error
    problems += cross_checks(content, {path for path, _ in problems}, extra)
    if problems or model is None:
        raise config_error(source, problems)
    return model


def _expanded(content: Mapping[str, Any]) -> dict[str, Any]:
    """Strings that stand for a table with only a kind, as tables; the default kind where there is one."""
    expanded: dict[str, Any] = {}
    for key in (*ROLES, *TIMES, "executor"):
        if key in content:
            value = content[key]
            expanded[key] = [_table(entry) for entry in value] if isinstance(value, list) else _table(value)
            if isinstance(value, Mapping) and key in _default_kinds():
                expanded[key] = {"kind": _default_kinds()[key], **expanded[key]}
    return expanded


@cache
def _default_kinds() -> dict[str, str]:
    """Kinds that need not be said."""
    defaults = {
        entry.name: default_of(entry) for entry in dataclasses.fields(Experiment) if entry.name in ROLES
    }
    named = {
        name: kind_of(type(value)) for name, value in defaults.items() if dataclasses.is_dataclass(value)
    }
    return {"executor": "inline"} | {name: kind for name, kind in named.items() if kind is not None}


def _table(value: Any) -> Any:
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, Mapping):
        return {
            key: {"kind": entry} if key == "at" and isinstance(entry, str) else entry
            for key, entry in value.items()
        }
    return value


def _imports(
    content: Mapping[str, Any], problems: list[Problem], *, allow_import: bool
) -> tuple[tuple[str, str, Any], ...]:
    """The `module:name` kinds of a config, imported if that is allowed."""
    found = []
    for role in ROLES:
        value = content.get(role)
        for place, table in enumerate(value if isinstance(value, list) else [value]):
            kind = table.get("kind") if isinstance(table, Mapping) else None
            if not isinstance(kind, str) or ":" not in kind:
                continue
            path = f"{role}.{place}.kind" if isinstance(value, list) else f"{role}.kind"
            if not allow_import:
                problems.append(
                    (path, f"{kind!r} would import code; allow it with --allow-import (allow_import=True)")
                )
                continue
            try:
                found.append((role, kind, _plugin(role, kind)))
            except ValueError as error:
                problems.append((path, str(error)))
    return tuple(found)


def _plugin(role: str, kind: str) -> Any:
    thing = imported(kind)
    if isinstance(thing, type) and dataclasses.is_dataclass(thing):
        return thing
    if role == "perturbation" and callable(thing) and not isinstance(thing, type):
        return thing
    message = f"{kind!r} is a {type(thing).__name__}; a plug-in is a dataclass"
    raise ValueError(message)


def _known_fields(extra: tuple[tuple[str, str, Any], ...]) -> dict[str, list[str]]:
    """Fields by kind, for suggestions."""
    known = {
        "": [*field_types(Experiment), "name", "store", "executor"],
        "store": list(field_types(StoreOptions)),
    }
    tables = [
        executor_kinds(),
        *(kinds(role) for role in ROLES),
        times_kinds(recording=True),
        times_kinds(recording=False),
    ]
    tables.append({kind: plugin for _, kind, plugin in extra if isinstance(plugin, type)})
    for table in tables:
        known |= {kind: ["kind", *field_types(plugin)] for kind, plugin in table.items()}
    return known


def _experiment(model: BaseModel, source: str) -> Experiment:
    fields = {
        name: _built(getattr(model, name))
        for name in field_types(Experiment)
        if name in model.model_fields_set
    }
    try:
        return Experiment(**fields)
    except (ValueError, TypeError) as error:
        message = str(error)
        first = re.match(r"([a-z_]+)\b", message)
        path = first[1] if first and first[1] in fields else ("observe" if "observable" in message else "")
        raise config_error(source, [(path, printable(message))]) from error


def _built(value: Any) -> Any:
    if isinstance(value, Table):
        return value.built()
    if isinstance(value, list):
        return tuple(_built(entry) for entry in value)
    return value
