"""`tg.watch(optimizer)`: has training equilibrated? One line in any PyTorch loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from thermograd.estimators.stationarity import Stationarity, stationarity
from thermograd.quantities import Estimate, Verdict
from thermograd.store.sinks import Sink, sink_of
from thermograd.training import watch_estimates, watch_state, watch_text
from thermograd.training.block_meter import BlockMeter
from thermograd.training.block_record import BlockRecord
from thermograd.training.fluctuation_dissipation import FluctuationDissipation, Form
from thermograd.training.micro_batches import MicroBatches
from thermograd.training.observing import Observing
from thermograd.training.optimizer_view import OptimizerView
from thermograd.training.parameter_sketch import ParameterSketch

if TYPE_CHECKING:
    from types import TracebackType

    from thermograd.estimators.gradient_noise import GradientNoise
    from thermograd.estimators.waiting_or_cutting import WaitingOrCutting

_STREAMING_BLOCK = 50
_RECENT = 16
_PROBES_PER_BLOCK = 8
_SHARD = 1 << 48


def watch(
    optimizer: Any,
    *,
    steps_per_epoch: int | None = None,
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
        every: measure the size of updates in one of so many steps. The drift is exact all the same.
        tolerance: half-width of the equivalence band on ratio − 1.
        level: two-sided, of every interval.
        slow_directions: size of the sketch in which slow directions are looked for; 0 = not at all.
        names: layer name of each parameter, or the model; gives one row per layer.
        observe: accumulators and trackers, read as `watch[name]`.
        sink: where the numbers go at block ends: a W&B run, a TensorBoard writer, mlflow, a Lightning logger, a
            path *.csv or *.jsonl, or a function of (dict, step).
        process_group: over which sharded parameters are spread (FSDP, DTensor); not for DDP.
        seed: of the sketch and of where in each stride is measured.

    Returns:
        A `Watch`; `print(watch.report())`.

    Raises:
        TypeError: not an optimizer.
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
    _check(view, steps_per_epoch, every, tolerance, level, slow_directions, process_group)
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
        observe=observe,
        sink=sink,
        process_group=process_group,
    )


class Watch:
    """What `watch` returns; see there."""

    def __init__(
        self,
        view: OptimizerView,
        *,
        settings: dict[str, Any],
        observe: Sequence[Any],
        sink: Any,
        process_group: Any,
    ) -> None:
        self.view, self.settings = view, settings
        self.optimizer = view.optimizer
        self.steps_per_epoch: int | None = settings["steps_per_epoch"]
        self.epoch: int = self.steps_per_epoch or _STREAMING_BLOCK
        self.step = 0
        self.record = BlockRecord(self.epoch)
        self.notes: list[str] = []
        self.not_finite: tuple[int, int] | None = None
        self.decision: Stationarity | None = None
        self.rows: list[dict[str, Any]] = []
        self.blocks_ended = 0
        self.has_losses = False
        self.earlier: list[tuple[int, float, float]] = []
        self.foreign_changes: list[bool] = []
        self._observing = Observing(observe, view)
        offset = 0 if process_group is None else torch.distributed.get_rank(process_group) * _SHARD
        size = settings["slow_directions"]
        self.meter = BlockMeter(
            view,
            every=settings["every"],
            two_step_every=max(3, settings["every"], self.epoch // _PROBES_PER_BLOCK),
            seed=settings["seed"],
            sketch=ParameterSketch(size, settings["seed"], offset) if size else None,
            process_group=process_group,
        )
        self.micro = MicroBatches(view.local_parameters[0])
        self._open, self._in_block = False, 0
        self._changed, self._dirty = False, False  # in this block; so late that it is of no use
        self._key: Any = None
        self._losses_without_step = 0
        self._sinks: list[tuple[Sink, str]] = []
        if sink is not None:
            self.log_to(sink)
        untraced: Any = torch.compiler.disable
        self._handles = [
            self.optimizer.register_step_pre_hook(untraced(self._before_step)),
            self.optimizer.register_step_post_hook(untraced(self._after_step)),
        ]

    # Verdicts and estimates
    def verdict(self, strict: bool = False) -> Verdict:
        """Whether training has equilibrated at the present learning rate, and what to do.

        Args:
            strict: ask for evidence that the slowest visible direction has relaxed (sampling needs it).

        Returns:
            Kinds `warming_up`, `approaching`, `equilibrated`, `slow_directions_remain`, `drifting`, `undecided`,
            `learning_rate_changing`, `no_noise`, `not_finite`.
        """
        return watch_text.verdict(self, self._decided(strict))

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
        return watch_estimates.dissipation(self, centre, window, form, group)

    def temperature(self) -> Estimate:
        """O_R / N of SGD in units of the loss, η⟨|g|²⟩/2N without momentum; N parameters.

        Raises:
            NotApplicableError: another optimizer, or too few blocks.
        """
        return watch_estimates.temperature(self)

    def mean_square_displacement(self) -> tuple[list[int], list[Estimate]]:
        """Lags in steps and the mean square displacement per parameter at each: 1, 2, and blocks times 2ᵏ.

        Raises:
            NotApplicableError: too few blocks.
        """
        return watch_estimates.mean_square_displacement(self)

    def slowest_relaxation(self) -> Estimate:
        """Relaxation time of the slowest visible direction, in steps.

        Raises:
            NotApplicableError: too early, or slow_directions=0.
        """
        return watch_estimates.slowest_relaxation(self)

    def steps_to_equilibrium(self) -> Estimate | None:
        """How many more steps, within a factor 2 each way; None has its reason in the verdict."""
        decision = self._decided()
        return None if decision is None or self.equilibrated else decision.steps_to_equilibrium

    def waiting_or_cutting(self, factor: float = 0.1) -> WaitingOrCutting:
        """What doubling the time at this rate would give, against what a cut takes off the loss.

        Args:
            factor: the new rate over the old one.

        Returns:
            Two estimates in units of the loss, and the verdict.

        Raises:
            NotApplicableError: an optimizer other than SGD, Adam, AdamW, RMSprop, or no losses were recorded.
        """
        return watch_estimates.waiting_or_cutting(self, factor)

    def weighing(self, factor: float = 0.1) -> tuple[str, WaitingOrCutting | None]:
        """Waiting against cutting in one sentence, and the numbers; None where there are none, and why.

        Args:
            factor: the new rate over the old one.
        """
        return watch_text.weighing(self, factor)

    def gradient_noise(self) -> GradientNoise:
        """Trace of the per-sample gradient covariance, squared gradient, and the noise scale in samples.

        Raises:
            NotApplicableError: `micro_batch` was not called.
        """
        return watch_estimates.gradient_noise(self)

    # What the loop may say
    def record_loss(self, loss: float | Tensor) -> None:
        """Note the training loss of a step; a tensor stays on its device.

        Args:
            loss: one number.

        Raises:
            ValueError: not one number.
            RuntimeError: the optimizer's steps are not seen.
        """
        if isinstance(loss, Tensor) and loss.numel() != 1:
            message = f"record_loss takes one number per step; got a tensor of shape {tuple(loss.shape)}"
            raise ValueError(message)
        self._losses_without_step = 0 if self.step else self._losses_without_step + 1
        if self._losses_without_step > self.epoch:
            message = (
                f"{self._losses_without_step} losses were recorded, but no step of this optimizer was seen; a "
                "compiled or captured step that bypasses hooks, or another optimizer? Call optimizer.step() itself"
            )
            raise RuntimeError(message)
        self.has_losses = True
        self.meter.wants_metric = self.view.is_preconditioned
        self.meter.record_loss(loss if isinstance(loss, Tensor) else _number(loss))

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
        self.micro.note(size, [parameter.grad for parameter in self.view.parameters])

    def restart(self, reason: str) -> None:
        """Begin a new window: what was learnt at another learning rate, or before a kick, is not used.

        Args:
            reason: kept in the notes.
        """
        self.notes.append(f"step {self.step}: new window ({reason})")
        self._open = False

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
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    # What a person or a program reads
    def report(self) -> str:
        """The verdict and the numbers behind it, in several lines."""
        return watch_text.report(self)

    def __str__(self) -> str:
        return self.report()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; None with a reason where there is no number."""
        return watch_text.to_dict(self)

    def history(self) -> list[dict[str, Any]]:
        """One flat dict per block, over all learning rates."""
        return [dict(row) for row in self.rows]

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
        return watch_text.figure(self) if path is None else watch_text.page(self, Path(path))

    def __getitem__(self, name: str) -> Any:
        return self._observing[name]

    def state_dict(self) -> dict[str, Any]:
        """What a resumed watch needs; loads with `torch.load(weights_only=True)`."""
        return watch_state.saved(self) | {
            "open": self._open,
            "in_block": self._in_block,
            "dirty": self._dirty,
            "changed": self._changed,
            "key": watch_state.plain_key(self.view),
            "observing": self._observing.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another watch of the same settings was; model and optimizer are loaded by you.

        Args:
            state: from `state_dict`.

        Raises:
            ValueError: it is of other parameters or settings; names them. Nothing is loaded then.
        """
        watch_state.check(self, state)
        watch_state.load(self, state)
        self._observing.load_state_dict(state["observing"])
        self._open, self._in_block = bool(state["open"]), int(state["in_block"])
        self._dirty, self._changed = bool(state["dirty"]), bool(state["changed"])
        same = watch_state.plain_key(self.view) == state["key"]
        self._key = self.view.hyperparameters() if same else None

    # Hooks
    def _before_step(self, *_: Any) -> None:
        with torch.no_grad():
            if self._open:
                self._notice_changes()
            if not self._open and not self.view.dampened_first_step():
                self._begin()
            if self._open:
                self.meter.before_step(self.step)
                self._observing.before_step(self.step)

    def _after_step(self, *_: Any) -> None:
        with torch.no_grad():
            if self._open:
                self.meter.after_step(self.step)
                self._observing.after_step(self.step)
            self.micro.end_step()
            self.step += 1
            if not self._open:
                self._begin()
                return
            self._in_block += 1
            if self._in_block >= self.record.block:
                self._end_block()

    def _notice_changes(self) -> None:
        """New parameters, or a learning rate that somebody else has changed."""
        if self.view.changed:
            self.restart("parameters were added, frozen or thawed")
        elif self.view.hyperparameters() != self._key:
            self._changed = True
            self._key = self.view.hyperparameters()
            if self._in_block == 0:
                self._open = False
            else:
                self._dirty = True

    def _begin(self) -> None:
        """Start a window at the present weights."""
        count = len(self.view.parameters)
        self.view.refresh()
        self._key = self.view.hyperparameters()
        self.record = BlockRecord(self.epoch)
        self.decision, self.earlier = None, []
        self.meter.resize()
        self.meter.positions.clear()
        if len(self.view.parameters) != count:
            self.micro = MicroBatches(self.view.local_parameters[0])
        end, _ = self.meter.read(self.step, None, self.micro)
        self.record.append(end)
        self._open, self._in_block = True, 0

    def _end_block(self) -> None:
        self.foreign_changes = [*self.foreign_changes, self._changed][-_RECENT:]
        self._in_block, self._changed = 0, False
        self.blocks_ended += 1
        if self._dirty:
            self._dirty, self._open = False, False
            self.notes.append(f"step {self.step}: new window (the learning rate was changed)")
            self._publish()
            return
        since = self.step - self.record.ends[0].step
        epochs = since // self.epoch
        if epochs & (epochs - 1) == 0:
            self.meter.positions.drop_anchor(self.step, self.view.local_parameters)
        end, bad = self.meter.read(self.step, self.record.ends[-1], self.micro)
        if bad >= 0 and self.not_finite is None:
            self.not_finite = (bad, self.step)
        self.record.append(end)
        self.decision = None
        if self.not_finite is None:
            self.decision = self._decided()
            self._look_back(since, epochs)
        self._publish()

    def _look_back(self, since: int, epochs: int) -> None:
        """Keep what the test found at powers of two, so that a later one can say whether the drift falls."""
        found = self.decision
        if found is not None and found.ratio is not None and epochs & (epochs - 1) == 0:
            half = (found.ratio.high - found.ratio.low) / 2
            self.earlier.append((since, 1 - found.ratio.value, half))

    def _decided(self, strict: bool = False) -> Stationarity | None:
        if self.not_finite is not None or not self.record.ends:
            return None
        if self.decision is not None and not strict:
            return self.decision
        weight, factor = watch_estimates.weights(self)
        return stationarity(
            self.record.block_ends(weight, factor),
            tolerance=self.settings["tolerance"],
            level=self.settings["level"],
            strict=strict,
            earlier=self.earlier,
        )

    def _publish(self) -> None:
        row = watch_text.row(self)
        self.rows.append(row)
        for sink, prefix in self._sinks:
            sink({f"{prefix}{name}": value for name, value in row.items()}, self.step)


def _number(loss: Any) -> float:
    try:
        return float(loss)
    except (TypeError, ValueError) as cause:
        message = f"record_loss takes one number per step; got {loss!r}"
        raise ValueError(message) from cause


def _check(
    view: OptimizerView,
    steps_per_epoch: Any,
    every: Any,
    tolerance: float,
    level: float,
    slow_directions: Any,
    process_group: Any,
) -> None:
    for name, value, least in (
        ("steps_per_epoch", 1 if steps_per_epoch is None else steps_per_epoch, 1),
        ("every", every, 1),
        ("slow_directions", slow_directions, 0),
    ):
        if isinstance(value, bool) or value != int(value) or value < least:
            hint = f"; did you mean {round(value)}?" if name == "steps_per_epoch" and value > 0.5 else ""
            message = f"{name} is {value!r}; it is a whole number, {least} or larger{hint}"
            raise ValueError(message)
    for name, share in (("tolerance", tolerance), ("level", level)):
        if not 0 < share < 1:
            message = f"{name} is {share!r}; it lies between 0 and 1"
            raise ValueError(message)
    if not view.parameters:
        message = "the optimizer has no parameter that requires a gradient"
        raise ValueError(message)
    if view.sharded and process_group is None:
        message = "the parameters are sharded over ranks (DTensor); give process_group=, over which their sums are taken"
        raise ValueError(message)


__all__ = ["Watch", "watch"]
