"""Strategic bounds: what is refused, and that the tactical control keeps what is not."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from controller import core
from controller.clock import Instant
from controller.plan import check_schedule
from controller.sequence import Reason
from controller.signals import Inputs, Outputs
from controller.violations import InvalidError
from optimizer.bounded_changes import BoundedChanges
from optimizer.bounds import CoordinationWindow, StrategicBounds, check_bounds
from optimizer.search import Bound
from optimizer.tactical import TacticalControl, TacticalSettings
from tests.controller.strategies import random_plan, random_site
from tests.optimizer.points import World, junction, shipped
from tests.optimizer.tactical_runs import running_of, tactical_run
from tests.optimizer.test_starvation import Street, equipped, longest_waits_ms

FLOWS = {"main 1": 400, "main 2": 400, "side": 250, "left": 120}
WINDOW = CoordinationWindow(stage="1", cycle_s=80.0, offset_s=13.0, begin_s=30.0, end_s=50.0)
BOUNDS = StrategicBounds(
    site="points", sequence_no=4, valid_from_utc_ms=0, valid_to_utc_ms=10**12, window=WINDOW
)


STEP_S = 1.0
"""The lamps change at steps of a second: what ends and what begins may each be late by a part."""


def windowed(**given):
    return replace(BOUNDS, window=replace(WINDOW, **given))


def control_of(site, order=None, **given):
    return TacticalControl(
        site, order=order, plan=shipped(site), settings=TacticalSettings(**given)
    )


BAD = {
    "another site": (replace(BOUNDS, site="x"), ["made for 'x'"]),
    "over before it starts": (replace(BOUNDS, valid_to_utc_ms=0), ["end before they start"]),
    "unknown stages": (
        replace(windowed(stage="9"), min_green_s={"8": 5.0}),
        ["stage '8' does not exist", "stage '9' does not exist"],
    ),
    "NaN": (
        replace(windowed(cycle_s=math.nan), max_green_s={"1": math.nan}),
        ["maximum green nan s", "cycle nan s", "offset 13 s is not", "begin 30 s is not"],
    ),
    "negative": (
        replace(windowed(begin_s=-1.0, tolerance_s=-2.0), min_green_s={"1": -5.0}),
        ["minimum green -5 s", "begin -1 s", "tolerance -2 s"],
    ),
    "maximum below minimum": (
        replace(BOUNDS, min_green_s={"3": 12.0}, max_green_s={"3": 11.0, "2": 6.5}),
        ["maximum green 11 s is below", "maximum green 6.5 s is below the minimum green (or walk)"],
    ),
    "no whole second between": (
        replace(BOUNDS, min_green_s={"3": 8.4}, max_green_s={"3": 8.6}),
        ["below the minimum green"],
    ),
    "ends before it begins": (windowed(end_s=30.0), ["it ends at 30 s"]),
    "longer than the cycle": (windowed(end_s=111.0), ["it ends at 111 s"]),
    "no room for the others": (
        windowed(end_s=79.0),
        ["49 of 80 s leave 31 s; the minimums of the other stages and the changes need 34 s"],
    ),
    "no room with the bounds' own minimums": (
        replace(BOUNDS, min_green_s={"2": 20.0, "3": 30.0}),
        ["20 of 80 s leave 60 s"],
    ),
    "maximum below the window": (
        replace(BOUNDS, max_green_s={"1": 19.0}),
        ["it asks for 20 s of '1', whose maximum green is 19 s"],
    ),
    "an older number": (replace(BOUNDS, sequence_no=3), ["number 4 is in force"]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_and_the_old_bounds_stay(name):
    bounds, said = BAD[name]
    control = control_of(junction())
    control.bound(BOUNDS)
    with pytest.raises(InvalidError) as refused:
        control.bound(bounds)
    assert all(words in str(refused.value) for words in said), str(refused.value)
    assert len(refused.value.violations) >= len(said)
    control.bound(replace(BOUNDS, sequence_no=4))
    with pytest.raises(InvalidError, match="number 4 is in force"):
        control.bound(replace(BOUNDS, sequence_no=3))


def test_good_bounds_are_whole_seconds_by_stage():
    checked = check_bounds(
        replace(BOUNDS, min_green_s={"1": 6.2}, max_green_s={"3": 20.9}), junction()
    )
    assert checked.min_green_s == (7, 0, 0)
    assert checked.max_green_s == (None, None, 20)
    assert checked.coordinated == 0
    check_bounds(windowed(begin_s=70.0, end_s=95.0), junction())
    later = replace(BOUNDS, valid_from_utc_ms=BOUNDS.valid_to_utc_ms, sequence_no=1)
    check_bounds(replace(later, valid_to_utc_ms=2 * 10**12), junction(), previous=BOUNDS)


def test_a_given_order_counts_as_a_whole_and_has_to_have_the_stage():
    with pytest.raises(InvalidError, match="not in the order of the site"):
        check_bounds(BOUNDS, junction(), order=(1, 2))
    check_bounds(windowed(end_s=70.0), junction(), order=(0, 2, 1))


def greens_of(control, seconds=500, flows=FLOWS):
    """(stage, length) of every green but the last of a run of the crossroads."""
    found = []
    before = None
    for moment in tactical_run(World(flows), seconds, control):
        running = moment.running
        if running.stage is None:
            before = None
        elif running.stage == before:
            found[-1] = (running.stage, running.green_s)
        else:
            found.append((running.stage, running.green_s))
            before = running.stage
    return found[1:-1]


def test_greens_stay_within_their_bounds_until_these_expire():
    free = greens_of(control_of(junction()))
    control = control_of(junction())
    given = replace(
        BOUNDS, window=None, min_green_s={"3": 14.0}, max_green_s={"1": 12.0, "3": 14.0}
    )
    control.bound(replace(given, valid_to_utc_ms=World(FLOWS).now.utc_ms + 10**9))
    bound = greens_of(control)
    assert {length for stage, length in bound if stage == 2} == {14}
    assert max(length for stage, length in bound if stage == 0) <= 12
    assert min(length for stage, length in free if stage == 2) < 14
    control = control_of(junction())
    control.bound(replace(given, valid_from_utc_ms=-2, valid_to_utc_ms=-1))
    assert greens_of(control) == free
    control.bound(given)
    control.bound(None)
    assert greens_of(control_of(junction())) == free


def in_window(window, now):
    """Seconds since the window's begin, and whether it lasts."""
    since_s = (now.utc_ms / 1000.0 - window.offset_s - window.begin_s) % window.cycle_s
    return since_s, since_s < window.length_s


