"""`tg.watch(optimizer)`: has training equilibrated? One line in any PyTorch loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from thermograd.quantities import Estimate, Verdict
from thermograd.store.sinks import Sink, sink_of
from thermograd.training import watch_estimates, watch_state, watch_text
from thermograd.training.fluctuation_dissipation import FluctuationDissipation, Form
from thermograd.training.live_window import LiveWindow
from thermograd.training.optimizer_view import OptimizerView
from thermograd.training.watch_arguments import check_arguments

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from thermograd.estimators.gradient_noise import GradientNoise
    from thermograd.estimators.waiting_or_cutting import WaitingOrCutting


def watch(
    optimizer: Any,
    *,
    steps_per_epoch: int | None = None,
    steps_before: int = 0,
    every: int = 1,
    tolerance: float = 0.1,
    level: float = 0.90,
    slow_directions: int = 256,
    names: Mapping[Tensor, str] | nn.Module | None = None,
    observe: Sequence[Any] = (),
    sink: Any = None,
    process_group: Any = None,
    seed: int = 0,
) -> Watch:
    """Watch a training through its optimizer: has it equilibrated at this learning rate?

    Training is bit for bit the same with and without: two hooks read the optimizer; gradients, mode flags and
    global random state are not touched. Nothing is read from the device but once per block (an epoch at first).
    The verdict rests on the fluctuation-dissipation relation (Yaida, arXiv 1810.00004), see
    `thermograd.estimators.stationarity`.

    Args:
        optimizer: any `torch.optim.Optimizer`, or a wrapper that has it as `.optimizer`.
        steps_per_epoch: optimiser steps of an epoch (after gradient accumulation); None where there are no
            epochs, as in streaming; the shortest block is 50 steps then.
        steps_before: optimiser steps that were done before, where the watch begins in mid-training. Steps and waiting
            times count from the start of training, and so does the time that waiting would double.
        every: measure the size of updates in one of so many steps. The drift is exact all the same.
        tolerance: half-width of the equivalence band on ratio − 1.
        level: two-sided, of every interval.
        slow_directions: size of the sketch in which slow directions are looked for; 0 = not at all.
        names: layer name of each parameter, or the model; gives one row per layer, also in trackers by layer.
        observe: accumulators and trackers, read as `watch[name]`. Trackers follow the parameters that require a gradient
            now; of sharded ones each rank follows its own shard.
        sink: where the numbers go at block ends: a W&B run, a TensorBoard writer, mlflow, a Lightning logger, a
            path *.csv or *.jsonl, or a function of (dict, step).
        process_group: over which sharded parameters are spread (FSDP, DTensor); not for DDP.
        seed: of the sketch and of where in each stride is measured.

    Returns:
        A `Watch`; `print(watch.report())`.

    Raises:
        TypeError: not an optimizer, or names= that are neither a model nor {parameter: name}.
        ValueError: an argument that cannot be used.

    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> probe = watch(optimizer, steps_per_epoch=5)
    >>> for _ in range(10):
    ...     optimizer.zero_grad()
    ...     (weight**2).sum().backward()
    ...     optimizer.step()
    >>> print(probe.verdict().kind)
    warming_up
    """
    view = OptimizerView(optimizer, names)
    check_arguments(
        view, steps_per_epoch, steps_before, every, tolerance, level, slow_directions, process_group
    )
    return Watch(
        view,
        settings={
            "steps_per_epoch": None if steps_per_epoch is None else int(steps_per_epoch),
            "every": int(every),
            "tolerance": float(tolerance),
            "level": float(level),
            "slow_directions": int(slow_directions),
            "seed": int(seed),
        },
        steps_before=int(steps_before),
        observe=observe,
        sink=sink,
        process_group=process_group,
    )


class Watch:
    """What `watch` returns; see there.

    Attributes:
        window: the evidence since the learning rate was last changed.

    >>> found = watch(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1), steps_per_epoch=10)
    >>> found.step, found.verdict().kind, found.equilibrated  # read between any two steps
    (0, 'warming_up', False)
    """

    def __init__(
        self,
        view: OptimizerView,
        *,
        settings: dict[str, Any],
        steps_before: int,
        observe: Sequence[Any],
        sink: Any,
        process_group: Any,
    ) -> None:
        self.window = LiveWindow(
            view, settings, observe=observe, process_group=process_group, publish=self._publish
        )
        self.window.begin_at(steps_before)
        self._sinks: list[tuple[Sink, str]] = []
        if sink is not None:
            self.log_to(sink)
        untraced: Any = torch.compiler.disable
        self._handles = [
            view.optimizer.register_step_pre_hook(untraced(self.window.before_step)),
            view.optimizer.register_step_post_hook(untraced(self.window.after_step)),
        ]

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that is watched."""
        return self.window.view.optimizer

    @property
    def step(self) -> int:
        """Optimiser steps done: those seen, and those before."""
        return self.window.step

    @property
    def epoch(self) -> int:
        """Steps of the shortest block: an epoch, or 50."""
        return self.window.epoch

    @property
    def steps_per_epoch(self) -> int | None:
        """As given to `watch`."""
        steps: int | None = self.window.settings["steps_per_epoch"]
        return steps

    @property
    def notes(self) -> list[str]:
        """What happened: new windows, and what cuts have brought."""
        return self.window.notes

    # Verdicts and estimates
    def verdict(self, strict: bool = False) -> Verdict:
        """Whether training has equilibrated at the present learning rate, and what to do.

        Args:
            strict: ask for evidence that the slowest visible direction has relaxed (sampling needs it).

        Returns:
            Kinds `warming_up`, `approaching`, `equilibrated`, `slow_directions_remain`, `drifting`, `undecided`,
            `learning_rate_changing`, `no_noise`, `not_finite`.
        """
        return watch_text.verdict(self.window, strict=strict)

    @property
    def equilibrated(self) -> bool:
        """Whether the verdict is `equilibrated`."""
        return self.verdict().kind == "equilibrated"

    def fluctuation_dissipation(
        self,
        centre: Literal["anchor", "origin"] = "anchor",
        window: Literal["half", "all"] = "half",
        form: Form = "auto",
        group: int | str | None = None,
    ) -> FluctuationDissipation:
        """Dissipation, fluctuation and their ratio over a window.

        Args:
            centre: "anchor", the weights some time before the window, or "origin", as in the paper.
            window: the last half since the learning rate was changed, or "all" (about an anchor: since that).
            form: "sgd", "displacement" (any optimizer), or whichever fits.
            group: one parameter group by number, or one layer by name.

        Returns:
            Three estimates, the form, and (first, last) step.

        Raises:
            NotApplicableError: form="sgd" of another optimizer, or too few blocks.
            ValueError: no such group or layer, or another word.
        """
        return watch_estimates.dissipation(self.window, centre, window, form, group)

    def temperature(self) -> Estimate:
        """O_R / N of SGD in units of the loss, η⟨|g|²⟩/2N without momentum; N parameters.

        Raises:
            NotApplicableError: another optimizer, or too few blocks.
        """
        return watch_estimates.temperature(self.window)

    def mean_square_displacement(self) -> tuple[list[int], list[Estimate]]:
        """Lags in steps and the mean square displacement per parameter at each: 1, 2, and blocks times 2ᵏ.

        Raises:
            NotApplicableError: too few blocks.
        """
        return watch_estimates.mean_square_displacement(self.window)

    def slowest_relaxation(self) -> Estimate:
        """Relaxation time of the slowest visible direction, in steps.

        Raises:
            NotApplicableError: too early, or slow_directions=0.
        """
        return watch_estimates.slowest_relaxation(self.window)

    def steps_to_equilibrium(self) -> Estimate | None:
        """How many more steps, within a factor 2 each way; None has its reason in the verdict."""
        return watch_estimates.steps_to_equilibrium(self.window)

    def waiting_or_cutting(self, factor: float = 0.1) -> WaitingOrCutting:
        """What doubling the time at this rate would give, against what a cut takes off the loss.

        Args:
            factor: the new rate over the old one.

        Returns:
            Two estimates in units of the loss, and the verdict.

        Raises:
            NotApplicableError: an optimizer other than SGD, Adam, AdamW, RMSprop, or no losses were recorded.
        """
        return watch_estimates.waiting_or_cutting(self.window, factor)

    def weighing(self, factor: float = 0.1) -> tuple[str, WaitingOrCutting | None]:
        """Waiting against cutting in one sentence, and the numbers; None where there are none, and why.

        Args:
            factor: the new rate over the old one.
        """
        return watch_text.weighing(self.window, factor)

    def gradient_noise(self) -> GradientNoise:
        """Trace of the per-sample gradient covariance, squared gradient, and the noise scale in samples.

        Raises:
            NotApplicableError: `micro_batch` was not called.
        """
        return watch_estimates.gradient_noise(self.window)

    # What the loop may say
    def record_loss(self, loss: float | Tensor) -> None:
        """Note the training loss of a step, before it or after it; with `process_group` before it.

        Args:
            loss: one number; a tensor stays on its device until the block ends.

        Raises:
            ValueError: not one number.
            RuntimeError: the optimizer's steps are not seen.
        """
        if isinstance(loss, Tensor) and loss.numel() != 1:
            message = f"record_loss takes one number per step; got a tensor of shape {tuple(loss.shape)}"
            raise ValueError(message)
        self.window.record_loss(loss if isinstance(loss, Tensor) else _number(loss))

    def micro_batch(self, size: int) -> None:
        """Call after each `backward()` under gradient accumulation.

        Args:
            size: samples of the micro-batch.

        Raises:
            ValueError: not a positive whole number, or sizes differ within a step.
        """
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            message = f"micro_batch(size) takes the number of samples, 1 or more; got {size!r}"
            raise ValueError(message)
        self.window.micro.note(size, [parameter.grad for parameter in self.window.view.parameters])

    def restart(self, reason: str) -> None:
        """Begin a new window: what was learnt at another learning rate, or before a kick, is not used.

        Args:
            reason: kept in the notes.
        """
        self.window.restart(reason)

    def log_to(self, target: Any, prefix: str = "thermograd/") -> None:
        """Send the numbers of every block to a logger; on rank 0 only.

        Args:
            target: see `watch(sink=)`.
            prefix: of the names.

        Raises:
            ConfigError: nothing that can be logged to.
        """
        sink = sink_of(target)
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not distributed or torch.distributed.get_rank() == 0:
            self._sinks.append((sink, prefix))

    def detach(self) -> None:
        """Remove the hooks; the numbers stay."""
        self.window.settle()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    # What a person or a program reads
    def report(self) -> str:
        """The verdict and the numbers behind it, in several lines."""
        return watch_text.report(self.window)

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<Watch of {self.window.view.name} at step {self.window.step}: {self.verdict().kind}>"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; None with a reason where there is no number."""
        return watch_text.to_dict(self.window)

    def history(self) -> list[dict[str, Any]]:
        """One flat dict per block, over all learning rates."""
        return [dict(row) for row in self.window.rows]

    def plot(self, path: str | Path | None = None) -> Any:
        """A self-contained page of how ratio, verdict and coverage went.

        Args:
            path: of the HTML file; None gives the figure instead.

        Returns:
            The path, or a plotly figure.

        Raises:
            MissingExtraError: `thermograd[lab]` is not installed.
            ConfigError: the folder of the page does not exist, or there is no block to draw a figure of.
        """
        return watch_text.figure(self.window) if path is None else watch_text.page(self.window, Path(path))

    def __getitem__(self, name: str) -> Any:
        return self.window.observing[name]

    def state_dict(self) -> dict[str, Any]:
        """What a resumed watch needs; loads with `torch.load(weights_only=True)`."""
        return watch_state.saved(self.window)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another watch of the same settings was; model and optimizer are loaded by you.

        Args:
            state: from `state_dict`.

        Raises:
            ValueError: it is of other parameters or settings; names them. Nothing is loaded then.
        """
        watch_state.check(self.window, state)
        watch_state.load(self.window, state)

    def _publish(self) -> None:
        row = watch_text.row(self.window)
        self.window.rows.append(row)
        for sink, prefix in self._sinks:
            sink({f"{prefix}{name}": value for name, value in row.items()}, self.window.step)


def _number(loss: Any) -> float:
    try:
        return float(loss)
    except (TypeError, ValueError) as cause:
        message = f"record_loss takes one number per step; got {loss!r}"
        raise ValueError(message) from cause


__all__ = ["Watch", "watch"]
