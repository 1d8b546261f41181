"""Several cabinets on one serial line: fair turns, a dead one, noise."""

import asyncio
import os
import random
import struct
import time
from contextlib import AsyncExitStack

import pytest

from firmware_bridge.client import CabinetClient
from firmware_bridge.device import Device
from firmware_bridge.ends import SerialEnd
from firmware_bridge.errors import LinkError, SetupError
from firmware_bridge.frames import rtu_frame
from firmware_bridge.line import Line
from firmware_bridge.registers import REGISTERS_PER_READ, UPLOAD
from tests.firmware_bridge.rig import KEY, SITE, Bus, cabinet, running, serial_pair

BAUD = 115_200
UNITS = (1, 2, 3, 7)


def on_a_bus(act, units=UNITS):
    """Run *act(line, clients, bus, devices)* with one cabinet per unit on one line."""

    async def main():
        async with AsyncExitStack() as stack:
            ends = [stack.enter_context(serial_pair()) for _ in range(len(units) + 1)]
            bus = stack.enter_context(Bus([master for master, _ in ends]))
            devices = [
                await stack.enter_async_context(
                    running(cabinet(boot_no=unit), SerialEnd(name, BAUD), unit=unit)
                )
                for unit, (_, name) in zip(units, ends[1:], strict=True)
            ]
            line = Line(SerialEnd(ends[0][1], BAUD))
            clients = [CabinetClient(line, unit, SITE, KEY, name=f"c{unit}") for unit in units]
            try:
                return await asyncio.wait_for(act(line, clients, bus, devices), 30)
            finally:
                await line.close()

    return asyncio.run(main())


def test_every_cabinet_answers_for_itself_and_gets_equal_turns():
    order = []

    async def act(line, clients, bus, devices):
        for client in clients:
            await client.identify()

        async def busy(unit, client):
            for _ in range(20):
                assert (await client.poll()).boot_no == unit
                order.append(unit)

        await asyncio.gather(*(busy(u, c) for u, c in zip(UNITS, clients, strict=True)))
        assert line.metrics.failures == 0

    on_a_bus(act)
    for at in range(0, len(order), len(UNITS)):
        assert sorted(order[at : at + len(UNITS)]) == sorted(UNITS)


def test_a_dead_cabinet_loses_turns_and_the_others_none():
    async def act(line, clients, bus, devices):
        for client in clients:
            await client.identify()
        await devices[1].close()
        failures = 0
        for _ in range(12):
            for unit, client in zip(UNITS, clients, strict=True):
                if unit != UNITS[1]:
                    await client.poll()
                    continue
                with pytest.raises(LinkError, match="cabinet c2: unit 2"):
                    await client.poll()
                failures += 1
        assert failures == 12
        # Three time-outs, then it is only asked now and then.
        assert line.metrics.requests < 5 * 4 + 12 * 3 + 8

    on_a_bus(act)


def test_noise_costs_requests_and_never_a_wrong_value():
    rng = random.Random(3)

    async def act(line, clients, bus, devices):
        for client in clients:
            await client.identify()
        expected = {u: d.cabinet.site.digest for u, d in zip(UNITS, devices, strict=True)}

        def noisy(data: bytes) -> bytes:
            spoilt = bytearray(data)
            if rng.random() < 0.3 and spoilt:
                spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
            if rng.random() < 0.1:
                spoilt = bytearray(rng.randbytes(rng.randrange(1, 9))) + spoilt
            return bytes(spoilt)

        bus.spoil = noisy
        good = bad = 0
        for _ in range(7):
            for unit, client in zip(UNITS, clients, strict=True):
                try:
                    status = await client.poll()
                except LinkError:
                    bad += 1
                    continue
                good += 1
                assert status.boot_no == unit
                assert status.counts.entered == (0, 0, 0, 0)
        assert good > 5
        assert bad > 2
        bus.spoil = lambda data: data
        await asyncio.sleep(2.0)
        assert all([(await client.identify()).site_digest for client in clients])
        assert set(expected.values()) == {SITE.digest}

    on_a_bus(act)


def test_a_late_answer_is_not_taken_for_the_next():
    async def act(line, clients, bus, devices):
        client = clients[0]
        await client.identify()
        held: list[bytes] = []

        def late(data: bytes) -> bytes:
            held.append(data)
            return b""

        bus.spoil = late
        with pytest.raises(LinkError):
            await client.poll()
        bus.spoil = lambda data: data
        assert (await client.poll()).picture >= 0

    on_a_bus(act, units=(1,))


def test_a_serial_port_that_is_busy_or_not_there_is_named():
    async def main():
        with serial_pair() as (_, name):
            async with running(cabinet(), SerialEnd(name, BAUD)):
                with pytest.raises(SetupError, match=f"{name} .*another program uses it"):
                    await Device(cabinet(), [SerialEnd(name, BAUD)]).start()
                with pytest.raises(LinkError, match="another program uses it"):
                    await Line(SerialEnd(name, BAUD)).read(1, 0, 1)
        with pytest.raises(SetupError, match="/dev/nothing cannot be opened: there is no such"):
            await Device(cabinet(), [SerialEnd("/dev/nothing")]).start()

    asyncio.run(main())


def test_a_port_that_disappears_does_not_bring_the_cabinet_down():
    async def main():
        master, slave = os.openpty()
        async with running(cabinet(), SerialEnd(os.ttyname(slave), BAUD)) as device:
            os.close(master)
            os.close(slave)
            before, begin_s = device.cabinet.picture, time.process_time()
            await asyncio.sleep(0.5)
            assert device.cabinet.picture > before
            assert time.process_time() - begin_s < 0.2  # and it does not spin

    asyncio.run(main())


def test_whoever_asks_without_listening_does_not_stop_the_lamps():
    async def main():
        with serial_pair() as (master, name):
            async with running(cabinet(), SerialEnd(name, BAUD)) as device:
                read = struct.pack(">BHH", 3, UPLOAD.address, REGISTERS_PER_READ)
                try:
                    for _ in range(400):
                        os.write(master, rtu_frame(1, read))
                        await asyncio.sleep(0.001)
                except BlockingIOError:
                    pass
                before = device.cabinet.picture
                await asyncio.sleep(0.5)
                assert device.cabinet.picture > before + 4
                heard = b""
                while not heard.endswith(rtu_frame(1, b"\x83\x02")):
                    try:
                        heard += os.read(master, 65_536)
                        os.write(master, rtu_frame(1, struct.pack(">BHH", 3, 0xFFFF, 1)))
                    except BlockingIOError:
                        pass
                    await asyncio.sleep(0.06)

    asyncio.run(asyncio.wait_for(main(), 20))