@pytest.mark.parametrize("order", [None, (0, 1, 2), (0, 2, 1)])
@pytest.mark.parametrize("busy", [0.0, 0.3, 1.0, 2.0])
def test_the_stage_is_green_in_its_window(order, busy):
    world = World({lane: busy * flow for lane, flow in FLOWS.items()})
    control = control_of(world.site, order)
    control.bound(BOUNDS)
    limits, shown = set(), 0
    for moment in tactical_run(world, 600, control):
        if moment.decision.grounds is not None:
            limits.add(moment.decision.limit)
        since_s, lasts = in_window(WINDOW, world.now)
        if lasts and since_s > WINDOW.tolerance_s and moment.second > 2 * WINDOW.cycle_s:
            shown += 1
            assert moment.outputs.green & 1, (moment.second, since_s, moment.decision.explain())
    assert shown > 70
    assert busy == 0.0 or Bound.STRATEGIC.value in limits


def test_the_line_says_so():
    world = World({"main 1": 5, "main 2": 5, "side": 600, "left": 200})
    control = control_of(world.site)
    control.bound(BOUNDS)
    lines = [
        moment.decision.explain()
        for moment in tactical_run(world, 600, control)
        if moment.decision.grounds is not None
    ]
    held = [line for line in lines if "strategic bounds hold it for " in line]
    assert held and all(line.startswith("stay in 1 (main), ") for line in held)
    ended = [line for line in lines if "strategic bounds end it" in line]
    assert ended and all(line.startswith("change to 1 (main) from ") for line in ended)
    assert any("; strategic bounds close 2" in line for line in lines)


def made_up(site, order, rng):
    """A window of any length that is not refused; None where there is none."""
    vehicles = [k for k, mask in enumerate(site.stage_masks) if mask & ~site.pedestrian_groups]
    home = rng.choice(vehicles)
    cycle_s = rng.choice((90.0, 120.0, 157.3))
    begin_s = rng.uniform(0.0, cycle_s - 0.1)
    for length_s in (rng.uniform(5.0, 60.0), 10.0, 4.0):
        bounds = StrategicBounds(
            site=site.name,
            sequence_no=1,
            valid_from_utc_ms=0,
            valid_to_utc_ms=10**12,
            window=CoordinationWindow(
                stage=site.stages[home].name,
                cycle_s=cycle_s,
                offset_s=rng.uniform(0.0, cycle_s - 0.1),
                begin_s=begin_s,
                end_s=begin_s + length_s,
            ),
        )
        try:
            check_bounds(bounds, site, order)
        except InvalidError:
            continue
        return bounds
    return None


def recovery_s(site):
    """How long something that is not the optimizer's may keep the stage from its window."""
    change_ms = max(site.interstage_ms(a, b) for a in site.stage_masks for b in site.stage_masks)
    walks_ms = [
        site.groups[i].min_green_ms + site.groups[i].ending_ms for i in range(len(site.groups))
    ]
    return (2 * change_ms + 2 * max(walks_ms)) / 1000.0 + 4.0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 7), st.integers(0, 1_000_000), st.booleans(), st.booleans())
