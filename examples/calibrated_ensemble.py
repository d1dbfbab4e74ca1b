"""A classifier that was trained and saved gets better calibrated: 8 chains around its weights, saved, and served.

One label in five is wrong, in training and in the test alike, as in data labelled in a hurry. The network fits them all, and is
sure of itself where it should not be.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import thermograd as tg
from thermograd.estimators.posterior import calibration

torch.set_num_threads(1)
images, labels = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(labels))
inputs = torch.tensor(images[order] / 16, dtype=torch.float32)
classes = torch.tensor(labels[order])
noise = torch.Generator().manual_seed(1)
wrong = torch.rand(len(classes), generator=noise) < 0.2
classes[wrong] = torch.randint(10, (int(wrong.sum()),), generator=noise)
train = inputs[:600], classes[:600]
test = inputs[-700:], classes[-700:]


def architecture():
    """What the weights in a file are weights of."""
    return nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))


# Before: plain PyTorch, and a file of weights.
torch.manual_seed(0)
net = architecture()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(100):
    for rows in torch.randperm(600).split(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(train[0][rows]), train[1][rows]).backward()
        optimizer.step()
torch.save(net.state_dict(), "net.pt")

# Its posterior: the likelihood of the labels and a Gaussian prior of width 1/√3 for each weight.
net = architecture()
net.load_state_dict(torch.load("net.pt"))
net.eval()
problem = tg.Problem(model=lambda: net, loss=nn.CrossEntropyLoss(reduction="none"), train=train)
settings = {"start": net.state_dict(), "prior_precision": 3.0, "batch_size": 20}
advice = tg.advise_posterior_step(problem, **settings)
print(advice)
draws = tg.sample_posterior(
    problem,
    dynamics=advice.ranking[0].dynamics,
    chains=8,
    epochs=1200,
    burn_in=600,
    thin=6,
    directions=2,
    **settings,
)
print(draws)

# Have the chains converged? Judged by what they predict, since hidden units may be exchanged. In 1200 epochs they have not: they
# are 8 broad basins and not the whole posterior, and a tighter prior, whose chains come further, is less calibrated.
before = net(test[0]).softmax(-1).detach().numpy()
after = tg.posterior_predictive(draws, net, test[0], output="softmax", keep_draws=True)
print(draws.convergence(quantities={"probability": after.by_draw[:, :, :20]}).text)

# What it was for: before and after.
print(after)
for name, probability in (("network", before), ("ensemble", after.mean)):
    print(f"{name}: {calibration(probability, test[1].numpy())}")

# Serve it: every third draw is enough for a mean, and a service needs the file and the architecture, no data.
draws.select(range(0, draws.draws, 3)).save("draws.safetensors")
served = tg.posterior_predictive(
    tg.PosteriorDraws.load("draws.safetensors"), architecture(), test[0][:3], output="softmax"
)
for chances, doubt in zip(served.mean, served.mutual_information, strict=True):
    print(f"digit {chances.argmax()} with {chances.max():.2f}; {doubt:.2f} nats of doubt for want of data")
print(f"{np.abs(served.mean - after.mean[:3]).max():.3f} is what the other draws would change")
