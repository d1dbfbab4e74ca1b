"""Has training by Lightning equilibrated? One callback. About ten seconds.

Softmax regression on scikit-learn's digits, one in ten labels wrong, a constant learning rate.
"""

import logging
import warnings

import lightning.pytorch as lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from thermograd.training.integrations.lightning import WatchCallback


class Softmax(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def training_step(self, batch, batch_idx):
        inputs, labels = batch
        return nn.functional.cross_entropy(self.layer(inputs), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, weight_decay=0.03)


def main():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning|torch.utils._pytree")
    lightning.seed_everything(0, verbose=False)
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images[:1500] / 16, dtype=torch.float32), torch.tensor(labels[:1500]))
    data.tensors[1][:150] = torch.randint(10, (150,))
    loader = DataLoader(
        data, batch_size=None, sampler=BatchSampler(RandomSampler(data), 100, drop_last=False)
    )

    callback = WatchCallback(log=False)  # log=True also sends each block to the trainer's loggers
    trainer = lightning.Trainer(
        max_epochs=128,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Softmax(), loader)
    print(callback.watch.report())


if __name__ == "__main__":
    main()
