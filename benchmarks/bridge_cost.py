"""What the wire to a cabinet costs, beside a raw echo of the same bytes in the same run.

Run from the root of the repository: ``python -m benchmarks.bridge_cost [--rounds N]``.

``greenband device`` runs as a program of its own, with a state folder; so does an echo of the same
sizes. In every round, in turn: the echo of a poll's bytes, a poll, a schedule, and an upload of a
full plan with read-back, commit and report. Signing and checking the plan at both ends count.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

from benchmarks.cabinet_kills import KEY, running_device, write_files
from benchmarks.controller_step import junction, plan_for
from controller.plan import ScheduledStage, StageSchedule
from firmware_bridge.client import CabinetClient
from firmware_bridge.line import Line
from firmware_bridge.registers import STATUS, bank_registers

UPLOAD_ECHOES_MAX = 15
PAUSE_S = 0.01
_ECHO = """
import asyncio
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Asker(asyncio.Protocol):
    """Sends bytes and waits for as many."""

    def __init__(self) -> None:
        self._heard = 0
        self._wanted = 0
        self._done: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._heard += len(data)
        if self._done is not None and self._heard >= self._wanted:
            self._done.set_result(None)

    async def ask(self, n_bytes: int) -> None:
        """One round trip of *n_bytes*."""
        assert self._transport is not None
        self._heard, self._wanted = 0, n_bytes
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(bytes(n_bytes))
        await self._done


async def _timed(work: Awaitable[object]) -> float:
    begun_s = time.perf_counter()
    await work
    return time.perf_counter() - begun_s


async def _measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    site = junction()
    plan = plan_for(site).plan
    write_files(site, plan, folder)
    echo = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ECHO, stdout=asyncio.subprocess.PIPE
    )
    assert echo.stdout is not None
    port = int(await echo.stdout.readline())
    _, asker = await asyncio.get_running_loop().create_connection(Asker, "127.0.0.1", port)
    size = 2 * (STATUS.size + bank_registers(len(site.detectors))) + 9
    spent: dict[str, list[float]] = {name: [] for name in ("echo", "poll", "schedule", "upload")}
    async with running_device(folder, lockstep=False) as (_, ends):
        client = CabinetClient(Line(ends[0]), 1, site, KEY)
        await client.identify()
        for number in range(1, rounds + 1):
            spent["echo"].append(await _timed(asker.ask(size)))
            spent["poll"].append(await _timed(client.poll()))
            entry = ScheduledStage(stage=site.stages[0].name, duration_ms=5_000)
            now = (await client.poll()).now
            schedule = StageSchedule(site=site.name, start_mono_ms=now.mono_ms, entries=(entry,))
            spent["schedule"].append(await _timed(client.send_schedule(schedule)))
            upload = client.upload_plan(replace(plan, sequence_no=number))
            spent["upload"].append(await _timed(upload))
            assert (await client.report()).accepted_no == number
            await asyncio.sleep(PAUSE_S)
        await client.line.close()
    echo.kill()
    await echo.wait()
    return spent


def main() -> None:
    """Print the medians and their multiples of the echo; exit with 1 if an upload costs more."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300)
    with tempfile.TemporaryDirectory() as folder:
        spent = asyncio.run(_measure(parser.parse_args().rounds, Path(folder)))
    echo_s = statistics.median(spent["echo"])
    print(f"{'':10}{'p50 µs':>10}{'p99 µs':>10}{'echoes':>10}")
    for name, times in spent.items():
        p99_s = statistics.quantiles(times, n=100)[98]
        median_s = statistics.median(times)
        print(f"{name:10}{median_s * 1e6:10.0f}{p99_s * 1e6:10.0f}{median_s / echo_s:10.1f}")
    upload_echoes = statistics.median(spent["upload"]) / echo_s
    print(f"an upload takes {upload_echoes:.1f} echoes, the bound is {UPLOAD_ECHOES_MAX}")
    sys.exit(upload_echoes > UPLOAD_ECHOES_MAX)


if __name__ == "__main__":
    main()
