"""What the store keeps: one class for each kind of record, which knows how it is written.

Counts, events and audit entries are also what the centre is told: the record and the message about
it are one transaction, so that neither is ever without the other.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from controller.signals import Event
from edge import audit_chain, outbox
from edge.audit_chain import AuditEntry
from edge.message_limit import MESSAGE_BYTES_MAX
from edge.order_numbers import OrderNumbers
from edge.outbox import Fill

T = TypeVar("T")
_log = structlog.get_logger("edge.store")

BODY_BYTES_MAX = MESSAGE_BYTES_MAX - 65_536
"""There is a head as well."""
ROWS_PER_MESSAGE = 5_000
"""Each is some thirty bytes, and far from a hundred."""


@dataclass(slots=True)
class Tables:
    """The open database and what is known of it; a failed transaction needs a new one."""

    db: sqlite3.Connection
    boot: int
    fill: Fill
    audit: tuple[int, bytes]
    numbers: OrderNumbers
    names: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, db: sqlite3.Connection, boot: int, numbers: OrderNumbers) -> Tables:
        """What *db* holds now."""
        return cls(db, boot, outbox.measure(db), audit_chain.last_link(db), numbers)

    def name(self, text: str) -> int:
        """The number that stands for *text*."""
        number = self.names.get(text)
        if number is None:
            self.db.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (text,))
            row = self.db.execute("SELECT id FROM names WHERE name = ?", (text,)).fetchone()
            number = self.names[text] = row[0]
        return number

    def send(self, kind: str, utc_ms: int, body: Mapping[str, object]) -> None:
        """Put a message into the outbox."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        packed = text.encode()
        if len(packed) > BODY_BYTES_MAX:
            raise ValueError(f"a message of {len(packed)} bytes can't be sent")
        outbox.append(self.db, self.fill, self.boot, kind, utc_ms, packed)


class Record(Protocol):
    """Something to be written."""

    @property
    def kind(self) -> str:
        """What it is, for counting."""
        ...

    @property
    def rows(self) -> int:
        """How much it is."""
        ...

    def write(self, tables: Tables) -> None:
        """Write it, within a transaction that is open."""
        ...


def _parts(by_cabinet: Mapping[str, Sequence[T]]) -> Iterator[dict[str, Sequence[T]]]:
    """*by_cabinet* in parts that each fit into a message."""
    part: dict[str, Sequence[T]] = {}
    room = ROWS_PER_MESSAGE
    for cabinet, rows in by_cabinet.items():
        if part and len(rows) > room:
            yield part
            part, room = {}, ROWS_PER_MESSAGE
        part[cabinet] = rows
        room -= len(rows)
    if part:
        yield part


@dataclass(frozen=True, slots=True)
class Count:
    """One detector over one minute; None where it had no valid reading at all."""

    detector: str
    entered: int | None
    occupied_ms: int | None
    missing_ms: int = 0


_ADD_COUNTS = """
INSERT INTO counts VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET
    entered = coalesce(entered + excluded.entered, entered, excluded.entered),
    occupied_ms = coalesce(occupied_ms + excluded.occupied_ms, occupied_ms, excluded.occupied_ms),
    missing_ms = missing_ms + excluded.missing_ms
"""
"""A minute may come in parts, when the clock steps back or the daemon starts anew in it."""


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """All detectors of all cabinets over the minute that began at *minute* (UTC, in minutes)."""

    minute: int
    by_cabinet: Mapping[str, Sequence[Count]]
    kind: str = field(default="counts", init=False)

    @property
    def rows(self) -> int:
        """See :class:`Record`."""
        return sum(map(len, self.by_cabinet.values()))

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.db.executemany(
            _ADD_COUNTS,
            [
                (
                    *(self.minute, tables.name(f"{cabinet}/{each.detector}")),
                    *(each.entered, each.occupied_ms, each.missing_ms),
                )
                for cabinet, counts in self.by_cabinet.items()
                for each in counts
            ],
        )
        for part in _parts(self.by_cabinet):
            body = {
                cabinet: {c.detector: [c.entered, c.occupied_ms, c.missing_ms] for c in counts}
                for cabinet, counts in part.items()
            }
            tables.send("counts", self.minute * 60_000, {"minute": self.minute, "counts": body})
        tables.db.execute("DELETE FROM meta WHERE key = ?", (_SO_FAR,))


_SO_FAR = "counts so far"


@dataclass(frozen=True, slots=True)
class CountsSoFar:
    """What there is of a minute that is not over; lost by the next one, or with the minute.

    One row, however many detectors: what is written every few seconds must not wear out the card.
    """

    counts: MinuteCounts
    kind: str = field(default="counts so far", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        by_cabinet = {
            cabinet: [(c.detector, c.entered, c.occupied_ms, c.missing_ms) for c in counts]
            for cabinet, counts in self.counts.by_cabinet.items()
        }
        text = json.dumps([self.counts.minute, by_cabinet], separators=(",", ":"))
        packed = zlib.compress(text.encode(), 1)
        tables.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_SO_FAR, packed))


