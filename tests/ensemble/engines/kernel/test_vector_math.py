"""The elementary functions of kernels against numpy's longer types, in units of the last place."""

from __future__ import annotations

import ctypes
import subprocess

import mpmath
import numpy as np
import pytest

from thermograd.ensemble.engines.kernel import compiler

HEADER = compiler.__file__.replace("compiler.py", "vector_math.h")
NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "erf", "sin_two_pi", "cos_two_pi")
NAMES += ("square_root", "reciprocal_square_root")
BOUNDS = dict.fromkeys(NAMES, 4) | dict.fromkeys(
    ("exp", "expm1", "log", "log1p", "reciprocal_square_root"), 2
)
BOUNDS |= {"square_root": 0.5}
TYPES = {np.float32: "float", np.float64: "double"}


def wrapper() -> str:
    """Functions of arrays, as numbers and as vectors of 16, 32 and 64 bytes."""
    lines = [f'#include "{HEADER}"']
    for kind in TYPES.values():
        for width in (0, 16, 32, 64):
            vector = kind if width == 0 else f"{kind}{width}"
            if width:
                lines.append(f"typedef {kind} {vector} __attribute__((vector_size({width})));")
            lines += [
                f'extern "C" void {name}_{vector}(const {kind}* x, {kind}* y, long n) {{ {vector} v;'
                f" for (long i = 0; i < n; i += sizeof v / sizeof *x) {{ memcpy(&v, x + i, sizeof v);"
                f" v = thermograd::{name}(v); memcpy(y + i, &v, sizeof v); }} }}"
                for name in NAMES
            ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    if compiler.compiler() is None:
        pytest.skip(compiler.no_compiler())
    folder = tmp_path_factory.mktemp("vector_math")
    (folder / "wrapper.cpp").write_text(wrapper())
    command = [
        compiler.compiler()[0],
        *compiler.FLAGS,
        str(folder / "wrapper.cpp"),
        "-o",
        str(folder / "wrapper.so"),
    ]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(folder / "wrapper.so"))

    def call(name, x, width=64):
        x = np.ascontiguousarray(np.pad(x, (0, -len(x) % 16)))
        y = np.empty_like(x)
        kind = TYPES[x.dtype.type]
        function = getattr(library, f"{name}_{kind}{width or ''}")
        function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(len(x)))
        return y

    return call


def truth(name, x):
    """The function in longer numbers: float64 for float32, 80 bits for float64."""
    wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
    pi = wide.dtype.type("3.14159265358979323846264338327950288") if wide.dtype == np.longdouble else np.pi
    if name == "erf":
        mpmath.mp.dps = 30
        return np.array([wide.dtype.type(str(mpmath.erf(mpmath.mpf(float(value))))) for value in x])
    if name == "sigmoid":
        small = np.exp(-np.abs(wide))
        return np.where(wide < 0, small, 1) / (1 + small)
    if name in {"sin_two_pi", "cos_two_pi"}:
        turns = 4 * wide
        whole = np.round(turns)
        angle, quadrant = (turns - whole) * pi / 2, (whole.astype(int) + (name == "cos_two_pi")) % 4
        return np.where(quadrant % 2 == 0, np.sin(angle), np.cos(angle)) * np.where(quadrant < 2, 1, -1)
    if name == "reciprocal_square_root":
        return 1 / np.sqrt(wide)
    return {"square_root": np.sqrt}.get(name, getattr(np, name, None))(wide)


def ulps(found, expected):
    """Errors in units of the last place of the true value, subnormal numbers included."""
    dtype = found.dtype.type
    information = np.finfo(dtype)
    size = np.maximum(np.abs(expected), information.tiny).astype(expected.dtype)
    place = np.exp2(np.floor(np.log2(size)) - information.nmant)
    return np.abs(found.astype(expected.dtype) - expected) / place


