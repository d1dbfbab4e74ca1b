"""Calls of CUDA's driver, taken by a library that stands in for it and checks what it is given."""

from __future__ import annotations

import ctypes
import subprocess
from types import SimpleNamespace

import pytest
import torch

from thermograd.ensemble.engines.kernel import cuda_driver
from thermograd.ensemble.engines.kernel.compiler import compiler
from thermograd.errors import EngineUnavailableError

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")

# Prototypes of cuda.h; handles that do not fit in 32 bits, and errors for a call outside of the context.
DRIVER = """
#include <cstring>
typedef struct Handle* handle;
static const handle CONTEXT = (handle)0x7100000005, MODULE = (handle)0x7200000000, FUNCTION = (handle)0x7300000000;
static int depth = 0;
static long long taken[9];
#define MUST(condition, error) if (!(condition)) return error
extern "C" {
int cuInit(unsigned flags) { return flags; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal + 3; return 0; }
int cuDevicePrimaryCtxRetain(handle* context, int device) { MUST(device == 5, 101); *context = CONTEXT; return 0; }
int cuCtxPushCurrent_v2(handle context) { MUST(context == CONTEXT, 201); depth++; return 0; }
int cuCtxPopCurrent_v2(handle* context) { MUST(depth > 0, 201); depth--; *context = CONTEXT; return 0; }
int cuModuleLoadData(handle* module, const void* image) {
  MUST(depth == 1, 201);
  MUST(!strcmp((const char*)image, "machine code"), 200);
  *module = MODULE;
  return 0;
}
int cuModuleGetFunction(handle* function, handle module, const char* name) {
  MUST(depth == 1 && module == MODULE && !strcmp(name, "advance_each"), 500);
  *function = FUNCTION;
  return 0;
}
int cuLaunchKernel(handle function, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f,
                   unsigned shared, handle stream, void** arguments, void** extra) {
  MUST(depth == 1 && function == FUNCTION, 400);
  MUST(!extra && stream == (handle)0x7400000000, 400);
  MUST(b == 1 && c == 1 && e == 1 && f == 1 && shared == 0, 1);
  taken[0] = a, taken[1] = d, taken[2] = *(long long*)arguments[0];
  return taken[2] < 0 ? 2 : 0;
}
int cuGetErrorString(int error, const char** text) { *text = error == 2 ? "out of memory" : "other"; return 0; }
const long long* what() { return taken; }
int open() { return depth; }
}
"""


class Call(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int64), ("rest", ctypes.c_int64 * 20))


@pytest.fixture
def library(tmp_path, monkeypatch):
    """The stand-in, in place of the driver."""
    (tmp_path / "driver.cpp").write_text(DRIVER)
    path = tmp_path / "libcuda.so"
    subprocess.run(
        [compiler()[0], "-shared", "-fPIC", str(tmp_path / "driver.cpp"), "-o", str(path)], check=True
    )
    monkeypatch.setattr(cuda_driver, "_NAMES", (str(path),))
    monkeypatch.setattr(
        torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=0x7400000000)
    )
    cuda_driver.driver.cache_clear()
    cuda_driver._context.cache_clear()
    found = cuda_driver.driver()
    found.what.restype = ctypes.POINTER(ctypes.c_longlong)
    yield found
    cuda_driver.driver.cache_clear()
    cuda_driver._context.cache_clear()


@pytest.mark.parametrize(("count", "blocks"), [(1, 1), (32, 1), (33, 2), (256, 8)])
def test_a_launch_covers_all_trajectories_on_the_stream_of_torch(library, count, blocks):
    program = cuda_driver.Program(b"machine code", torch.device("cuda", 2))
    program.launch(Call(2**40), count)
    assert library.what()[:3] == [blocks, 32, 2**40]
    assert library.open() == 0


def test_what_the_driver_refuses_is_said_and_the_context_put_back(library):
    with pytest.raises(EngineUnavailableError, match="cuModuleLoadData: other"):
        cuda_driver.Program(b"something else", torch.device("cuda", 2))
    assert library.open() == 0
    program = cuda_driver.Program(b"machine code", torch.device("cuda", 2))
    with pytest.raises(EngineUnavailableError, match="cuLaunchKernel: out of memory"):
        program.launch(Call(-1), 5)
    assert library.open() == 0


def test_without_a_driver_the_sentence_says_what_was_tried(library, monkeypatch):
    monkeypatch.setattr(cuda_driver, "_NAMES", ("libnonexistent.so",))
    cuda_driver.driver.cache_clear()
    with pytest.raises(EngineUnavailableError, match=r"tried libnonexistent\.so"):
        cuda_driver.driver()
