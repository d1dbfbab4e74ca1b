"""Plain values as TOML, in a fixed order, so that equal content is equal text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(content: Mapping[str, Any]) -> str:
    """The TOML text of a table of strings, numbers, booleans, lists and tables.

    Scalars come first, then tables, then arrays of tables; keys keep their order. None is left out.

    >>> print(toml_text({"seed": 0, "dynamics": {"kind": "sgd", "learning_rate": 0.1}}), end="")
    seed = 0
    <BLANKLINE>
    [dynamics]
    kind = "sgd"
    learning_rate = 0.1
    """
    return "\n".join(_table(content, "")).strip("\n") + "\n"


def _table(content: Mapping[str, Any], path: str) -> list[str]:
    lines, later = [], []
    for key, value in content.items():
        if value is None:
            continue
        where = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(value, Mapping) and not path:
            later += ["", f"[{where}]", *_table(value, where)]
        elif (
            not path
            and isinstance(value, list)
            and value
            and all(isinstance(entry, Mapping) for entry in value)
        ):
            for entry in value:
                later += ["", f"[[{where}]]", *_table(entry, where)]
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    return lines + later


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {True: "nan"}.get(math.isnan(value), f"{value:+}")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        inside = ", ".join(
            f"{_key(key)} = {_value(entry)}" for key, entry in value.items() if entry is not None
        )
        return f"{{ {inside} }}" if inside else "{}"
    return f"[{', '.join(_value(entry) for entry in value)}]"


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for the delete character and lone surrogates
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
