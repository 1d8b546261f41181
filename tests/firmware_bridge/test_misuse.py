"""Masters that flood, and cabinets that say what cannot be, over real sockets."""

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from controller.signals import Event
from firmware_bridge.client import CabinetClient
from firmware_bridge.errors import LinkError, RefusedError
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from firmware_bridge.registers import REGISTERS_PER_READ, UPLOAD
from tests.firmware_bridge.rig import NOW, SITE, cabinet, days_readings, running, tcp_end
from tests.firmware_bridge.test_line import schedule, with_client


def _open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_who_never_listens_keeps_no_connection_beyond_those_allowed(monkeypatch):
    monkeypatch.setattr("firmware_bridge.server.SESSIONS_MAX", 2)
    read = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, UPLOAD.address, REGISTERS_PER_READ)

    async def act(client, device):
        end = tcp_end(device.addresses[0])
        before = _open_files()
        deaf = []
        for _ in range(6):
            line = socket.socket()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            line.connect((end.host, end.port))
            line.setblocking(False)
            deaf.append(line)
            for _ in range(30):
                with suppress(BlockingIOError, ConnectionError):
                    line.send(read * 400)
                await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        assert _open_files() - before <= len(deaf) + 2
        for line in deaf:
            line.close()

    with_client(act)


def test_a_flood_of_requests_is_answered_in_order_and_stops_no_lamps():
    async def act(client, device):
        end = tcp_end(device.addresses[0])
        reader, writer = await asyncio.open_connection(end.host, end.port)
        ask = [struct.pack(">HHHBBHH", n, 0, 6, 1, 3, 0, 39) for n in range(15_000)]
        writer.write(b"".join(ask))
        answers, late_s, loop = 0, 0.0, asyncio.get_running_loop()

        async def listen():
            nonlocal answers
            while answers < len(ask):
                head = await reader.readexactly(9)
                assert head[:2] == answers.to_bytes(2, "big")
                await reader.readexactly(head[8])
                answers += 1

        listening = asyncio.create_task(listen())
        while not listening.done():
            due_s = loop.time() + 0.01
            await asyncio.sleep(0.01)
            late_s = max(late_s, loop.time() - due_s)
        await listening
        assert late_s < 0.2
        writer.close()

    with_client(act)


def test_schedule_numbers_begin_again_behind_the_last():
    async def act(client, device):
        await client.identify()
        device.cabinet.schedule_no = (1 << 32) - 1
        for _ in range(3):
            await asyncio.sleep(0.11)  # a new picture
            status = await client.poll()
            await client.send_schedule(schedule(status.now))
        assert device.cabinet.schedule_no == 3

    with_client(act)


def test_a_number_that_was_misread_is_not_kept():
    async def act(client, device):
        await client.identify()
        await client.send_schedule(schedule((await client.poll()).now))
        status = await client.poll()
        client._number = (1 << 31) + 5  # beyond all that the cabinet takes after its own
        with pytest.raises(RefusedError, match="not above"):
            await client.send_schedule(schedule(status.now))
        await client.send_schedule(schedule((await client.poll()).now))

    with_client(act)


def test_a_stage_and_a_clock_that_cannot_be():
    async def act(client, device):
        await client.identify()
        space = device._servers[0]._units[1]
        space._stage = lambda: (len(SITE.stages), 0)
        await asyncio.sleep(0.11)
        with pytest.raises(LinkError, match="register stage reads 2"):
            await client.poll()
        device.cabinet.events.append(Event((1 << 64) - 1, 81, 1))
        device.cabinet.event_no += 1
        number = device.cabinet.event_no
        (event,) = await client.events(number - 1, number)
        assert event.utc_ms < 1 << 63

    with_client(act)


def test_a_restart_with_the_same_number_is_seen_by_the_clock():
    async def main():
        first = cabinet(lockstep=True)
        async with running(first, field=True) as device:
            end = tcp_end(device.addresses[0])
            street = FieldClient(Line(tcp_end(device.field_address)), 1, SITE)
            client = CabinetClient(Line(end), 1, SITE)
            await street.see(NOW.after(60_000), days_readings(SITE, 1, 1)[0])
            await client.identify()
        async with running(cabinet(lockstep=True), end):
            for _ in range(100):
                with suppress(LinkError):
                    status = await client.poll()
                    break
                await asyncio.sleep(0.05)
            assert status.restarted
            assert set(status.readings.entered) == {None}
            await client.line.close()

    asyncio.run(main())
