"""Operations whose derivative is marked as having none itself."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd import function


def once_differentiable_operation(value: Tensor) -> str | None:
    """The name of a `torch.autograd.Function` in a graph whose backward pass is marked `once_differentiable`.

    Torch refuses to go through it only where a caller asks for all derivatives; where those by some leaves are asked for it
    leaves out the paths that cross it, and what is then called a second derivative is short of a part.

    Args:
        value: where the graph ends.
    """
    seen: set[Any] = {None}
    waiting: list[Any] = [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        code = getattr(getattr(getattr(node, "_forward_cls", None), "backward", None), "__code__", None)
        if code is not None and code.co_filename == function.__file__ and code.co_name == "wrapper":
            return str(node._forward_cls.__name__)
        waiting.extend(following for following, _ in node.next_functions)
    return None
