"""A classifier that has learned wrong labels by heart becomes a calibrated ensemble: 8 chains around its weights.

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

# The classifier as it is: plain PyTorch.
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(100):
    for rows in torch.randperm(600).split(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(train[0][rows]), train[1][rows]).backward()
        optimizer.step()

# Its posterior: the likelihood of the labels and a Gaussian prior of width 1/√3 for each weight.
problem = tg.Problem(model=lambda: net, loss=nn.CrossEntropyLoss(reduction="none"), train=train)
weights = dict(net.named_parameters())
advice = tg.advise_posterior_step(problem, start=weights, prior_precision=3.0, batch_size=20)
print(advice)
draws = tg.sample_posterior(
    problem,
    dynamics=advice.ranking[0].dynamics,
    start=weights,
    prior_precision=3.0,
    batch_size=20,
    chains=8,
    epochs=1200,
    burn_in=600,
    thin=6,
    directions=2,
)
print(draws)

# Have the chains converged? Judged by what they predict, since hidden units may be exchanged.
probabilities = np.stack(
    [
        tg.posterior_predictive(draws.select([draw]), problem, test[0][:20], output="softmax").by_chain
        for draw in range(draws.draws)
    ],
    axis=1,
)
print(draws.convergence(quantities={"probability": probabilities}).text)

predictive = tg.posterior_predictive(draws, problem, test[0], output="softmax")
print(predictive)
alone = net(test[0]).softmax(-1).detach().numpy()
for name, probability in (("network", alone), ("ensemble", predictive.mean)):
    found = calibration(probability, test[1].numpy())
    print(f"{name}: negative log likelihood {found.negative_log_likelihood}")
    print(f"{name}: calibration error {found.expected_calibration_error}")
    print(f"{name}: accuracy {found.accuracy}")
