"""Each file removed, truncated, one bit flipped: it is named or has no influence; repaired to the same bits."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from logistic_map import everything

from thermograd.errors import ThermogradError
from thermograd.store.reader import open_run

WAYS = ("removed", "truncated", "flipped", "flipped late")
Damage = tuple[str, str]


@pytest.fixture(scope="module")
def whole(pool, small, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "run"
    assert pool.ask({"run": path, "map": small, "time_chunk": 4})["error"] == ""
    return path


@pytest.fixture(scope="module")
def half(pool, small, tmp_path_factory) -> Path:
    """Stopped on the way, its first blocks in different states."""
    path = tmp_path_factory.mktemp("half") / "run"
    assert pool.ask({"run": path, "map": small, "time_chunk": 4, "until": 5})["error"] == ""
    return path


def _damages(path: Path) -> list[Damage]:
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    return [(file, how) for file in files for how in WAYS]


def _of_each_kind(damages: list[Damage], way: int) -> list[Damage]:
    """Files that differ in a number or the array they belong to are a kind: one harm to one file of each."""
    kinds: dict[str, list[Damage]] = {}
    for file, how in damages:
        kinds.setdefault(re.sub(r"\d+|(?<=zarr/)[\w.]+(?=/)", "*", file), []).append((file, how))
    return [found[(7 * (turn + way)) % len(found)] for turn, found in enumerate(kinds.values())]


def _harm(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "removed":
        file.unlink()
    elif how == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif content:
        place = len(content) // 3 if how == "flipped" else (4 * len(content)) // 5
        content[place] ^= 1 << (len(content) % 8)
        file.write_bytes(content)


def _named(error: Exception, file: str) -> bool:
    return file in str(error) or file in getattr(error, "damage", ())


def _wrong(path: Path, file: str, truth: dict[str, bytes]) -> str | None:
    """What a reader makes of a damaged finished run: the truth, or the name of the file."""
    try:
        found = everything(open_run(path))
    except ThermogradError as error:
        return None if _named(error, file) else f"{file}: not named in {error}"
    return None if found == truth else f"{file}: a wrong number"


def _salvaged_wrongly(path: Path, truth: dict[str, bytes]) -> bool:
    """With salvage every number is the true one or missing."""
    try:
        run = open_run(path, salvage=True)
        loss = run["train_loss"]
    except ThermogradError:
        return False
    true = np.frombuffer(truth["train_loss"]).reshape(loss.shape)
    return not (np.isnan(loss) | (loss == true)).all()


def test_a_reader_names_what_is_damaged_or_reads_the_truth(whole, small_truth, tmp_path, thinned):
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    wrong, harmless = [], 0
    for file, how in thinned(_damages(path), 3):
        content = (path / file).read_bytes()
        _harm(path / file, how)
        verdict = _wrong(path, file, small_truth)
        wrong += [f"{how} {verdict}"] if verdict else []
        wrong += [f"{how} {file}: salvaged wrongly"] if _salvaged_wrongly(path, small_truth) else []
        harmless += verdict is None
        (path / file).write_bytes(content)
    assert wrong == []
    assert harmless > 50
    assert everything(open_run(path)) == small_truth


def test_without_checksums_a_wrong_number_gets_through(pool, small, small_truth, tmp_path):
    """Negative control of the harness: zarr alone would not have noticed."""
    path = tmp_path / "run"
    answer = pool.ask({"run": path, "map": small, "time_chunk": 4, "patches": ["no checksums"]})
    assert answer["error"] == "", answer
    import zarr

    wrong = 0
    group = zarr.open_group(path / "trajectories.zarr", mode="r")
    true = np.frombuffer(small_truth["train_loss"]).reshape(group["train_loss"].shape)
    file = path / "trajectories.zarr/train_loss/c/0/0"
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            wrong += not np.array_equal(group["train_loss"][:2], true[:2], equal_nan=True)
        except (RuntimeError, ValueError):
            continue
    assert wrong > 0


@pytest.mark.parametrize(("state", "way"), [("whole", 0), ("whole", 1), ("half", 0), ("half", 1)])
def test_repair_gives_the_same_bits(pool, request, small, small_truth, tmp_path, nightly, state, way):
    """Finished or not, whatever was done to one file; and without --repair never a wrong number."""
    source = request.getfixturevalue(state)

    def repaired(case: tuple[int, Damage]) -> str | None:
        place, (file, how) = case
        path = tmp_path / f"run{place}"
        shutil.copytree(source, path)
        _harm(path / file, how)
        if state == "half" and how == "flipped":
            plain = pool.ask({"run": path, "map": small})
            if plain["code"] not in {0, 3}:
                return f"{how} {file}: {plain}"
            if plain["code"] == 0 and everything(open_run(path)) != small_truth:
                return f"{how} {file}: resumed to wrong numbers"
        answer = pool.ask({"run": path, "map": small, "repair": True})
        if answer["error"]:
            return f"{how} {file}: {answer['message']}"
        verdict = None if everything(open_run(path)) == small_truth else f"{how} {file}: wrong after repair"
        shutil.rmtree(path)
        return verdict

    damages = _damages(source)
    cases = damages[way::2] if nightly else _of_each_kind(damages, way)
    found = pool.each(repaired, list(enumerate(cases)))
    assert [entry for entry in found if entry is not None] == []
    assert len(found) >= 12
    assert len({how for _, how in cases}) > 1
