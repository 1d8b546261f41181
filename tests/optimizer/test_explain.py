"""Decisions in words: true to what the search found, and to who waited."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from optimizer.announcement import Announcement
from optimizer.explain import explain, groups_in_words, limit, stage_in_words
from optimizer.links import Link
from optimizer.search import Bound
from optimizer.tactical import TacticalControl, TacticalSettings
from tests.optimizer.points import World, junction, shipped
from tests.optimizer.tactical_runs import tactical_run

FLOWS = {"main 1": 400, "main 2": 400, "side": 250, "left": 120}


def moments(seconds=400, busy=1.0, **settings):
    world = World({lane: busy * flow for lane, flow in FLOWS.items()})
    control = TacticalControl(
        world.site, plan=shipped(world.site), settings=TacticalSettings(**settings)
    )
    return [m for m in tactical_run(world, seconds, control) if m.decision.grounds is not None]


@pytest.fixture(scope="module")
def decided():
    return moments()


def test_a_change_says_to_what_from_what_and_what_it_saves(decided):
    changes = [m for m in decided if m.decision.changed]
    assert len(changes) > 10
    for moment in changes:
        result = moment.decision.result
        line = moment.decision.explain()
        wanted, before = result.next_stage, moment.running.stage
        site = junction()
        assert line.startswith(f"change to {stage_in_words(site, wanted)} from ")
        assert f"from {site.stages[before].name} after {moment.running.green_s} s: " in line
        if math.isfinite(result.stay_cost_s) and result.bound is not Bound.MAX_GREEN:
            assert f"saves {result.stay_cost_s - result.change_cost_s:.0f} veh·s" in line
        assert "\n" not in line


def test_staying_says_what_a_change_would_cost(decided):
    stays = [m for m in decided if not m.decision.changed]
    costs = set()
    for moment in stays:
        line, result = moment.decision.explain(), moment.decision.result
        assert line.startswith(f"stay in {stage_in_words(junction(), moment.running.stage)}, ")
        found = re.search(r"changing now would cost (\d+) veh·s more", line)
        if found:
            costs.add(int(found[1]) == round(result.change_cost_s - result.stay_cost_s))
    assert costs == {True}


def test_minimum_green_is_named_with_what_is_left(decided):
    early = [m for m in decided if m.running.green_s == 1]
    assert early
    for moment in early:
        assert re.search(r"minimum green has \d+ s to run", moment.decision.explain())
        assert moment.decision.limit == "minimum green"


def test_who_waits_is_who_is_queued_at_red(decided):
    seen = 0
    for moment in decided:
        grounds = moment.decision.grounds
        green = grounds.site.stage_masks[moment.running.stage]
        line = moment.decision.explain()
        side = grounds.site.mask(("side",))
        queue = sum(
            q
            for q, mask in zip(grounds.problem.queue_veh, grounds.lane_groups, strict=True)
            if mask == side
        )
        if not green & side and queue >= 1:
            assert f"side {queue:.0f}" in line.partition("waiting: ")[2]
            seen += 1
    assert seen > 20


def test_the_limit_that_binds_is_named():
    short = moments(300, busy=2.0, max_green_s=10)
    full = [m for m in short if m.decision.limit == "maximum green"]
    assert full and all("its maximum green is over" in m.decision.explain() for m in full)
    hurried = moments(300, max_wait_s=15.0)
    waited = [m for m in hurried if m.decision.limit == "maximum wait"]
    assert waited and all("bound by maximum wait" in m.decision.explain() for m in waited)


STREET = Link(
    upstream="points",
    exit="e",
    downstream="next",
    approach="e",
    travel_s=1.0,
    length_m=12.0,
    feeds=(("main 1", "e_0"), ("main 2", "e_1")),
)


def test_green_into_a_street_for_one_ends_when_it_is_full_and_begins_when_it_is_not():
    full = {second for second in range(50, 500) if second % 90 >= 45}
    world = World({lane: 2.0 * flow for lane, flow in FLOWS.items()})
    control = TacticalControl(world.site, plan=shipped(world.site), links=(STREET,))

    def tell(second, readings):
        room = np.full((2, 60), 0.0 if second in full else 9.0)
        now = world.now.utc_ms
        control.neighbours.take(
            Announcement(
                site="next",
                sequence_no=second + 1,
                start_utc_ms=now,
                rooms=("e_0", "e_1"),
                room_veh=room,
            )
        )
        return readings

    ran = [m for m in tactical_run(world, 500, control, tell) if m.decision.grounds is not None]
    closed = [m for m in ran if m.second in full]
    assert not any(m.decision.changed and m.decision.target == 0 for m in closed)
    assert not any(
        m.running.stage == 0 and m.second - 1 in full for m in closed if m.running.green_s > 6
    )
    assert all("no room in the short street after 1" in m.decision.explain() for m in closed)
    ended = [m for m in closed if m.decision.limit == "full street"]
    assert all("the street after it is full" in m.decision.explain() for m in ended)
    assert ended and any(m.decision.target == 0 for m in ran if m.second not in full)


def test_infinite_costs_are_words_not_numbers(decided):
    grounds = next(m.decision.grounds for m in decided if m.decision.changed)
    unknown = replace(grounds, result=replace(grounds.result, stay_cost_s=math.inf))
    assert "staying was sure to cost more" in explain(unknown)
    still = next(m.decision.grounds for m in decided if not m.decision.changed)
    still = replace(still, result=replace(still.result, change_cost_s=math.inf, bound=Bound.NONE))
    assert "every change now was sure to cost more" in explain(still)
    assert limit(still) == "less delay"
    late = replace(grounds, result=replace(grounds.result, bound=Bound.MAX_WAIT, late_s=7))
    assert "can't be kept any more (7 s late in all)" in explain(late)
    assert "inf" not in explain(unknown) + explain(still) + explain(late)


def test_pedestrians_assumptions_and_cut_searches_are_told(decided):
    grounds = next(m.decision.grounds for m in decided if m.running.stage == 0)
    queue = np.array(grounds.problem.queue_veh)
    queue[-1] = 1.0
    waits = np.array(grounds.wait_s)
    waits[-1] = 31.0
    line = explain(
        replace(
            grounds,
            problem=replace(grounds.problem, queue_veh=queue),
            result=replace(grounds.result, complete=False),
            wait_s=waits,
            assumed=2,
        )
    )
    assert "pedestrians walk 31 s" in line
    assert "2 lanes on assumed demand" in line
    assert line.endswith("search cut short")


def test_an_approach_goes_by_its_name_only_as_a_whole():
    site = junction()
    names = ("N through", "N left", "S through", "walk")
    named = replace(
        site,
        groups=tuple(replace(g, name=n) for g, n in zip(site.groups, names, strict=True)),
        stages=tuple(
            replace(stage, groups=tuple(names[site.group_index(g)] for g in stage.groups))
            for stage in site.stages
        ),
        detectors=(),
        movements=(),
    )
    assert groups_in_words(named, 0b0011) == "N"
    assert groups_in_words(named, 0b0001) == "N through"
    assert groups_in_words(named, 0b1110) == "N left, S through, walk"
