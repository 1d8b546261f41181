"""What one edge costs with many cabinets: processor, memory, and from the picture to the schedule.

Run from the root of the repository: ``python -m benchmarks.edge_load [--cabinets N]``.

The daemon runs as a program of its own, with a store. The cabinets are virtual ones behind real
sockets on this machine, many to a process, each with its controller at 10 Hz and traffic on its
loops; only what the daemon takes is counted. Printed are its processor time over the measured
seconds, its resident memory, and how long a detector's change may take to be in a schedule that the
cabinet has accepted: from one poll, just before the change, to the schedule after the next poll,
less the period of the loop. Exits with 1 if the daemon takes more than it may.
"""

from __future__ import annotations

import argparse
import asyncio
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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

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
        self.times_s.append((self.read_s, time.monotonic()))


class _TimedSpace(EdgeSpace):
    """Notes when the state was read."""

    cabinet: _TimedCabinet

    def read(self, address: int, count: int) -> list[int]:
        """See :class:`EdgeSpace`."""
        if address == STATUS.address:
            self.cabinet.read_s = time.monotonic()
        return super().read(address, count)


async def _host(sites: Sequence[Intersection], pipe: Connection, stop: Event) -> None:
    cabinets, servers = [_TimedCabinet(site, 1 + k) for k, site in enumerate(sites)], []
    for there in cabinets:
        server = TcpServer(TcpEnd("127.0.0.1", 0), {1: _TimedSpace(there)}, lambda: None)
        await server.start()
        servers.append(server)
    pipe.send([int(server.address.rpartition(":")[2]) for server in servers])
    rng, due_s = random.Random(1), time.monotonic()
    while not stop.is_set():
        for there in cabinets:
            there.see(clock_now(), there.street.pass_tick(rng))
            there.step()
            there.notes.clear()
            await asyncio.sleep(0)
        due_s = max(due_s + TICK_S, time.monotonic() - 1.0)
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
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


def _wait_adaptive(cabinets: int, folder: Path) -> None:
    until_s = time.monotonic() + START_MAX_S
    while time.monotonic() < until_s:
        time.sleep(1.0)
        with suppress(OSError):
            if _metric("greenband_rung{") == 3 * cabinets:
                time.sleep(WARM_UP_S)
                return
    raise SystemExit((folder / "edge.log").read_text()[-2_000:])


def _measure(folder: Path, cabinets: int, hosts: int, seconds: int) -> dict[str, float]:
    sites = [_site(f"J{k}") for k in range(cabinets)]
    context = multiprocessing.get_context("spawn")
    stop, pipes, processes, ports = context.Event(), [], [], []
    for k in range(hosts):
        here, there = context.Pipe()
        part = sites[k::hosts]
        process = context.Process(target=_hosting, args=(part, there, stop))
        process.start()
        pipes.append(here)
        processes.append(process)
    by_host = [pipe.recv() for pipe in pipes]
    ports = [by_host[k % hosts][k // hosts] for k in range(cabinets)]
    path = _write(folder, sites, ports)
    command = [sys.executable, "-m", "greenband", "edge", "run", str(path)]
    with (folder / "edge.log").open("wb") as log:
        edge = subprocess.Popen(command, stderr=log)
    _wait_adaptive(cabinets, folder)
    begun_s, spent_s = time.monotonic(), _processor_s(edge.pid)
    time.sleep(seconds)
    spent_s, ended_s = _processor_s(edge.pid) - spent_s, time.monotonic()
    found = {
        "core": spent_s / (ended_s - begun_s),
        "memory": _memory_mb(edge.pid),
        "adaptive": _metric("greenband_rung{") / 3,
        "missed": _metric("greenband_ticks_missed_total"),
    }
    edge.send_signal(signal.SIGTERM)
    edge.wait(20)
    stop.set()
    beyond_ms: list[float] = []
    taken_ms: list[float] = []
    for times_s in (each for pipe in pipes for each in pipe.recv()):
        within = [each for each in times_s if begun_s <= each[0] <= ended_s]
        taken_ms += [1_000 * (accepted_s - read_s) for read_s, accepted_s in within]
        pairs = pairwise(within)
        beyond_ms += [1_000 * (after[1] - before[0] - 1.0) for before, after in pairs]
    for process in processes:
        process.join(20)
    found["schedules"] = len(taken_ms) / (ended_s - begun_s)
    for name, values in (("beyond", beyond_ms), ("taken", taken_ms)):
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
    print(f"processor    {found['core']:7.1%} of a core")
    print(f"memory       {found['memory']:7.0f} MB")
    print(f"ticks missed {found['missed']:7.0f}")
    for name, meaning in (
        ("taken", "from the cabinet's answer to its schedule"),
        ("beyond", "from a change to its schedule, beyond the period"),
    ):
        print(f"p50 {found[f'{name} p50']:7.2f} ms, p99 {found[f'{name} p99']:7.2f} ms: {meaning}")
    sys.exit(
        found["core"] > CORE_SHARE_MAX
        or found["memory"] > MEMORY_MAX_MB
        or found["beyond p99"] > LATENCY_MAX_MS
    )


if __name__ == "__main__":
    main()
