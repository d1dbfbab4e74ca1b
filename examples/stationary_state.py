"""What does this learning rate cost for ever? Predicted from one point, then measured by training on.

Softmax regression on 1797 digits with weight decay, batches of 100 drawn anew at every step.
"""

import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

import thermograd as tg

RATE, BATCH, DECAY = 0.5, 100, 0.03

images, labels = load_digits(return_X_y=True)
inputs, targets = torch.tensor(images / 16), torch.tensor(labels)
torch.manual_seed(0)
model = torch.nn.Linear(64, 10).double()
optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=DECAY)


def train(steps: int) -> float:
    """Mean training loss, weight decay included, over the second half of so many steps."""
    losses = []
    for step in range(steps):
        batch = torch.randperm(len(inputs))[:BATCH]
        optimizer.zero_grad()
        cross_entropy(model(inputs[batch]), targets[batch]).backward()
        optimizer.step()
        if 2 * step >= steps and step % 10 == 0:
            with torch.no_grad():
                penalty = sum(weight.square().sum() for weight in model.parameters())
                losses.append(float(cross_entropy(model(inputs), targets) + DECAY / 2 * penalty))
    return sum(losses) / len(losses)


train(500)
land = tg.landscape(model, (inputs, targets), criterion=cross_entropy, weight_decay=DECAY, refine=True)
state = tg.stationary_state(land, learning_rate=RATE, batch_size=BATCH)
print(state)
if isinstance(state, tg.Verdict):
    raise SystemExit(state.text)
print(f"loss at the minimum {land.loss:.5f}, predicted at this rate {land.loss + state.excess_loss:.5f}")
print(f"measured by training on: {train(6000):.5f}")
slower = tg.stationary_state(land, learning_rate=RATE / 10, batch_size=BATCH)
print(f"a cut to a tenth would take off {state.excess_loss - slower.excess_loss:.5f}")
scaled = tg.stationary_state(land, learning_rate=2 * RATE, batch_size=2 * BATCH)
print(
    f"twice the batch at twice the rate would leave {scaled.excess_loss:.5f} in place of {state.excess_loss:.5f}"
)
