"""Linear algebra on one thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

try:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # no stubs
except ImportError:  # without scikit-learn: the number of threads is that of OMP_NUM_THREADS
    threadpool_limits = None


@contextmanager
def one_blas_thread() -> Generator[None]:
    """BLAS on one thread in this block, where threadpoolctl is installed; for workers that run beside each other.

    >>> with one_blas_thread():
    ...     1 + 1
    2
    """
    if threadpool_limits is None:
        yield
        return
    with threadpool_limits(1, "blas"):
        yield
