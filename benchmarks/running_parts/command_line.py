"""Import, help and version: what they cost beside a Python that does nothing, and that nothing heavy is imported for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from running_parts.process_cost import processor_seconds
from running_parts.row import Row
from thermograd.cli.application import VERBS

BAR = 30.0
IMPORT_BAR = 5.0
HEAVY = ("torch", "numpy", "scipy", "zarr", "plotly")
_LOADED = (
    "import sys\n"
    "from thermograd.cli import main\n"
    f"for words in [['--help'], ['--version'], *([verb, '--help'] for verb in {[*VERBS]!r})]:\n"
    "    assert main(words) == 0, words\n"
    f"print(sum(name in sys.modules for name in {HEAVY!r}))\n"
)


def rows(*, quick: bool) -> Iterator[Row]:
    """Least of 5 of each, all in turn; of the verbs the dearest."""
    commands = {
        "--help": ("--help",),
        "--version": ("--version",),
        **{verb: (verb, "--help") for verb in VERBS},
    }
    taken: dict[str, list[float]] = {name: [] for name in ("nothing", "import", *commands)}
    for _ in range(2 if quick else 5):
        taken["nothing"].append(processor_seconds("-c", "pass"))
        taken["import"].append(processor_seconds("-c", "import thermograd"))
        for name, words in commands.items():
            taken[name].append(processor_seconds("-m", "thermograd", *words))
    nothing = min(taken["nothing"])
    yield Row("import thermograd, over python -c pass", min(taken["import"]) / nothing, "<=", IMPORT_BAR)
    ratios = {name: min(taken[name]) / nothing for name in commands}
    for name in ("--help", "--version"):
        yield Row(f"thermograd {name}, over python -c pass", ratios.pop(name), "<=", BAR)
    dearest = max(ratios, key=ratios.__getitem__)
    what = f"help of the dearest of {len(VERBS)} verbs ({dearest}), over python -c pass"
    yield Row(what, ratios[dearest], "<=", BAR)
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    loaded = float(done.stdout.splitlines()[-1])
    yield Row(f"of {', '.join(HEAVY)}: imported for any help", loaded, "<=", 0, "count")
