"""A cabinet as a program whose output is a pipe that nobody reads."""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress

from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import TcpEnd
from firmware_bridge.errors import BridgeError
from firmware_bridge.line import Line
from tests.controller.crossroads import crossroads
from tests.edge.fleet import free_port
from tests.edge.sites import write_cabinet_files

MANY = 1_500
"""Orders, a line of some eighty bytes each: more than the 64 KiB that a pipe holds."""


async def _order(port):
    client = CabinetClient(Line(TcpEnd("127.0.0.1", port)), 1, crossroads(name="J1"))
    async with asyncio.timeout(20):
        while True:
            with suppress(BridgeError):
                await client.identify()
                break
            await asyncio.sleep(0.1)
    first = await client.poll()
    async with asyncio.timeout(20):
        for _ in range(MANY):
            await client.set_time(first.now.utc_ms)
    first = await client.poll()
    await asyncio.sleep(0.5)
    later = await client.poll()
    await client.line.close()
    return later.now.mono_ms - first.now.mono_ms


def test_a_pipe_that_nobody_reads_does_not_stop_the_lamps(tmp_path):
    write_cabinet_files(tmp_path, "J1")
    port = free_port()
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "greenband", "device"),
            *("--site", tmp_path / "J1.site.json", "--plan", tmp_path / "J1.plan.json"),
            *("--tcp", f"127.0.0.1:{port}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert asyncio.run(_order(port)) >= 400
        said = [program.stdout.readline() for _ in range(MANY)]  # now it is read again
        assert sum("time of day moved" in line for line in said) > MANY - 20
        program.send_signal(signal.SIGTERM)
        rest = program.stdout.read()
        assert program.wait(5) == 0
        assert rest.endswith("J1: stopped\n")
    finally:
        program.kill()
        program.wait()


def test_it_ends_though_its_last_words_find_no_room(tmp_path):
    write_cabinet_files(tmp_path, "J1")
    port = free_port()
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "greenband", "device", "--json"),
            *("--site", tmp_path / "J1.site.json", "--plan", tmp_path / "J1.plan.json"),
            *("--tcp", f"127.0.0.1:{port}"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        asyncio.run(_order(port))
        program.send_signal(signal.SIGTERM)
        assert program.wait(5) == 0
        assert program.stderr.read() == b""
    finally:
        program.kill()
        program.wait()
