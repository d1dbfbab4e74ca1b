"""The list of what `estimate` or `predict` can be asked for, with options; and everything about one of them."""

from __future__ import annotations

import inspect
from typing import Any

from thermograd.cli import estimates, predictions, terminal
from thermograd.cli.option_words import annotation_text, option_name
from thermograd.cli.recipes import Recipe


def list_recipes(what: str, name: str | None, *, as_json: bool) -> None:
    """Print them.

    Args:
        what: "estimates" or "predictions".
        name: of one of them, all of which is told; None lists all.
        as_json: print one JSON object. What can only be called from Python has `python_only`, the argument that no word
            can say.

    Raises:
        ConfigError: there is none of that name.
    """
    of_theory = what == "predictions"
    if name is not None:
        recipe = predictions.prediction_named(name) if of_theory else estimates.estimate_named(name)
        if as_json:
            terminal.result_json({name: {**_entry(recipe), "documentation": _documentation(recipe)}})
        else:
            terminal.result(f"{name}\n  {_options(recipe)}\n\n{_documentation(recipe)}".rstrip())
        return
    known = predictions.known_predictions() if of_theory else estimates.known_estimates()
    others = predictions.python_only() if of_theory else estimates.python_only()
    if as_json:
        found: dict[str, Any] = {name: _entry(recipe) for name, recipe in known.items()}
        terminal.result_json(found | {name: {"python_only": needs} for name, needs in others.items()})
        return
    for recipe in known.values():
        terminal.result(f"{recipe.name}\n  {recipe.summary}\n  {_options(recipe)}".rstrip())
    for other, needs in others.items():
        terminal.result(f"{other}\n  Python only, for its argument {needs}")


def _entry(recipe: Recipe) -> dict[str, Any]:
    return {
        "summary": recipe.summary,
        "options": {option_name(name): annotation_text(kind) for name, kind in recipe.options().items()},
        "required": [option_name(name) for name in recipe.needed()],
    }


def _options(recipe: Recipe) -> str:
    needed = recipe.needed()
    shown = []
    for name, kind in recipe.options().items():
        option = f"{option_name(name)} {annotation_text(kind).upper()}"
        shown.append(option if name in needed else f"[{option}]")
    return " ".join(shown)


def _documentation(recipe: Recipe) -> str:
    """What the function says of itself, then what makes its arguments says of theirs; without examples."""
    makers = [entry for entry in recipe.made.values() if entry.own]
    texts = [inspect.getdoc(entry.function) or "" for entry in (recipe, *makers)]
    return "\n\n".join(text.partition("\n>>>")[0].rstrip() for text in texts)
