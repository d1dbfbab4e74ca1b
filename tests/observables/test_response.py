import numpy as np
import pytest
import torch

from thermograd.observables.response import response


def test_mean_over_signs_is_the_trace_of_the_response():
    """w± = ±ε R σ: unbiased for each part of the weights, 4 standard errors over draws of signs."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(12, 12, generator=generator, dtype=torch.float64) + 3 * torch.eye(12)
    signs = 1 - 2 * torch.randint(2, (4000, 12), generator=generator).double()
    moved = 0.01 * signs @ matrix.T
    parts = {"a": slice(0, 8), "b": slice(8, 12)}

    def split(values):
        return {name: values[:, rows].reshape(4000, -1, 2) for name, rows in parts.items()}

    found = response(split(moved), split(-moved), split(signs), 0.01).numpy()
    assert found.shape == (4000, 2)
    for column, rows in enumerate(parts.values()):
        error = found[:, column].std() / np.sqrt(4000)
        assert abs(found[:, column].mean() - float(matrix[rows, rows].trace())) < 4 * error
    assert response(split(moved + 5), split(5 - moved), split(signs), 0.01).numpy() == pytest.approx(found)
