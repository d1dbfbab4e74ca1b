"""The spectrum of the Hessian along training: all eigenvalues of a small network, the ends and the sum of a large one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermograd.numerics.log_times import Logarithmic
from thermograd.numerics.whole_number import check_whole_number
from thermograd.observables.hessian import Hessian
from thermograd.observables.hessian_products import NotFiniteError
from thermograd.observables.per_sample_loss import PerSampleLoss, unflattened

if TYPE_CHECKING:
    from thermograd.problems.functional import FunctionalProblem
    from thermograd.protocols import Oracle, Times, Weights

FULL = 500
"""Parameters up to which all eigenvalues are computed."""
_ENDS = 5
_ZERO = 1e-4  # of the largest |h|: what is above minus that is no negative curvature
_TOLERANCE = 1e-4
_SAMPLES = 8192
_SCALARS = ("trace", "trace_error", "negative_fraction", "negative_fraction_error", "residual")


@dataclass(frozen=True)
class HessianSpectrum:
    """Eigenvalues h of the Hessian of the training loss, regulariser included, in evaluation mode.

    Records, float64:

    - `<name>/eigenvalues`: all of them, ascending, for up to 500 parameters and k = None;
    - `<name>/largest`, `<name>/smallest`: the k largest, largest first, and the k smallest, smallest first, otherwise;
    - `<name>/trace`: their sum;
    - `<name>/negative_fraction`: the share below −10⁻⁴ of the largest |h|;
    - `<name>/trace_error`, `<name>/negative_fraction_error`, `<name>/residual`: above 500 parameters, half the 95 % intervals
      of trace and share, and the largest residual of the eigenvalues over the largest |h|, 10⁻⁴ or less if they have converged.

    Up to 500 parameters all is exact, and the trajectories of a block go through in one call. Above, the ends are found by
    Lanczos, trace and share are estimated by random signs (99 and 80 · `probes` products), one trajectory after another: some
    thousand passes over the training set at each time.

    Attributes:
        at: when.
        k: eigenvalues from each end; None for all, or for 5 where there are too many parameters.
        probes: random vectors behind the negative share of a large network.
        name: name of the records.

    Raises:
        ValueError: k below 1, or fewer than 2 probes.

    >>> import thermograd as tg
    >>> from thermograd.problems import Quadratic
    >>> valley = Quadratic(curvatures=(3.0, 1.0, 0.0))
    >>> settings = {"trajectories": 2, "steps": 1, "engine": "eager"}
    >>> run = tg.run(tg.Experiment(valley, observe=[HessianSpectrum()], **settings))
    >>> run["hessian_spectrum/eigenvalues"][:, 0].round(9).tolist()
    [[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]]
    >>> run["hessian_spectrum/trace"][:, 0].round(9).tolist()
    [4.0, 4.0]
    """

    at: Times = field(default_factory=lambda: Logarithmic(2))
    k: int | None = None
    probes: int = 8
    name: str = "hessian_spectrum"

    def __post_init__(self) -> None:
        if self.k is not None:
            check_whole_number("k", self.k, 1, of="eigenvalues")
        check_whole_number("probes", self.probes, 2)

    def measure(self, weights: Weights, problem: FunctionalProblem, oracle: Oracle) -> dict[str, Tensor]:
        """The spectrum of one trajectory, by field.

        Raises:
            ValueError: more eigenvalues than parameters.
        """
        flat = torch.cat([value.reshape(-1) for value in weights.values()])
        size, count = problem.parameters, _ENDS if self.k is None else self.k
        if 2 * count > size and self.k is not None:
            message = f"k is {count} from each end; there are {size} parameters"
            raise ValueError(message)
        if size <= FULL:
            return _exact(flat, problem, self.k)
        found: Tensor = _Estimated.apply(flat, problem, count, self.probes)  # type: ignore[no-untyped-call]  # of torch
        return {
            "largest": found[:count],
            "smallest": found[count : 2 * count],
            **dict(zip(_SCALARS, found[2 * count :], strict=True)),
        }


def _exact(flat: Tensor, problem: FunctionalProblem, count: int | None) -> dict[str, Tensor]:
    """All eigenvalues; NaN where the Hessian is not finite."""

    def losses(weights: Weights, batch: tuple[Tensor, ...]) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention have no second derivatives
            outputs = problem.outputs(weights, batch[0])
        return problem.loss(outputs, batch[1]) + problem.regularisation(weights)

    dense = PerSampleLoss(losses, problem.split("train"), flat, problem.shapes).hessian(flat).double()
    finite = dense.isfinite().all()
    values = torch.linalg.eigvalsh(torch.where(finite, dense, 0.0))
    values = torch.where(finite, values, torch.nan)
    zero = _ZERO * values.abs().amax()
    negative = torch.where(finite, (values < -zero).double().mean(), torch.nan)
    ends = {"eigenvalues": values}
    if count is not None:
        ends = {"largest": values.flip(0)[:count], "smallest": values[:count]}
    return ends | {"trace": values.sum(), "negative_fraction": negative}


class _Estimated(torch.autograd.Function):
    """The ends and the trace of one trajectory after another: Lanczos decides when to stop, which `vmap` cannot follow."""

    @staticmethod
    def forward(flat: Tensor, problem: FunctionalProblem, count: int, probes: int) -> Tensor:
        """One trajectory."""
        found = flat.new_full((2 * count + len(_SCALARS),), torch.nan, dtype=torch.float64)
        try:
            return found.copy_(torch.tensor(_estimated(flat.detach(), problem, count, probes)))
        except NotFiniteError:  # it diverges
            return found

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing to keep: there is no gradient."""

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, flat: Tensor, problem: FunctionalProblem, count: int, probes: int
    ) -> tuple[Tensor, int]:
        """Trajectory after trajectory."""
        rows = flat.movedim(in_dims[0], 0)
        return torch.stack([_Estimated.forward(row, problem, count, probes) for row in rows]), 0


def _estimated(flat: Tensor, problem: FunctionalProblem, count: int, probes: int) -> list[float]:
    """Largest, smallest, and `_SCALARS`.

    Raises:
        NotFiniteError: weights that have diverged.
    """
    leaf = flat.clone().requires_grad_()

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        return problem.mean_loss(unflattened(leaf, problem.shapes), batch)

    inputs, targets = problem.split("train")
    parts = torch.split(inputs, _SAMPLES), torch.split(targets, _SAMPLES)
    batches = list(zip(*parts, strict=True))
    with Hessian([leaf], loss, batches) as hessian, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # residuals are recorded
        both = hessian.eigenvalues(count, "both", tol=_TOLERANCE)
        trace = hessian.trace()
        largest, scale = both.values[::-1][:count], float(abs(both.values).max())
        below = hessian.density(probes=probes).fraction_below(-_ZERO * scale)
    return [
        *largest,
        *both.values[:count],
        trace.value,
        (trace.high - trace.low) / 2,
        below.value,
        (below.high - below.low) / 2,
        float(both.residuals.max()) / scale if scale else 0.0,
    ]
