"""Has my training equilibrated, and is it time to cut the learning rate? One's own loop, nothing of it wrapped.

A small network on scikit-learn's digits, one label in ten wrong, SGD at a constant rate. The scheduler is given the
loss, so it weighs what waiting would still bring against what a cut takes off at once. About 10 seconds.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import thermograd as tg

EPOCHS, BATCH = 128, 15


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
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, weight_decay=1e-3)

    watch = tg.watch(optimizer, steps_per_epoch=1500 // BATCH, names=model)
    scheduler = tg.ReduceLROnStationarity(optimizer, watch)
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(1500).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs[batch]), classes[batch])
            loss.backward()
            optimizer.step()
            scheduler.step(loss)
        if epoch == 100:
            print(watch.report())

    for step, before, after, why in scheduler.reductions:
        print(f"\nstep {step}: lr {before[0]:g} -> {after[0]:g}. {why}")
    for gain in scheduler.gains:
        print(gain)


if __name__ == "__main__":
    main()
