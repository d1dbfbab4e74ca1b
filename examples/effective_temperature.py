"""How hot is SGD on a digits classifier? The same batch size, drawn in three ways.

Softmax regression on 1797 digits with weight decay, batches of 100.
"""

import torch
from sklearn.datasets import load_digits

import thermograd as tg
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement

RATE, BATCH, DECAY = 0.5, 100, 0.03

images, labels = load_digits(return_X_y=True)
inputs, targets = torch.tensor(images / 16), torch.tensor(labels)
torch.manual_seed(0)
model = torch.nn.Linear(64, 10)
cross_entropy = torch.nn.CrossEntropyLoss(reduction="none")  # one number per sample
share = BATCH / len(inputs)

samplers = {
    "independent batches": WithReplacement(BATCH),
    "reshuffled epochs (DataLoader(shuffle=True))": WithoutReplacement(BATCH),
    "persistent, 5 times as long": Persistent(share, persistence=5 / share, fixed_size=True),
}
for name, minibatching in samplers.items():
    reading = tg.measure_temperature(
        model,
        cross_entropy,
        (inputs, targets),
        learning_rate=RATE,
        weight_decay=DECAY,
        minibatching=minibatching,
        burn_in=600,
        windows=8,
        lags=60,
    )
    print(f"{name}: {reading.verdict.text}")
    for word in ("short", "long"):
        print(f"    {word}: {getattr(reading, word)}")

# The third sampler in a loop of your own, with its state kept across epochs.
sampler = samplers["persistent, 5 times as long"].batch_sampler(samples=len(inputs))
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets), batch_sampler=sampler)
first, second = (set(map(tuple, batch.tolist())) for batch, _ in list(loader)[:2])
print(f"{len(first & second)} of {BATCH} images of a persistent batch stay for the next one")
