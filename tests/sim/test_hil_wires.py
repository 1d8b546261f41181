"""The wires between edge and cabinets: laid, cut, held up, slowed, spoilt, and mended."""

import asyncio
import os
import time
from contextlib import asynccontextmanager

import pytest

from firmware_bridge.cabinet import Cabinet
from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import SerialEnd, TcpEnd
from firmware_bridge.errors import BridgeError, LinkError
from firmware_bridge.line import Line
from sim.hil.analyser import ORDER, POLL
from sim.hil.programs import Programs
from sim.hil.wiring import Wiring
from tests.controller.crossroads import crossroads
from tests.firmware_bridge.rig import KEY, NOW, SITE, Decider, cabinet, running, tcp_end

BAUD = 115_200


@asynccontextmanager
async def over_tcp(tmp_path):
    """(a cabinet behind a wire called J, the wiring)."""
    with Programs() as programs:
        wiring = Wiring(programs, tmp_path, seed=1)
        async with running(cabinet()) as device:
            far = tcp_end(device.addresses[0])
            port = await wiring.tcp("J", far.host, far.port, analyse=True)
            line = Line(TcpEnd("127.0.0.1", port), timeout_s=0.5)
            client = CabinetClient(line, 1, SITE, KEY)
            await client.identify()
            yield client, wiring
            await line.close()


async def answers_again(client, within_s=5.0):
    """Ask until there is an answer."""
    end_s = time.monotonic() + within_s
    while True:
        try:
            return await client.poll()
        except BridgeError:
            assert time.monotonic() < end_s
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["cut", "stall", "corrupt"])
def test_a_broken_wire_of_tcp_and_its_return(tmp_path, fault):
    async def story():
        async with over_tcp(tmp_path) as (client, wiring):
            await client.poll()
            await wiring.fault("J", fault)
            failures = 0
            for _ in range(5):
                try:
                    await client.poll()
                except BridgeError:
                    failures += 1
                await asyncio.sleep(0.1)
            await wiring.fault("J", "")
            await answers_again(client)
            return failures

    assert asyncio.run(story()) >= 3


def test_a_slow_wire_takes_its_time(tmp_path):
    async def story():
        async with over_tcp(tmp_path) as (client, wiring):
            await wiring.fault("J", "slow")
            begin_s = time.monotonic()
            await client.poll()
            return time.monotonic() - begin_s

    assert 0.2 <= asyncio.run(story()) < 0.5


def test_the_analyser_notes_polls_and_schedules(tmp_path):
    async def story():
        async with over_tcp(tmp_path) as (client, wiring):
            for _ in range(3):
                status = await client.poll()
                view = (status.stage, 0, 0, 0)
                await client.send_schedule(Decider(SITE).decide(status.now, status.readings, view))
            return wiring.exchanges()

    found = asyncio.run(story())
    assert [each.kind for each in found] == [POLL, *[POLL, ORDER] * 3]  # one poll to identify
    assert {each.junction for each in found} == {"J"}
    times = [t for each in found for t in (each.asked_ns, each.answered_ns)]
    assert times == sorted(times)
    assert times[0] > 0


def test_two_cabinets_on_a_serial_line_one_of_them_cut_off(tmp_path):
    """What happens to the wire of one cabinet is nothing to the other."""
    sites = [crossroads(name=name) for name in ("one", "two")]

    async def story():
        with Programs() as programs:
            wiring = Wiring(programs, tmp_path, seed=1)
            edge, ports = await wiring.bus({1: "one", 2: "two"})
            cabinets = [Cabinet(site, cabinet()._plans, KEY, NOW) for site in sites]
            ends = [SerialEnd(ports[site.name], BAUD) for site in sites]
            async with (
                running(cabinets[0], ends[0], unit=1),
                running(cabinets[1], ends[1], unit=2),
            ):
                line = Line(SerialEnd(edge, BAUD))
                clients = [CabinetClient(line, 1 + k, sites[k], KEY) for k in range(2)]
                for client in clients:
                    await client.identify()
                await wiring.fault("one", "cut")
                with pytest.raises(LinkError):
                    await clients[0].poll()
                await clients[1].poll()
                await wiring.fault("one", "")
                await answers_again(clients[0])
                await line.close()
                return wiring.exchanges()

    found = asyncio.run(story())
    assert {each.junction for each in found} == {"one", "two"}
    assert {each.kind for each in found} == {POLL}


def test_the_wires_go_with_who_laid_them(tmp_path):
    async def story():
        programs = Programs()
        wiring = Wiring(programs, tmp_path, seed=1)
        await wiring.tcp("J", "127.0.0.1", 9, analyse=False)
        pid = wiring._program.pid
        os.kill(pid, 0)
        programs.__exit__()
        return pid

    pid = asyncio.run(story())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
