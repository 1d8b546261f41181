"""Intervals over seeds against published quantiles and worked examples."""

from __future__ import annotations

import pytest

from sim.statistics import locked_runs, mean_interval, paired_difference, t_95


def test_interval_of_a_worked_example():
    found = mean_interval([48, 50, 52, 49, 51])
    assert found.mean == 50
    assert found.half_width == pytest.approx(2.7764 * 2.5**0.5 / 5**0.5, rel=1e-4)


def test_pairs_take_out_what_the_seeds_have_in_common():
    first, second = [60.0, 40.0, 80.0], [50.0, 31.0, 69.0]
    assert paired_difference(first, second).mean == 10
    assert paired_difference(first, second).half_width < mean_interval(first).half_width / 5


def test_one_seed_has_no_interval():
    assert mean_interval([3.0]).half_width is None


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (9, 2.262), (40, 2.021), (120, 1.98)]
)
def test_quantiles(degrees, quantile):
    assert t_95(degrees) == pytest.approx(quantile, abs=1e-3)


def test_locked_runs_are_those_far_behind_the_best():
    assert locked_runs([2000, 1990, 1900]) == 1
    assert locked_runs([1500]) == 0
