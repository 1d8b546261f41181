"""Non-negative least squares: against all active sets, with wrong equations, and the spread."""

from itertools import combinations

import numpy as np
import pytest

from optimizer.planning.least_squares import Equations, solve


def random_equations(seed, unknowns=6, rows=11):
    rng = np.random.default_rng(seed)
    matrix = rng.choice([0.0, 1.0, 1.0, -1.0], size=(rows, unknowns))
    matrix[:unknowns] += np.eye(unknowns)
    values = rng.normal(20.0, 40.0, size=rows)
    deviations = rng.uniform(0.5, 20.0, size=rows)
    equations = Equations(unknowns)
    for row, value, deviation in zip(matrix, values, deviations, strict=True):
        terms = [(k, float(factor)) for k, factor in enumerate(row) if factor]
        if terms:
            equations.add(terms, float(value), float(deviation))
    return equations, matrix / deviations[:, None], values / deviations


def best_of_all_active_sets(matrix, values):
    """The least sum of squares over every choice of unknowns that are 0."""
    count = matrix.shape[1]
    best = (float("inf"), None)
    for size in range(count + 1):
        for free in combinations(range(count), size):
            found = np.zeros(count)
            if free:
                found[list(free)] = np.linalg.lstsq(matrix[:, free], values, rcond=None)[0]
            cost = ((matrix @ found - values) ** 2).sum()
            if (found >= -1e-12).all() and cost < best[0]:
                best = (cost, found)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_minimum_over_all_active_sets(seed):
    equations, matrix, values = random_equations(seed)
    found = solve(equations).values
    cost, wanted = best_of_all_active_sets(matrix, values)
    assert (found >= 0.0).all()
    assert ((matrix @ found - values) ** 2).sum() <= cost * (1.0 + 1e-4) + 1e-6
    assert found == pytest.approx(wanted, abs=0.5)


def test_an_equation_that_the_others_contradict_is_believed_less():
    equations = Equations(1)
    for value in (100.0, 102.0, 98.0, 101.0):
        equations.add([(0, 1.0)], value, 2.0, rough=2.0)
    wrong = equations.add([(0, 1.0)], 400.0, 0.5, rough=10.0)  # quite sure of itself
    solution = solve(equations)
    assert solution.trust[wrong] < 0.1
    assert (solution.trust[:wrong] > 0.5).all()
    assert solution.values[0] == pytest.approx(102.0, abs=8.0)  # weighted alone: 340


def test_the_spread_is_that_of_the_unknown_given_the_data():
    equations = Equations(3)
    equations.add([(0, 1.0)], 500.0, 10.0)
    equations.add([(1, 1.0), (2, 1.0)], 400.0, 4.0)
    equations.add([(1, 1.0), (2, -1.0)], 0.0, 60.0)
    spread = solve(equations).samples.std(axis=1)
    assert spread[0] == pytest.approx(10.0, rel=0.45)
    # Half of the sum and half of the difference: 0.5 * sqrt(4**2 + 60**2).
    assert spread[1] == pytest.approx(30.0, rel=0.45)
    assert solve(equations).samples[1:].sum(axis=0).std() == pytest.approx(4.0, rel=0.5)


@pytest.mark.parametrize("bad", [([], 1.0, 1.0), ([(0, 1.0)], 1.0, 0.0), ([(0, 1.0)], np.nan, 1.0)])
def test_what_is_no_equation_is_refused(bad):
    with pytest.raises(ValueError, match="no equation"):
        Equations(1).add(*bad)
