"""`PosteriorSampler`: SGLD and SGWORLD in one's own training loop, as a torch optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from thermograd.dynamics.sgld import SGLD
from thermograd.dynamics.sgworld import SGWORLD
from thermograd.dynamics.stability import check_stability
from thermograd.errors import DivergedError
from thermograd.training.epoch_place import EpochPlace
from thermograd.training.langevin_noise import LangevinNoise
from thermograd.training.live_potential import (
    CURVATURE_SAMPLES,
    LivePotential,
    Loss,
    check_gradients,
    check_mean,
    check_separable,
    random_layers,
)
from thermograd.training.posterior_arguments import (
    check_arguments,
    check_parameters,
    checked_state,
    facts_of,
    mean_of_prior,
    preconditioner_of,
)
from thermograd.training.posterior_batches import EpochBatches, Supply, check_data, moved
from thermograd.training.posterior_record import PosteriorRecord

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from thermograd.estimators.posterior_draws import PosteriorDraws

_CHECKED_STEPS = 2


class PosteriorSampler(torch.optim.Optimizer):
    """Draws the weights of a model from exp(−U/T), U = M·(mean loss) + ½ prior_precision |θ − prior_mean|².

    The loop is one's own; `epoch()` takes the place of the `DataLoader`, and `step()` that of the optimizer's::

        for _ in range(2000):
            for batch in sampler.epoch():
                sampler.zero_grad()
                loss(net, batch).backward()
                sampler.step()
            sampler.record()

    `SGWORLD` reshuffles each epoch into batches whose sizes differ by 1 at most and adds its correction, one double backward
    pass through two batches, before the first; `SGLD` draws independent batches. `param_groups[0]["lr"]` is η, so that torch's
    schedulers work, one step an epoch. Memory beyond the model: one buffer of the size of the weights, and the start.

    Args:
        model: the module, on its device.
        loss: `(model, batch) -> mean loss of the batch`, a scalar; the negative log likelihood.
        data: a map-style dataset.
        batch_size: m.
        dynamics: `SGLD` or `SGWORLD` with its learning rate η, which multiplies ∇U: a rate of a mean loss, divided by M.
        prior_precision: 1/variance of each weight; 0 for a flat prior.
        prior_mean: "zero", "start", or tensors by name.
        preconditioner: fixed P, positive tensors by name, or an Adam-like torch optimizer to read it from.
        schedule: epoch (0, 1, ...) -> (factor of η, factor of T), as `training.schedulers.posterior_steps` has.
        seed: of batches and noise; another one for each chain.
        num_workers: of the `DataLoader` of `epoch()`.
        collate_fn: of the same.
        check_every: epochs from one look at the largest curvature, which decides on stability, to the next; 0 for the first only.

    Raises:
        ValueError: arguments that do not fit each other; layers that mix samples; a loss that is no mean.

    >>> data = torch.utils.data.TensorDataset(torch.linspace(-1, 1, 8)[:, None], torch.linspace(-1, 1, 8)[:, None])
    >>> net, loss = nn.Linear(1, 1), lambda model, batch: (model(batch[0]) - batch[1]).square().mean() / 2
    >>> sampler = PosteriorSampler(net, loss, data, batch_size=2, dynamics=SGWORLD(0.01), prior_precision=1.0)
    >>> for _ in range(3):
    ...     for batch in sampler.epoch():
    ...         sampler.zero_grad(); loss(net, batch).backward(); sampler.step()
    ...     sampler.record()
    >>> sampler.draws.array().shape
    (1, 3, 2)
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        data: Dataset[Any],
        *,
        batch_size: int,
        dynamics: SGLD | SGWORLD,
        prior_precision: float,
        prior_mean: str | Mapping[str, Tensor] = "zero",
        preconditioner: Any = None,
        schedule: Callable[[int], tuple[float, float]] | None = None,
        seed: int = 0,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        check_every: int = 50,
    ) -> None:
        samples = check_data(data)
        check_arguments(dynamics, batch_size, samples, prior_precision)
        named = {name: value for name, value in model.named_parameters() if value.requires_grad}
        check_parameters(named)
        super().__init__(
            list(named.values()), {"lr": dynamics.learning_rate, "temperature": dynamics.temperature}
        )
        self._model, self._dynamics, self._named = model, dynamics, named
        self._parameters = list(named.values())
        self._batches = EpochBatches(samples, batch_size, isinstance(dynamics, SGWORLD), seed)
        self._schedule, self._check_every = schedule, check_every
        one = self._parameters[0]
        scale = preconditioner_of(preconditioner, named)
        self._noise = LangevinNoise(self._parameters, scale, seed)
        self._potential = LivePotential(
            model,
            loss,
            self._parameters,
            samples=samples,
            precision=float(prior_precision),
            mean=mean_of_prior(prior_mean, named),
            preconditioner=scale,
        )
        self._supply = Supply(data, self._batches, num_workers, collate_fn, one.device)
        self._sizes = self._batches.sizes
        self._place = EpochPlace(len(self._sizes))
        self._curvature = float("nan")
        self._now = 0.0, 0.0
        self._batch: Any = None
        self._expected: list[float] | None = None
        self._unchecked, self._random = _CHECKED_STEPS, random_layers(model)
        facts = facts_of(
            dynamics,
            one.dtype,
            self._batches,
            precision=prior_precision,
            random=self._random,
            preconditioned=scale is not None,
        )
        self._record = PosteriorRecord(named, facts)
        check_separable(model)
        check_mean(self._potential, self._supply, samples)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Of the constructor only: the weights of one model are sampled.

        Args:
            param_group: see `torch.optim.Optimizer`.

        Raises:
            RuntimeError: called later.
        """
        if self.param_groups:
            message = "a sampler has the parameters of its model and takes no others; make another sampler"
            raise RuntimeError(message)
        super().add_param_group(param_group)

    def epoch(self) -> Iterator[Any]:
        """The batches of the next epoch; to be gone through to the end, with a `step()` for each.

        Yields:
            Batches, as the collate function makes them.

        Raises:
            RuntimeError: `step()` was not called once for each batch, or η changed inside the epoch.
            UnstableStepSizeError: η is beyond the limit of stability.
        """
        self.begin_epoch()
        for batch in self._supply.epoch(self._place.epoch):
            self._batch = batch if self._unchecked else None
            yield batch
        self.end_epoch()

    def begin_epoch(self) -> None:
        """What comes before the first batch: the look at stability, and SGWORLD's correction; for loops one does not own.

        The loop then has to use the batches of `epoch_batches()`.

        Raises:
            RuntimeError: the epoch before was not ended.
            UnstableStepSizeError: a ValueError: η is beyond the limit of stability.
        """
        self._place.check_ended()
        check_separable(self._model)
        expected, self._expected = self._expected, None
        if expected is not None and expected != self._fingerprint():
            message = (
                "the model's weights are not those that the state of the sampler was saved with: load the model's state_dict too, "
                "of the same moment"
            )
            raise RuntimeError(message)
        if self._schedule is not None:
            rate, temperature = self._schedule(self._place.epoch)
            self.param_groups[0]["lr"] = self._dynamics.learning_rate * rate
            self.param_groups[0]["temperature"] = self._dynamics.temperature * temperature
        self._now = float(self.param_groups[0]["lr"]), float(self.param_groups[0]["temperature"])
        epoch = self._place.epoch
        if epoch == 0 or (self._check_every and epoch % self._check_every == 0):
            chosen = self._batches.subset(CURVATURE_SAMPLES)
            self._curvature = self._potential.largest_curvature(self._supply, chosen)
            self._record.curvature = self._curvature
        check_stability(self._dynamics, self._curvature, len(self._sizes), learning_rate=self._now[0])
        self._place.begin()
        if isinstance(self._dynamics, SGWORLD):
            self._correct(self._dynamics)

    def epoch_batches(self) -> list[list[int]]:
        """The samples of each batch of the epoch that has begun, or begins next, by their numbers in the dataset."""
        return self._batches.epoch(self._place.epoch)

    def end_epoch(self) -> None:
        """What comes after the last batch; then the weights are a draw.

        Raises:
            RuntimeError: `step()` was not called once for each batch.
            DivergedError: the weights are infinite or NaN; `.partial` holds the draws recorded before.
        """
        self._place.end()
        if isinstance(self._dynamics, SGWORLD) and self._dynamics.variant == "published":
            self._noise.release([value.data for value in self._parameters])
        if not all(bool(value.isfinite().all()) for value in self._parameters):
            message = (
                f"the weights became infinite in epoch {self._place.epoch} at learning_rate {self._now[0]:.3g}, where the largest "
                f"curvature was {self._curvature:.4g} when last looked at; take a smaller one, or start from trained weights. "
                f"The {self._record.count} draws made before are in .partial"
            )
            raise DivergedError(message, self.draws if self._record.count else None)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # a sampler returns no loss
        """One update by `.grad`, the gradient of the mean loss of the batch.

        Args:
            closure: not used by samplers; must be None.

        Raises:
            RuntimeError: outside an epoch, too often, without gradients, with scaled ones, or η has changed.
        """
        if closure is not None:
            message = "a sampler takes no closure: call loss(net, batch).backward() before step()"
            raise RuntimeError(message)
        self._place.check_inside()
        self._check_rate()
        gradients = [value.grad for value in self._parameters]
        if any(gradient is None for gradient in gradients):
            name = next(name for name, value in self._named.items() if value.grad is None)
            message = f"step() found no gradient of {name!r}: call loss(net, batch).backward() before it"
            raise RuntimeError(message)
        if self._unchecked and self._batch is not None:
            batch, self._batch = moved(self._batch, self._parameters[0].device), None
            self._unchecked -= 1
            check_gradients(self._potential, self._parameters, batch, gradients, random=self._random)
        rate, temperature = self._now
        size = self._sizes[self._place.updates]
        share = len(self._sizes) * size if self._batches.reshuffled else self._batches.samples
        parameters = [value.data for value in self._parameters]
        self._potential.descend(gradients, rate, float(share))
        self._noise.stir(self._dynamics, parameters, rate, temperature)
        self._place.advance()

    def _correct(self, dynamics: SGWORLD) -> None:
        """SGWORLD's correction: of weights, or of the published variant into what is added at the end of the epoch."""
        rate, temperature = self._now
        batches, steps = self._batches, len(self._sizes)
        drift: list[Tensor] = []
        if dynamics.correction:
            published = dynamics.variant == "published"
            drift, square = self._potential.epoch_drift(
                self._supply, batches, self._place.epoch, rate, published=published
            )
            self._record.squares.append((1 - batches.size / batches.samples) / 2 * square)
        if dynamics.variant == "published":
            self._noise.hold((2 * rate * steps * temperature) ** 0.5, drift, rate)
        elif drift:
            torch._foreach_add_([value.data for value in self._parameters], drift, alpha=rate)

    def record(self, every: int = 1, *, virial_every: int = 10) -> None:
        """Keep the weights as a draw; to be called after each epoch, or after those of the burn-in.

        Args:
            every: keep every so-many-th epoch only.
            virial_every: measure the potential and its full gradient, which costs an epoch's gradients, at every so-many-th
                draw kept; 0 for never.

        Raises:
            RuntimeError: inside an epoch, or before the first.
        """
        self._place.check_drawn()
        if self._place.epoch % every:
            return
        rate, temperature = self._now
        measured = None
        if virial_every and self._record.count % virial_every == 0:
            everything = self._batches.subset(self._batches.samples)
            measured = self._potential.value_and_gradient(self._supply, everything)
            self._measure_batches()
        self._record.keep(self._place.epoch, rate * len(self._sizes), temperature, measured)

    def _measure_batches(self) -> None:
        """The noise of minibatches, where no correction tells it."""
        if self._record.squares and isinstance(self._dynamics, SGWORLD) and self._dynamics.correction:
            return
        if 2 * self._batches.size > self._batches.samples:
            return
        first, second = (self._supply.batch(chosen) for chosen in self._batches.pair(self._place.epoch))
        square = self._potential.distance(first, second)
        self._record.squares.append((1 - self._batches.size / self._batches.samples) / 2 * square)

    @property
    def draws(self) -> PosteriorDraws:
        """The draws recorded so far, of one chain; `PosteriorDraws.join` puts several chains together.

        Raises:
            RuntimeError: nothing was recorded.
        """
        return self._record.draws(replace(self._dynamics), len(self._sizes))

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on to the same bits at the end of an epoch, draws included.

        Raises:
            RuntimeError: inside an epoch.
        """
        if self._place.inside:
            message = f"state_dict() was called after {self._place.updates} of {len(self._sizes)} batches; call it at the end of an epoch"
            raise RuntimeError(message)
        own = {
            "made_by": self._record.identity,
            "weights": self._fingerprint(),
            "epoch": self._place.epoch,
            "now": list(self._now),
            "curvature": self._curvature,
            "stiffest": self._potential.stiffest,
            "noise": self._noise.state_dict(),
            "record": self._record.state_dict(),
        }
        return {**super().state_dict(), "sampler": own}

    def recentre(self) -> None:
        """Take the weights as they are for the fixed point c of the virial, instead of those at the start.

        To be called half-way through the burn-in where a chain starts far from where it samples: the virial of weights far from c
        is right on average and scatters widely. The draws must have forgotten c, so that later is too late.

        Raises:
            RuntimeError: inside an epoch, or after the first draw.
        """
        if self._place.inside or self._record.count:
            message = "recentre() belongs between two epochs of the burn-in, before the first record()"
            raise RuntimeError(message)
        self._record.recentre()

    def _fingerprint(self) -> list[float]:
        return [float(value.detach().double().sum()) for value in self._parameters]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()`; the model's weights are loaded by the model.

        Args:
            state_dict: what `state_dict()` gave.

        Raises:
            ValueError: of another optimizer, a model of another size, or a sampler made otherwise.
        """
        own = checked_state(state_dict.get("sampler"), self._record.identity, self._noise.size)
        self._expected = own["weights"]
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "sampler"})
        self._place.go_on_after(own["epoch"])
        self._now = own["now"][0], own["now"][1]
        self._curvature, self._potential.stiffest = own["curvature"], own["stiffest"]
        self._noise.load_state_dict(own["noise"])
        self._record.load_state_dict(own["record"])

    def _check_rate(self) -> None:
        rate, temperature = self.param_groups[0]["lr"], self.param_groups[0]["temperature"]
        if (rate, temperature) != self._now:
            message = (
                f"the learning rate changed inside an epoch, from {self._now[0]:.6g} to {rate:.6g} before step() "
                f"{self._place.updates + 1}: call scheduler.step() once an epoch, after sampler.epoch() has ended"
            )
            raise RuntimeError(message)
