"""What a run directory without its manifest still says about itself, and whether that is of one experiment."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermograd.ensemble.directory_creation import EXPERIMENT, LARGEST_EXPERIMENT
from thermograd.ensemble.resume_checks import refuse_older_format
from thermograd.errors import DamagedRunError, ExperimentMismatchError
from thermograd.store.checkpoint_file import FILE as CHECKPOINT
from thermograd.store.checkpoint_file import checkpoint_identity
from thermograd.store.manifest_file import FORMAT_VERSION, newer_format
from thermograd.store.options import StoreOptions
from thermograd.store.printable import printable
from thermograd.store.run_file import read_run_file
from thermograd.store.zarr_group import GROUP, LARGEST_METADATA

_RECORD = re.compile(r"# run_id = ([0-9a-f]{32}), identity = ([0-9a-f]{64})")


@dataclass(frozen=True)
class Remains:
    """What is left of a run.

    Attributes:
        run_id: of the arrays, "" if they do not say.
        name: of the arrays.
        recorded: run_id and identity that `experiment.toml` was written with, "" if it does not say.
        options: how the run was written; the defaults if that is lost.
    """

    run_id: str
    name: str
    recorded: tuple[str, str]
    options: StoreOptions

    def belongs_to(self, run: Path, identity: str) -> bool:
        """Whether the arrays are known to hold an experiment.

        `experiment.toml` says so if it was written with the identity of the experiment and with the run_id of the
        arrays; a checkpoint does, if it was written for that experiment.

        Args:
            run: the run directory.
            identity: of the experiment.

        Raises:
            ExperimentMismatchError: they are known to hold another.
        """
        run_id, recorded = self.recorded
        of_checkpoints = set(_identities(run))
        others = {*of_checkpoints, *filter(None, [recorded])} - {identity}
        if others:
            message = (
                f"manifest.json of {printable(run)} is lost, and what is left was written for experiment "
                f"{printable(min(others))[:12]}, not for {identity[:12]}. Was {EXPERIMENT} changed? Put it back, or give "
                "the experiment of the run as experiment= from Python"
            )
            raise ExperimentMismatchError(message)
        return bool(recorded and self.run_id == run_id) or identity in of_checkpoints


def found_remains(run: Path) -> Remains:
    """What a run directory says without its manifest.

    Args:
        run: the run directory.

    Returns:
        What is left.

    Raises:
        NewerFormatError: the arrays were written by a later version.
        OlderFormatError: by an earlier one.
    """
    attributes = _attributes(run)
    version = attributes.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        error = newer_format(run, version)
        raise error
    if isinstance(version, int):
        refuse_older_format(run, version)
    text = _experiment(run)
    record = _RECORD.match(text)
    return Remains(
        run_id=str(attributes.get("run_id", "")),
        name=str(attributes.get("name", "")),
        recorded=(record[1], record[2]) if record else ("", ""),
        options=_options(text),
    )


def _attributes(run: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_run_file(run, run / GROUP / "zarr.json", LARGEST_METADATA))["attributes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, DamagedRunError):
        return {}
    return found if isinstance(found, dict) else {}


def _experiment(run: Path) -> str:
    try:
        return read_run_file(run, run / EXPERIMENT, LARGEST_EXPERIMENT).decode("utf-8")
    except (OSError, ValueError, DamagedRunError):
        return ""


def _options(text: str) -> StoreOptions:
    try:
        return StoreOptions(**tomllib.loads(text)["store"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return StoreOptions()


def _identities(run: Path) -> Iterator[str]:
    """Of the experiments that the checkpoints were written for."""
    for file in sorted((run / "blocks").glob(f"*/{CHECKPOINT}")):
        found = checkpoint_identity(file)
        if found is not None:
            yield found
