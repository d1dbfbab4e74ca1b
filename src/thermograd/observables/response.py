"""How far a small constant field has moved the weights, from two copies that differ by its sign."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from thermograd.numerics.finite_number import check_finite_number


def response(
    above: Mapping[str, Tensor], below: Mapping[str, Tensor], signs: Mapping[str, Tensor], field: float
) -> Tensor:
    """Σ σ (w⁺ − w⁻)/(2ε) over the weights of each parameter tensor: N times the response χ per parameter.

    The copies feel the gradient with −εσ and +εσ added, with independent random signs σ = ±1, and everything else
    alike (batches, dropout, injected noise). The mean over signs of σ·(w⁺ − w⁻)/(2εN) is Σ_i ∂w_i/∂(field on i)/N,
    for the weights of any part of the model, since the signs of other parts average out; the standard error of one
    draw of signs is about χ√(2/N). After one step of plain gradient descent it is exactly the learning rate.

    Args:
        above: w⁺ by name, with leading axes such as windows.
        below: w⁻.
        signs: σ, of the same shapes.
        field: ε.

    Returns:
        Float64, the leading axis of the tensors (windows), then one entry for each name.

    Raises:
        ValueError: other names or shapes, or a field that is not positive.

    >>> signs = {"w": torch.tensor([[1.0, -1.0, 1.0]])}
    >>> moved = {"w": 0.01 * 0.1 * signs["w"]}  # ε = 0.01, learning rate 0.1
    >>> response(moved, {"w": -moved["w"]}, signs, 0.01)
    tensor([[0.3000]], dtype=torch.float64)
    """
    check_finite_number("field", field, zero=False)
    shapes = [
        {str(name): tuple(getattr(value, "shape", ())) for name, value in dict(part).items()}
        if isinstance(part, Mapping)
        else type(part).__name__
        for part in (above, below, signs)
    ]
    if not signs or shapes[0] != shapes[2] or shapes[1] != shapes[2] or () in shapes[2].values():
        message = (
            f"above, below and signs have names and shapes {shapes[0]}, {shapes[1]} and {shapes[2]}; all three are tensors by "
            "name, of the same shapes (windows, ...)"
        )
        raise ValueError(message)
    sums = [
        ((above[name] - below[name]) * sign).reshape(len(sign), -1).sum(1, dtype=torch.float64)
        for name, sign in signs.items()
    ]
    return torch.stack(sums, dim=1) / (2 * float(field))
