"""Comparisons: the same whatever the workers, and clear about what could not be run."""

from __future__ import annotations

import dataclasses

import pytest

from sim.catalogue import fetch_scenario
from sim.compare import compare
from sim.errors import BenchError, SumoError
from sim.scenario import load_scenario


@pytest.fixture
def scenario(crossroads):
    return load_scenario(str(crossroads))


def _figures(comparison):
    return [
        (control.name, run.seed, run.delay_s, run.finished)
        for control in comparison.controls
        for run in control.runs
    ]


def test_order_is_that_of_the_arguments_whatever_the_workers(scenario):
    seen = []
    one = compare(scenario, ["actuated", "fixed"], [2, 1], workers=1, on_progress=seen.append)
    two = compare(scenario, ["actuated", "fixed"], [2, 1], workers=2)
    assert _figures(one) == _figures(two)
    assert [(name, seed) for name, seed, *_ in _figures(one)] == [
        ("actuated", 2), ("actuated", 1), ("fixed", 2), ("fixed", 1),
    ]  # fmt: skip
    assert [progress.done for progress in seen] == [1, 2, 3, 4]
    assert {(progress.control, progress.seed) for progress in seen} == {
        (name, seed) for name, seed, *_ in _figures(one)
    }
    assert one.sumo
    assert one.convention == "field"


def test_a_peer_whose_tool_fails_is_named_and_the_others_go_on():
    """SUMO's Webster tool crashes on ingolstadt21."""
    fetch_scenario("ingolstadt21")
    scenario = load_scenario("ingolstadt21", end_s=57_660)
    comparison = compare(scenario, ["fixed", "webster"], [1, 2])
    assert [control.name for control in comparison.controls] == ["fixed"]
    (failure,) = comparison.failed
    assert failure.name == "webster"
    assert "tlsCycleAdaptation.py failed" in failure.reason
    assert "\n" not in failure.reason


def test_when_nothing_runs_the_first_reason_is_raised(scenario, tmp_path):
    net = tmp_path / "broken.net.xml"
    net.write_text("<net/>")
    with pytest.raises(SumoError, match="crossroads, fixed, seed 1"):
        compare(dataclasses.replace(scenario, net_file=net), ["fixed"], [1])


@pytest.mark.parametrize(("controls", "seeds"), [([], [1]), (["fixed"], []), (["fixd"], [1])])
def test_nothing_to_compare(scenario, controls, seeds):
    with pytest.raises(BenchError, match=r"nothing to compare|unknown control 'fixd'"):
        compare(scenario, controls, seeds)
