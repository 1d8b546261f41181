"""From sites and streams to a checked plan: sequences, zones, and what is told about the result."""

from dataclasses import replace

import pytest

from controller.intersection import GroupKind, Intersection, SignalGroup, Stage, conflict_masks
from controller.plan import PlanStage, TimingPlan, check_plan, minimum_splits_ms
from optimizer.planning.cycles import Search, best_cycle
from optimizer.planning.maker import Keep, PlanningError, make_plan
from optimizer.planning.network import (
    Feed,
    PlanningNetwork,
    PlanningSite,
    Stream,
    people_on_foot,
)
from optimizer.planning.sequences import Layout, combinations_of, orders_of
from optimizer.planning.time_left import TimeLeft
from optimizer.planning.timing import SitePlan, signal_network
from optimizer.planning.zones import coupled_zones, couplings_of, weakest_cut
from optimizer.profiles.cycle import balanced_setting, shortest_cycle_s
from optimizer.profiles.improve import Effort, improve
from optimizer.profiles.model import evaluate
from optimizer.profiles.network import (
    DELAY_AND_STOPS,
    GreenTimes,
    Link,
    Node,
    Setting,
    SignalNetwork,
)

QUICK = Effort(kicks=2)


def site(name="J"):
    """A main road with an opposed left turn, a side street, and a walk across the main road."""
    pairs = [(0, 2), (0, 3), (1, 2), (1, 3)]
    conflicts = conflict_masks(4, pairs)
    intergreen = [
        [(16_000 if i == 3 else 5_000) if conflicts[i] >> j & 1 else 0 for j in range(4)]
        for i in range(4)
    ]
    return Intersection(
        name=name,
        groups=(
            SignalGroup(name="main"),
            SignalGroup(name="left"),
            SignalGroup(name="side"),
            SignalGroup(
                name="walk", kind=GroupKind.PEDESTRIAN, min_green_ms=7_000, ending_ms=12_000
            ),
        ),
        conflicts=conflicts,
        yields_to=(0, 1, 0, 0),
        intergreen_ms=tuple(map(tuple, intergreen)),
        stages=(
            Stage(name="1", groups=("main", "left")),
            Stage(name="2", groups=("left",)),
            Stage(name="3", groups=("side", "walk")),
        ),
    )


def planned(name, x_m=0.0, keep_order=False):
    here = site(name)
    stages = tuple(
        PlanStage(stage=stage, split_ms=split)
        for stage, split in (("1", 30_000), ("2", 20_000), ("3", 40_000))
    )
    plan = TimingPlan(site=name, name="now", cycle_ms=90_000, stages=stages, offset_ms=0)
    check_plan(plan, here)
    return PlanningSite(site=here, present=plan, x_m=x_m, y_m=0.0, keep_order=keep_order)


def street(count, *, flow=700.0, travel_s=20.0):
    """*count* sites in a row, 200 m apart, one way."""
    streams = []
    for at in range(count):
        name = f"J{at + 1}"
        feeds = ()
        if at:
            feeds = (Feed(stream=3 * (at - 1), flow_veh_per_h=0.9 * flow, travel_time_s=travel_s),)
        streams += [
            Stream(
                name=f"{name} main",
                site=at,
                groups=("main",),
                flow_veh_per_h=flow,
                saturation_veh_per_h=1800.0,
                travel_time_s=travel_s,
                storage_veh=26.0 if at else float("inf"),
                feeds=feeds,
            ),
            Stream(
                name=f"{name} left",
                site=at,
                groups=("left",),
                flow_veh_per_h=60.0,
                saturation_veh_per_h=1700.0,
                gives_way_to=(3 * at,),
            ),
            Stream(
                name=f"{name} side",
                site=at,
                groups=("side",),
                flow_veh_per_h=250.0,
                saturation_veh_per_h=1700.0,
            ),
        ]
    sites = tuple(planned(f"J{at + 1}", 200.0 * at) for at in range(count))
    return PlanningNetwork(name="street", sites=sites, streams=tuple(streams))


