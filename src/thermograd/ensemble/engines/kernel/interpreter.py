"""A program carried out in numpy, one trajectory at a time: what its printed form must agree with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from thermograd.ensemble.engines.kernel.ir import Program, Value

Arrays = dict[str, npt.NDArray[Any]]

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "sin": np.sin,
    "cos": np.cos,
    "erf": special.erf,
    "is_nan": np.isnan,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "where": np.where,
    "convert": lambda x: x,
}
_REDUCTIONS: dict[str, Callable[..., Any]] = {"sum": np.sum, "max": np.max, "min": np.min}


def interpret(program: Program, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """The outputs of a program.

    Args:
        program: what to compute.
        inputs: arrays of one trajectory by name; more than are used may be given.

    Returns:
        Arrays by name, of the types the program states.
    """
    found: dict[int, npt.NDArray[Any]] = {}
    with np.errstate(all="ignore"):
        for value in program.order:
            operands = [found[id(operand)] for operand in value.operands]
            result = np.asarray(_computed(value, operands, program, inputs))
            found[id(value)] = result.astype(value.dtype, copy=False).reshape(value.shape)
    return {name: found[id(value)] for name, value in program.outputs.items()}


def _computed(
    value: Value, operands: list[npt.NDArray[Any]], program: Program, inputs: Mapping[str, npt.NDArray[Any]]
) -> Any:
    match value.operation:
        case "input":
            return inputs[value.detail]
        case "array":
            return program.arrays[value.detail]
        case "number":
            return value.detail
        case "map":
            return _FUNCTIONS[value.detail](*operands)
        case "permute":
            return operands[0].transpose(value.detail)
        case "reshape":
            return operands[0].reshape(value.shape)
        case "expand":
            return np.broadcast_to(operands[0], value.shape)
        case "slice":
            axis, start, step = value.detail
            places = start + step * np.arange(value.shape[axis])
            return operands[0].take(places, axis)
        case "cat":
            return np.concatenate(operands, value.detail)
        case "reduce":
            function, axes = value.detail
            return _REDUCTIONS[function](operands[0], axis=axes)
        case "matmul":
            return operands[0] @ operands[1]
    message = f"no such operation: {value.operation}"
    raise ValueError(message)
