"""A cabinet that sends garbage without end is named as what it is, and costs nobody anything."""

import asyncio
import os
from contextlib import asynccontextmanager, suppress

from tests.edge.fleet import Edge
from tests.edge.sites import write_cabinet_files
from tests.edge.test_daemon import ADAPTIVE, boxes, running

WATCHED_S = 15.0


@asynccontextmanager
async def flood():
    """A port that pours out random bytes; the connections that it has had."""
    writers = []

    async def pour(reader, writer):
        writers.append(writer)
        with suppress(OSError):
            while True:
                writer.write(os.urandom(65_536))
                await writer.drain()
                await asyncio.sleep(0.001)

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], writers
    finally:
        server.close()
        for writer in writers:
            writer.close()


def test_garbage_without_end_fills_no_log_and_slows_nobody_down(tmp_path):
    asyncio.run(_flooded(tmp_path))


async def _flooded(folder):
    write_cabinet_files(folder, "mad")
    async with (
        flood() as (port, connections),
        boxes(folder, "good") as (box,),
        running(Edge(folder, {"mad": port, "good": box.port})) as edge,
    ):
        await edge.wait_rungs(20.0, good=ADAPTIVE)
        before = (await box.status()).schedule_no
        await asyncio.sleep(WATCHED_S)
        assert (await box.status()).schedule_no - before >= WATCHED_S - 3
        assert (await edge.rungs())["good"] == ADAPTIVE
        assert not edge.logged("rung", cabinet="good", after="coordinated")
        _, text = await edge.page("/readyz")
        assert "cabinet mad" in text
        assert "garbage" in text
        assert len(connections) > 5
        assert len(edge.lines) < 20, edge.lines
