"""Is my training still going anywhere, or does it only wander ever more slowly? One run of one's own, watched.

A small network on scikit-learn's digits, one label in ten wrong, SGD at a constant rate. The tracker keeps the weights
at log-spaced steps t_w, and measures how far later weights are from them. The time to wander by a displacement grows
as t_w to the power of the aging exponent: 0 is a stationary state, 1 as slow as the run is old. About ten seconds.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import thermograd as tg
from thermograd.estimators import aging
from thermograd.observables import TwoTimeDisplacement

STEPS, BATCH = 15_000, 50
WAITING = (1000, None)  # before it the loss still falls quickly


def digits():
    """1500 training images, of which every tenth has a random label."""
    images, labels = load_digits(return_X_y=True)
    inputs, classes = torch.tensor(images[:1500] / 16, dtype=torch.float32), torch.tensor(labels[:1500])
    classes[::10] = torch.randint(10, (150,), generator=torch.Generator().manual_seed(0))
    return inputs, classes


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs, classes = digits()
    model = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    tracker = TwoTimeDisplacement(by="layer", waiting_per_decade=8)
    probe = tg.watch(optimizer, steps_per_epoch=1500 // BATCH, names=model, observe=[tracker])
    while probe.step < STEPS:
        for batch in torch.randperm(1500).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[batch]), classes[batch]).backward()
            optimizer.step()

    table = probe["two_time_displacement"]
    print(f"{table}\n")
    whole = aging.aging_exponent(table, waiting=WAITING)
    print(whole.verdict.text)
    print(f"From step 100 on: {aging.aging_exponent(table, waiting=(100, None))}\n")
    print(
        "layer  parameters  exponent (95 %)      outcome       rms displacement over 1000 steps, early and late"
    )
    for layer, size in zip(table.groups, table.sizes, strict=True):
        found = aging.aging_exponent(table, waiting=WAITING, group=layer)
        mu = found.exponent
        words = "none" if mu is None else f"{mu.value:.2f} ({mu.low:.2f} to {mu.high:.2f})"
        moved = table.select(layer).mean_square()[0, :, table.lags.searchsorted(1000), 0] ** 0.5
        early, late = moved[table.waiting_times.searchsorted(100)], moved[moved > 0][-1]
        print(f"{layer:<6} {size:>10}  {words:<20} {found.outcome:<13} {early:.3f} {late:.3f}")


if __name__ == "__main__":
    main()
