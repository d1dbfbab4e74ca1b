import numpy as np
import pytest

from thermograd.theory.mean_field_memory import SampleResponses


def naive(response, curvature, variance, depth):
    """⟨a(t) D(t, t′)⟩ from the definition, in float64."""
    steps, paths = curvature.shape
    answers, means = np.zeros((steps, steps, paths)), np.zeros((steps, steps))
    for t in range(steps):
        answers[t, t] = 1.0
        for pushed in range(max(0, t - depth), t):
            for u in range(pushed, t):
                answers[t, pushed] -= variance * response[t, u] * curvature[u] * answers[u, pushed]
        means[t] = (curvature[t] * answers[t]).mean(axis=1)
    return means


@pytest.mark.parametrize(
    ("steps", "depth"), [(1, 0), (16, 15), (17, 16), (50, 49), (50, 5), (50, 16), (50, 17), (49, 40)]
)
def test_means_are_those_of_the_definition_whatever_the_cut(steps, depth):
    generator = np.random.default_rng(0)
    response = 0.2 * np.tril(generator.standard_normal((steps, steps)), -1)
    curvature = generator.random((steps, 7))
    expected = naive(response, curvature, 0.5, depth)
    responses = SampleResponses(7, steps, depth, 0.5)
    found = np.zeros((steps, steps))
    for step in range(steps):
        first, means = responses.advance(step, response[step, :step], curvature[step])
        assert first == max(0, step - depth)
        found[step, first : step + 1] = means
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(("steps", "depth"), [(100, 99), (400, 40), (33, 5)])
def test_memory_is_at_most_what_is_announced_and_of_its_order(steps, depth, monkeypatch):
    taken = []
    empty = np.empty

    def recorded(shape, dtype=float):
        taken.append(4 * int(np.prod(shape)))
        return empty(shape, dtype)

    monkeypatch.setattr(np, "empty", recorded)
    responses = SampleResponses(5, steps, depth, 0.5)
    for step in range(steps):
        responses.advance(step, np.zeros(step), np.ones(5))
    announced = SampleResponses.bytes_for(5, steps, depth)
    assert sum(taken) <= announced <= 1.6 * sum(taken) + 4 * 5 * (depth + 64)
    assert announced < 4 * 5 * steps**2
