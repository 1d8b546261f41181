"""Slow lines at their limits: many detectors, many cabinets, one that is dead."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise

import pytest

from controller.plan import ScheduledStage, StageSchedule
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.client import CabinetClient
from firmware_bridge.day_plans import all_day
from firmware_bridge.ends import SerialEnd
from firmware_bridge.errors import LinkError
from firmware_bridge.line import TIMEOUT_S, Line
from firmware_bridge.line_load import ROUND_S, TURNS, LineLoad
from firmware_bridge.registers import BANKS, DETECTORS_MAX, REGISTERS_PER_READ, STATUS, poll_reads
from tests.controller.crossroads import crossroads
from tests.firmware_bridge.rig import KEY, NOW, SITE, Bus, cabinet, running, serial_pair

BAUD = 19_200


PATIENCE_S = 4.0
"""For a computer that has too much to do; only those who are dead are waited for so long."""


def on_a_slow_line(act, cabinets, timeout_s=PATIENCE_S, baud=BAUD):
    """Run *act(line, clients, devices)*, cabinet n being unit n + 1."""

    async def main():
        async with AsyncExitStack() as stack:
            ends = [stack.enter_context(serial_pair()) for _ in range(len(cabinets) + 1)]
            stack.enter_context(Bus([master for master, _ in ends], baud))
            line = Line(SerialEnd(ends[0][1], baud), timeout_s=timeout_s)
            devices = [
                await stack.enter_async_context(
                    running(there, SerialEnd(port, baud), unit=at + 1, field=True)
                )
                for at, (there, (_, port)) in enumerate(zip(cabinets, ends[1:], strict=True))
            ]
            clients = [
                CabinetClient(line, at + 1, there.site, KEY, name=f"c{at + 1}")
                for at, there in enumerate(cabinets)
            ]
            try:
                async with asyncio.timeout(40):
                    await act(line, clients, devices)
            finally:
                await line.close()

    asyncio.run(main())


def with_detectors(count):
    loop = SITE.detectors[0]
    return crossroads(detectors=tuple(replace(loop, name=f"loop {i}") for i in range(count)))


@pytest.mark.parametrize("count", [41, 96, DETECTORS_MAX])
def test_any_number_of_detectors_is_polled_and_no_count_lost(count):
    """The street counts all the time, and several pictures pass during one poll."""
    there = Cabinet(with_detectors(count), all_day(None), KEY, NOW)

    async def act(line, clients, devices):
        (client,), (device,) = clients, devices
        await client.identify()
        first = there.inputs.entered
        assert first == (0,) * count
        street, counted = device._street, 0
        seen = [0] * count

        def pass_by():
            nonlocal counted
            counted += 1
            counts = (counted % (1 << 16),) * count
            street._inputs = there.inputs._replace(entered=counts, left=counts, missing=0)

        for moving in (True, True, True, False):
            for _ in range(2):
                if moving:
                    pass_by()
                status = await client.poll()
                assert not status.restarted
                assert None not in status.readings.entered or counted <= 1
                for d, entered in enumerate(status.readings.entered):
                    seen[d] += entered or 0
                await asyncio.sleep(0.12)
        assert seen == [counted] * count
        assert line.metrics.failures == 0

    on_a_slow_line(act, [there])


def test_the_reads_of_a_poll_cut_no_bank():
    for count in range(DETECTORS_MAX + 1):
        reads = poll_reads(count)
        at = STATUS.address
        for address, size in reads:
            assert address == at
            assert 0 < size <= REGISTERS_PER_READ
            at += size
            if address + size != STATUS.address + sum(size for _, size in reads):
                assert (at - BANKS.address) % BANKS.stride == 0


def test_a_cabinet_that_is_switched_on_while_it_is_read_is_not_believed():
    site = with_detectors(96)

    async def act(line, clients, devices):
        (client,) = clients
        await client.identify()
        read, there = line.read, devices[0].cabinet

        async def slow(unit, address, count):
            if address > STATUS.address:
                there.picture = 3
            return await read(unit, address, count)

        there.picture = 40_000
        line.read = slow
        with pytest.raises(LinkError, match=r"cabinet c1 .* was switched on while it was read"):
            await client.poll()
        line.read = read
        await client.poll()

    on_a_slow_line(act, [Cabinet(site, all_day(None), KEY, NOW)])


def schedule(status):
    entries = tuple(ScheduledStage(stage=s, duration_ms=5_000) for s in ("A", "B", "A", "B"))
    return StageSchedule(site=SITE.name, start_mono_ms=status.now.mono_ms, entries=entries)


async def control(line, clients, seconds):
    """As an edge does it: whoever is not done with a turn is left out of the next."""
    turning: dict[str, asyncio.Task[None]] = {}
    polled = {client.name: [] for client in clients}

    async def turn(client):
        status = await client.poll()
        polled[client.name].append(asyncio.get_running_loop().time())
        await client.send_schedule(schedule(status))

    for _ in range(seconds):
        for client in clients:
            task = turning.get(client.name)
            if task is None or task.done():
                if task is not None and not isinstance(task.exception(), LinkError | None):
                    raise task.exception()
                turning[client.name] = asyncio.create_task(turn(client))
        await asyncio.sleep(1.0)
    await asyncio.gather(*turning.values(), return_exceptions=True)
    return polled


def test_a_line_that_cannot_keep_up_says_so_and_serves_all_alike(caplog):
    caplog.set_level(logging.INFO, "firmware_bridge")
    count = 6

    async def act(line, clients, devices):
        for client in clients:
            await client.identify()
        assert line.overload == ""
        polled = await control(line, clients, 10)
        assert line.load.cabinets == count
        assert 1.05 < line.load.round_s < 3.0
        words = f"{line.end} cannot keep up: {line.load.round_s:.1f} s per round, 6 cabinets"
        assert line.overload == words
        turns = [len(times) for times in polled.values()]
        assert max(turns) - min(turns) <= 4
        assert all(b - a < 4.0 for times in polled.values() for a, b in pairwise(times))
        # Schedules outlive the wait: every cabinet is controlled all the time.
        for device in devices:
            assert device.cabinet.has_schedule
            assert device.cabinet.schedule_no == len(polled[f"c{device.cabinet.boot_no}"])
        await control(line, clients[:3], TURNS + 3)
        assert line.load.cabinets == 3
        assert line.overload == ""

    on_a_slow_line(act, [cabinet(boot_no=at + 1) for at in range(count)], baud=BAUD // 2)
    told = [record.getMessage() for record in caplog.records if "keep" in record.getMessage()]
    assert ["cannot keep up" in told[0], "keeps up again" in told[-1], len(told)] == [True, True, 2]


def test_a_dead_cabinet_takes_little_of_a_line_and_is_no_load():
    async def act(line, clients, devices):
        for client in clients:
            await client.identify()
        await control(line, clients, 3)
        await devices[1].close()
        await control(line, clients, 4)
        requests = line.metrics.requests
        polled = await control(line, clients, 6)
        assert min(len(polled[name]) for name in ("c1", "c3", "c4")) >= 5
        assert line.metrics.requests - requests >= 3 * 2 * 5 + 3  # it is looked for, too
        assert line.load.cabinets == 4
        assert line.overload == ""

    on_a_slow_line(act, [cabinet(boot_no=at + 1) for at in range(4)], TIMEOUT_S)


def test_the_load_is_that_of_the_last_turns_and_of_those_who_are_still_there():
    load, now_s = LineLoad(), 0.0
    for _ in range(TURNS + 1):
        for unit in range(4):
            load.begin(unit, now_s)
            load.spend(unit, 0.3)
        now_s += ROUND_S
    assert load.round_s == pytest.approx(1.2)
    assert load.too_much
    assert load.without([0, 1]) == pytest.approx(0.6)
    load.spend(9, 5.0)  # who has no turns is none of the cabinets
    assert load.cabinets == 4
    for _ in range(12):
        load.begin(0, now_s)
        load.spend(0, 0.3)
        now_s += ROUND_S
    assert (load.cabinets, load.too_much) == (1, False)
