"""What is logged of a line, and requests that are cancelled at the worst moment."""

import asyncio
import logging

import pytest

from firmware_bridge.client import CabinetClient
from firmware_bridge.errors import LinkError
from firmware_bridge.line import Line
from firmware_bridge.wire import uncancelled
from tests.firmware_bridge.rig import SITE, cabinet, client_for, running, tcp_end


def test_one_short_line_for_a_cabinet_that_falls_silent_and_one_when_it_is_back(
    caplog, monkeypatch
):
    logging.getLogger("pymodbus").setLevel(logging.ERROR)  # as the daemon sets it
    caplog.set_level(logging.INFO)

    async def main():
        async with running(cabinet()) as device:
            client = client_for(device, name="Main St")
            await client.identify()
            with monkeypatch.context() as mute:  # it hears, and says nothing
                mute.setattr("firmware_bridge.server._Session._response", lambda *_: b"")
                for _ in range(3):
                    with pytest.raises(LinkError):
                        await client.poll()
            await client.poll()
            await client.line.close()

    asyncio.run(main())
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING", "INFO"], told
    assert told[0][1].startswith("cabinet Main St: unit 1 on tcp 127.0.0.1:")
    assert told[1][1].startswith("cabinet Main St (unit 1, tcp 127.0.0.1:")
    assert all(len(text) < 120 and "\n" not in text for _, text in told)


def test_a_cancellation_is_not_lost_when_the_answer_comes_at_the_same_moment():
    """``asyncio.wait_for``, by which pymodbus waits, would return the answer instead."""

    async def main():
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        asking = asyncio.create_task(uncancelled(asyncio.wait_for(answer, 5)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answer.set_result(1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(main())


def test_a_request_that_is_cancelled_as_its_answer_comes_ends_its_task():
    async def main():
        async with running(cabinet()) as device:
            client = client_for(device)
            await client.identify()
            line = client.line
            asking = asyncio.create_task(client.report())
            decode = line._wire.client.ctx.framer.handleFrame

            def cancelling(data, unit, transaction):
                found = decode(data, unit, transaction)
                asking.cancel()
                return found

            line._wire.client.ctx.framer.handleFrame = cancelling
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert (await client.poll()).boot_no == 1
            await line.close()

    asyncio.run(main())


def test_a_connection_that_is_cancelled_as_it_is_made_is_closed():
    async def main():
        async with running(cabinet()) as device:
            server = device._servers[0]
            for moment in range(12):
                line = Line(tcp_end(device.addresses[0]))
                asking = asyncio.create_task(CabinetClient(line, 1, SITE).poll())
                for _ in range(moment):
                    await asyncio.sleep(0)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                assert line._wire is None
            await asyncio.sleep(0.1)
            assert not server._sessions

    asyncio.run(main())
