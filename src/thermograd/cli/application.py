"""The verbs, and how words become calls."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App, CycloptsError
from cyclopts.exceptions import (
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

import thermograd
from thermograd.discover import nearest

VERBS = {
    "quickstart": ("thermograd.cli.quickstart:quickstart", "The main job on real data, ending in a report."),
    "run": ("thermograd.cli.run:run", "Run the experiment of a config file in a run directory."),
    "resume": ("thermograd.cli.resume:resume", "Go on with a run after any interruption."),
    "watch": (
        "thermograd.cli.watch:watch",
        "A run while it goes on, in a browser or in the terminal.",
    ),
    "advise": (
        "thermograd.cli.advise:advise",
        "Would perturbing help, and how often? From run directories or recorded files.",
    ),
    "estimate": (
        "thermograd.cli.estimate:estimate",
        "One number or curve with its interval, from a run directory or recorded runs.",
    ),
    "predict": (
        "thermograd.cli.predict:predict",
        "What theory says, from parameters: a number or curve, where it holds, what it rests on.",
    ),
    "sample": (
        "thermograd.cli.sample:sample",
        "Draws from a posterior by SGLD or SGWORLD, and whether they converged.",
    ),
    "reproduce": (
        "thermograd.cli.reproduce:reproduce",
        "A paper's numbers beside ours: paper, ours, verdict, and the figures.",
    ),
    "report": (
        "thermograd.cli.report:report",
        "One self-contained HTML page of a run, or of several compared.",
    ),
    "list": (
        "thermograd.cli.list:list_",
        "Plug-ins, runs in a folder, estimates, predictions, reproductions, or the config schema.",
    ),
    "doctor": ("thermograd.cli.doctor:doctor", "What is installed here, and does it work?"),
}
_EPILOGUE = (
    "Everywhere: --quiet (results and errors only), --traceback (show it instead of one line). "
    "Exit codes: 0 done, 1 something is missing, 2 usage or config, 3 run directory refused, 4 disk, memory or extra, "
    "70 our bug, 130/143 interrupted."
)


class UsageError(Exception):
    """Words that are no command."""


def application() -> App:
    """The application with its verbs, none of them imported."""
    app = App(
        name="thermograd",
        help="Measure, predict and steer the training of neural networks as a stochastic process.",
        help_epilogue=_EPILOGUE,
        version=thermograd.__version__,
        suppress_keyboard_interrupt=False,
    )
    for verb, (target, summary) in VERBS.items():
        app.command(target, name=verb, help=summary)
    return app


def run_verb(words: Sequence[str]) -> int:
    """Parse the words and run the verb.

    Args:
        words: what follows `thermograd`.

    Returns:
        Its exit code.

    Raises:
        UsageError: they are no command; one line, with the nearest name.
    """
    if words and not words[0].startswith("-") and words[0] not in VERBS:
        message = f"unknown verb {words[0]!r}. {nearest(words[0], VERBS)}"
        raise UsageError(message)
    app = application()
    try:
        code = app(list(words), exit_on_error=False, print_error=False, result_action="return_value")
    except UnknownOptionError as error:
        raise UsageError(_unknown_option(error)) from error
    except UnknownCommandError as error:
        message = f"unknown word {' '.join(error.unused_tokens or words)!r}; see thermograd --help"
        raise UsageError(message) from error
    except MissingArgumentError as error:
        message = f"{_missing(error, words)} See thermograd {words[0] if words else ''} --help"
        raise UsageError(message) from error
    except UnusedCliTokensError as error:
        extra = " ".join(error.unused_tokens or ())
        options = f"; an option begins with --: thermograd {words[0]} --help" if words else ""
        message = f"{extra!r} is more than {words[0] if words else 'thermograd'} takes{options}"
        raise UsageError(message) from error
    except CycloptsError as error:
        message = f"{' '.join(str(error).split())} See thermograd {words[0] if words else ''} --help"
        raise UsageError(message) from error
    return code if isinstance(code, int) else 0


def _missing(error: MissingArgumentError, words: Sequence[str]) -> str:
    """A word that has no option's name is called as in the usage line."""
    argument = error.argument
    if argument is None:
        return " ".join(str(error).split())
    if argument.field_info.kind is argument.field_info.KEYWORD_ONLY:
        given = argument.name in {word.partition("=")[0] for word in words}
        return f"{argument.name} needs a value." if given else f"{argument.name} is required."
    return f"{argument.name.removeprefix('--').upper()} is missing."


def _unknown_option(error: UnknownOptionError) -> str:
    given = error.token.keyword or error.token.value
    known: list[str] = []
    for argument in error.argument_collection or ():
        known += [name for name in argument.names if name.startswith("--") and not name.startswith("--no-")]
    return f"unknown option {given}. {nearest(given, [*known, '--quiet', '--traceback', '--help'])}"
