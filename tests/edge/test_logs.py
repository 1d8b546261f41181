"""A log that nobody reads: it must not stop the daemon, and says how much of it is missing."""

import asyncio
import fcntl
import json
import logging
import os
import signal
import sys

from edge.logs import OutletHandler
from edge.outlet import WAITING_MAX
from tests.edge.fleet import ROOT, Edge
from tests.edge.sites import write_cabinet_files

SMALL_PIPE = 4_096


def full_pipe():
    """Both ends of a pipe that has no room."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
    os.write(writer, b"\n" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
    return reader, writer


def read_to_end(reader):
    found = b""
    while more := os.read(reader, 65_536):
        found += more
    return found.decode().split("\n")


def test_lines_that_nobody_reads_are_left_out_and_counted():
    reader, writer = full_pipe()
    handler = OutletHandler(logging.Formatter("%(message)s"), writer)
    log = logging.Logger("x")
    log.addHandler(handler)
    for k in range(WAITING_MAX + 50):
        log.warning("line %d", k)
    os.read(reader, SMALL_PIPE)
    while handler._outlet._lines:  # there is room again, bit by bit
        os.read(reader, SMALL_PIPE)
    log.warning("the last")
    handler.close()
    os.close(writer)
    said, last = [line for line in read_to_end(reader) if line][-2:]
    assert last == "the last"
    assert int(said.partition(" ")[0]) in {49, 50}  # one more waits in the thread's hand
    assert "lines are left out here" in said
    os.close(reader)


def test_a_daemon_whose_log_nobody_reads_goes_on(tmp_path):
    asyncio.run(_unread(tmp_path))


async def _unread(folder):
    write_cabinet_files(folder, "J1")
    edge = Edge(folder, {"J1": 1})
    reader, writer = full_pipe()
    words = ("-m", "greenband", "edge", "run", str(folder / "site.toml"))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stderr=writer, env=env)
    os.close(writer)
    pages = []

    async def ask():
        while not pages or pages[-1][0] != 200:
            await asyncio.sleep(0.1)
            try:
                async with asyncio.timeout(1.0):
                    pages.append(await edge.page("/healthz"))
            except (OSError, TimeoutError, IndexError):
                continue

    try:
        await asyncio.wait_for(ask(), 20.0)
        process.send_signal(signal.SIGTERM)
        lines = await asyncio.to_thread(read_to_end, reader)
        await asyncio.wait_for(process.wait(), 10)
    finally:
        # Not after its end: sending a signal polls, and takes the exit code from asyncio's watcher.
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(reader)
    events = [json.loads(line)["event"] for line in lines if line]
    assert events[-1] == "stopped"
    assert "started" in events
    assert process.returncode == 0
