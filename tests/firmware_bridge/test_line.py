"""The line and its clients over real sockets: orders, refusals, and devices that misbehave."""

import asyncio
import random
import time
from dataclasses import replace

import pytest

from controller.plan import ScheduledStage, StageSchedule
from controller.signals import OperatorMode
from controller.violations import InvalidError
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.client import CabinetClient
from firmware_bridge.codes import Capability, Command, PriorityState, Refusal
from firmware_bridge.day_plans import DayPlans
from firmware_bridge.device import Device
from firmware_bridge.ends import SerialEnd, TcpEnd, TlsEnd, parse_end
from firmware_bridge.errors import LinkError, RefusedError, SetupError, WrongDeviceError
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from firmware_bridge.server import SESSIONS_MAX
from firmware_bridge.store import FolderStore
from tests.controller.crossroads import crossroads
from tests.firmware_bridge.rig import (
    KEY,
    NOW,
    SITE,
    cabinet,
    client_for,
    days_readings,
    new_plan,
    running,
    tcp_end,
)


def schedule(now, stage="B"):
    return StageSchedule(
        site=SITE.name,
        start_mono_ms=now.mono_ms,
        entries=(ScheduledStage(stage=stage, duration_ms=5_000),),
    )


def with_client(act, **more):
    """Run *act(client, device)* against a free-running cabinet."""

    async def main():
        async with running(cabinet(), field=True) as device:
            client = client_for(device, **more)
            try:
                return await asyncio.wait_for(act(client, device), 20)
            finally:
                await client.line.close()

    return asyncio.run(main())


def test_a_day_with_a_cabinet():
    async def act(client, device):
        identity = await client.identify()
        assert identity.site == "crossroads"
        assert Capability.READ_WRITE in identity.capabilities
        status = await client.poll()
        await client.send_schedule(schedule(status.now))
        await client.heartbeat()
        await client.call_priority(7, 3, 1, 2_000)
        calls = await client.priority_calls()
        assert [(each.call, each.state) for each in calls] == [(7, PriorityState.ACTIVATED)]
        await client.set_operator(OperatorMode.MANUAL, 1)
        await client.set_time(status.now.utc_ms + 1_000_000)
        assert (await client.poll()).now.utc_ms > status.now.utc_ms + 900_000
        assert len(await client.detector_health()) == 4
        status = await client.poll()
        events = await client.events(0, status.event_no)
        assert len(events) == status.event_no
        assert events == tuple(device.cabinet.events)[: status.event_no]
        assert (await client.report()).lease_writer == 1

    with_client(act)


def test_numbers_go_on_after_the_edge_restarts():
    async def act(client, device):
        await client.identify()
        for _ in range(5):
            await client.send_schedule(schedule((await client.poll()).now))
        again = client_for(device)
        await again.identify()
        await again.send_schedule(schedule((await again.poll()).now))
        assert (await again.poll()).schedule_no == 6
        await again.line.close()

    with_client(act)


def test_an_upload_over_the_line(tmp_path):
    async def main():
        there = cabinet(store=FolderStore(tmp_path))
        async with running(there) as device:
            client = client_for(device)
            await client.identify()
            now_ms = (await client.poll()).now.utc_ms
            plan = new_plan(3, valid_to_utc_ms=now_ms + 10_000_000)
            assert (await client.upload_plan(plan)).accepted
            repeated = await client.upload_plan(plan)
            assert (repeated.accepted, repeated.refusal) == (False, Refusal.OLD_NUMBER)
            for _ in range(100):
                if (await client.report()).stored_no == 3:
                    break
                await asyncio.sleep(0.02)
            assert (await client.report()).stored_no == 3
            long = new_plan(4, name="long " * 60, valid_to_utc_ms=now_ms + 10_000_000)
            assert (await client.upload_plan(long)).accepted  # takes more than one request
            with pytest.raises(InvalidError, match=r"pattern sum"):
                await client.upload_plan(new_plan(5, cycle_ms=61_000))
            with pytest.raises(RefusedError, match=r"cabinet crossroads .* 960 is the most"):
                await client.upload_plan(new_plan(5, name="x" * 2_000))
            await client.line.close()

    asyncio.run(main())


def test_an_upload_without_function_23():
    async def act(client, device):
        await client.identify()
        client._capabilities &= ~Capability.READ_WRITE
        now_ms = (await client.poll()).now.utc_ms
        plan = new_plan(3, valid_to_utc_ms=now_ms + 10_000_000)
        assert (await client.upload_plan(plan)).accepted
        assert not (await client.upload_plan(plan)).accepted

    with_client(act)


