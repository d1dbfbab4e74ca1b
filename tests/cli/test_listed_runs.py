import json
import os
import socket

import thermograd as tg
from thermograd.cli import main
from thermograd.store import lock
from thermograd.store.manifest import read_manifest, write_manifest


def listed(capsys):
    assert main(["list", "runs", "."]) == 0
    return capsys.readouterr().out.strip()


def test_an_unfinished_run_says_how_far_it_is_and_who_works_on_it(config, capsys):
    tg.run(tg.load_config(config).experiment, "kick", until=6)
    half = "quadratic: 5 × 12, 0 of 5 trajectories done, 50 % of the steps"
    assert listed(capsys) == f"kick  interrupted  {half}, nobody works on it: thermograd resume kick"
    run = config.parent / "kick"
    write_manifest(run, read_manifest(run).replace(state="running"))
    assert listed(capsys) == f"kick  interrupted  {half}, nobody works on it: thermograd resume kick"
    with lock.hold(run):
        assert listed(capsys) == (
            f"kick  running  {half}, process {os.getpid()} on {socket.gethostname()} works on it"
        )
        assert main(["list", "runs", ".", "--json"]) == 0
        (entry,) = json.loads(capsys.readouterr().out)["runs"]
    assert (entry["process"], entry["trajectories_done"], entry["steps_committed"]) == (os.getpid(), 0, 0.5)
    assert main(["resume", "kick"]) == 0
    capsys.readouterr()
    assert listed(capsys) == "kick  finished  quadratic: 5 × 12"


def test_a_run_whose_progress_cannot_be_read_is_listed_all_the_same(config, capsys):
    tg.run(tg.load_config(config).experiment, "kick", until=6)
    (config.parent / "kick" / "trajectories.zarr" / "zarr.json").unlink()
    line = listed(capsys)
    assert line.startswith("kick  interrupted  quadratic: 5 × 12, how far is not known (")
    assert "thermograd resume kick --repair" in line
