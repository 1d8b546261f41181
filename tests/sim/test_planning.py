"""Demand from routes, streams from networks, and plans whose lamps are those of the model."""

from dataclasses import replace
from itertools import accumulate

import pytest

from controller.intersection import bits
from controller.plan import check_plan
from optimizer.planning.maker import make_plan
from optimizer.planning.sequences import Layout, combinations_of, orders_of
from optimizer.planning.timing import SLACK_S, SitePlan, positions_of, timing_plan
from optimizer.profiles.improve import Effort
from optimizer.profiles.network import Setting
from sim.arterial import build_arterial
from sim.controls import find_control
from sim.controls.planned import plans_by_site
from sim.errors import BenchError, ScenarioError
from sim.network import derive_network
from sim.planning.demand import RouteUse, Turn, counted, demand_of
from sim.planning.from_net import planning_network
from sim.planning.lane_groups import lane_groups, movements_of
from sim.plans.check import late_ms_of_stages
from sim.plans.plan_json import to_json
from sim.plans.shown import shown_cycle
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario
from tests.sim.networks import KINDS, generate

TICK_MS = 100


@pytest.fixture(scope="module")
def arterial(tmp_path_factory):
    scenario = load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))))
    network = derive_network(scenario.net_file)
    demand = demand_of(scenario, network)
    return scenario, network, demand, planning_network(network, demand)


@pytest.fixture(scope="module")
def made(arterial):
    *_, planning = arterial
    return make_plan(planning, cycles_s=(70.0, 80.0), effort=Effort(kicks=0))


def test_turns_and_chains_are_those_of_the_routes(arterial):
    _, network, _, _ = arterial
    through = ("west-oak", "west-oak.pocket", "oak-station", "oak-station.pocket", "station-mill")
    demand = counted(
        [RouteUse(through, 90.0), RouteUse(through[:3], 10.0, 20.0)], network, 0.0, 1800.0
    )
    first = Turn("oak", "west-oak.pocket", "oak-station")
    second = Turn("station", "oak-station.pocket", "station-mill")
    assert demand.turns == {first: 200.0, second: 180.0}
    assert demand.chains == {(first, second): 180.0}
    assert demand.scaled(0.5).turns[first] == 100.0


def test_flows_of_the_demand_file_arrive_at_the_first_signal(arterial):
    _, _, demand, _ = arterial
    entering = sum(q for turn, q in demand.turns.items() if turn.from_edge == "west-oak.pocket")
    # 760 veh/h over the three parts of the hour; SUMO rounds the vehicles of a flow up.
    assert entering == pytest.approx(
        760.0 * (0.7 * 900 + 1.15 * 1500 + 0.8 * 1200) / 3600, rel=0.05
    )
    assert demand.hours == pytest.approx(1.0, abs=0.01)


def test_nobody_at_a_signal_is_said(arterial, tmp_path):
    scenario, network, _, _ = arterial
    routes = tmp_path / "one.rou.xml"
    routes.write_text(
        '<routes><vehicle id="v" depart="5"><route edges="oak-west"/></vehicle></routes>'
    )
    with pytest.raises(ScenarioError, match="no vehicle of its routes passes a signal"):
        demand_of(replace(scenario, route_files=(routes,), config_file=None), network)


def test_lanes_of_one_queue_are_one_stream(arterial):
    _, network, demand, _ = arterial
    junction = network.junction("ring")
    groups = lane_groups(junction, movements_of(junction, network), demand.turns)
    west = [group for group in groups if group.approach == "school-ring.pocket"]
    assert [len(group.lanes) for group in west] == [2, 1]
    through, left = west
    assert {m.direction for m in through.movements} == {"through", "right"}
    assert 3300.0 < through.saturation_veh_per_h <= 3600.0
    assert {m.direction for m in left.movements} == {"left"}
    assert sum(group.flow_veh_per_h for group in groups) == pytest.approx(
        sum(flow for turn, flow in demand.turns.items() if turn.junction == "ring")
    )


def test_streams_know_who_feeds_them_and_whom_they_wait_for(arterial):
    *_, planning = arterial
    at = {stream.name: k for k, stream in enumerate(planning.streams)}
    ring = planning.streams[at["ring W right+through"]]
    fed = {planning.streams[feed.stream].name: feed for feed in ring.feeds}
    assert {"school W right+through", "school N left"} <= set(fed)
    # 520 m between the signals, at a little less than 50 km/h
    assert 38.0 < fed["school W right+through"].travel_time_s < 43.0
    assert sum(feed.flow_veh_per_h for feed in ring.feeds) == pytest.approx(
        ring.flow_veh_per_h, rel=0.01
    )
    assert 80.0 < ring.storage_veh < 140.0
    left = planning.streams[at["ring W left"]]
    assert left.gives_way_to == (at["ring E right+through"],)
    assert planning.streams[at["oak W left"]].storage_veh == float("inf")


def test_the_lamps_show_what_the_model_thinks(arterial, made):
    *_, planning = arterial
    for plan, planned in zip(made.plan.plans, planning.sites, strict=True):
        check_plan(plan, planned.site)
        assert_shown_as_modelled(planned.site, plan)


