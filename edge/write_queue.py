"""The queue between the control loop and the writer of the store: bounded, and never waited for."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from operator import attrgetter

from edge.records import Record

ROWS_MAX = 200_000
"""Two hundred busy junctions for three minutes, about 50 MB."""
_FIRST_TO_GO = ("counts", "events")
_NEWEST_ONLY = "counts so far"
"""One is as good as none, once there is another."""
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, or None for a question when all before it is written; and who waits for that."""

    number: int
    record: Record | None
    done: Future[None] | None = None

    @property
    def rows(self) -> int:
        """How much it is."""
        return 0 if self.record is None else self.record.rows

    @property
    def lane(self) -> str:
        """Those that are dropped together, oldest first."""
        kind = "" if self.record is None else self.record.kind
        return kind if kind in (*_FIRST_TO_GO, _NEWEST_ONLY) else _OTHERS


class WriteQueue:
    """First in, first out; thread-safe. What finds no room is counted in :attr:`lost`."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._numbers = itertools.count()
        lanes = (_NEWEST_ONLY, *_FIRST_TO_GO, _OTHERS)
        self._lanes: dict[str, deque[Entry]] = {lane: deque() for lane in lanes}
        self._rows = 0
        self._changed = threading.Condition()
        self._closed = False
        self.lost: dict[str, int] = {}
        """Rows by kind of record."""

    def put(self, record: Record | None, done: Future[None] | None = None) -> None:
        """Add *record*; makes room by dropping the oldest of the least important records."""
        with self._changed:
            entry = Entry(next(self._numbers), record, done)
            lane = self._lanes[entry.lane]
            if entry.lane == _NEWEST_ONLY and lane:
                self._rows -= lane.pop().rows
            lane.append(entry)
            self._make_room(entry.rows)
            self._changed.notify()

    def put_back(self, entries: list[Entry]) -> None:
        """Return *entries* that could not be written to the front."""
        with self._changed:
            rows = 0
            for entry in reversed(entries):
                lane = self._lanes[entry.lane]
                if entry.lane != _NEWEST_ONLY or not lane:
                    lane.appendleft(entry)
                    rows += entry.rows
            self._make_room(rows)

    def take(self, timeout_s: float) -> list[Entry]:
        """All that is there, once there is something or *timeout_s* have passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(self._lanes.values()), timeout_s)
            taken = list(heapq.merge(*self._lanes.values(), key=attrgetter("number")))
            for lane in self._lanes.values():
                lane.clear()
            self._rows = 0
            return taken

    def close(self) -> None:
        """Nothing more comes; wakes who waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_closed(self, timeout_s: float) -> bool:
        """Whether it is closed, after at most *timeout_s*."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def count_lost(self, entry: Entry) -> None:
        """*entry* can't be written at all."""
        if entry.record is not None:
            kind = entry.record.kind
            self.lost[kind] = self.lost.get(kind, 0) + entry.rows
        if entry.done is not None and entry.done.set_running_or_notify_cancel():
            entry.done.set_exception(TimeoutError("the store could not write it"))

    def _make_room(self, more_rows: int) -> None:
        self._rows += more_rows
        for lane in self._lanes.values():
            while lane and self._rows > self._rows_max:
                entry = lane.popleft()
                self._rows -= entry.rows
                self.count_lost(entry)
