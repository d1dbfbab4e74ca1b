import pytest
import torch

from thermograd.perturbations import ShrinkAndPerturb


class FixedContext:
    """A context whose draws are known."""

    def __init__(self, fresh, buffers=None):
        self._fresh, self._buffers = fresh, buffers or {}

    def fresh(self):
        return self._fresh, self._buffers


def test_text_mixes_parameters_keeps_buffers_clears_optimizer():
    weights, fresh = {"w": torch.tensor([1.0, -2.0])}, {"w": torch.tensor([10.0, 20.0])}
    state = {"optimizer/momentum_buffer/w": torch.ones(2), "buffers/mean": torch.full((2,), 3.0)}
    before = {name: value.clone() for name, value in (weights | state).items()}
    new, rest = ShrinkAndPerturb(shrink=0.5, perturb=0.25).apply(weights, state, FixedContext(fresh))
    assert new["w"].tolist() == [3.0, 4.0]
    assert rest["optimizer/momentum_buffer/w"].tolist() == [0, 0]
    assert rest["buffers/mean"].tolist() == [3, 3]
    assert all(torch.equal(value, before[name]) for name, value in (weights | state).items())


def test_reference_code_maps_buffers_too_and_keeps_the_optimizer():
    state = {
        "optimizer/momentum_buffer/w": torch.ones(1),
        "buffers/running_mean": torch.tensor([2.0]),
        "buffers/running_var": torch.tensor([3.0]),
        "buffers/num_batches_tracked": torch.tensor(17),
    }
    buffers = {
        "running_mean": torch.zeros(1),
        "running_var": torch.ones(1),
        "num_batches_tracked": torch.tensor(0),
    }
    context = FixedContext({"w": torch.zeros(1)}, buffers)
    _, rest = ShrinkAndPerturb(implementation="reference_code").apply({"w": torch.ones(1)}, state, context)
    assert rest["buffers/running_mean"].item() == pytest.approx(0.8)
    assert rest["buffers/running_var"].item() == pytest.approx(0.4 * 3 + 0.1)
    assert rest["buffers/num_batches_tracked"].item() == 6
    assert rest["buffers/num_batches_tracked"].dtype == torch.int64
    assert rest["optimizer/momentum_buffer/w"].item() == 1


def test_identity_and_moments():
    weights = {"w": torch.full((100_000,), 2.0, dtype=torch.float64)}
    fresh = {"w": torch.randn(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))}
    same, _ = ShrinkAndPerturb(1, 0).apply(weights, {}, FixedContext(fresh))
    assert torch.equal(same["w"], weights["w"])
    mixed, _ = ShrinkAndPerturb().apply(weights, {}, FixedContext(fresh))
    assert abs(mixed["w"].mean() - 0.8) < 4 * 0.1 / 100_000**0.5
    assert abs(mixed["w"].std() - 0.1) < 4 * 0.1 / (2 * 100_000) ** 0.5


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="shrink is nan"):
        ShrinkAndPerturb(shrink=float("nan"))
    with pytest.raises(ValueError, match="use 'text' or 'reference_code'"):
        ShrinkAndPerturb(implementation="code")
