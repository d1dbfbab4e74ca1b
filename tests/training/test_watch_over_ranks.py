"""Two processes on the loopback: equal parameters (DDP) and halves of them (sharded)."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn, optim

import thermograd as tg

STEPS = 170
PROGRAM = Path(__file__).resolve()


def gradient(step):
    return torch.randn(6, generator=torch.Generator().manual_seed(step))


def train(places=slice(None), spoilt=False, **options):
    """Noise about a minimum; each rank may own a part of the six weights."""
    weights = nn.Parameter(torch.ones(6)[places])
    optimizer = optim.SGD([weights], lr=0.1, momentum=0.5)
    watch = tg.watch(optimizer, steps_per_epoch=5, slow_directions=0, **options)
    scheduler = tg.ReduceLROnStationarity(optimizer, watch, rule="gain", max_reductions=1)
    for step in range(STEPS):
        noise = gradient(step)[places]
        weights.grad = weights.detach() + (noise * float("nan") if spoilt and step == 101 else noise)
        loss = (weights.detach() ** 2).sum() * (1 + len(options)) + noise.sum()  # each rank has its own
        optimizer.step()
        scheduler.step(loss)
    ratio = [row["ratio"] for row in watch.history()]
    return {
        "kind": watch.verdict().kind,
        "text": watch.verdict().text,
        "ratio": ratio,
        "cuts": [step for step, *_ in scheduler.reductions],
    }


def rank_of_two(rank, port):
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    half = slice(0, 3) if rank == 0 else slice(3, 6)
    world = torch.distributed.group.WORLD
    found = {
        "equal": train(),
        "sharded": train(half, process_group=world),
        "spoilt": train(half, spoilt=rank == 1, process_group=world),
    }
    torch.distributed.destroy_process_group()
    return found


@pytest.fixture(scope="module")
def ranks():
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("torch was built without gloo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = [
        subprocess.Popen([sys.executable, str(PROGRAM), str(rank), port], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        return [json.loads(process.communicate(timeout=50)[0].splitlines()[-1]) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_ranks_with_equal_parameters_say_what_one_process_says_and_cut_together(ranks):
    alone = train()
    first, second = (found["equal"] for found in ranks)
    assert first == second
    assert first["ratio"] == alone["ratio"]
    assert first["cuts"] == alone["cuts"]


def test_halves_of_the_parameters_give_the_ratio_of_the_whole(ranks):
    alone = train()
    first, second = (found["sharded"] for found in ranks)
    assert first == second
    known = [value for value in alone["ratio"] if value is not None]
    shared = [value for value in first["ratio"] if value is not None]
    count = min(len(known), len(shared))
    assert count
    assert shared[:count] == pytest.approx(known[:count], rel=1e-5)


def test_an_update_that_is_not_finite_on_one_rank_is_known_to_all(ranks):
    for found in ranks:
        assert found["spoilt"]["kind"] == "not_finite"
        assert "step 102" in found["spoilt"]["text"]
        assert found["spoilt"]["cuts"] == []


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rank_of_two(int(sys.argv[1]), sys.argv[2])) + "\n")
