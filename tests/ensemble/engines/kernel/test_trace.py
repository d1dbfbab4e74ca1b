"""Traced functions: the interpreter and the printed C++ give what torch gives."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from thermograd.ensemble.engines.kernel import compiler
from thermograd.ensemble.engines.kernel.interpreter import interpret
from thermograd.ensemble.engines.kernel.ir import Builder
from thermograd.ensemble.engines.kernel.lower_cpp import lowered
from thermograd.ensemble.engines.kernel.source import _C_TYPE, _read
from thermograd.ensemble.engines.kernel.terms import TYPE, memory
from thermograd.ensemble.engines.kernel.trace import traced
from thermograd.ensemble.engines.update_function import CannotTraceError

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(6, 4, generator=GENERATOR, dtype=torch.float64)
W = torch.randn(4, 4, generator=GENERATOR, dtype=torch.float64)
CLASSES = torch.tensor([0, 3, 1, 2, 2, 0])

FUNCTIONS = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu by tanh": lambda h: functional.gelu(h, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": functional.softplus,
    "leaky relu": functional.leaky_relu,
    "hardtanh": functional.hardtanh,
    "hardswish": functional.hardswish,
    "log sigmoid": functional.logsigmoid,
    "softmax": lambda h: functional.softmax(h, -1),
    "log softmax along rows": lambda h: functional.log_softmax(h, 0),
    "layer norm": lambda h: functional.layer_norm(h, (4,), h[0], h[1]),
    "rms norm": lambda h: functional.rms_norm(h, (4,)),
    "normalised": lambda h: functional.normalize(h, dim=1),
    "variance": lambda h: h.var(1, keepdim=True),
    "standard deviation": lambda h: h.std(0),
    "log-sum-exp": lambda h: torch.logsumexp(h, 1),
    "gated": functional.glu,
    "part": lambda h: h[:, 1:3] * h[::2, :1].sum(),
    "padded": lambda h: functional.pad(h, (1, 2, 0, 1)),
    "chunks": lambda h: torch.mul(*h.chunk(2, 1)),
    "flipped": lambda h: h.flip(0) * h,
    "stacked": lambda h: torch.stack([h, h.sin()], 1).reshape(6, 8),
    "einsum": lambda h: torch.einsum("bi,ij->bj", h, W.T),
    "batched product": lambda h: torch.bmm(h.reshape(2, 3, 4), h.reshape(2, 4, 3)),
    "outer": lambda h: torch.outer(h[0], h[1]) - h[0].dot(h[2]),
    "powers": lambda h: (h.abs() + 1) ** 1.5 + h**3 + h**-1 + 2.0 ** (h / 4),
    "hyperbolic": lambda h: torch.log(torch.cosh(h)) + torch.sinh(h) * torch.tanh(h),
    "others": lambda h: (
        h.cos() + h.erf() + h.exp() + h.expm1() + (h * h).log1p() + (h * h + 1).rsqrt() + h.sign()
    ),
    "largest": lambda h: h.max(1).values + h.amax(1) + h.amin(0, keepdim=True).sum(),
    "clamped": lambda h: (
        h.clamp(-0.5, 0.7) + h.clamp(min=0.1) + torch.maximum(h, -h) + torch.minimum(h, h * h)
    ),
    "cross entropy": lambda h: functional.cross_entropy(h, CLASSES, reduction="none"),
    "smoothed cross entropy": lambda h: functional.cross_entropy(
        h, CLASSES, reduction="none", label_smoothing=0.1
    ),
    "binary cross entropy": lambda h: functional.binary_cross_entropy_with_logits(
        h, X.sigmoid(), reduction="none"
    ),
    "huber": lambda h: functional.huber_loss(h, X, reduction="none"),
    "divergence": lambda h: functional.kl_div(
        functional.log_softmax(h, 1), functional.softmax(X, 1), reduction="none"
    ),
    "gathered": lambda h: h.gather(1, CLASSES[:, None]),
    "embedded": lambda h: functional.embedding(CLASSES, torch.cat([h, h.square()]).T[:4]),
    "chosen": lambda h: torch.where(h > X, h, X * h.abs()),
}


def program_of(name):
    function = FUNCTIONS[name]

    def with_gradient(given):
        slope, value = torch.func.grad_and_value(lambda w: function(X @ w.T).square().sum())(given["w"])
        return {"slope": slope, "value": value, "output": function(X @ given["w"].T)}

    return with_gradient, traced(with_gradient, {"w": W})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_interpreter_gives_what_torch_gives(name):
    function, program = program_of(name)
    found = interpret(program, {"w": W.numpy()})
    for key, value in function({"w": W}).items():
        np.testing.assert_allclose(found[key], value.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=key)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """All programs in one library: function i fills its outputs, one lane after another."""
    if compiler.compiler() is None:
        pytest.skip(compiler.no_compiler())
    functions, sizes = [], {}
    for place, name in enumerate(FUNCTIONS):
        _, program = program_of(name)
        fields, outputs, copies = ["D x[16];"], {}, []
        sizes[name] = {key: value.shape for key, value in program.outputs.items()}
        for number, (key, value) in enumerate(program.outputs.items()):
            fields.append(f"{TYPE[value.dtype]} o{number}[{value.size}];")
            outputs[key] = memory(f"w.o{number}", value.shape, value.dtype)
            copies.append(f"memcpy(out[{number}], w.o{number}, sizeof w.o{number});")
        arrays = {
            k: memory(f"k{k}", a.shape, a.dtype.name, shared=True) for k, a in enumerate(program.arrays)
        }
        text = lowered(program, {"w": memory("w.x", (4, 4), "float64")}, arrays, outputs, prefix="u")
        shared = [
            f"const {_C_TYPE[a.dtype.name]} k{k}[] = {{"
            + ", ".join(repr(float(v)) if a.dtype.kind == "f" else str(int(v)) for v in a.ravel())
            + "};"
            for k, a in enumerate(program.arrays)
        ]
        functions.append(
            f'extern "C" void f{place}(const double* in, double** out) {{ struct Work {{ {" ".join([*fields, *text.declarations])} }};'
            f" static Work w; {' '.join(shared)} for (int i = 0; i < 16; i++) w.x[i] = D_(in[i]);\n"
            + "\n".join(text.lines)
            + "\n".join(copies)
            + "}"
        )
    headers = [_read(header) for header in ("vector_math.h", "lanes.h")]
    folder = tmp_path_factory.mktemp("printed")
    source = folder / "all.cpp"
    source.write_text(
        "\n".join(
            [
                "#define HAS_FLOAT32 0",
                "#define FEATURES 0",
                *headers,
                *functions,
                'extern "C" int64_t lanes() { return LANES; }',
            ]
        )
    )
    flags = [flag if flag != "-O3" else "-O1" for flag in compiler.FLAGS]
    subprocess.run([compiler.compiler()[0], *flags, str(source), "-o", str(folder / "all.so")], check=True)
    return ctypes.CDLL(str(folder / "all.so")), sizes


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_printed_program_gives_what_torch_gives_in_every_lane(printed, name):
    library, sizes = printed
    lanes = library.lanes()
    function, _ = program_of(name)
    buffers = {key: np.full((int(np.prod(shape)), lanes), np.nan) for key, shape in sizes[name].items()}
    pointers = (ctypes.c_void_p * len(buffers))(*[buffer.ctypes.data for buffer in buffers.values()])
    weights = W.numpy().copy()
    getattr(library, f"f{list(FUNCTIONS).index(name)}")(ctypes.c_void_p(weights.ctypes.data), pointers)
    for key, value in function({"w": W}).items():
        expected = np.repeat(value.detach().numpy().reshape(-1, 1), lanes, 1)
        np.testing.assert_allclose(buffers[key], expected, rtol=1e-12, atol=1e-12, err_msg=key)


def test_what_has_no_rule_names_itself_and_its_line():
    class Model(nn.Module):
        def forward(self, inputs):
            return torch.fft.fft(inputs).real

    with pytest.raises(CannotTraceError, match=r"operation aten\._fft_r2c.*test_trace\.py:\d+") as refused:
        traced(lambda given: {"y": Model()(given["x"])}, {"x": X})
    assert "Traceback" not in str(refused.value)


def test_equal_operations_are_one_and_numbers_are_folded():
    builder = Builder()
    a = builder.input("a", (3,), "float64")
    assert builder.map("tanh", [a], "float64") is builder.map("tanh", [a], "float64")
    two, three = builder.number(2, "float64"), builder.number(3, "float64")
    assert builder.map("add", [two, three], "float64").detail == 5
    assert builder.map("mul", [a, builder.number(1, "float64")], "float64") is a
    zeros = builder.number(0.0, "float64"), builder.number(-0.0, "float64")
    assert zeros[0] is not zeros[1]
    spread = builder.expand(two, (3,))
    assert builder.map("add", [a, spread], "float64") is builder.map("add", [a, two], "float64")