def test_a_layout_says_when_streams_are_green():
    layout = Layout(site(), (0, 1, 2))
    # main | left alone | side and walk, whose clearance takes 16 s
    assert layout.interstages_ms == (16_000, 0, 5_000)
    assert layout.greens(0b0001) == (
        GreenTimes(start_stage=0, start_lag_s=16.0, end_stage=1, end_lag_s=0.0),
    )
    assert layout.greens(0b0010) == (
        GreenTimes(start_stage=0, start_lag_s=16.0, end_stage=2, end_lag_s=0.0),
    )
    # The side street keeps its green while people still clear the road.
    assert layout.greens(0b0100) == (
        GreenTimes(start_stage=2, start_lag_s=5.0, end_stage=0, end_lag_s=11.0),
    )
    assert layout.greens(0b0101) == ()


def test_minimums_are_those_of_the_controller():
    here = planned("J")
    layout = Layout(here.site, (0, 1, 2))
    changes = layout.interstages_ms
    splits = [
        round(1000 * layout.minimums_s[k]) + changes[(k + 1) % 3] - changes[k] for k in range(3)
    ]
    assert splits == list(minimum_splits_ms(here.site, layout.masks))


def test_sequences_that_could_be_run():
    here = site()
    assert combinations_of(here, (0, 1, 2), keep_order=True) == ((0, 1, 2),)
    assert set(combinations_of(here, (0, 1, 2), keep_order=False)) == {(0, 1, 2), (0, 2)}
    assert set(orders_of(here, (0, 1, 2))) == {(0, 1, 2), (0, 2, 1), (0, 2)}


def test_streams_without_demand_are_left_out_of_the_model():
    network = street(2)
    idle = replace(network.streams[2], flow_veh_per_h=0.0)
    network = replace(network, streams=(*network.streams[:2], idle, *network.streams[3:]))
    sites = {at: SitePlan(each, ((0, 1, 2),)) for at, each in enumerate(network.sites)}
    model, streams = signal_network(network, sites, [0, 1])
    assert streams == (0, 1, 3, 4, 5)
    assert model.links[2].feeds[0].link == 0
    assert model.links[2].uniform_veh_per_h == pytest.approx(70.0)
    alone, _ = signal_network(network, sites, [1])
    assert alone.links[0].feeds == ()
    assert alone.links[0].uniform_veh_per_h == pytest.approx(700.0)


def test_an_opposed_turn_finds_more_room_when_less_comes():
    network = street(1)
    sites = {0: SitePlan(network.sites[0], ((0, 2),))}
    capacities = []
    for flow in (100.0, 900.0):
        streams = (replace(network.streams[0], flow_veh_per_h=flow), *network.streams[1:])
        model, _ = signal_network(replace(network, streams=streams), sites, [0])
        found = evaluate(model, Setting(cycle_s=90.0, stage_start_s=((0.0, 60.0),)))
        capacities.append(found.links[1].capacity_veh_per_h)
    assert capacities[0] > 1.3 * capacities[1]


def test_zones_are_cut_where_hardly_anybody_drives():
    network = street(4)
    assert coupled_zones(range(4), couplings_of(network)) == ((0, 1, 2, 3),)
    weak = list(network.streams)
    weak[6] = replace(weak[6], feeds=(Feed(stream=3, flow_veh_per_h=50.0, travel_time_s=20.0),))
    couplings = couplings_of(replace(network, streams=tuple(weak)))
    assert coupled_zones(range(4), couplings) == ((0, 1), (2, 3))
    assert weakest_cut((0, 1, 2, 3), couplings) == ((0, 1), (2, 3))
    assert weakest_cut((0,), couplings) is None


