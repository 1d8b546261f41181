"""What reaches the lamps over real sockets is what the bench decides in its own process."""

import asyncio
import json
from dataclasses import replace

import pytest

from controller import plan_json, site_json
from controller.clock import Instant
from edge import links_json
from firmware_bridge.ends import TcpEnd, host_and_port
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from sim.controls.tactical import TacticalNetwork
from sim.network import derive_network
from sim.network.links_between import links_between
from tests.edge.fleet import Program
from tests.edge.sites import KEY
from tests.firmware_bridge.rig import days_readings
from tests.sim.networks import convert, two_nodes_one_controller

SECONDS = 150
BEGIN = Instant(25_200_000, 25_200_000)


def two_crossroads(folder):
    """J1 and J2, 60 m apart: a short street between them, and crossings for those on foot."""
    lights = {"J1": 0, "J2": 60}
    places = {"w": (-300, 0), "e": (360, 0)}
    streets = [("w", "J1"), ("J1", "J2"), ("J2", "e")]
    nodes = ""
    for name, x in lights.items():
        nodes += f'<node id="{name}" x="{x}" y="0" type="traffic_light"/>'
        for arm, y in (("n", 200), ("s", -200)):
            places[name + arm] = (x, y)
            streets.append((name + arm, name))
    nodes += "".join(f'<node id="{name}" x="{x}" y="{y}"/>' for name, (x, y) in places.items())
    edges = "".join(
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="1"/>'
        for pair in streets
        for a, b in (pair, pair[::-1])
    )
    return convert(folder, nodes, edges, "", "--sidewalks.guess", "--crossings.guess")


def one_order(folder):
    return two_nodes_one_controller(folder)


def with_greens(network):
    """Sites that keep their order get greens that always hold."""
    junctions = (
        replace(each, shipped_greens_s=((5.0, 20.5),) * len(each.shipped_greens_s))
        for each in network.junctions
    )
    return replace(network, junctions=tuple(junctions))


def write_edge(folder, junctions, ports, links):
    (folder / "links.json").write_text(links_json.to_json(links))
    (folder / "key").write_text(KEY)
    lines = ['name = "bench"', "[control]", "detection_min = 0.0"]
    lines += ["[neighbours]", 'links_file = "links.json"']
    for junction in junctions:
        lines += [
            "[[cabinet]]",
            f'name = "{junction.id}"',
            f'site_file = "{junction.id}.site.json"',
        ]
        lines += [f'plan_file = "{junction.id}.plan.json"', 'key_file = "key"', "unit = 1"]
        lines += [f'link = "tcp://127.0.0.1:{ports[junction.id]}"']
        if junction.keep_order:
            stages = junction.shipped_plan.stages
            greens = zip(stages, junction.shipped_greens_s, strict=True)
            pairs = ", ".join(f'"{each.stage}" = [{a}, {b}]' for each, (a, b) in greens)
            lines += ["keep_order = true", f"greens_s = {{ {pairs} }}"]
    (folder / "site.toml").write_text("\n".join(lines) + "\n")
    return folder / "site.toml"


async def device(folder, junction):
    """A cabinet in lock-step, as a program; its port and its street's."""
    site = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
    (folder / f"{junction.id}.site.json").write_text(site_json.to_json(site))
    (folder / f"{junction.id}.plan.json").write_text(plan_json.to_json(junction.shipped_plan))
    files = ("--site", folder / f"{junction.id}.site.json")
    plan = ("--plan", folder / f"{junction.id}.plan.json")
    ends = ("--tcp", "127.0.0.1:0", "--field", "127.0.0.1:0", "--lockstep")
    program = Program("device", *files, *plan, *ends)
    await program.start()
    field = (await program.said("listening: field")).split()[-3]
    port = int((await program.said("listening: tcp")).split()[-3].rpartition(":")[2])
    street = FieldClient(Line(TcpEnd(*host_and_port(field, 0))), 1, site)
    return program, port, street


async def over_the_wire(folder, network, recorded):
    """The lamps of every junction after each instant, and the daemon's answers."""
    found = await asyncio.gather(*(device(folder, each) for each in network.junctions))
    ports = {j.id: port for j, (_, port, _) in zip(network.junctions, found, strict=True)}
    path = write_edge(folder, network.junctions, ports, links_between(network))
    edge = Program("edge", "run", path, "--lockstep", "127.0.0.1:0")
    await edge.start()
    host, port = host_and_port((await edge.said("listening: lockstep")).split()[-1], 0)
    reader, writer = await asyncio.open_connection(host, port)
    trace, now = [], BEGIN
    try:
        for readings in recorded:
            for (_, _, street), seen in zip(found, readings, strict=True):
                await street.see(now, seen)
            writer.write(json.dumps(now._asdict()).encode() + b"\n")
            assert json.loads(await reader.readline()) == {"done": now.mono_ms}
            trace.append([await street.step(now) for _, _, street in found])
            now = now.after(1_000)
        writer.write(json.dumps(BEGIN._asdict()).encode() + b"\nnonsense\n")
        assert "not after" in json.loads(await reader.readline())["error"]
        assert "mono_ms" in json.loads(await reader.readline())["error"]
    finally:
        code = await edge.end(2)
        await asyncio.gather(*(program.end() for program, _, _ in found))
    assert code == 0, edge.lines
    assert not edge.logged("rung"), edge.lines
    assert not edge.logged("failed"), edge.lines
    return trace


@pytest.mark.parametrize("make", [two_crossroads, one_order])
def test_the_lamps_are_those_of_the_bench(tmp_path, make):
    network = with_greens(derive_network(make(tmp_path)))
    streams = [
        days_readings(junction.intersection, SECONDS, seed)
        for seed, junction in enumerate(network.junctions)
    ]
    recorded = list(zip(*streams, strict=True))
    control, now, expected = TacticalNetwork(network, BEGIN), BEGIN, []
    for readings in recorded:
        expected.append(control.step(now, readings))
        now = now.after(1_000)
    trace = asyncio.run(over_the_wire(tmp_path, network, recorded))
    lamps = [[(shown.green, shown.ending) for shown in second] for second in trace]
    assert lamps == [[(shown.green, shown.ending) for shown in second] for second in expected]
    assert len({tuple(second) for second in lamps}) > 5
    assert any(junction.keep_order for junction in network.junctions) == (make is one_order)
