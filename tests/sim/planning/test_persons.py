"""Persons in vehicles and people on foot, from a scenario to the streams of a planner."""

from dataclasses import replace

import pytest

from controller.intersection import GroupKind
from optimizer.planning.maker import make_plan
from optimizer.profiles.improve import Effort
from sim.arterial import build_arterial
from sim.network import derive_network
from sim.planning.demand import Turn, demand_of
from sim.planning.from_net import planning_network
from sim.planning.walks import Crossing
from sim.plans.from_utdf import planning_network_of
from sim.plans.plan_json import to_json
from sim.plans.utdf import parse_utdf
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario
from tests.sim.plans.utdf_town import TOWN

ROUTES = """<routes>
    <vType id="coach" vClass="bus"/>
    <vType id="van"/>
    <flow id="buses" type="coach" begin="0" end="3600" number="10">
        <route edges="west-oak west-oak.pocket oak-station"/>
    </flow>
    <flow id="vans" type="van" begin="0" end="3600" number="30">
        <route edges="west-oak west-oak.pocket oak-station"/>
    </flow>
    <flow id="full" type="coach" personNumber="50" begin="0" end="3600" number="10">
        <route edges="oak_n-oak oak_n-oak.pocket oak-station"/>
    </flow>
</routes>
"""


@pytest.fixture(scope="module")
def arterial(tmp_path_factory):
    scenario = load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))))
    return scenario, derive_network(scenario.net_file)


@pytest.fixture(scope="module")
def planning(arterial):
    scenario, network = arterial
    return planning_network(network, demand_of(scenario, network))


def test_a_bus_weighs_as_many_as_sit_in_it(arterial, tmp_path):
    scenario, network = arterial
    routes = tmp_path / "some.rou.xml"
    routes.write_text(ROUTES)
    some = replace(scenario, route_files=(routes,), config_file=None)
    ahead = Turn("oak", "west-oak.pocket", "oak-station")
    left = Turn("oak", "oak_n-oak.pocket", "oak-station")
    plain = demand_of(some, network)
    known = demand_of(some, network, {"bus": 20.0, "passenger": 1.5})
    assert [plain.persons_per_veh(turn) for turn in (ahead, left)] == pytest.approx([1.0, 50.0])
    assert known.persons_per_veh(ahead) == pytest.approx((10 * 20.0 + 30 * 1.5) / 40)
    assert known.scaled(0.5).persons_per_veh(left) == pytest.approx(50.0)
    assert known.walks == {}
    told = {
        stream.name: stream.persons_per_veh for stream in planning_network(network, known).streams
    }
    assert told["oak W right+through"] == pytest.approx(6.125)
    assert told["oak N left"] == pytest.approx(50.0)
    assert told["ring W left"] == 1.0


def test_people_are_counted_at_the_crossings_that_they_use(arterial, planning):
    scenario, network = arterial
    walks = demand_of(scenario, network).walks
    crossed = {
        (crossing.junction, network.junction(crossing.junction).intersection.groups[k].name)
        for crossing in walks
        for k in [crossing.group]
    }
    # Everybody goes along the side streets, so they cross Main Street.
    assert crossed == {(s, f"ped {way}") for s in ("market", "school", "station") for way in "EW"}
    assert all(80.0 <= flow <= 95.0 for flow in walks.values())
    assert all(isinstance(crossing, Crossing) for crossing in walks)
    streams = [stream for stream in planning.streams if stream.is_pedestrian]
    assert [stream.name for stream in streams][:2] == ["market ped E", "market ped W"]
    for stream in streams:
        group = planning.sites[stream.site].site.groups[
            planning.sites[stream.site].site.group_index(stream.groups[0])
        ]
        assert group.kind is GroupKind.PEDESTRIAN


RIDERS = """<routes>
    <flow id="cars" begin="0" end="600" number="9">
        <route edges="west-oak west-oak.pocket oak-station"/>
    </flow>
    <vehicle id="bus" depart="5">
        <route edges="west-oak west-oak.pocket oak-station"/><stop busStop="here" duration="20"/>
    </vehicle>
    <person id="walks" type="people" depart="0">
        <walk from="station_n-station" to="station-station_s"/>
    </person>
    <person id="rides" depart="10">
        <walk from="station_n-station" busStop="here"/><ride busStop="here" lines="bus"/>
    </person>
    <person id="aboard" depart="triggered">
        <ride from="west-oak" to="oak-station" lines="bus"/>
    </person>
    <person id="rests" depart="20">
        <walk from="station_n-station" to="station-station_s"/><stop busStop="here" duration="5"/>
    </person>
</routes>
"""


def test_who_rides_stops_or_comes_by_bus_keeps_nobody_from_a_plan(arterial, tmp_path):
    scenario, network = arterial
    routes, stops = tmp_path / "riders.rou.xml", tmp_path / "stops.add.xml"
    routes.write_text(RIDERS)
    stops.write_text(
        '<additional><vTypeDistribution id="people"><vType id="old" maxSpeed="0.8" '
        'vClass="pedestrian"/></vTypeDistribution><busStop id="here" lane="oak-station_1" '
        'startPos="50" endPos="70"/></additional>'
    )
    own = {"route_files": (routes,), "additional_files": (stops,), "config_file": None}
    demand = demand_of(replace(scenario, **own), network)
    per_hour = 1.0 / demand.hours
    assert sum(demand.walks.values()) >= 2 * per_hour
    assert {walk.junction for walk in demand.walks} == {"station"}


def test_what_a_longer_cycle_costs_on_foot_is_what_it_costs_in_the_street(
    arterial, planning, tmp_path
):
    """The model against people who walk in SUMO; going around corners costs them the same twice."""
    scenario, _ = arterial
    short = replace(scenario, end_s=2_400.0)
    told, seen = [], []
    for cycle_s in (60.0, 110.0):
        made = make_plan(planning, cycles_s=(cycle_s,), effort=Effort(kicks=0))
        assert made.walking_wait_s is not None
        told.append(made.walking_wait_s)
        plan = tmp_path / f"plan{cycle_s:g}.json"
        plan.write_text(to_json(made.plan))
        run = run_once(RunSpec(scenario=short, control=str(plan), seed=101))
        assert run.pedestrian_delay_s is not None
        seen.append(run.pedestrian_delay_s)
    assert told[1] - told[0] > 5.0
    assert told[1] - told[0] == pytest.approx(seen[1] - seen[0], abs=4.0)


def test_calls_of_a_utdf_file_are_people():
    text = TOWN.replace("DontWalk,1,,12,,,,,,", "DontWalk,1,,12,,,,,,\nPedCalls,1,,40,,,,,,")
    network, _ = planning_network_of(parse_utdf(text, "town.csv"))
    walkers = [stream for stream in network.streams if stream.is_pedestrian]
    assert [(each.groups, each.flow_veh_per_h) for each in walkers] == [(("walk 2",), 40.0)]
    before, _ = planning_network_of(parse_utdf(TOWN, "town.csv"))
    assert not any(stream.is_pedestrian for stream in before.streams)