def samples(name, dtype, generator):
    """Every exponent, the usual range densely, and neighbours of special points."""
    information = np.finfo(dtype)
    count = 3_000 if name == "erf" else 200_000
    whole = np.uint32 if dtype == np.float32 else np.uint64
    if name in {"sin_two_pi", "cos_two_pi"}:
        tiny = np.exp2(-generator.uniform(0, 60, count))
        x = np.concatenate([generator.random(count), tiny, 1 - tiny, np.arange(9) / 8])
        return np.clip(x.astype(dtype), 0, 1)
    patterns = generator.integers(0, np.iinfo(whole).max, count, dtype=whole, endpoint=True).view(dtype)
    usual = generator.normal(0, 3, count).astype(dtype)
    edges = np.array(
        [1, 2, np.sqrt(0.5), np.log(2), np.log(2) / 2, np.pi, np.pi / 2, 20 * np.pi, 88.7, 103, 709.7, 745]
    )
    near = (edges[:, None] * (1 + np.arange(-40, 41) * information.eps)).ravel().astype(dtype)
    small = np.exp2(generator.uniform(-30, 1, count)).astype(dtype)
    x = np.concatenate([patterns, usual, near, -near, small, -small, usual * dtype(20)])
    if name in {"sin", "cos"}:
        turns = np.arange(-600, 601) * np.pi / 2
        x = np.concatenate([x, turns.astype(dtype)])
    x = x[np.isfinite(x)]
    if name in {"log", "square_root", "reciprocal_square_root"}:
        x = np.abs(x[x != 0])
    return x[x > -1] if name == "log1p" else x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_stated_bound(functions, name, dtype):
    x = samples(name, dtype, np.random.default_rng(0))
    with np.errstate(all="ignore"):
        expected = truth(name, x)
        inside = np.abs(expected) <= np.finfo(dtype).max
        found = functions(name, x)[: len(x)]
        errors = ulps(found[inside], expected[inside])
        beyond = np.abs(expected) / np.finfo(dtype).max > 1 + np.finfo(dtype).eps
    worst = int(np.argmax(errors))
    assert errors[worst] <= BOUNDS[name], (x[inside][worst], found[inside][worst], expected[inside][worst])
    assert np.isinf(found[beyond]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_are_exact(functions, dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    exact = {
        "exp": [1, 1, np.inf, 0, np.nan],
        "expm1": [0.0, -0.0, np.inf, -1, np.nan],
        "log": [-np.inf, -np.inf, np.inf, np.nan, np.nan],
        "log1p": [0.0, -0.0, np.inf, np.nan, np.nan],
        "tanh": [0.0, -0.0, 1, -1, np.nan],
        "sigmoid": [0.5, 0.5, 1, 0, np.nan],
        "sin": [0.0, -0.0, np.nan, np.nan, np.nan],
        "cos": [1, 1, np.nan, np.nan, np.nan],
        "erf": [0.0, -0.0, 1, -1, np.nan],
    }
    for name, expected in exact.items():
        found = functions(name, x)[:5]
        np.testing.assert_array_equal(found, np.array(expected, dtype), err_msg=name)
        zeros = found == 0
        np.testing.assert_array_equal(
            np.signbit(found[zeros]), np.signbit(np.array(expected)[zeros]), err_msg=name
        )
    quarters = np.arange(5, dtype=dtype) / 4
    np.testing.assert_array_equal(functions("sin_two_pi", quarters)[:5], [0, 1, 0, -1, 0])
    np.testing.assert_array_equal(functions("cos_two_pi", quarters)[:5], [1, 0, -1, 0, 1])
    np.testing.assert_array_equal(functions("log1p", np.array([-1.0], dtype))[:1], [-np.inf])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_every_width_is_as_accurate_and_a_lane_does_not_see_its_neighbours(functions, name, dtype):
    generator = np.random.default_rng(1)
    x = samples(name, dtype, generator)[::37]
    x = x[: len(x) // 16 * 16]
    order = generator.permutation(len(x))
    with np.errstate(all="ignore"):
        expected = truth(name, x)
        inside = np.abs(expected) <= np.finfo(dtype).max
        for width in (0, 16, 32, 64):
            found = functions(name, x, width)
            assert ulps(found, expected)[inside].max() <= BOUNDS[name]
            np.testing.assert_array_equal(functions(name, x[order], width), found[order])


def test_a_tanh_that_cancels_near_zero_fails_the_same_check():
    x = np.random.default_rng(0).normal(0, 1e-2, 1000).astype(np.float32)
    naive = np.float32(1) - np.float32(2) / (np.exp(x + x) + np.float32(1))
    assert ulps(naive, truth("tanh", x)).max() > 100