@example(6, 968159, True, False)
@example(6, 495029, True, False)
@example(5, 680927, True, True)
def test_any_site_keeps_its_window_and_nobody_starves(n_groups, seed, ordered, traps):
    rng = random.Random(seed)
    site = equipped(random_site(n_groups, rng))
    if not traps:
        site = replace(site, yields_to=(0,) * n_groups)
    plan = random_plan(site, rng)
    order = tuple(site.stage_index(entry.stage) for entry in plan.plan.stages) if ordered else None
    bounds = made_up(site, order, rng)
    assume(bounds is not None)
    window = bounds.window
    home = site.mask_of_stage[window.stage] & ~site.pedestrian_groups
    control = TacticalControl(site, order=order, plan=plan.plan)
    control.bound(bounds)
    busy = rng.choice((0.02, 0.1, 0.3))
    street = Street(site, rng, [busy * rng.choice((0.05, 0.3, 1.0)) for _ in site.groups])
    now, outputs = Instant(0, 0), Outputs(0, 0)
    state = core.start(site, now)
    waits_ms = longest_waits_ms(site)
    excused_s = 2 * window.cycle_s
    # In a given order all other stages may lie on the way back.
    way_s = window.cycle_s if ordered else recovery_s(site)
    for second in range(700):
        now = now.after(1_000)
        readings = street.step(outputs.green)
        assert all(w <= b for w, b in zip(street.waited_ms, waits_ms, strict=True))
        control.observe(now, readings, outputs)
        decision = control.decide(now, running_of(site, state))
        schedule = decision.schedule and check_schedule(decision.schedule, site)
        masks = readings.masks(len(site.detectors))
        before = outputs.green
        state, outputs = core.step(site, state, now, Inputs(*masks, plan, schedule))
        assert state.monitor.fault is None
        # An overdue call goes before any bounds, and a walk that begins late is not cut short.
        walks = outputs.green & ~before & site.pedestrian_groups
        since_ms = state.stage_since_ms
        late_walk = walks and since_ms is not None and state.clock_ms > since_ms
        if state.sequence.reason is Reason.OVERDUE or late_walk:
            excused_s = max(excused_s, second + way_s)
        since_s, lasts = in_window(window, now)
        if lasts and since_s > window.tolerance_s + STEP_S and second > excused_s:
            assert outputs.green & home == home, (second, since_s)


def test_a_window_costs_no_more_layouts_than_changes_of_mind():
    world = World(FLOWS)
    control = control_of(world.site)
    control.bound(BOUNDS)
    seen, decisions = set(), 0
    for moment in tactical_run(world, 400, control):
        if moment.decision.grounds is not None:
            seen.add(id(moment.decision.grounds.problem.changes))
            decisions += 1
    assert decisions > 5 * len(seen)


def test_without_detection_the_plan_in_force_runs_and_no_bounds():
    world = World(FLOWS)
    control = control_of(world.site)
    control.bound(BOUNDS)

    def blind(_, readings):
        nothing = (None,) * len(readings.entered)
        return readings._replace(entered=nothing, left=nothing, occupied=nothing)

    *_, last = tactical_run(world, 60, control, blind)
    assert last.decision.schedule is None


def test_hours_of_rest_end_in_the_window_too():
    site = junction()
    control = control_of(site)
    bounded = BoundedChanges(check_bounds(BOUNDS, site), site, control._changes_for)
    begin_ms = round(1000 * (WINDOW.offset_s + WINDOW.begin_s))
    for green_s in (100, 9_990, 20_000):
        inside = bounded.at(begin_ms + 5_000, 0, green_s, 0).ready
        held = inside["min_green_s"][0] == green_s + 15 or not inside["allowed"][0].any()
        assert held
        after = bounded.at(begin_ms + 20_000, 0, green_s, 0).ready
        assert after["min_green_s"][0] == 5
        assert after["allowed"][0].tolist() == [0, 1, 1]
    # The last moment to go elsewhere and be back, and what has to end when.
    late = bounded.at(begin_ms + 72_000, 0, 60, 0)
    assert late.ready["min_green_s"][0] == 60 + 8 + 20
    elsewhere = bounded.at(begin_ms + 61_000, 2, 8, 0)
    assert elsewhere.ready["max_green_s"].tolist()[2] == 8 + 19 + 2 - 4
    assert elsewhere is bounded.at(begin_ms + 62_000, 2, 9, 0)
    assert bounded.at(10**13, 2, 7, 0) is control._changes_for(0)


def test_who_presses_again_after_the_walk_does_not_turn_the_way_around():
    site = junction()
    bounds, walk = windowed(end_s=38.0), site.pedestrian_groups
    bounded = BoundedChanges(check_bounds(bounds, site), site, control_of(site)._changes_for)
    begin_ms = round(1000 * (WINDOW.offset_s + WINDOW.begin_s))
    allowed = [
        bounded.at(begin_ms + late_ms, 1, 20, walk).ready["allowed"][1].tolist()
        for late_ms in (0, 2_000, 5_000)
    ]
    # From 2 to 1 it takes 4 s, or 9 s from the begin of the walk's clearance.
    assert allowed == [[1, 0, 0], [1, 0, 0], [1, 0, 1]]