def test_a_plan_that_the_controllers_take_and_that_beats_the_present_one():
    network = street(3)
    told = []
    made = make_plan(network, effort=QUICK, on_progress=told.append)
    for plan, each in zip(made.plan.plans, network.sites, strict=True):
        check_plan(plan, each.site)
    assert {site for zone in made.plan.zones for site in zone.sites} == {"J1", "J2", "J3"}
    assert made.shortcomings == ()
    assert [each.stream for each in made.predictions] == list(range(9))
    assert {step.phase for step in told} >= {"stages", "J1 and 2 more: cycles"}
    # The wave: the second and third signal turn green as the platoon arrives.
    assert made.predictions[3].delay_s < 0.6 * made.predictions[0].delay_s
    assert made.predictions[3].level_of_service == "A"
    assert make_plan(network, effort=QUICK).plan == made.plan


def walked(network, persons_per_h):
    """*network* with people on foot across every main road."""
    walks = (
        people_on_foot(at, each.site, 3, persons_per_h) for at, each in enumerate(network.sites)
    )
    return replace(network, streams=(*network.streams, *walks))


@pytest.mark.parametrize("split_s", [40.0, 60.0])
def test_people_on_foot_wait_for_the_walk_and_no_longer(split_s):
    """Half the square of the red over the cycle, whatever drivers lose and gain."""
    network = walked(street(1), 100.0)
    model, streams = signal_network(network, {0: SitePlan(network.sites[0], ((0, 1, 2),))}, [0])
    cycle_s = 120.0
    setting = Setting(cycle_s=cycle_s, stage_start_s=((0.0, 90.0 - split_s, 100.0 - split_s),))
    walk = evaluate(model, setting).links[streams.index(3)]
    # Stage 3 starts with 5 s of change; the walk ends 16 s before the main road's green.
    walk_s = (cycle_s - 100.0 + split_s) - 5.0
    expected_s = (cycle_s - walk_s) ** 2 / (2 * cycle_s)
    assert walk.delay_s_per_veh == pytest.approx(expected_s, rel=0.03)
    assert model.links[streams.index(3)].stop_weight == 0.0
    assert walk.random_delay_veh < 0.02 * walk.uniform_delay_veh


def test_the_more_people_walk_the_shorter_they_wait():
    alone, few, many = (
        make_plan(walked(street(2), persons), cycles_s=(60.0, 80.0, 100.0), effort=QUICK)
        for persons in (0.0, 10.0, 3000.0)
    )
    assert alone.walking_wait_s is None
    assert few.delay_veh == pytest.approx(alone.delay_veh, rel=0.02)
    assert few.walking_wait_s is not None
    assert many.walking_wait_s is not None
    assert many.walking_wait_s < 0.8 * few.walking_wait_s
    assert many.delay_veh > few.delay_veh
    assert [each.is_pedestrian for each in many.predictions] == [False] * 6 + [True] * 2


def test_one_cycle_and_the_present_stages_if_so_wished():
    network = street(2)
    made = make_plan(network, cycles_s=(80.0,), keep=Keep.STAGES, effort=QUICK)
    assert [zone.cycle_s for zone in made.plan.zones] == [80.0]
    for plan in made.plan.plans:
        assert plan.cycle_ms in (80_000, 40_000)
        assert [entry.stage for entry in plan.stages] == ["1", "2", "3"]
    assert made.notes == ()


def test_over_capacity_there_is_a_plan_and_what_it_cannot_do():
    network = street(2, flow=1700.0)
    made = make_plan(network, cycles_s=(60.0, 120.0), effort=QUICK)
    for plan, each in zip(made.plan.plans, network.sites, strict=True):
        check_plan(plan, each.site)
    assert any("J1 main is over capacity: 1700 veh/h come" in each for each in made.shortcomings)
    full = made.predictions[0]
    assert full.saturation > 1.0
    assert full.level_of_service == "F"


