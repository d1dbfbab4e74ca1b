import pytest

from thermograd.numerics import one_blas_thread as file


def test_blas_has_one_thread_inside_and_as_many_as_before_outside():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        return {
            entry["num_threads"] for entry in threadpoolctl.threadpool_info() if entry["user_api"] == "blas"
        }

    before = threads()
    with file.one_blas_thread():
        assert threads() == {1}
    assert threads() == before


def test_without_threadpoolctl_nothing_happens(monkeypatch):
    monkeypatch.setattr(file, "threadpool_limits", None)
    with file.one_blas_thread():
        pass
