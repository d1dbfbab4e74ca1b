import numpy as np
import pytest

from thermograd.problems import NonlinearRegression


def test_generated_data():
    problem = NonlinearRegression().build()
    x, y = (part[:, 0].numpy() for part in problem.train)
    assert np.allclose(x, -3 + 0.03 * np.arange(200), atol=1e-15)
    residual = (y - np.exp(-(x**2))) / 0.1
    assert abs(residual.mean()) < 4 / np.sqrt(200)
    assert abs(residual.std() - 1) < 4 / np.sqrt(400)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="both x and y"):
        NonlinearRegression(x=(1.0,))
    with pytest.raises(ValueError, match="noise is 0"):
        NonlinearRegression(noise=0)
