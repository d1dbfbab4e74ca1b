"""The loss of a Lightning project has plateaued: cut the rate, wait, or perturb? About ten seconds.

From a checkpoint a callback watches it go on for a while, and says whether it is at rest and what cutting would give.
"""

import logging
import warnings

import lightning.pytorch as lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import thermograd as tg
from thermograd.advisor.learning_rate_decay import advise
from thermograd.estimators import aging
from thermograd.observables import TwoTimeDisplacement
from thermograd.perturbations import ShrinkAndPerturb
from thermograd.training.integrations.lightning import WatchCallback

INPUTS, CLASSES = map(torch.tensor, load_digits(return_X_y=True))
INPUTS = INPUTS.float() / 16
torch.manual_seed(0)
CLASSES[:1500:10] = torch.randint(10, (150,))  # one in ten is wrong
SILENT = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
QUIET = {"accelerator": "cpu"} | dict.fromkeys(SILENT, False)
KICKS = {"shrink": ShrinkAndPerturb()}


class Project(lightning.LightningModule):
    def __init__(self, rate=0.5):
        super().__init__()
        self.rate = rate
        self.network = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))

    def training_step(self, batch, batch_idx=0):
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate, weight_decay=0.01)


def fit(module, epochs, *callbacks, checkpoint=None):
    data = TensorDataset(INPUTS[:1500], CLASSES[:1500])
    batches = BatchSampler(RandomSampler(data), 20, drop_last=False)
    trainer = lightning.Trainer(max_epochs=epochs, callbacks=list(callbacks), **QUIET)
    trainer.fit(module, DataLoader(data, batch_size=None, sampler=batches), ckpt_path=checkpoint)
    with torch.no_grad():
        return trainer, float(module.training_step((INPUTS[:1500], CLASSES[:1500])))


def start(seed):
    torch.manual_seed(seed)
    model = Project()
    return {"model": model, "optimizer": model.configure_optimizers()}


def epoch(state, seed):
    """One epoch of the same module in a loop of one's own: a study trains many, and needs no trainer."""
    for batch in torch.randperm(1500, generator=torch.Generator().manual_seed(seed)).split(20):
        state["optimizer"].zero_grad()
        state["model"].training_step((INPUTS[batch], CLASSES[batch])).backward()
        state["optimizer"].step()
    return state


def accuracy(state):
    with torch.no_grad():
        return (state["model"].network(INPUTS[1500:]).argmax(1) == CLASSES[1500:]).float().mean()


def main():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning|torch.utils._pytree")
    lightning.seed_everything(0, verbose=False)
    trainer, loss = fit(Project(), 4)
    trainer.save_checkpoint("plateau.ckpt")
    print(f"The plateau: training loss {loss:.4f} after 4 epochs.")

    callback, module = WatchCallback(observe=[TwoTimeDisplacement(waiting_per_decade=16)]), Project()
    _, waited = fit(module, 45, callback, checkpoint="plateau.ckpt")
    print(f"Waiting: {waited:.4f} after 45 epochs.\n")
    print(f"At rest? {callback.watch.verdict().text}")
    print(f"Glassy? {aging.aging_exponent(callback.watch['two_time_displacement'])}")
    advice = advise(callback.watch).recommendation
    print(f"Cut? {advice}")

    study = tg.PerturbationStudy(target=0.89, interval=5, horizon=5, trajectories=6, candidates=KICKS, seed=1)
    print(f"Perturb? {tg.advise(study.drive(start, epoch, accuracy)).recommendation}\n")

    module.rate /= 10 if advice.startswith("Cut") else 1
    _, after = fit(module, 5)
    print(f"Done: 5 epochs at {module.rate:g} bring the training loss from {waited:.4f} to {after:.4f}.")


if __name__ == "__main__":
    main()
