"""A protocol analyser on the wires: which request was asked and answered when.

It only reads along. A line of its file is one answered request: junction, what it was, and when its
first byte went out and its last came back, in ns of the machine's monotonic clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from firmware_bridge.frames import FrameError, MbapDecoder, Request, RtuDecoder
from firmware_bridge.registers import SCHEDULE, STATUS

POLL, ORDER = "poll", "schedule"
_READ, _WRITE = 3, 16
_EXCEPTION = 0x80
_RTU_OVERHEAD = 5
"""Unit, function, byte count and CRC of the answer to a read."""
_RTU_WRITTEN = 8


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answered request to the cabinet of *junction*."""

    junction: str
    kind: str
    asked_ns: int
    answered_ns: int


def write_exchange(file: TextIO, exchange: Exchange) -> None:
    """Append *exchange* to *file*."""
    times = f"{exchange.asked_ns}\t{exchange.answered_ns}"
    file.write(f"{exchange.junction}\t{exchange.kind}\t{times}\n")


def read_exchanges(path: Path) -> list[Exchange]:
    """All that was written; a last line that is not whole is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        words = line.rstrip("\n").split("\t")
        if line.endswith("\n") and len(words) == 4:
            found.append(Exchange(words[0], words[1], int(words[2]), int(words[3])))
    return found


def _kind(pdu: bytes) -> str | None:
    """What a request is, if it is one of those that are noted."""
    address = int.from_bytes(pdu[1:3], "big")
    if pdu[0] == _READ and address == STATUS.address:
        return POLL
    if pdu[0] == _WRITE and address == SCHEDULE.address:
        return ORDER
    return None


class TcpAnalyser:
    """One connection to the cabinet of *junction*."""

    def __init__(self, junction: str, file: TextIO) -> None:
        self._junction = junction
        self._file = file
        self._requests, self._answers = MbapDecoder(), MbapDecoder()
        self._open: dict[int, tuple[str, int]] = {}
        self._lost = False

    def request(self, data: bytes) -> None:
        """Bytes to the cabinet."""
        now_ns = time.monotonic_ns()
        for each in self._decoded(self._requests, data):
            kind = _kind(each.pdu)
            if kind is not None:
                self._open[each.transaction] = (kind, now_ns)

    def answer(self, data: bytes) -> None:
        """Bytes from the cabinet."""
        now_ns = time.monotonic_ns()
        for each in self._decoded(self._answers, data):
            asked = self._open.pop(each.transaction, None)
            if asked is not None and not each.pdu[0] & _EXCEPTION:
                write_exchange(self._file, Exchange(self._junction, *asked, now_ns))

    def _decoded(self, decoder: MbapDecoder, data: bytes) -> list[Request]:
        if self._lost:
            return []
        try:
            return decoder.feed(data)
        except FrameError:
            self._lost = True  # corrupted on purpose: this connection can't be followed any more
            return []


class RtuAnalyser:
    """A serial line; *junctions* by unit."""

    def __init__(self, junctions: dict[int, str], file: TextIO) -> None:
        self._junctions = junctions
        self._file = file
        self._requests = RtuDecoder()
        self._asked: tuple[str, str, int] | None = None
        self._missing = 0
        self._answer = b""

    def request(self, data: bytes) -> None:
        """Bytes that the edge sends."""
        self._requests.silence()
        self._asked = None
        for each in self._requests.feed(data):
            kind = _kind(each.pdu)
            if kind is not None and each.unit in self._junctions:
                self._asked = (self._junctions[each.unit], kind, time.monotonic_ns())
                registers = int.from_bytes(each.pdu[3:5], "big")
                self._missing = _RTU_OVERHEAD + 2 * registers if kind == POLL else _RTU_WRITTEN
                self._answer = b""

    def answer(self, data: bytes) -> None:
        """Bytes that a cabinet sends."""
        if self._asked is None:
            return
        self._answer += data
        if len(self._answer) >= self._missing:
            write_exchange(self._file, Exchange(*self._asked, time.monotonic_ns()))
            self._asked = None