def test_refusals_name_the_cabinet_and_the_reason():
    async def act(client, device):
        await client.identify()
        await client.heartbeat()
        other = client_for(device, writer=2, name="Main St")
        await other.identify()
        with pytest.raises(RefusedError, match=r"cabinet Main St .* another writer"):
            await other.send_schedule(schedule((await other.poll()).now))
        with pytest.raises(RefusedError, match="no such stage") as caught:
            await client.set_operator(OperatorMode.MANUAL, 9)
        assert caught.value.code == Refusal.UNKNOWN_STAGE
        await other.line.close()

    with_client(act)


def test_a_schedule_that_is_none_is_not_sent():
    async def act(client, device):
        await client.identify()
        now = (await client.poll()).now
        with pytest.raises(InvalidError, match="stage 'X' does not exist"):
            await client.send_schedule(schedule(now, "X"))
        many = (ScheduledStage(stage="A", duration_ms=100),) * 17
        with pytest.raises(RefusedError, match="17 entries cannot be sent, 16 is the most"):
            await client.send_schedule(replace(schedule(now), entries=many))

    with_client(act)


def test_a_cabinet_that_comes_back_with_another_site_is_found_out():
    async def main():
        async with running(cabinet(boot_no=1)) as device:
            end = tcp_end(device.addresses[0])
            client = CabinetClient(Line(end), 1, SITE)
            await client.identify()
        slower = tuple(replace(group, min_green_ms=9_000) for group in SITE.groups)
        other = crossroads(groups=slower)
        async with running(Cabinet(other, DayPlans(), KEY, NOW, boot_no=2), end):
            with pytest.raises(WrongDeviceError, match="other groups, stages or times"):
                for _ in range(100):
                    try:
                        await client.poll()
                    except LinkError:
                        await asyncio.sleep(0.05)
            await client.line.close()

    asyncio.run(main())


def test_the_wrong_unit_site_and_device_are_named():
    async def act(client, device):
        wrong_unit = CabinetClient(client.line, 9, SITE)
        with pytest.raises(RefusedError, match=r"cabinet crossroads: unit 9 .* no such unit"):
            await wrong_unit.identify()
        other_site = crossroads(startup_red_ms=2_000, name="elsewhere")
        with pytest.raises(WrongDeviceError, match=r"controls 'crossroads'.*'elsewhere'"):
            await CabinetClient(client.line, 1, other_site).identify()
        street = Line(tcp_end(device.field_address))
        with pytest.raises((WrongDeviceError, RefusedError), match="crossroads"):
            await CabinetClient(street, 1, SITE).identify()
        await street.close()

    with_client(act)


def test_a_restart_is_seen_and_its_counts_are_not_differences():
    async def main():
        first = cabinet(lockstep=True, boot_no=1)
        async with running(first, field=True) as device:
            end = tcp_end(device.addresses[0])
            street = FieldClient(Line(tcp_end(device.field_address)), 1, SITE)
            client = CabinetClient(Line(end), 1, SITE)
            await client.identify()
            await street.see(NOW, days_readings(SITE, 1, 1)[0])
            await client.poll()
        again = cabinet(lockstep=True, boot_no=2)
        async with running(again, end):
            for _ in range(100):
                try:
                    status = await client.poll()
                    break
                except LinkError:
                    await asyncio.sleep(0.05)
            assert status.restarted
            assert set(status.readings.entered) == {None}
            assert not (await client.poll()).restarted
            await client.line.close()

    asyncio.run(main())


def test_an_unreachable_port_is_one_sentence_and_comes_back():
    async def main():
        there = cabinet()
        async with running(there) as device:
            end = tcp_end(device.addresses[0])
        line = Line(end, rng=random.Random(1))
        client = CabinetClient(line, 1, SITE)
        with pytest.raises(LinkError, match=r"cabinet crossroads: tcp .* cannot be reached: "):
            await client.poll()
        with pytest.raises(LinkError, match="is tried again soon"):
            await client.poll()
        async with running(cabinet(), end):
            begin_s = time.monotonic()
            while True:
                try:
                    await client.poll()
                    break
                except LinkError:
                    await asyncio.sleep(0.05)
            assert time.monotonic() - begin_s < 2.5
        await line.close()

    asyncio.run(main())


def test_a_frozen_device_costs_a_third_of_a_second():
    async def main():
        async def mute(reader, writer):
            await reader.read()
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        line = Line(TcpEnd("127.0.0.1", server.sockets[0].getsockname()[1]))
        begin_s = time.monotonic()
        with pytest.raises(LinkError, match="does not answer"):
            await line.read(1, 100, 10)
        assert 0.25 < time.monotonic() - begin_s < 0.8
        assert line.metrics.failures == 1
        await line.close()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(5))
