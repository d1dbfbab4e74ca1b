"""Would perturbing help *my* training, how often - and then do it. For code that knows nothing of thermograd.

Digits of which three in ten training labels are random, Adam, three functions: `start`, `train`, `evaluate`. Each
finished trajectory is kept in `study.log`, so an interrupted study goes on where it was. About fifteen seconds.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import thermograd as tg
from thermograd.advisor.perturbation_interval import recommended
from thermograd.perturbations import ShrinkAndPerturb

TARGET = 0.902
images, labels = load_digits(return_X_y=True)
inputs, classes = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
shuffled = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
train_part, test_part = shuffled[:600], shuffled[-500:]
noisy = classes.clone()
wrong = train_part[:180]
noisy[wrong] = torch.randint(10, (180,), generator=torch.Generator().manual_seed(1))


def start(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train(state, seed):
    model, optimizer = state
    order = train_part[torch.randperm(600, generator=torch.Generator().manual_seed(seed))]
    for batch in order.split(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[batch]), noisy[batch]).backward()
        optimizer.step()


@torch.no_grad()
def evaluate(state):
    model, _ = state
    return (model(inputs[test_part]).argmax(1) == classes[test_part]).float().mean()


def main():
    torch.set_num_threads(1)
    study = tg.PerturbationStudy(
        target=TARGET,
        interval=40,
        horizon=15,
        trajectories=24,
        candidates={"shrink": ShrinkAndPerturb()},
        seed=1,
    )
    record = study.drive(start, train, evaluate, resume="study.log")
    print(tg.advise(record), "\n")  # from one interval little is certain; it says what is worth a test
    study.verify([10], candidates=["shrink"])  # so test it: fresh networks, really perturbed
    advice = tg.advise(study.record)
    print(advice, "\n")

    best = recommended(advice)
    if best is None or best.name not in study.candidates:
        return
    model, optimizer = start(seed=123)
    perturber = tg.Perturber(model, optimizer, study.candidates[best.name], every=30 * best.interval)
    for epoch in range(1, 41):
        for batch in train_part[torch.randperm(600)].split(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[batch]), noisy[batch]).backward()
            optimizer.step()
            perturber.step()
        if evaluate((model, optimizer)) >= TARGET:
            print(f"{best.name} every {best.interval} epochs: arrived after {epoch} epochs")
            return
    print(f"{best.name} every {best.interval} epochs: not there after 40 epochs")


if __name__ == "__main__":
    main()
