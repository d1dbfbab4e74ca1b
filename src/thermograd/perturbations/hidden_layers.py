"""The hidden layers of a network, found by watching one forward pass, with what they passed on."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
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
_PASSING = (dropout._DropoutNd, nn.Flatten, nn.Identity, pooling._MaxPoolNd, pooling._AvgPoolNd)
_PASSING_ADAPTIVE = (pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd)
_ACTIVATIONS = tuple(
    entry
    for entry in vars(activation).values()
    if isinstance(entry, type)
    and issubclass(entry, nn.Module)
    and entry.__module__ == activation.__name__
    and entry is not nn.MultiheadAttention
)


@dataclass
class _Chain:
    """Where a forward pass is: after which linear map, and the tensor that carries its units on."""

    name: str
    units: int
    carrier: weakref.ref[Tensor]
    norm: str | None = None
    activated: bool = False


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
        self._handles: list[RemovableHandle] = [module.register_forward_pre_hook(self._opening())]
        for name, part in module.named_modules():
            if not any(part.children()):
                self._handles.append(part.register_forward_hook(self._following(name)))

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
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    # Hooks are plain functions, which a copy of the module shares; a bound method would copy all of this too.
    def _opening(self) -> Callable[[nn.Module, Any], None]:
        watching = weakref.ref(self)

        def opened(module: nn.Module, inputs: Any) -> None:
            found = watching()
            if found is not None and module.training:
                found._layers, found._chain, found._complaint = [], None, None

        return opened

    def _following(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        watching = weakref.ref(self)

        def passed(module: nn.Module, inputs: Any, output: Any) -> None:
            found = watching()
            if found is not None and module.training and inputs and found._complaint is None:
                found._follow(name, module, inputs[0], output)

        return passed

    def _follow(self, name: str, module: nn.Module, given: Any, output: Any) -> None:
        chain = self._chain
        carried = chain is not None and chain.carrier() is given
        if isinstance(module, _LINEAR):
            if chain is not None:
                self._close(chain, name, module, given, carried=carried)
            if self._complaint is None:
                self._chain = _Chain(name, module.weight.shape[0], weakref.ref(output))
            return
        if chain is None:
            return  # before the first linear map: inputs may be prepared as one likes
        if not carried:
            self._complaint = f"module {name!r} does not take what module {chain.name!r} gave"
        elif isinstance(module, _NORMS) and not chain.activated and chain.norm is None:
            chain.norm = name
        elif isinstance(module, _ACTIVATIONS) and not chain.activated:
            chain.activated = True
        elif not isinstance(module, (*_PASSING, *_PASSING_ADAPTIVE)):
            self._complaint = (
                f"module {name!r} ({type(module).__name__}) after {chain.name!r} is not understood"
            )
        chain.carrier = weakref.ref(output)

    def _close(self, chain: _Chain, name: str, module: _Linear, given: Tensor, *, carried: bool) -> None:
        if not carried:
            self._complaint = f"module {name!r} does not take what module {chain.name!r} gave"
        elif not chain.activated:
            self._complaint = f"there is no activation between modules {chain.name!r} and {name!r}"
        elif getattr(module, "groups", 1) != 1:
            self._complaint = f"module {name!r} is a grouped convolution"
        else:
            values = given.detach()
            if isinstance(module, nn.Linear):
                values = values.reshape(-1, chain.units, values.shape[-1] // chain.units)
            else:
                batched = values.ndim == module.weight.ndim
                spatial = values.shape[2:] if batched else values.shape[1:]
                values = values.reshape(-1, chain.units, math.prod(spatial))
            self._layers.append(HiddenLayer(chain.name, chain.norm, name, values))
