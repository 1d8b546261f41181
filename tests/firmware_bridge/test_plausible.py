"""What a line without a check sum changes on its way, and who believes it."""

import asyncio
from dataclasses import replace

import pytest

from controller.clock import Instant
from firmware_bridge.client import CabinetClient
from firmware_bridge.errors import LinkError, WrongDeviceError
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from firmware_bridge.plausible import can_follow
from firmware_bridge.registers import BANKS, IDENTITY, STATUS
from tests.controller.crossroads import UTC_MS
from tests.firmware_bridge.rig import NOW, SITE, cabinet, days_readings, running, tcp_end


class Wire(Line):
    """A line that changes the word at *address* in the next *times* answers."""

    address = times = 0

    async def read(self, unit, address, count):
        words = await super().read(unit, address, count)
        at = self.address - address
        if self.times and 0 <= at < count:
            self.times -= 1
            words[at] ^= 0x5A00 + self.times
        return words


def with_wire(act):
    async def main():
        async with running(cabinet(lockstep=True), field=True) as device:
            street = FieldClient(Line(tcp_end(device.field_address)), 1, SITE)
            wire = Wire(tcp_end(device.addresses[0]))
            client = CabinetClient(wire, 1, SITE)
            await street.see(NOW, days_readings(SITE, 1, 1)[0])
            first = await client.identify() and await client.poll()
            await street.see(NOW.after(1_000), days_readings(SITE, 2, 1)[1])
            await act(client, wire, first)
            await wire.close()

    asyncio.run(main())


def place(name):
    return next(each.address for each in STATUS.registers if each.name == name)


GARBLED = {
    "boot_no": place("boot_no"),
    "mono_ms": place("mono_ms") + 2,
    "utc_ms": place("utc_ms"),
    "event_no": place("event_no"),
    "entered": BANKS.address + 2,
}


@pytest.mark.parametrize("name", GARBLED)
def test_a_picture_that_can_not_be_is_looked_at_again(name):
    async def act(client, wire, first):
        wire.address, wire.times = GARBLED[name], 1
        status = await client.poll()
        assert wire.times == 0
        assert not status.restarted
        assert can_follow(first, status)
        assert status.now == NOW.after(1_000)

    with_wire(act)


@pytest.mark.parametrize("name", GARBLED)
def test_two_pictures_that_differ_are_a_missed_poll(name):
    async def act(client, wire, first):
        wire.address, wire.times = GARBLED[name], 2
        with pytest.raises(LinkError, match="two things that can't both be"):
            await client.poll()
        status = await client.poll()
        assert not status.restarted
        assert can_follow(first, status)

    with_wire(act)


def test_a_garbled_identity_is_no_other_device():
    async def act(client, wire, first):
        wire.address, wire.times = IDENTITY.address, 1
        with pytest.raises(LinkError, match="two things of who it is") as caught:
            await client.identify()
        assert not isinstance(caught.value, WrongDeviceError)
        await client.identify()

    with_wire(act)


def test_clocks_that_go_on_alike_follow_however_long_it_was():
    async def act(client, wire, first):
        def later(mono_ms, utc_ms):
            return replace(first, now=Instant(NOW.mono_ms + mono_ms, UTC_MS + utc_ms))

        assert can_follow(first, later(10**9, 10**9))
        assert can_follow(first, later(1_000, 2_900))
        assert not can_follow(first, later(1_000, 3_100))
        assert not can_follow(first, later(-1, -1))

    with_wire(act)