def finish_counts(tables: Tables) -> None:
    """What an earlier start counted of a minute that it did not see the end of becomes its counts.

    Within a transaction that is open.
    """
    row = tables.db.execute("SELECT value FROM meta WHERE key = ?", (_SO_FAR,)).fetchone()
    if row is None:
        return
    try:
        minute, by_cabinet = json.loads(zlib.decompress(row[0]))
        counts = {name: tuple(Count(*each) for each in rows) for name, rows in by_cabinet.items()}
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        _log.warning("the counts of the last minute can't be read", why=str(error))
        minute, counts = 0, {}
    MinuteCounts(minute, counts).write(tables)


@dataclass(frozen=True, slots=True)
class Events:
    """What the cabinets logged in about a second, in the Indiana enumeration."""

    utc_ms: int
    by_cabinet: Mapping[str, Sequence[Event]]
    places: Mapping[str, int] = field(default_factory=dict)
    """How far the log of each cabinet has been read with them; see :class:`edge.events.Place`."""
    kind: str = field(default="events", init=False)

    @property
    def rows(self) -> int:
        """See :class:`Record`."""
        return sum(map(len, self.by_cabinet.values()))

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.db.executemany(
            "INSERT INTO events (cabinet, utc_ms, code, parameter) VALUES (?,?,?,?)",
            [
                (tables.name(cabinet), *event)
                for cabinet, events in self.by_cabinet.items()
                for event in events
            ],
        )
        tables.db.executemany(
            "INSERT OR REPLACE INTO meta VALUES ('events of ' || ?, ?)", self.places.items()
        )
        for part in _parts(self.by_cabinet):
            body = {
                cabinet: [[e.utc_ms - self.utc_ms, e.code, e.parameter] for e in events]
                for cabinet, events in part.items()
            }
            tables.send("events", self.utc_ms, {"utc_ms": self.utc_ms, "events": body})


@dataclass(frozen=True, slots=True)
class Audited:
    """An entry of the audit."""

    entry: AuditEntry
    kind: str = field(default="audit", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        entry = self.entry
        tables.audit = number, digest = audit_chain.append(tables.db, entry, tables.audit)
        body = {
            "number": number,
            "utc_ms": entry.utc_ms,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "detail": json.loads(entry.detail),
            "digest": digest.hex(),
        }
        tables.send("audit", entry.utc_ms, body)


@dataclass(frozen=True, slots=True)
class Message:
    """Something for the centre that is kept nowhere else."""

    kind: str
    utc_ms: int
    body: Mapping[str, object]
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.send(self.kind, self.utc_ms, self.body)


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """That an order of the centre has been accepted: it can't be replayed after a restart."""

    site: str
    order: str
    sequence_no: int
    digest: bytes
    kind: str = field(default="accepted order", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.db.execute(
            "INSERT INTO accepted VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET "
            "sequence_no = excluded.sequence_no, digest = excluded.digest "
            "WHERE excluded.sequence_no > accepted.sequence_no",
            (self.site, self.order, self.sequence_no, self.digest),
        )
        tables.numbers.note(self.site, self.order, self.sequence_no, self.digest)
        # A priority call comes every other second, and is over before a power cut is.
        tables.numbers.is_urgent |= self.order != "priority"


@dataclass(frozen=True, slots=True)
class OrderKept:
    """An order that has begun, in place of all before it, or one that waits for its time."""

    site: str
    order: str
    sequence_no: int
    signed: bytes
    begun: bool
    kind: str = field(default="kept order", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.db.execute(
            "INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?)",
            (self.site, self.order, self.sequence_no, self.signed, self.begun),
        )
        if self.begun:
            tables.db.execute(
                "DELETE FROM orders WHERE site = ? AND kind = ? AND sequence_no < ?",
                (self.site, self.order, self.sequence_no),
            )


@dataclass(frozen=True, slots=True)
class OrderOver:
    """That an order need not be kept any more."""

    site: str
    order: str
    sequence_no: int
    kind: str = field(default="order over", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.db.execute(
            "DELETE FROM orders WHERE site = ? AND kind = ? AND sequence_no = ?",
            (self.site, self.order, self.sequence_no),
        )


@dataclass(frozen=True, slots=True)
class AcceptedPlan:
    """A plan that a cabinet is to run from now on, as its JSON document."""

    cabinet: str
    sequence_no: int
    utc_ms: int
    document: str
    kind: str = field(default="plan", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        tables.db.execute(
            "INSERT OR REPLACE INTO plans VALUES (?,?,?,?)",
            (self.cabinet, self.sequence_no, self.utc_ms, self.document),
        )


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The centre has everything up to here."""

    boot: int
    seq: int
    kind: str = field(default="confirmation", init=False)
    rows: int = field(default=1, init=False)

    def write(self, tables: Tables) -> None:
        """See :class:`Record`."""
        outbox.confirm(tables.db, tables.fill, self.boot, self.seq)
