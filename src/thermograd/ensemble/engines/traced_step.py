"""The number of an update while it is traced: it may be computed with, but not looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from torch import Tensor


class TracedStep:
    """A step number that goes into arithmetic as a tensor and refuses to be a key, a condition or a Python number.

    Args:
        tensor: the number, float64, of shape ().

    >>> import torch
    >>> step = TracedStep(torch.tensor(3.0))
    >>> 1 / (1 + step), 2**step, torch.sqrt(step + 1)
    (tensor(0.2500), tensor(8.), tensor(2.))
    >>> {3: 0.1}.get(step)
    Traceback (most recent call last):
    TypeError: unhashable type: 'TracedStep'
    """

    __hash__ = None  # type: ignore[assignment]  # a table by step would find nothing, or the wrong entry
    __array_ufunc__ = None

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """A function of torch, of the tensor."""
        del types
        return function(*_bare(args), **{name: _bare(value) for name, value in (kwargs or {}).items()})

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        message = "the update looks at the value of step; compute with it instead (arithmetic, torch.where)"
        raise TypeError(message)

    __bool__ = __int__ = __float__ = __index__ = __array__ = __len__ = __iter__ = __format__ = _refuse


def _bare(value: Any) -> Any:
    if isinstance(value, TracedStep):
        return value.tensor
    if isinstance(value, tuple | list):
        return type(value)(_bare(entry) for entry in value)
    return value


def _of_tensor(name: str) -> Callable[..., Any]:
    def method(self: TracedStep, *others: Any) -> Any:
        return getattr(self.tensor, name)(*[_bare(other) for other in others])

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    for _side in ("", "r"):
        setattr(TracedStep, f"__{_side}{_name}__", _of_tensor(f"__{_side}{_name}__"))
for _name in ("neg", "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge"):
    setattr(TracedStep, f"__{_name}__", _of_tensor(f"__{_name}__"))