@pytest.mark.parametrize("kind", ["two lanes", "crossings", "random"])
def test_the_lamps_of_shipped_stages_are_those_of_the_model(kind, tmp_path):
    network = derive_network(generate(tmp_path, KINDS[kind]))
    for junction in network.junctions[:6]:
        plan = replace(junction.shipped_plan, offset_ms=7_000)
        if plan.cycle_ms % TICK_MS == 0 and len({e.stage for e in plan.stages}) > 1:
            assert_shown_as_modelled(junction.intersection, plan)


def assert_shown_as_modelled(site, plan):
    """Every group is green from and to when its layout says, to the tick.

    Where a split is no whole tick, each change may be one tick off.
    """
    off = 0 if all(entry.split_ms % TICK_MS == 0 for entry in plan.stages) else len(plan.stages)
    order = tuple(site.stage_index(entry.stage) for entry in plan.stages)
    layout = Layout(site, order)
    starts_ms, at_ms = [], 0
    for entry, change_ms in zip(plan.stages, layout.interstages_ms, strict=True):
        starts_ms.append(at_ms - change_ms)
        at_ms += entry.split_ms
    shown = [0] * (plan.cycle_ms // TICK_MS)
    tick = 0
    for part in shown_cycle(site, plan).lit:
        for _ in range(part.duration_ms // TICK_MS):
            shown[tick] = part.green
            tick += 1
    for group in bits(site.all_groups):
        modelled = [False] * len(shown)
        for green in layout.greens(1 << group):
            begin = starts_ms[green.start_stage] + round(1000 * green.start_lag_s)
            end = starts_ms[green.end_stage] + round(1000 * green.end_lag_s)
            lasts = (end - begin) % plan.cycle_ms or plan.cycle_ms
            for ms in range(0, lasts, TICK_MS):
                modelled[(begin + ms) % plan.cycle_ms // TICK_MS] = True
        lit = [bool(green >> group & 1) for green in shown]
        wrong = sum(thought != real for thought, real in zip(modelled, lit, strict=True))
        assert wrong <= off, site.groups[group].name


def test_a_made_plan_runs_on_the_bench_and_beats_the_shipped_one(arterial, made, tmp_path):
    scenario = replace(arterial[0], end_s=500.0)
    file = tmp_path / "plan.json"
    file.write_text(to_json(made.plan))
    ours, shipped = (
        run_once(RunSpec(scenario=scenario, control=control, seed=101))
        for control in (str(file), "fixed")
    )
    assert ours.delay_s < 0.75 * shipped.delay_s
    assert ours.stops < shipped.stops
    assert ours.collisions == 0


def test_a_plan_for_another_network_is_refused(arterial, made, tmp_path):
    file = tmp_path / "plan.json"
    elsewhere = replace(made.plan.plans[0], site="elsewhere")
    file.write_text(to_json(replace(made.plan, plans=(elsewhere,))))
    spec = RunSpec(scenario=replace(arterial[0], end_s=60.0), control=str(file))
    with pytest.raises(
        ScenarioError, match=r"is for elsewhere, none of which .* has .it has market"
    ):
        run_once(spec)
    with pytest.raises(BenchError, match="can't be read"):
        run_once(replace(spec, control=str(tmp_path / "none.json")))
    assert find_control(str(file)).ours


def test_a_junction_without_a_plan_runs_its_shipped_program(arterial, made, tmp_path):
    scenario, network, *_ = arterial
    part = replace(made.plan, plans=made.plan.plans[:2])
    plans = plans_by_site(part, network)
    assert plans["market"] is made.plan.plans[0]
    assert plans["ring"] is network.junction("ring").shipped_plan
    file = tmp_path / "part.json"
    file.write_text(to_json(part))
    run = run_once(RunSpec(scenario=replace(scenario, end_s=200.0), control=str(file), seed=101))
    assert run.finished > 0


def test_no_order_of_stages_is_late_at_its_minimum_times(arterial):
    """Not even where a clearance on foot lasts over several short stages."""
    _, _, _, planning = arterial
    seen = 0
    for planned in planning.sites[:4]:  # the others are like the first
        present = positions_of(planned)
        for stages in combinations_of(planned.site, present, keep_order=False):
            for order in orders_of(planned.site, stages):
                site_plan = SitePlan(planned, (order,))
                # Without slack a controller that starts late stays late.
                *minimums, last = site_plan.layouts()[0].minimums_s
                starts = [0.0, *accumulate((*minimums, last + SLACK_S))]
                setting = Setting(cycle_s=starts.pop(), stage_start_s=(tuple(starts),))
                plan = timing_plan(site_plan, setting, 0, "shortest")
                shown = shown_cycle(planned.site, plan)
                # A stage without a time of its own costs the next one two ticks.
                assert max(late_ms_of_stages(plan, planned.site, shown)) <= 2 * TICK_MS, order
                seen += len(order) > 3
    assert seen > 20
