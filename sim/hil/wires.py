"""``python -m sim.hil.wires FILE``: the wires between edge and cabinets, and to the broker.

A program of its own, so that they carry on whatever the bench is busy with. It is told one JSON
object per line what to lay and what to break, answers on standard output, and ends with its
standard input. FILE gets what the analysers saw.

A wire of TCP is a port here that leads to the cabinet's; a line of several cabinets is a
pseudo-terminal for each of them and one for the edge, on which everybody hears what another sends.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import random
import signal
import sys
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from sim.hil.analyser import RtuAnalyser, TcpAnalyser

SLOW_S = 0.1
CORRUPT_SHARE = 0.02
HOST = "127.0.0.1"
_BYTES = 4_096
Deliver = Callable[[bytes], None]


class Wire:
    """What becomes of the bytes of one cabinet: *fault* is a word of the bench, or empty."""

    def __init__(self, seed: int) -> None:
        self.fault = ""
        self._rng = random.Random(seed)
        self._held: list[tuple[Deliver, bytes]] = []

    def carry(self, data: bytes, deliver: Deliver) -> None:
        """Have *data* delivered: now, later, changed, or not at all."""
        if self.fault == "stall":
            self._held.append((deliver, data))
        elif self.fault == "slow":
            asyncio.get_running_loop().call_later(SLOW_S, deliver, data)
        elif self.fault == "corrupt":
            deliver(bytes(self._spoilt(byte) for byte in data))
        elif self.fault != "cut":
            deliver(data)

    def set(self, fault: str) -> None:
        """Break it, or mend it with an empty word; what was held up then arrives."""
        self.fault = fault
        held, self._held = self._held, []
        for deliver, data in held:
            self.carry(data, deliver)

    def _spoilt(self, byte: int) -> int:
        return byte ^ self._rng.randrange(1, 256) if self._rng.random() < CORRUPT_SHARE else byte


class TcpWire:
    """A port that leads to another."""

    def __init__(self, name: str, to: tuple[str, int], notes: TextIO | None, seed: int) -> None:
        self.wire = Wire(seed)
        self._name = name
        self._to = to
        self._notes = notes
        self._open: set[asyncio.StreamWriter] = set()

    async def lay(self) -> int:
        """Listen; returns the port."""
        server = await asyncio.start_server(self._connected, HOST, 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def set(self, fault: str) -> None:
        """See :meth:`Wire.set`; a cut one loses its connections."""
        self.wire.set(fault)
        if fault == "cut":
            for writer in tuple(self._open):
                writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.wire.fault == "cut":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        seen = None if self._notes is None else TcpAnalyser(self._name, self._notes)
        asked, answered = (None, None) if seen is None else (seen.request, seen.answer)
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, asked), self._pump(far_reader, writer, answered)
            )
        finally:
            self._open -= ends
            for end in ends:
                end.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Deliver | None
    ) -> None:
        def deliver(data: bytes) -> None:
            if not writer.is_closing():
                if note is not None:
                    note(data)
                writer.write(data)

        try:
            while data := await reader.read(_BYTES):
                self.wire.carry(data, deliver)
        except OSError:
            return
        finally:
            self.wire.carry(b"", lambda _: writer.close())


class Bus:
    """A serial line with the edge and several cabinets on it."""

    def __init__(self, junctions: dict[int, str], notes: TextIO, seed: int) -> None:
        self.wires = {name: Wire(seed + unit) for unit, name in junctions.items()}
        self._seen = RtuAnalyser(junctions, notes)
        self._masters: dict[str, int] = {}
        self._edge = -1

    def lay(self) -> tuple[str, dict[str, str]]:
        """Open the ports; (the edge's, those of the cabinets)."""
        loop = asyncio.get_running_loop()
        self._edge, edge_port = _port()
        loop.add_reader(self._edge, self._from_edge)
        ports = {}
        for name in self.wires:
            self._masters[name], ports[name] = _port()
            loop.add_reader(self._masters[name], self._from_cabinet, name)
        return edge_port, ports

    def _from_edge(self) -> None:
        data = os.read(self._edge, _BYTES)
        self._seen.request(data)
        for name, wire in self.wires.items():
            wire.carry(data, self._to(self._masters[name]))

    def _from_cabinet(self, speaker: str) -> None:
        self.wires[speaker].carry(os.read(self._masters[speaker], _BYTES), self._heard(speaker))

    def _heard(self, speaker: str) -> Deliver:
        """What comes through from *speaker* is heard by the edge and by every other."""

        def deliver(data: bytes) -> None:
            self._seen.answer(data)
            _write(self._edge, data)
            for name, wire in self.wires.items():
                if name != speaker:
                    wire.carry(data, self._to(self._masters[name]))

        return deliver

    def _to(self, port: int) -> Deliver:
        return lambda data: _write(port, data)


def _write(port: int, data: bytes) -> None:
    try:
        os.write(port, data)
    except BlockingIOError:
        return  # nobody reads there: on a line of wires these bytes are gone, too


def _port() -> tuple[int, str]:
    """(our end, the name of the other) of a pseudo-terminal.

    The other end is kept open here, too: a cabinet that dies does not take the line along.
    """
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    return ours, os.ttyname(theirs)


class Workshop:
    """Lays and breaks wires as it is told."""

    def __init__(self, notes: TextIO) -> None:
        self._notes = notes
        self._wires: dict[str, TcpWire | Wire] = {}

    async def obey(self, order: dict[str, Any]) -> dict[str, object]:
        """Carry out one order of the bench."""
        match order:
            case {"do": "tcp", "name": name, "to": [host, port], "analyse": analyse, "seed": seed}:
                wire = TcpWire(name, (host, port), self._notes if analyse else None, seed)
                self._wires[name] = wire
                return {"port": await wire.lay()}
            case {"do": "bus", "junctions": junctions, "seed": seed}:
                bus = Bus({int(unit): name for unit, name in junctions.items()}, self._notes, seed)
                self._wires |= bus.wires
                edge, ports = bus.lay()
                return {"edge": edge, "ports": ports}
            case {"do": "fault", "name": name, "fault": fault}:
                self._wires[name].set(fault)
                return {}
        raise ValueError(f"unknown order {order}")


async def serve(notes: TextIO) -> None:
    """Obey until standard input ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, orders.feed_eof)
    workshop = Workshop(notes)
    while line := await orders.readline():
        order = json.loads(line)
        answer = await workshop.obey(order)
        print(json.dumps({"id": order["id"], **answer}), flush=True)


def main() -> None:
    """Run as a program."""
    with Path(sys.argv[1]).open("w", encoding="utf-8", buffering=1) as notes:
        asyncio.run(serve(notes))


if __name__ == "__main__":
    main()
