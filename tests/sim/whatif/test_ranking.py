"""The ranking: paired by seed, and honest about what it can't tell."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from sim.results import RunResult
from sim.whatif.figures import Ahead, Place
from sim.whatif.ranking import SEEDS_MAX, ranked, seeds_to_tell


def run(seed, delay_s, **changes):
    figures = {
        "vehicles": 100,
        "arrived": 80,
        "delay_veh_h": delay_s * 100 / 3600,
        "standing": ((0.0, 5.0), (5.0, delay_s)),
        "longest_queue_veh": Place("a", 4.0),
        "full_lane_min": 1.0,
        "longest_wait_s": Place("a", 30.0),
        "worst_group": Place("a", 20.0),
        "walkers": 0,
        "walker_wait_s": None,
        "unsafe": (),
    }
    return RunResult(
        seed=seed,
        scheduled=100,
        finished=80,
        undeparted=0,
        delay_s=delay_s,
        time_loss_s=delay_s,
        depart_delay_s=0.0,
        waiting_s=0.0,
        stops=1.0,
        p95_time_loss_s=0.0,
        max_waiting_s=0.0,
        co2_g_per_trip=0.0,
        jammed=False,
        control_ms_per_step=0.0,
        wall_s=1.0,
        ahead=Ahead(**(figures | changes)),
    )


def runs(*delays_s):
    return {seed: run(seed, delay_s) for seed, delay_s in enumerate(delays_s, start=1)}


def judge(**candidates):
    return ranked(candidates, dict.fromkeys(candidates, "nothing"))


def test_scatter_that_all_share_does_not_hide_a_difference():
    """Delays scatter by tens of seconds from seed to seed, the difference by half of one."""
    first, second = judge(slow=runs(32.1, 61.9, 47.2), quick=runs(30.0, 60.0, 45.0))
    assert (first.name, second.name) == ("quick", "slow")
    assert first.behind_s is None and first.like_best is None
    assert second.behind_s.mean == pytest.approx(2.0667, abs=1e-3)
    assert second.behind_s.half_width < 0.5 < first.delay_s.half_width
    assert second.like_best is None


def test_two_that_can_not_be_told_apart_say_how_many_seeds_would():
    _, second = judge(a=runs(30.0, 40.0, 35.0), b=runs(31.0, 39.5, 36.0))
    more = second.like_best.more_seeds
    assert more is not None and more > 0
    differences = [1.0, -0.5, 1.0]
    assert seeds_to_tell(differences) == 3 + more


def test_the_seeds_asked_for_do_tell_in_half_of_the_cases_or_more():
    """The estimate, tried on differences drawn from the distribution that it assumes."""
    chance = random.Random(7)
    needed = seeds_to_tell([0.5 + z for z in (-1.0, 1.0, -0.7, 0.7, 0.0)])
    assert needed is not None and 5 < needed < SEEDS_MAX
    spread = 0.925
    told = 0
    for _ in range(300):
        drawn = [chance.gauss(0.5, spread) for _ in range(needed)]
        told += seeds_to_tell(drawn) == needed and fmean(drawn) > 0
    assert 0.35 < told / 300 < 0.9


def test_the_same_figures_are_called_the_same():
    _, second = judge(a=runs(30.0, 40.0), b=runs(30.0, 40.0))
    assert second.like_best.identical
    assert second.behind_s.mean == 0


def test_no_difference_worth_waiting_for():
    _, second = judge(a=runs(30.0, 40.0, 35.0), b=runs(30.01, 45.0, 30.0))
    assert second.like_best is not None
    assert second.like_best.more_seeds is None and not second.like_best.identical


def test_one_seed_decides_nothing():
    first, second = judge(a=runs(30.0), b=runs(60.0))
    assert first.delay_s.half_width is None
    assert second.like_best is not None and second.like_best.more_seeds is None


def test_what_an_interruption_left_is_compared_on_common_seeds():
    """Seed 3 is a bad one, and only the better candidate has run it yet."""
    first, second = judge(good=runs(30.0, 31.0, 90.0), bad=runs(40.0, 41.0))
    assert (first.name, second.name) == ("good", "bad")
    assert list(first.runs) == [1, 2]
    assert second.behind_s.mean == pytest.approx(10.0)


def test_a_candidate_without_a_run_is_not_ranked():
    rows = judge(a=runs(30.0), b={})
    assert [row.name for row in rows] == ["a"]


def test_worst_of_any_seed_and_means_over_seeds():
    a = {
        1: run(1, 10.0, longest_queue_veh=Place("x", 3.0), walker_wait_s=4.0, unsafe=("bad",)),
        2: run(2, 20.0, longest_queue_veh=Place("y", 9.0), walker_wait_s=6.0),
    }
    (row,) = judge(a=a)
    assert row.longest_queue_veh == Place("y", 9.0)
    assert row.walker_wait_s == 5.0
    assert row.standing == ((0.0, 5.0), (5.0, 15.0))
    assert row.unsafe == ("bad",)
