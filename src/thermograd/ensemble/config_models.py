"""Pydantic models of the config, made from the dataclasses, so that a new plug-in needs no edit here."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from thermograd.ensemble.executors.choice import executor_kinds
from thermograd.ensemble.experiment import Experiment
from thermograd.ensemble.plugin_fields import ROLES, default_of, field_types, kinds, times_kinds, union_of
from thermograd.errors import MissingExtraError
from thermograd.protocols import Times
from thermograd.store.options import StoreOptions

try:
    from pydantic import (
        BaseModel,
        ConfigDict,
        Field,
        TypeAdapter,
        ValidationError,
        create_model,
        model_validator,
    )
except ImportError as absent:
    raise MissingExtraError(package="pydantic", extra="lab", purpose="A config file") from absent

__all__ = ["BaseModel", "Table", "ValidationError", "config_model", "config_type"]

NONE = "none"
"""How a text says that a field with another default is not set."""

_LISTS = (tuple, list, collections.abc.Sequence, collections.abc.Iterable)
_ROLE_HELP = {"perturb": False, "save_weights": True}


class Table(BaseModel):
    """A table of a config: strict types, unknown keys refused; `built` makes the object it describes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    plugin: ClassVar[Any] = None

    @model_validator(mode="after")
    def _accepted_by_the_class(self) -> Table:
        self.built()
        return self

    def built(self) -> Any:
        """The plug-in with these fields."""
        values = {
            name: _plain(getattr(self, name))
            for name in type(self).model_fields
            if name != "kind" and name in self.model_fields_set
        }
        if self.plugin is None:
            return values
        return self.plugin(**values) if isinstance(self.plugin, type) else self.plugin


@cache
def config_model(imported: tuple[tuple[str, str, Any], ...] = ()) -> type[BaseModel]:
    """The model of a whole config.

    Args:
        imported: further plug-ins as (field of the experiment, `module:name`, object).

    Returns:
        A model with the fields of `Experiment`, and `name`, `store`, `executor`.
    """
    fields: dict[str, Any] = {"name": (str, "")}
    types_ = field_types(Experiment)
    for entry in dataclasses.fields(Experiment):
        default = default_of(entry)
        default = ... if default is dataclasses.MISSING else None
        if entry.name in ROLES:
            member = _union(entry.name, _members(entry.name, imported))
            accepted = _list(member) if entry.name == "observe" else member
            fields[entry.name] = (_optional(accepted, default), default)
        elif entry.name in _ROLE_HELP:
            fields[entry.name] = (_optional(_times(recording=_ROLE_HELP[entry.name]), None), None)
        else:
            kind, _ = config_type(types_[entry.name])
            fields[entry.name] = (_optional(kind, None), None)
    fields["start"] = (Literal["independent", "shared"] | None, None)
    fields["store"] = (_table("store", None, StoreOptions) | None, None)
    fields["executor"] = (_union("executor", executor_kinds()) | None, None)
    return create_model("Config", __config__=ConfigDict(extra="forbid", strict=True, frozen=True), **fields)


def built_entry(role: str, table: Mapping[str, Any], imported: tuple[tuple[str, str, Any], ...]) -> Any:
    """What one table of a role describes, None if it is refused.

    >>> built_entry("observe", {"kind": "loss"}, ()).name, built_entry("observe", {"kind": "losss"}, ())
    ('train_loss', None)
    """
    try:
        return _adapter(role, imported).validate_python(table).built()
    except ValidationError:
        return None


@cache
def _adapter(role: str, imported: tuple[tuple[str, str, Any], ...]) -> TypeAdapter[Any]:
    return TypeAdapter(_union(role, _members(role, imported)))


def _members(role: str, imported: tuple[tuple[str, str, Any], ...]) -> dict[str, Any]:
    return {**kinds(role), **{kind: plugin for field, kind, plugin in imported if field == role}}


def config_type(annotation: Any) -> tuple[Any, bool]:
    """What a text may give for a field of some type.

    Args:
        annotation: the type of the dataclass field.

    Returns:
        The type to validate with, None if a text cannot express it; and whether None is allowed.

    >>> config_type(int | None), config_type(bytes)
    ((<class 'int'>, True), (None, False))
    """
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        found = [config_type(member) for member in typing.get_args(annotation)]
        if Times in typing.get_args(annotation):
            return _times(recording=True), type(None) in typing.get_args(annotation)
        members = [kind for kind, _ in found if kind is not None and kind is not Any]
        joined = union_of(members) if members else None
        return joined, any(optional for _, optional in found)
    if annotation is type(None):
        return None, True
    if annotation is Times:
        return _times(recording=True), False
    if annotation is float:
        return Annotated[float, Field(allow_inf_nan=False)], False
    if annotation in {int, str, bool, Any} or typing.get_origin(annotation) is Literal:
        return annotation, False
    return _container(annotation), False


def _container(annotation: Any) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    inner: list[Any] = [config_type(entry)[0] for entry in arguments if entry is not Ellipsis]
    if not inner or None in inner:
        return None
    if origin in _LISTS:
        length = None if origin is not tuple or Ellipsis in arguments else len(arguments)
        return Annotated[_list(union_of(inner)), Field(min_length=length or 0, max_length=length)]
    if origin in {dict, collections.abc.Mapping}:
        return types.GenericAlias(dict, (str, inner[-1]))
    return None


def _union(role: str, members: Mapping[str, Any]) -> Any:
    tables = tuple(_table(role, kind, plugin) for kind, plugin in members.items())
    if len(tables) == 1:
        return tables[0]
    return Annotated[union_of(tables), Field(discriminator="kind")]


def _times(*, recording: bool) -> Any:
    return _union("times", times_kinds(recording=recording))


def _table(role: str, kind: str | None, plugin: Any) -> Any:
    """The model of one dataclass."""
    fields: dict[str, Any] = {} if kind is None else {"kind": (Literal[kind], ...)}
    if isinstance(plugin, type):
        declared = field_types(plugin)
        for entry in dataclasses.fields(plugin):
            if not entry.init:
                continue
            accepted, optional = config_type(declared[entry.name])
            if accepted is None:
                continue
            default = default_of(entry)
            if optional:
                accepted = accepted | Literal["none"] | None
            fields[entry.name] = (accepted, ... if default is dataclasses.MISSING else None)
    name = "".join(part.capitalize() for part in (role, *(kind or "").replace(":", "_").split("_")))
    summary = (inspect.getdoc(plugin) or "").partition("\n")[0]
    model = create_model(name, __base__=Table, __doc__=summary, **fields)
    model.plugin = plugin
    return model


def _list(member: Any) -> Any:
    return types.GenericAlias(list, (member,))


def _optional(kind: Any, default: Any) -> Any:
    return kind if default is ... else kind | None


def _plain(value: Any) -> Any:
    if isinstance(value, Table):
        return value.built()
    if isinstance(value, str) and value == NONE:
        return None
    if isinstance(value, list):
        return tuple(_plain(entry) for entry in value)
    return value
