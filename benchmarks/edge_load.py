"""What one edge costs with many cabinets: processor, memory, and from the picture to the schedule.

Run from the root of the repository: ``python -m benchmarks.edge_load [--cabinets N]``.

The daemon runs as a program of its own, with a store. The cabinets are virtual ones behind real
sockets on this machine, many to a process, each with its controller at 10 Hz and traffic on its
loops; only what the daemon takes is counted. Printed are its processor time over the measured
seconds, its resident memory, and how long a detector's change may take to be in a schedule that the
cabinet has accepted: from one poll, just before the change, to the schedule after the next poll,
less the period of the loop. Exits with 1 if the daemon takes more than it may.

The cabinets' processes share the cores with the daemon, and whatever else runs on the machine does.
What of the times is theirs shows beside it, in the same run: an echo of a poll's bytes by the same
processes, and how long the daemon was ready to run and had to wait for a core.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.bridge_cost import Asker
from benchmarks.controller_step import junction, plan_for
from controller import plan_json, site_json
from controller.intersection import DetectorRole, Intersection
from controller.plan import StageSchedule
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.day_plans import all_day
from firmware_bridge.detectors import FieldInputs
from firmware_bridge.device import clock_now
from firmware_bridge.edge_space import EdgeSpace
from firmware_bridge.ends import TcpEnd
from firmware_bridge.registers import STATUS
from firmware_bridge.server import TcpServer

KEY = bytes(range(32))
START_MAX_S = 60.0
WARM_UP_S = 5.0
TICK_S = 0.1
VEHICLES_PER_TICK = 300 / 36_000
OCCUPIED_TICKS = 6
CORE_SHARE_MAX = 0.30
MEMORY_MAX_MB = 150.0
LATENCY_MAX_MS = 10.0
BIND = "127.0.0.1:9319"
POLL_BYTES = 2 * 72 + 9
"""The answer to a poll of the junction that all cabinets are."""
ECHOES_PER_S = 50


class _Street:
    """Vehicles now and then at each of *count* detectors, each for some ticks."""

    def __init__(self, count: int) -> None:
        self._entered = [0] * count
        self._left = [0] * count
        self._ticks = [0] * count

    def pass_tick(self, rng: random.Random) -> FieldInputs:
        """What the detectors say a tick later."""
        occupied = 0
        for d, ticks in enumerate(self._ticks):
            if ticks:
                self._ticks[d] = ticks - 1
                self._left[d] += ticks == 1
                occupied |= (ticks > 1) << d
            elif rng.random() < VEHICLES_PER_TICK:
                self._entered[d] += 1
                self._ticks[d] = OCCUPIED_TICKS
                occupied |= 1 << d
        return FieldInputs(tuple(self._entered), tuple(self._left), occupied)


class _TimedCabinet(Cabinet):
    """Notes when each schedule was accepted, and when the state was read for it."""

    read_s = 0.0

    def __init__(self, site: Intersection, number: int) -> None:
        super().__init__(site, all_day(plan_for(site)), KEY, clock_now(), boot_no=number)
        self.times_s: list[tuple[float, float]] = []
        self.street = _Street(len(site.detectors))

    def follow(self, writer: int, schedule: StageSchedule | None, number: int) -> None:
        """See :class:`Cabinet`."""
        super().follow(writer, schedule, number)
        if schedule is not None:  # that the last one is withdrawn answers no detector
            self.times_s.append((self.read_s, time.monotonic()))


class _TimedSpace(EdgeSpace):
    """Notes when the state was read."""

    cabinet: _TimedCabinet

    def read(self, address: int, count: int) -> list[int]:
        """See :class:`EdgeSpace`."""
        if address == STATUS.address:
            self.cabinet.read_s = time.monotonic()
        return super().read(address, count)


class _Echo(asyncio.Protocol):
    """Sends back whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def _host(sites: Sequence[Intersection], pipe: Connection, stop: Event) -> None:
    cabinets, servers = [_TimedCabinet(site, 1 + k) for k, site in enumerate(sites)], []
    for there in cabinets:
        server = TcpServer(TcpEnd("127.0.0.1", 0), {1: _TimedSpace(there)}, lambda: None)
        await server.start()
        servers.append(server)
    echo = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
    pipe.send([int(server.address.rpartition(":")[2]) for server in servers])
    pipe.send(echo.sockets[0].getsockname()[1])
    gc.freeze()  # the cabinets are not what is measured
    rng, due_s = random.Random(1), time.monotonic()
    while not stop.is_set():
        for there in cabinets:
            # Cabinets in the street do not step all at the same moment.
            due_s = max(due_s + TICK_S / len(cabinets), time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            there.see(clock_now(), there.street.pass_tick(rng))
            there.step()
            there.notes.clear()
    pipe.send([there.times_s for there in cabinets])


def _hosting(sites: Sequence[Intersection], pipe: Connection, stop: Event) -> None:
    asyncio.run(_host(sites, pipe, stop))


def _site(name: str) -> Intersection:
    """The junction of the controller's benchmark, with a lane to every two loops."""
    site = junction()
    laned = (
        replace(each, lane=f"{each.groups[0]} {each.name[-1]}")
        if each.role is not DetectorRole.PUSH_BUTTON
        else each
        for each in site.detectors
    )
    return replace(site, name=name, detectors=tuple(laned))


def _write(folder: Path, sites: Sequence[Intersection], ports: Sequence[int]) -> Path:
    (folder / "key").write_text(KEY.hex())
    lines = ['name = "load"', "[store]", 'path = "edge.db"', "[http]", f'bind = "{BIND}"']
    for site, port in zip(sites, ports, strict=True):
        plan = replace(plan_for(site).plan, site=site.name)
        (folder / f"{site.name}.site.json").write_text(site_json.to_json(site))
        (folder / f"{site.name}.plan.json").write_text(plan_json.to_json(plan))
        lines += ["[[cabinet]]", f'name = "{site.name}"', f'site_file = "{site.name}.site.json"']
        lines += [f'plan_file = "{site.name}.plan.json"', 'key_file = "key"', "unit = 1"]
        lines += [f'link = "tcp://127.0.0.1:{port}"']
    path = folder / "site.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _metric(name: str) -> float:
    with urllib.request.urlopen(f"http://{BIND}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    rows = (line for line in text.splitlines() if line.startswith(name))
    return sum(float(line.rpartition(" ")[2]) for line in rows)


def _waited_s(pid: int) -> float:
    """How long all threads of the process were ready to run and did not."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[1]) for each in threads) / 1e9


async def _echo(port: int, seconds: float) -> list[float]:
    """What round trips of a poll's bytes take, in ms."""
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_connection(Asker, "127.0.0.1", port)
    times_ms: list[float] = []
    begun_s = loop.time()
    while (now_s := loop.time()) < begun_s + seconds:
        await asker.ask(POLL_BYTES)
        times_ms.append(1_000 * (loop.time() - now_s))
        await asyncio.sleep(1 / ECHOES_PER_S)
    transport.close()
    return times_ms


async def _echoes(ports: Sequence[int], seconds: float) -> list[float]:
    by_host = await asyncio.gather(*(_echo(port, seconds) for port in ports))
    return [each for times_ms in by_host for each in times_ms]


def _wait_adaptive(cabinets: int, log: Path) -> None:
    until_s = time.monotonic() + START_MAX_S
    while time.monotonic() < until_s:
        time.sleep(1.0)
        with suppress(OSError):
            if _metric("greenband_rung{") == 3 * cabinets:
                time.sleep(WARM_UP_S)
                return
    raise SystemExit(f"not all are adaptive after {START_MAX_S:g} s:\n{log.read_text()[-2_000:]}")


class _Cabinets:
    """*hosts* processes with *sites* spread over them; ended when the block is left."""

    def __init__(self, sites: Sequence[Intersection], hosts: int) -> None:
        self._sites = sites
        self._hosts = hosts
        self._processes: list[SpawnProcess] = []
        self._pipes: list[Connection] = []
        self.ports: list[int] = []
        self.echo_ports: list[int] = []

    def __enter__(self) -> _Cabinets:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        for k in range(self._hosts):
            here, there = context.Pipe()
            part = self._sites[k :: self._hosts]
            process = context.Process(target=_hosting, args=(part, there, self._stop), daemon=True)
            process.start()
            self._pipes.append(here)
            self._processes.append(process)
        by_host = [pipe.recv() for pipe in self._pipes]
        self.echo_ports = [pipe.recv() for pipe in self._pipes]
        self.ports = [by_host[k % self._hosts][k // self._hosts] for k in range(len(self._sites))]
        return self

    def processor_s(self) -> float:
        """What all of them took so far."""
        return sum(_processor_s(each.pid) for each in self._processes if each.pid is not None)

    def times_s(self) -> list[list[tuple[float, float]]]:
        """By cabinet, when the state was read and when the schedule after it was accepted."""
        self._stop.set()
        return [each for pipe in self._pipes for each in pipe.recv()]

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(5)
            process.kill()


@contextmanager
def _edge(path: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "greenband", "edge", "run", str(path)]
    with log.open("wb") as errors:
        edge = subprocess.Popen(command, stderr=errors)
    try:
        yield edge
        edge.send_signal(signal.SIGTERM)
        edge.wait(20)
    finally:
        edge.kill()


def _measure(folder: Path, cabinets: int, hosts: int, seconds: int) -> dict[str, float]:
    sites, log = [_site(f"J{k}") for k in range(cabinets)], folder / "edge.log"
    with _Cabinets(sites, hosts) as there:
        path = _write(folder, sites, there.ports)
        with _edge(path, log) as edge:
            _wait_adaptive(cabinets, log)
            begun_s = time.monotonic()
            before = _processor_s(edge.pid), _waited_s(edge.pid), there.processor_s()
            echo_ms = asyncio.run(_echoes(there.echo_ports, seconds))
            after = _processor_s(edge.pid), _waited_s(edge.pid), there.processor_s()
            ended_s = time.monotonic()
            core, waited, devices = (
                (b - a) / (ended_s - begun_s) for a, b in zip(before, after, strict=True)
            )
            found = {
                "core": core,
                "waited": waited,
                "devices": devices,
                "memory": _memory_mb(edge.pid),
                "adaptive": _metric("greenband_rung{") / 3,
                "missed": _metric("greenband_ticks_missed_total"),
            }
        times_s = there.times_s()
    beyond_ms: list[float] = []
    taken_ms: list[float] = []
    for each in times_s:
        within = [times for times in each if begun_s <= times[0] and times[1] <= ended_s]
        taken_ms += [1_000 * (accepted_s - read_s) for read_s, accepted_s in within]
        beyond_ms += [1_000 * (b[1] - a[0] - 1.0) for a, b in pairwise(within)]
    found["schedules"] = len(taken_ms) / (ended_s - begun_s)
    for name, values in (("beyond", beyond_ms), ("taken", taken_ms), ("echo", echo_ms)):
        found[f"{name} p50"] = statistics.median(values)
        found[f"{name} p99"] = statistics.quantiles(values, n=100)[98]
    return found


def main() -> None:
    """Print what was found; exit with 1 if it is more than it may be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cabinets", type=int, default=200)
    parser.add_argument("--hosts", type=int, default=2, help="processes that the cabinets run in")
    parser.add_argument("--seconds", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(Path(folder), given.cabinets, given.hosts, given.seconds)
    print(f"{given.cabinets} cabinets, {found['adaptive']:.0f} of them adaptive, {given.seconds} s")
    print(f"schedules    {found['schedules']:7.1f} a second")
    print(f"processor    {found['core']:7.1%} of a core; the cabinets {found['devices']:.1%}")
    print(f"waited       {found['waited']:7.1%} of the time for a core")
    print(f"memory       {found['memory']:7.0f} MB")
    print(f"ticks missed {found['missed']:7.0f}")
    for name, meaning in (
        ("taken", "from the cabinet's answer to its schedule"),
        ("beyond", "from a change to its schedule, beyond the period"),
        ("echo", "an echo of the same bytes by the cabinets' processes"),
    ):
        print(f"p50 {found[f'{name} p50']:7.2f} ms, p99 {found[f'{name} p99']:7.2f} ms: {meaning}")
    sys.exit(
        found["core"] > CORE_SHARE_MAX
        or found["memory"] > MEMORY_MAX_MB
        or found["beyond p99"] > LATENCY_MAX_MS
    )


if __name__ == "__main__":
    main()
