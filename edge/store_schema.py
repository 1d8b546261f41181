"""The tables of the local database, and opening it in whatever state the last power cut left it.

WAL with ``synchronous = NORMAL``: a transaction that has returned survives the death of the process
at any moment, as its bytes are the kernel's by then. Only a power cut can take those that came
after the last checkpoint, which is why the writer makes one every few seconds. ``FULL`` would sync
the card once a second for that, which wears it out, and stops the writer for as long as it takes.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from edge.errors import StoreError

VERSION = 3
QUICK_CHECK_BYTES_MAX = 64_000_000
"""Above it, checking the whole file would delay the start by seconds."""
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY = 0xFF
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE counts (
    minute INTEGER NOT NULL, detector INTEGER NOT NULL REFERENCES names,
    entered INTEGER, occupied_ms INTEGER, missing_ms INTEGER NOT NULL,
    PRIMARY KEY (minute, detector)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, cabinet INTEGER NOT NULL REFERENCES names,
    utc_ms INTEGER NOT NULL, code INTEGER NOT NULL, parameter INTEGER NOT NULL
) STRICT;
CREATE TABLE plans (
    cabinet TEXT NOT NULL, sequence_no INTEGER NOT NULL, accepted_utc_ms INTEGER NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (cabinet, sequence_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE accepted (
    site TEXT NOT NULL, kind TEXT NOT NULL, sequence_no INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (site, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY, utc_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL, previous BLOB NOT NULL, digest BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL, rank INTEGER NOT NULL,
    kind TEXT NOT NULL, utc_ms INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_by_rank ON outbox (rank, seq);
"""
ORDERS = """
CREATE TABLE orders (
    site TEXT NOT NULL, kind TEXT NOT NULL, sequence_no INTEGER NOT NULL, signed BLOB NOT NULL,
    begun INTEGER NOT NULL, PRIMARY KEY (site, kind, sequence_no)
) STRICT, WITHOUT ROWID;
"""
EVENTS_BY_TIME = """
CREATE INDEX events_by_time ON events (utc_ms);
"""
STEPS = (TABLES, ORDERS, EVENTS_BY_TIME)
"""What each version adds to the one before."""


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether *error* means that the file itself is damaged or no database."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in _CORRUPT


def open_database(path: Path, after: int = 0) -> tuple[sqlite3.Connection, int, Path | None]:
    """(connection, number of this start above *after*, where a damaged predecessor was put).

    Raises :class:`sqlite3.Error` if the disk does not let it, :class:`StoreError` if the file is
    of a later version.
    """
    aside = None
    try:
        db = _connect(path)
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise
        aside = move_aside(path)
        db = _connect(path)
    return db, _next_boot(db, after), aside


def move_aside(path: Path) -> Path:
    """Give a damaged database and its log another name, for somebody to look at; returns it."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    number = 1
    while aside.exists():
        number += 1
        aside = aside.with_name(f"{aside.name.split('~')[0]}~{number}")
    for suffix in ("-wal", "-shm", ""):
        each = path.with_name(path.name + suffix)
        if each.exists():
            each.rename(aside.with_name(aside.name + suffix))
    return aside


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't write; raises :class:`sqlite3.Error`."""
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    db.execute("PRAGMA busy_timeout = 2000")
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (
            "busy_timeout = 2000",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "journal_size_limit = 16777216",
        ):
            db.execute(f"PRAGMA {pragma}")
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError(f"{path} was written by a later version: name another store.path")
    if version < VERSION:
        steps = "".join(STEPS[version:])
        db.executescript(f"BEGIN; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
    if path.stat().st_size <= QUICK_CHECK_BYTES_MAX:
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            damaged = sqlite3.DatabaseError(verdict)
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged


def _next_boot(db: sqlite3.Connection, after: int) -> int:
    """A number that no earlier start has had, safe against power cuts and lost databases."""
    row = db.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()
    last = max(after, 0 if row is None else row[0])
    boot = max(time.time_ns() // 1_000_000, last + 1)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?)", (boot,))
    db.execute("PRAGMA synchronous = NORMAL")
    return boot
