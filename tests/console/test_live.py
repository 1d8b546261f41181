"""The simulated city behind the console's demo: SUMO in its own process, in step with the clock."""

import asyncio
import time
from dataclasses import replace

import pytest

from edge.corridors.errors import CorridorError
from edge.corridors.values import Wish
from edge.errors import EdgeError
from sim.errors import BenchError
from sim.live.centre import LiveCentre
from sim.live.messages import StreetsSpec
from sim.scenario import load_scenario

SPEC_WINDOW_S = 45.0


@pytest.fixture(scope="module")
def spec():
    scenario = load_scenario("arterial", end_s=SPEC_WINDOW_S)
    return StreetsSpec(scenario=scenario, speed=20.0, warm_up_s=15.0)


def wish(centre, vehicle="ambulance-1", destination="oak-west"):
    found = centre.vehicles[vehicle]
    return Wish(
        vehicle=found.name,
        role=found.role,
        level=found.level,
        origin=found.street,
        destination=destination,
    )


async def until(centre, condition, within_s=30.0):
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s
        await centre.changed()


def test_when_the_scenario_is_over_it_begins_anew_and_the_clocks_go_on(spec):
    async def watch():
        async with LiveCentre(spec) as centre:
            began_ms = centre.now_utc_ms()
            assert abs(began_ms - time.time() * 1_000) < 60_000
            seen = [began_ms]
            opened = await centre.open(wish(centre), "me")

            def two_windows_have_passed():
                seen.append(centre.now_utc_ms())
                return seen[-1] - began_ms > 2 * SPEC_WINDOW_S * 1_000

            await until(centre, two_windows_have_passed, 60.0)
            assert seen == sorted(seen)
            assert all(each.reachable for each in centre.live.values())
            ended = centre.corridors[opened.id]
            assert ended.position is not None, "it was driving when its streets ended"
            assert ended.state.value in {"recovering", "closed"}

    asyncio.run(watch())


def test_a_vehicle_sets_out_and_is_sent_another_way(spec):
    async def drive():
        async with LiveCentre(replace(spec, scenario=load_scenario("arterial"))) as centre:
            assert {each.street for each in centre.vehicles.values()} <= set(centre.streets.streets)
            stood_down = await centre.open(wish(centre), "me")
            await centre.cancel(stood_down.id, "stood down")
            assert not centre._departs, "it had not left, and stays"
            opened = await centre.open(wish(centre), "me")
            assert centre.corridors[opened.id].state.value == "pending"
            with pytest.raises(CorridorError):
                await centre.open(wish(centre), "me")
            await until(centre, lambda: centre.corridors[opened.id].position is not None)
            changed = await centre.reroute(opened.id, "market-market_n")
            assert changed.route[-1] == "market-market_n"
            await until(
                centre,
                lambda: centre.corridors[opened.id].state.value in {"recovering", "closed"},
                60.0,
            )
            states = [each.state.value for each in centre.corridors[opened.id].passages]
            assert states == ["passed"] * 3

    asyncio.run(drive())


def test_streets_that_have_died_are_out_of_reach_and_say_so(spec):
    async def kill():
        async with LiveCentre(spec) as centre:
            centre._process.kill()
            await until(centre, lambda: not any(e.reachable for e in centre.live.values()))
            with pytest.raises(EdgeError, match="can't be reached"):
                await centre.open(wish(centre), "me")

    asyncio.run(kill())


def test_a_scenario_that_sumo_refuses_is_an_error_and_no_wait(spec, tmp_path):
    routes = tmp_path / "broken.rou.xml"
    routes.write_text(
        '<routes><flow id="f" from="nowhere" to="never" begin="0" number="1"/></routes>'
    )
    broken = replace(spec.scenario, route_files=(routes,), config_file=None)

    async def begin():
        async with LiveCentre(replace(spec, scenario=broken)):
            pass

    with pytest.raises(BenchError, match="simulation failed"):
        asyncio.run(begin())