def test_what_cannot_be_planned_is_said():
    network = street(1)
    with pytest.raises(PlanningError, match=r"J1 needs a cycle of at least .* allowed is 30 s"):
        make_plan(network, cycles_s=(20.0, 30.0))
    idle = tuple(replace(stream, flow_veh_per_h=0.0) for stream in network.streams)
    with pytest.raises(PlanningError, match="every flow is 0"):
        make_plan(replace(network, streams=idle))


def test_every_cycle_that_may_be_the_best_is_searched_in_full():
    network = street(3, flow=620.0, travel_s=31.0)
    sites = {at: SitePlan(each, ((0, 2),)) for at, each in enumerate(network.sites)}
    model, _ = signal_network(network, sites, [0, 1, 2], half_cycles=True)
    cycles = (60.0, 66.0, 70.0, 76.0, 80.0, 140.0)
    full, once = Effort(kicks=4), Effort(kicks=0)
    moves = ("offsets", "splits", "order", "cycles")

    def search(effort):
        return Search(DELAY_AND_STOPS, moves, effort, lambda _: None, lambda *_: None)

    _, descents = best_cycle(model, cycles, search(once), finer=False)
    best, found = best_cycle(model, cycles, search(full), finer=False)
    likely = [cycle for cycle in cycles if descents[cycle] <= 1.06 * min(descents.values())]
    assert 140.0 not in likely
    assert len(likely) > 2
    for cycle in likely:
        start = improve(model, balanced_setting(model, cycle), move=moves, effort=once).setting
        assert found[cycle] == improve(model, start, move=moves, effort=full).index
    assert found[140.0] == descents[140.0]
    assert best.index == min(found.values())


def test_a_cycle_leaves_some_slack_if_it_may():
    network = street(1, flow=300.0)
    shortest_s = sum(Layout(site(), (0, 2)).minimums_s)
    few = {"keep": Keep.NOTHING, "effort": QUICK}
    tight = make_plan(network, cycles_s=(shortest_s,), **few)
    assert tight.plan.zones[0].cycle_s == shortest_s
    assert "J1 needs all of its cycle of" in tight.shortcomings[-1]
    slack = make_plan(network, cycles_s=(shortest_s, shortest_s + 2.0), **few)
    assert slack.plan.zones[0].cycle_s == shortest_s + 2.0
    assert slack.shortcomings == ()


@pytest.mark.parametrize(("slack_s", "factor"), [(0.0, 0.5), (2.0, 1.0)])
def test_a_half_cycle_leaves_slack_too(slack_s, factor):
    crossing = Node(
        name="X", minimum_split_s=(15.0, 15.0), cycle_factors=(1.0, 0.5), slack_s=slack_s
    )
    links = tuple(
        Link(
            name=name,
            node=0,
            greens=(GreenTimes(start_stage=k, start_lag_s=4.0, end_stage=1 - k, end_lag_s=0.0),),
            saturation_veh_per_h=1800.0,
            flow_veh_per_h=100.0,
        )
        for k, name in enumerate(("main", "side"))
    )
    model = SignalNetwork(nodes=(crossing,), links=links)
    assert shortest_cycle_s(model) == 30.0 + slack_s
    start = balanced_setting(model, 60.0)
    found = improve(model, start, move=("splits", "cycles"), effort=Effort(kicks=0))
    assert found.setting.factor(0) == factor


def test_the_time_limit_is_for_the_whole_plan():
    ticks = iter(range(1_000_000))
    effort = Effort(kicks=1000, clock=lambda: float(next(ticks)), time_limit_s=300.0)
    make_plan(street(5), effort=effort)
    assert next(ticks) < 400


def test_time_that_is_left_over_is_for_the_next_search():
    now = iter([0.0, 0.0, 20.0, 200.0])
    time = TimeLeft(Effort(clock=lambda: next(now), time_limit_s=100.0))
    assert time.effort(0.5).time_limit_s == 50.0
    assert time.effort(0.5).time_limit_s == 40.0
    assert time.effort().time_limit_s == 0.0
    assert TimeLeft(QUICK).effort(0.1) == QUICK
