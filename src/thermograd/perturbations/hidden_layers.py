"""The hidden layers of a network, found by watching one forward pass, with what they passed on."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.modules import activation, batchnorm, dropout, instancenorm, pooling

from thermograd.protocols import HiddenLayer

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_Linear = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
_NORMS = (batchnorm._NormBase, instancenorm._InstanceNorm, nn.GroupNorm)
_SAME_SHAPE = (dropout._DropoutNd, nn.Identity)
_POOLING = (
    pooling._MaxPoolNd,
    pooling._AvgPoolNd,
    pooling._AdaptiveAvgPoolNd,
    pooling._AdaptiveMaxPoolNd,
)
_ACTIVATIONS = tuple(
    entry
    for entry in vars(activation).values()
    if isinstance(entry, type)
    and issubclass(entry, nn.Module)
    and entry.__module__ == activation.__name__
    and entry not in {nn.MultiheadAttention, nn.GLU}
)


@dataclass
class _Chain:
    """Where a forward pass is: after which linear map, and the tensor that carries its units on."""

    name: str
    units: int
    convolution: bool
    carrier: weakref.ref[Any]
    norm: str | None = None
    activated: bool = False
    flat: bool = False


class _Hook:
    """Calls a method of the watcher for one module; does nothing in copies and after the watcher has gone.

    A copied or unpickled module must neither report to the watcher of the original nor keep it from being copied.
    """

    def __init__(self, watcher: HiddenLayers | None, module: nn.Module | None, name: str | None) -> None:
        self._watcher = None if watcher is None else weakref.ref(watcher)
        self._module = None if module is None else weakref.ref(module)
        self._name = name

    def __call__(self, module: nn.Module, inputs: Any, output: Any = None) -> None:
        watcher = None if self._watcher is None else self._watcher()
        if watcher is None or self._module is None or self._module() is not module or not module.training:
            return
        if self._name is None:
            watcher._begin()
        elif inputs:
            watcher._follow(self._name, module, inputs[0], output)

    def __deepcopy__(self, memo: Any) -> _Hook:
        return _Hook(None, None, self._name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, (None, None, self._name)


def _remove(handles: list[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()


class HiddenLayers:
    """Watches a module's forward passes; keeps the hidden layers of the last one that was in training mode.

    A hidden layer is a chain linear or convolution – (normalisation) – activation – (dropout, pooling, flatten) –
    linear or convolution in which each module gets the very tensor the one before gave. Nothing is computed, and
    no tensor of the pass is kept alive but what enters the outgoing maps, detached.

    Args:
        module: whose leaves are watched.

    >>> from torch import ones
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> watching = HiddenLayers(net)
    >>> _ = net(ones(4, 2))
    >>> [(layer.incoming, layer.outgoing, tuple(layer.activation.shape)) for layer in watching.last()]
    [('0', '2', (4, 3, 1))]
    >>> watching.remove()
    """

    def __init__(self, module: nn.Module) -> None:
        self._layers: list[HiddenLayer] = []
        self._chain: _Chain | None = None
        self._complaint: str | None = None
        self._seen: set[str] = set()
        self._handles: list[RemovableHandle] = [module.register_forward_pre_hook(_Hook(self, module, None))]
        for name, part in module.named_modules():
            if not any(part.children()):
                self._handles.append(part.register_forward_hook(_Hook(self, part, name)))
        weakref.finalize(self, _remove, self._handles)

    def last(self) -> tuple[HiddenLayer, ...]:
        """The hidden layers of the last training pass, in its order.

        Raises:
            ValueError: there was none, or the network is no such chain; names the module.
        """
        if self._complaint is not None:
            message = (
                f"{self._complaint}; hidden units can be replaced in chains Linear/Conv - (normalisation) - "
                "activation - Linear/Conv of modules only (activations as modules, nn.ReLU() instead of F.relu)"
            )
            raise ValueError(message)
        if not self._layers:
            message = "no hidden layer was seen: the model had no forward pass in training mode, or has none"
            raise ValueError(message)
        return tuple(self._layers)

    def remove(self) -> None:
        """Stop watching."""
        _remove(self._handles)

    def _begin(self) -> None:
        self._layers, self._chain, self._complaint = [], None, None
        self._seen = set()

    def _follow(self, name: str, module: nn.Module, given: Any, output: Any) -> None:
        if self._complaint is not None:
            return
        chain = self._chain
        if name in self._seen and isinstance(module, _LINEAR):
            self._complaint = f"module {name!r} is used twice"
        elif isinstance(module, _LINEAR):
            self._seen.add(name)
            if chain is not None:
                self._complaint = _why_not_closed(chain, name, module, given)
                if self._complaint is None:
                    self._layers.append(_closed(chain, name, given))
            convolution = not isinstance(module, nn.Linear)
            self._chain = _Chain(name, module.weight.shape[0], convolution, weakref.ref(output))
        elif chain is not None:  # before the first linear map inputs may be prepared as one likes
            self._complaint = _why_not_passed(chain, name, module, given, output)
            chain.norm = name if isinstance(module, _NORMS) else chain.norm
            chain.activated |= isinstance(module, _ACTIVATIONS)
            chain.flat |= isinstance(module, nn.Flatten)
            chain.carrier = weakref.ref(output)


def _why_not_passed(chain: _Chain, name: str, module: nn.Module, given: Any, output: Any) -> str | None:
    """Why a module between two linear maps is not understood, None if it is."""
    unknown = f"module {name!r} ({type(module).__name__}) after {chain.name!r} is not understood"
    carried = chain.carrier() is given
    if not carried:
        return f"module {name!r} does not take what module {chain.name!r} gave"
    same = isinstance(output, Tensor) and output.shape == given.shape
    if isinstance(module, _NORMS):
        return None if same and not chain.activated and chain.norm is None and not chain.flat else unknown
    if isinstance(module, _ACTIVATIONS):
        return None if same and not chain.activated else unknown
    if isinstance(module, _SAME_SHAPE):
        return None if same else unknown
    if isinstance(module, nn.Flatten):
        # Channels of a batched map, outermost first; of vectors there is nothing to flatten.
        whole = given.ndim == 2 if not chain.convolution else given.shape[1] == chain.units and given.ndim > 2
        return None if whole and output.ndim == 2 and output.shape[0] == given.shape[0] else unknown
    pooled = isinstance(module, _POOLING) and chain.convolution and not chain.flat
    return None if pooled and isinstance(output, Tensor) and output.ndim == given.ndim else unknown


def _why_not_closed(chain: _Chain, name: str, module: _Linear, given: Tensor) -> str | None:
    """Why a linear map does not end the hidden layer before it, None if it does."""
    carried = chain.carrier() is given
    if not carried:
        return f"module {name!r} does not take what module {chain.name!r} gave"
    if not chain.activated:
        return f"there is no activation between modules {chain.name!r} and {name!r}"
    if getattr(module, "groups", 1) != 1:
        return f"module {name!r} is a grouped convolution"
    straight = isinstance(module, nn.Linear) == (chain.flat or not chain.convolution)
    taken = given.shape[-1] if isinstance(module, nn.Linear) else module.weight.shape[1]
    fits = taken % chain.units == 0 if chain.flat else taken == chain.units
    if not (straight and fits):
        return f"module {name!r} does not take the units of {chain.name!r} one by one (is an nn.Flatten missing?)"
    return None


def _closed(chain: _Chain, name: str, given: Tensor) -> HiddenLayer:
    """The hidden layer with its activation as (samples, units, positions)."""
    values = given.detach()
    if chain.convolution and not chain.flat:
        batched = values if values.ndim > 2 and values.shape[1] == chain.units else values[None]
        return HiddenLayer(chain.name, chain.norm, name, batched.flatten(2))
    positions = values.shape[-1] // chain.units
    return HiddenLayer(chain.name, chain.norm, name, values.reshape(-1, chain.units, positions))
