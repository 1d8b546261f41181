"""The same inputs give the same lamps, to the tick: in process, over TCP, over a serial line."""

import asyncio
from dataclasses import replace

import pytest

from firmware_bridge.cabinet import Cabinet
from firmware_bridge.client import CabinetClient
from firmware_bridge.day_plans import all_day
from firmware_bridge.ends import SerialEnd
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from tests.controller.crossroads import crossroads
from tests.firmware_bridge.rig import (
    FACTORY,
    KEY,
    NOW,
    SITE,
    Bus,
    cabinet,
    client_for,
    days_readings,
    in_process,
    over_the_wire,
    running,
    serial_pair,
    tcp_end,
)

SECONDS = 400


@pytest.mark.parametrize(("tick_ms", "seed"), [(1_000, 1), (1_000, 2), (100, 3)])
def test_over_tcp_as_in_process(tick_ms, seed):
    readings = days_readings(SITE, SECONDS, seed)

    async def remote():
        async with running(cabinet(lockstep=True), field=True) as device:
            street = FieldClient(Line(tcp_end(device.field_address)), 1, SITE)
            return await over_the_wire(client_for(device), street, SITE, readings, tick_ms)

    expected = in_process(SITE, readings, tick_ms)
    assert asyncio.run(remote()) == expected
    assert len({aspects for _, aspects in expected}) > 5


def test_a_site_with_more_detectors_than_one_request_holds():
    loop = SITE.detectors[0]
    more = tuple(replace(loop, name=f"loop {i}", groups=("EW",)) for i in range(90))
    site = crossroads(detectors=(*SITE.detectors, *more))
    readings = days_readings(site, 60, 5)

    async def remote():
        there = Cabinet(site, all_day(FACTORY), KEY, NOW, lockstep=True)
        async with running(there, field=True) as device:
            street = FieldClient(Line(tcp_end(device.field_address)), 1, site)
            client = client_for(device, site)
            return await over_the_wire(client, street, site, readings, 1_000)

    assert site.digest == SITE.digest
    assert asyncio.run(remote()) == in_process(site, readings, 1_000)


def test_a_poll_of_several_requests_has_whole_banks_and_loses_no_count():
    """A cabinet that ticks between two reads shows later banks later, and nothing half."""
    loop = SITE.detectors[0]
    site = crossroads(detectors=tuple(replace(loop, name=f"loop {i}") for i in range(94)))

    async def remote():
        there = Cabinet(site, all_day(None), KEY, NOW, lockstep=True)
        async with running(there, field=True) as device:
            client = client_for(device, site)
            await client.identify()
            read, reads = client.line.read, 0

            async def slow(unit, address, count):
                nonlocal reads
                reads += 1
                if reads == 2:  # the second of the first poll
                    for d in range(3):
                        inputs = there.inputs._replace(entered=(d + 1,) * 94)
                        there.see(there.now, inputs)
                return await read(unit, address, count)

            client.line.read = slow
            first, then = await client.poll(), await client.poll()
            assert reads == 4 + 4
            assert first.readings.entered == (0,) * 32 + (3,) * 62
            assert then.readings.entered == (3,) * 32 + (0,) * 62

    asyncio.run(remote())


def test_over_a_serial_line_as_in_process():
    readings = days_readings(SITE, 150, 4)

    async def remote():
        with serial_pair() as (one, edge), serial_pair() as (other, device_port), Bus([one, other]):
            there = cabinet(lockstep=True)
            async with running(there, SerialEnd(device_port, 115_200), field=True) as device:
                line = Line(SerialEnd(edge, 115_200))
                street = FieldClient(Line(tcp_end(device.field_address)), 1, SITE)
                client = CabinetClient(line, 1, SITE, KEY)
                trace = await over_the_wire(client, street, SITE, readings, 1_000)
                await line.close()
                return trace

    assert asyncio.run(remote()) == in_process(SITE, readings, 1_000)
