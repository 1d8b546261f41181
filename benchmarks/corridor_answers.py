"""From the wish for a corridor to the word of every cabinet on its way: twenty junctions in a row.

Run from the root of the repository: ``python -m benchmarks.corridor_answers [--corridors N]``.

The whole chain is real: the centre signs an order for each junction, mosquitto carries it, the edge
checks it and passes it on over Modbus TCP, the cabinet answers, and its answer comes back through
the edge's store and the broker to the corridor desk. All of it runs on this machine. Exits with 1
if the 99th percentile is above its limit, or an answer is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.centre.city import CityCentre, CityPlan
from edge.corridors.values import Corridor, PassageState, Wish
from edge.settings import BrokerSettings
from sim.convention import FIELD
from sim.corridors.streets_from_net import streets_from_net
from sim.hil.daemon import free_port
from sim.hil.plant import raise_plant
from sim.hil.programs import Programs
from sim.hil.spec import HilSpec, parse_speed
from sim.live.site_live import facts_of
from sim.network import Network, derive_network
from sim.scenario import Scenario, load_scenario
from sim.sumo_home import run_sumo_binary

JUNCTIONS = 20
ANSWERED_MAX_MS = 250.0
READY_S, ANSWER_S = 60.0, 10.0
KEY = bytes(range(32))
ANSWERED = {PassageState.GRANTED, PassageState.HELD, PassageState.QUEUED}


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corridors", type=int, default=200, help="how many, one after the other")
    count = parser.parse_args(words).corridors
    with tempfile.TemporaryDirectory(prefix="greenband-answers-") as name:
        took_ms, missing = asyncio.run(_measured(Path(name), count))
    return _judge(took_ms, missing)


async def _measured(folder: Path, count: int) -> tuple[list[float], int]:
    """By corridor, the time to the last answer; and how many answers never came."""
    network, scenario = _network(folder)
    with _mosquitto(folder) as port, Programs() as programs:
        spec = HilSpec(scenario=scenario, speed=parse_speed("1"), orders_key=KEY)
        plant = await raise_plant(spec, network, folder, programs, ("127.0.0.1", port))
        await plant.daemon.start()
        try:
            async with CityCentre(_plan(folder, network, port), _numbers()) as centre:
                await _until_all_are_heard(centre)
                found = [await _corridor(centre, _route()) for _ in range(count)]
        finally:
            await plant.close()
    return [each for each, _ in found], sum(missing for _, missing in found)


async def _corridor(centre: CityCentre, route: tuple[str, ...]) -> tuple[float, int]:
    wish = Wish(
        vehicle="ambulance",
        role="ambulance",
        level=12,
        origin=route[0],
        destination=route[-1],
        route=route,
    )
    begun_s = time.perf_counter()
    corridor = await centre.open(wish, "benchmark")
    until_s = begun_s + ANSWER_S
    while (missing := _missing(centre.corridors[corridor.id])) and time.perf_counter() < until_s:
        await centre.changed()
    took_ms = 1_000 * (time.perf_counter() - begun_s)
    await centre.cancel(corridor.id, "measured")
    await asyncio.sleep(0.3)
    return took_ms, missing


def _missing(corridor: Corridor) -> int:
    return sum(passage.state not in ANSWERED for passage in corridor.passages)


async def _until_all_are_heard(centre: CityCentre) -> None:
    async with asyncio.timeout(READY_S):
        while not all(each.reachable for each in centre.live.values()):
            await centre.changed()


def _plan(folder: Path, network: Network, port: int) -> CityPlan:
    sites = facts_of(network)
    return CityPlan(
        name="benchmark",
        streets=streets_from_net(network),
        sites=sites,
        edge_of=dict.fromkeys(sites, "bench"),
        vehicles={},
        broker=BrokerSettings(url=f"mqtt://127.0.0.1:{port}"),
        orders_key=KEY,
        folder=folder,
    )


def _numbers() -> Callable[[], str]:
    count = itertools.count(1)
    return lambda: str(next(count))


def _route() -> tuple[str, ...]:
    """The streets of the middle row, from one end to the other."""
    return tuple(f"{_letter(k)}1{_letter(k + 1)}1" for k in range(JUNCTIONS + 1))


def _letter(k: int) -> str:
    """As netgenerate counts the columns of a grid."""
    return chr(ord("A") + k)


def _network(folder: Path) -> tuple[Network, Scenario]:
    """Signals along the middle row of a grid of three."""
    signals = ",".join(f"{_letter(k)}1" for k in range(1, JUNCTIONS + 1))
    run_sumo_binary(
        "netgenerate",
        [
            *("--grid", "--grid.x-number", str(JUNCTIONS + 2), "--grid.y-number", "3"),
            *("--grid.length", "200", "--default.lanenumber", "2", "--tls.set", signals),
            *("--default-junction-type", "priority", "--no-turnarounds", "-o", "row.net.xml"),
        ],
        folder,
    )
    (folder / "row.rou.xml").write_text(
        '<routes><trip id="0" depart="0" from="A1B1" to="B1C1"/></routes>\n', encoding="utf-8"
    )
    config = folder / "row.sumocfg"
    config.write_text(
        '<configuration><net-file value="row.net.xml"/><route-files value="row.rou.xml"/>'
        '<begin value="0"/><end value="60"/></configuration>\n',
        encoding="utf-8",
    )
    scenario = load_scenario(str(config))
    return derive_network(scenario.net_file, (), FIELD, 0.0), scenario


@contextmanager
def _mosquitto(folder: Path) -> Iterator[int]:
    """A broker on a free port."""
    program, port = shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), free_port()
    if program is None:
        raise SystemExit("this benchmark needs mosquitto: apt-get install mosquitto")
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n", encoding="utf-8"
    )
    with subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                with socket.socket() as line:
                    if line.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def _judge(took_ms: list[float], missing: int) -> int:
    ranked = sorted(took_ms)
    p99_ms = ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))]
    print(f"{len(ranked)} corridors of {JUNCTIONS} junctions, from the wish to the last answer:")
    print(f"p50 {statistics.median(ranked):.0f} ms  p99 {p99_ms:.0f} ms  max {ranked[-1]:.0f} ms")
    print(f"missing answers: {missing}")
    good = p99_ms <= ANSWERED_MAX_MS and not missing
    print("good" if good else f"NOT GOOD: {ANSWERED_MAX_MS:g} ms at most, and no answer missing")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