def test_garbage_from_a_device_is_an_error_of_the_line(seed, caplog):
    rng = random.Random(seed)

    async def main():
        class Babbler(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, asked):
                reply = rng.choice(
                    (
                        rng.randbytes(rng.randrange(1, 300)),
                        asked[:4] + b"\0\x05\x01\x03\x02" + rng.randbytes(2),
                        asked[:4] + b"\0\x03\x01\x03\xff",
                        asked[:6] + b"\x01\x2b\x0e",
                    )
                )
                self.transport.write(reply)

        server = await asyncio.get_running_loop().create_server(Babbler, "127.0.0.1", 0)
        line = Line(TcpEnd("127.0.0.1", server.sockets[0].getsockname()[1]))
        for _ in range(4):
            with pytest.raises((LinkError, RefusedError)):
                await line.read(1, 100, 10)
        await line.close()
        server.close()

    asyncio.run(main())
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_cancelled_request_does_not_spoil_the_next():
    async def act(client, device):
        await client.identify()
        for _ in range(30):
            asking = asyncio.create_task(client.report())
            await asyncio.sleep(random.Random(_).uniform(0, 0.001))
            asking.cancel()
            status = await client.poll()
            assert status.boot_no == 1

    with_client(act)


def test_more_connections_than_allowed_close_the_longest_silent():
    async def act(client, device):
        await client.identify()
        end = tcp_end(device.addresses[0])
        idle = [await asyncio.open_connection(end.host, end.port) for _ in range(SESSIONS_MAX + 5)]
        await client.poll()
        assert await asyncio.wait_for(idle[0][0].read(), 2) == b""
        for _, writer in idle:
            writer.close()

    with_client(act)


def test_whoever_is_no_modbus_master_is_hung_up_on():
    async def act(client, device):
        end = tcp_end(device.addresses[0])
        reader, writer = await asyncio.open_connection(end.host, end.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: cabinet\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()
        await client.poll()

    with_client(act)


def test_two_masters_at_once_get_whole_answers():
    async def act(client, device):
        other = client_for(device, writer=2)
        await client.identify()
        await other.identify()

        async def busy(each):
            for _ in range(150):
                status = await each.poll()
                assert status.counts.entered == (0, 0, 0, 0)
            return True

        assert await asyncio.gather(busy(client), busy(other)) == [True, True]
        await other.line.close()

    with_client(act)


def test_the_street_of_a_free_running_cabinet():
    async def act(client, device):
        await client.identify()
        await asyncio.sleep(0.15)
        assert (await client.poll()).readings.occupied == (None,) * 4  # nothing is connected yet
        street = FieldClient(Line(tcp_end(device.field_address)), 1, SITE)
        readings = days_readings(SITE, 1, 3)[0]
        await street.see(NOW, readings)
        with pytest.raises(RefusedError):
            await street.step(NOW)
        await asyncio.sleep(0.25)
        assert (await client.poll()).readings == readings
        assert (await client.poll()).readings.entered == (0,) * 4
        assert (await street.lamps()).flash in {True, False}

    with_client(act)


def test_a_cabinet_runs_on_its_factory_plan_when_the_line_is_cut():
    async def act(client, device):
        await client.identify()
        await client.send_schedule(schedule((await client.poll()).now))
        await client.line.close()
        await asyncio.sleep(5.3)
        status = await client.poll()
        assert status.command in {Command.NOBODY, Command.FACTORY_PLAN}
        assert (await client.report()).lease_writer == 0

    with_client(act)


def test_a_port_that_is_taken_is_one_sentence():
    async def main():
        async with running(cabinet()) as device:
            end = tcp_end(device.addresses[0])
            with pytest.raises(SetupError, match=r"cannot listen on tcp .* another program"):
                await Device(cabinet(), [end]).start()

    asyncio.run(main())


def test_ends_in_words(tmp_path):
    files = (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert parse_end("tcp://10.0.0.7") == TcpEnd("10.0.0.7", 502)
    assert parse_end("tcp://[::1]:1502") == TcpEnd("::1", 1502)
    assert parse_end("tls://cab:8020", files) == TlsEnd("cab", 8020, *files)
    assert parse_end("rtu:///dev/ttyS0?baud=9600&parity=E") == SerialEnd("/dev/ttyS0", 9600, "E")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tcp://",
        "10.0.0.7:502",
        "http://x",
        "tcp://a:b",
        "rtu:///dev/x?baud=fast",
        "tls://x",
        "tcp://x:99999",
        "rtu:///dev/x?parity=Q",
    ],
)
def test_ends_that_lead_nowhere(url):
    with pytest.raises(SetupError):
        parse_end(url)
