"""The local store: counts, events, plans, audit and outbox in one SQLite file, off the loop.

:meth:`Store.add` never waits. One thread writes; whatever the disk does (full, slow, read-only,
damaged), the control goes on, an alarm stands, and the writer tries again. A damaged file is moved
aside and a new one begun.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from edge import outbox
from edge.alarms import Alarms
from edge.audit_chain import AuditEntry
from edge.errors import StoreError
from edge.order_numbers import Accepted, OrderNumbers
from edge.outbox import OutMessage
from edge.records import Audited, Record, Tables, finish_counts
from edge.retention import Retention, prune
from edge.store_schema import is_corrupt, move_aside, open_database, open_reader
from edge.write_queue import Entry, WriteQueue

__all__ = ["Retention", "Store"]

T = TypeVar("T")
WAKE_S = 1.0
RETRY_S = 2.0
CHECKPOINT_S = 10.0
"""What a power cut can take at most."""
_OWN_FAULTS = (
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError),
    *(OverflowError, TypeError, ValueError),
)
"""The record's, not the disk's: trying again changes nothing."""


class Store:
    """One database for one edge; close it to have everything written.

    ``on_message`` is called from the writer's thread whenever there is something new to send,
    ``on_begun_anew`` when what it held is lost. Raises :class:`StoreError` if another process has
    it open.
    """

    def __init__(self, path: Path, retention: Retention, alarms: Alarms) -> None:
        self._path = path
        self._retention = retention
        self._alarms = alarms
        self._queue = WriteQueue(retention.queue_rows)
        self._lock_file = _locked(path)
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()
        self._tables: Tables | None = None
        self._first_try = threading.Event()
        self._checkpoint_s = time.monotonic()
        self._boot = 0
        self._numbers = OrderNumbers(path.with_name(path.name + ".orders"))
        self.on_message: Callable[[], None] = lambda: None
        self.on_begun_anew: Callable[[], None] = lambda: None
        self.now_utc_ms: int | None = None
        """The time by the clock that the records carry; None where it can't be trusted.

        Nothing is removed for its age then.
        """
        self.dropped: dict[str, int] = {}
        """Messages by kind that had to leave a full outbox, ever."""
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()
        self._first_try.wait(WAKE_S)

    @property
    def lost(self) -> dict[str, int]:
        """Rows by kind that could not be written since the start."""
        return dict(self._queue.lost)

    @property
    def boot(self) -> int:
        """Number of the last opening of the database; 0 while it has never been open."""
        return self._boot

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages in the outbox, and their bytes."""
        tables = self._tables
        return (0, 0) if tables is None else (tables.fill.messages, tables.fill.bytes)

    def add(self, record: Record) -> None:
        """Have *record* written soon; returns at once."""
        self._queue.put(record)

    def add_and_tell(self, record: Record | None) -> Future[None]:
        """The same, with a future for when it is committed; None asks for all before it."""
        done: Future[None] = Future()
        self._queue.put(record, done)
        return done

    def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until all that was added is committed; raises :class:`TimeoutError`."""
        self.add_and_tell(None).result(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is left, and let go of the file."""
        self._queue.close()
        self._thread.join(timeout_s)
        with self._reader_lock:
            self._close_reader()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # What is read, from any thread but the control loop's.

    def messages_after(self, seq: int, most: int) -> list[OutMessage]:
        """The next messages to be sent; none while the database can't be read."""
        return self._read(lambda db: outbox.after(db, seq, most), [])

    def accepted_orders(self) -> tuple[Accepted, int]:
        """By site and kind of order, number and digest of the last accepted one.

        And the time before which nothing is known, in UTC milliseconds: 0 unless it was lost.
        """
        return dict(self._numbers.accepted), self._numbers.floor_utc_ms

    def kept_orders(self) -> list[tuple[bytes, bool]] | None:
        """What was signed of the orders in force and to come, and whether each has begun.

        None while the database can't be read: not to know is not the same as none.
        """
        query = "SELECT signed, begun FROM orders ORDER BY site, kind, sequence_no"
        unknown: list[tuple[bytes, int]] | None = None
        rows = self._read(lambda db: db.execute(query).fetchall(), unknown)
        return None if rows is None else [(signed, bool(begun)) for signed, begun in rows]

    def latest_plan(self, cabinet: str) -> str | None:
        """The document of the last plan that was accepted for *cabinet*."""
        query = "SELECT document FROM plans WHERE cabinet = ? ORDER BY sequence_no DESC LIMIT 1"
        row = self._read(lambda db: db.execute(query, (cabinet,)).fetchone(), None)
        return None if row is None else str(row[0])

    def event_places(self) -> dict[str, int]:
        """By cabinet, how far its log has been read; see :class:`edge.records.Events`."""
        query = "SELECT substr(key, 11), value FROM meta WHERE key LIKE 'events of %'"
        nothing: list[tuple[str, int]] = []
        return dict(self._read(lambda db: db.execute(query).fetchall(), nothing))

    def _read(self, query: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        with self._reader_lock:
            try:
                if self._reader is None:
                    self._reader = open_reader(self._path)
                return query(self._reader)
            except sqlite3.Error:
                self._close_reader()  # the writer will find out what is wrong, and say so
                return otherwise

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # The writer's thread.

    def _run(self) -> None:
        self._attempt([])
        self._first_try.set()
        while True:
            entries = self._queue.take(WAKE_S)
            is_last = not entries and self._queue.wait_closed(0)
            if not self._attempt(entries):
                if self._queue.wait_closed(0):
                    break
                self._queue.put_back(entries)
                self._note_lost()
                self._queue.wait_closed(RETRY_S)
            elif is_last:
                break
        for entry in (*entries, *self._queue.take(0)):
            self._queue.count_lost(entry)
        with contextlib.suppress(OSError):  # what was urgent has been saved
            self._numbers.save()
        self._let_go()

    def _attempt(self, entries: list[Entry]) -> bool:
        """Write *entries* and empty the list as far as that has worked; whether all of it has."""
        try:
            self._write(self._opened(), entries)
            self._keep_house(self._opened())
        except (sqlite3.Error, OSError, StoreError) as error:
            self._failed(error)
            return False
        self._alarms.clear("store")
        return True

    def _opened(self) -> Tables:
        if self._tables is None:
            is_first = not self._boot
            is_known = not is_first or self._numbers.load()
            db, boot, aside = open_database(self._path, self._boot)
            if aside is not None and not is_known:
                self._numbers.forget_before(_last_moment_ms(aside))
            _agree(db, self._numbers)
            tables = Tables.of(db, boot, self._numbers)
            if is_first:
                db.execute("BEGIN IMMEDIATE")
                finish_counts(tables)
                db.execute("COMMIT")
            self._tables, self._boot = tables, boot
            self.dropped = _dropped(db)
            if aside is not None:
                self._report_damage(aside)
        return self._tables

    def _write(self, tables: Tables, entries: list[Entry]) -> None:
        """Write *entries* in one transaction; a record that can't be written goes alone."""
        try:
            self._write_together(tables, entries)
        except _OWN_FAULTS as error:
            self._let_go()
            if len(entries) > 1:
                while entries:
                    self._write(self._opened(), entries[:1])
                    del entries[0]
                return
            self._queue.count_lost(entries.pop())
            self._alarms.sound("store refused", f"a record can't be written: {error}")

    def _write_together(self, tables: Tables, entries: list[Entry]) -> None:
        db, messages = tables.db, tables.fill.messages
        if entries:
            db.execute("BEGIN IMMEDIATE")
            for entry in entries:
                if entry.record is not None:
                    entry.record.write(tables)
            dropped = self._trim(tables)
            db.execute("COMMIT")
            self._note_dropped(tables, dropped)
            _tell_written(entries)
        if tables.numbers.is_urgent:
            tables.numbers.save()
        if tables.fill.messages > messages:
            self.on_message()
        self._note_lost()

    def _trim(self, tables: Tables) -> dict[str, int]:
        dropped = outbox.trim(tables.db, tables.fill, self._retention.outbox_bytes)
        tables.db.executemany(
            "INSERT INTO meta VALUES ('dropped ' || ?1, ?2) "
            "ON CONFLICT DO UPDATE SET value = value + ?2",
            dropped.items(),
        )
        return dropped

    def _note_dropped(self, tables: Tables, dropped: dict[str, int]) -> None:
        if dropped:
            ever = self.dropped
            kinds = ever.keys() | dropped.keys()
            self.dropped = {kind: ever.get(kind, 0) + dropped.get(kind, 0) for kind in kinds}
            all_of = ", ".join(f"{number} {kind}" for kind, number in self.dropped.items())
            self._alarms.sound("outbox full", f"messages were dropped unsent: {all_of}")
        elif tables.fill.bytes < self._retention.outbox_bytes // 2:
            self._alarms.clear("outbox full")

    def _note_lost(self) -> None:
        if self._queue.lost:
            all_of = ", ".join(f"{rows} {kind}" for kind, rows in self.lost.items())
            self._alarms.sound("store lost", f"rows could not be written: {all_of}")

    def _keep_house(self, tables: Tables) -> None:
        if time.monotonic() - self._checkpoint_s < CHECKPOINT_S:
            return
        self._checkpoint_s = time.monotonic()
        now_utc_ms = self.now_utc_ms
        if now_utc_ms is not None:
            prune(tables.db, self._retention, now_utc_ms)
        tables.numbers.save()
        tables.db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _failed(self, error: Exception) -> None:
        self._let_go()
        if isinstance(error, sqlite3.Error) and is_corrupt(error):
            self._report_damage(move_aside(self._path))
        self._alarms.sound("store", f"{self._path} can't be written: {error}")

    def _report_damage(self, aside: Path) -> None:
        message = f"{self._path} was damaged: it is now {aside.name}, and a new one was begun"
        self._alarms.sound("store damaged", message)
        entry = AuditEntry(
            time.time_ns() // 1_000_000,
            "store",
            "begun anew",
            self._path.name,
            json.dumps({"damaged": aside.name}),
        )
        self._queue.put(Audited(entry))
        with self._reader_lock:
            self._close_reader()
        self.on_begun_anew()

    def _let_go(self) -> None:
        if self._tables is not None:
            self._tables.db.close()
            self._tables = None


def _tell_written(entries: list[Entry]) -> None:
    """Empty *entries*: what is committed must not be written again, whatever comes next."""
    written = entries.copy()
    entries.clear()
    for entry in written:
        if entry.done is not None and entry.done.set_running_or_notify_cancel():
            entry.done.set_result(None)


def _agree(db: sqlite3.Connection, numbers: OrderNumbers) -> None:
    """What the database and the file beside it know of accepted orders is in both from now on."""
    for site, kind, number, digest in db.execute("SELECT * FROM accepted"):
        numbers.note(site, kind, number, digest)
    rows = [(*key, number, digest) for key, (number, digest) in numbers.accepted.items()]
    db.executemany("INSERT OR REPLACE INTO accepted VALUES (?,?,?,?)", rows)
    numbers.is_urgent = True


def _last_moment_ms(damaged: Path) -> int:
    """By when all that *damaged* held was written, also if the clock has not been set yet."""
    return max(time.time_ns(), damaged.stat().st_mtime_ns) // 1_000_000


def _dropped(db: sqlite3.Connection) -> dict[str, int]:
    rows = db.execute("SELECT substr(key, 9), value FROM meta WHERE key LIKE 'dropped %'")
    return dict(rows.fetchall())


def _locked(path: Path) -> int | None:
    """Keep other processes out; None where the disk does not even let a lock be made."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(
            f"{path} is in use by another edge: stop it, or name another store.path"
        ) from None
    return lock
