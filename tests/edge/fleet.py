"""Cabinets, streets, wires and the daemon, each a program or a socket of its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from controller import site_json
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import DetectorRole, Intersection
from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import TcpEnd
from firmware_bridge.errors import BridgeError
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from tests.controller.crossroads import crossroads
from tests.edge.sites import write_cabinet_files

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_S = 0.1


class Program:
    """``greenband WORDS`` as a process; its output in lines."""

    def __init__(self, *words: object) -> None:
        self.words = [str(word) for word in words]
        self.lines: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "greenband", *self.words),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        streams = (self._process.stdout, self._process.stderr)
        self._readers = [asyncio.create_task(self._read(stream)) for stream in streams]

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while line := await stream.readline():
            self.lines.append(line.decode().rstrip())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        # Not the process's own: that polls, and takes the exit code from asyncio's watcher.
        os.kill(self.pid, number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        if self._process is None:
            return 0
        with suppress(ProcessLookupError):
            self.send(number)
        code = await asyncio.wait_for(self._process.wait(), 10)
        await asyncio.gather(*self._readers)
        self._process = None
        return code

    async def said(self, words: str, timeout_s: float = 60.0) -> str:
        """The first line with *words* in it."""
        return await until(
            lambda: next((line for line in self.lines if words in line), None),
            timeout_s,
            lambda: f"{words!r} not in\n" + "\n".join(self.lines),
        )

    def logged(self, event: str, **having: object) -> list[dict[str, object]]:
        rows = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [r for r in rows if r["event"] == event and having.items() <= r.items()]


async def until(look: Callable[[], object], timeout_s: float, say: Callable[[], str]) -> object:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    while not (found := look()):
        assert loop.time() < end_s, say()
        await asyncio.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def laned_crossroads(name: str) -> Intersection:
    """The crossroads with a lane to each loop, so that there is traffic to estimate."""
    site = crossroads(name=name)
    laned = tuple(
        replace(each, lane=each.name) if each.role is DetectorRole.STOP_LINE else each
        for each in site.detectors
    )
    return replace(site, detectors=laned)


class Box:
    """A ``greenband device`` of the crossroads, with traffic, watched all the time."""

    def __init__(self, folder: Path, name: str) -> None:
        self.site = laned_crossroads(name)
        self.name = name
        write_cabinet_files(folder, name)
        (folder / f"{name}.site.json").write_text(site_json.to_json(self.site))
        self.port, self.field_port = free_port(), free_port()
        self.program = Program(
            *("device", "--site", folder / f"{name}.site.json"),
            *("--plan", folder / f"{name}.plan.json", "--key-file", folder / f"{name}.key"),
            *("--tcp", f"127.0.0.1:{self.port}", "--field", f"127.0.0.1:{self.field_port}"),
        )
        self.samples = 0
        self.illegal: list[str] = []
        self._traffic: asyncio.Task[None] | None = None
        self._look = CabinetClient(Line(TcpEnd("127.0.0.1", self.port)), 1, self.site, b"")

    async def start(self) -> None:
        await self.program.start()
        await self.program.said("listening: field")
        self._traffic = asyncio.create_task(self._drive())

    async def kill(self) -> None:
        if self._traffic is not None:
            self._traffic.cancel()
            await asyncio.gather(self._traffic, return_exceptions=True)
        await self.program.end()

    async def status(self):
        return await self._look.poll()

    async def report(self):
        return await self._look.report()

    async def events(self):
        status = await self._look.poll()
        return await self._look.events(0, status.event_no)

    async def _drive(self) -> None:
        """Vehicles now and then; and no two groups in conflict, whenever one looks."""
        street = FieldClient(Line(TcpEnd("127.0.0.1", self.field_port)), 1, self.site)
        rng, count = random.Random(self.name), len(self.site.detectors)
        there = [False] * count
        while True:
            before, there = there, [rng.random() < 0.05 for _ in range(count)]
            came = tuple(int(now and not then) for then, now in zip(before, there, strict=True))
            gone = tuple(int(then and not now) for then, now in zip(before, there, strict=True))
            with suppress(BridgeError):
                await street.see(Instant(0, 0), SiteReadings(came, gone, tuple(there)))
                self._judge(await street.lamps())
            await asyncio.sleep(SAMPLE_S)

    def _judge(self, shown) -> None:
        self.samples += 1
        if shown.flash:
            self.illegal.append("flash")
        lit = shown.green | shown.ending
        for i, conflicts in enumerate(self.site.conflicts):
            if lit >> i & 1 and lit & conflicts:
                self.illegal.append(f"{lit:b}")


class Wire:
    """A TCP connection to *port* that can be cut, slowed down and garbled."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.cut = False
        self.delay_s = 0.0
        self.garble = 0.0
        self._to = port
        self._rng = random.Random(1)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def set_cut(self, cut: bool) -> None:
        self.cut = cut
        if cut:
            for writer in self._writers:
                writer.close()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.set_cut(True)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.cut:
            writer.close()
            return
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers |= {writer, far_writer}
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(4_096):
                await asyncio.sleep(self.delay_s)
                if self._rng.random() < self.garble:
                    at = self._rng.randrange(len(data))
                    data = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
                writer.write(data)
                await writer.drain()
        writer.close()


class Edge(Program):
    """``greenband edge run`` on a site file of its own, with its health on a free port."""

    def __init__(self, folder: Path, cabinets: dict[str, int], more: str = "") -> None:
        self.folder = folder
        self.http = free_port()
        path = folder / "site.toml"
        path.write_text(
            f'name = "north-1"\n{more}\n[http]\nbind = "127.0.0.1:{self.http}"\n'
            + "".join(
                f'[[cabinet]]\nname = "{name}"\nsite_file = "{name}.site.json"\n'
                f'plan_file = "{name}.plan.json"\nlink = "tcp://127.0.0.1:{port}"\n'
                f'unit = 1\nkey_file = "{name}.key"\n'
                for name, port in cabinets.items()
            )
        )
        super().__init__("edge", "run", path)

    async def page(self, path: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), body

    async def rungs(self) -> dict[str, int]:
        with suppress(OSError, IndexError):
            _, text = await self.page("/metrics")
            rows = [x.split('"') for x in text.splitlines() if x.startswith("greenband_rung{")]
            return {name: int(float(value.strip("} "))) for _, name, value in rows}
        return {}

    async def wait_rungs(self, timeout_s: float, **wanted: int) -> float:
        """Until the cabinets stand on the rungs *wanted*; how long that took."""
        loop = asyncio.get_running_loop()
        begun_s, found = loop.time(), {}
        while not wanted.items() <= found.items():
            passed_s = loop.time() - begun_s
            assert passed_s < timeout_s, (found, wanted, self.lines[-20:])
            await asyncio.sleep(0.1)
            found = await self.rungs()
        return loop.time() - begun_s
