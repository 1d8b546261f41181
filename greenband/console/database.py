"""The console's own SQLite file: tokens, the audit, and the answers that were given already."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import StoreError

FILE = "console.db"
VERSION = 1
BUSY_MS = 5_000
_OWNER_ONLY = 0o600
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, agency TEXT NOT NULL, digest BLOB NOT NULL, scopes TEXT NOT NULL,
    created_utc_ms INTEGER NOT NULL, expires_utc_ms INTEGER NOT NULL, revoked_utc_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE answers (
    agency TEXT NOT NULL, key TEXT NOT NULL, asked BLOB NOT NULL, answer TEXT NOT NULL,
    utc_ms INTEGER NOT NULL, PRIMARY KEY (agency, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY, utc_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL, previous BLOB NOT NULL, digest BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """The file at *path*, made if it is not there, for its owner only.

    Raises :class:`~edge.errors.StoreError` for anything that is not a console's file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _OWNER_ONLY))
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        _make_tables(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise StoreError(
            f"{path} can't be used ({error}): name another folder by --state"
        ) from None
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: sqlite3.Connection, path: Path) -> None:
    with writing(db):
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(f"{path} was written by a later version: name another by --state")
        known = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        if version == 0 and known:
            raise StoreError(f"{path} is not a console's file: name another folder by --state")
        if version == 0:
            for statement in _statements(TABLES):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Iterator[str]:
    """Each statement of *script*; executescript would end the transaction."""
    part = ""
    for line in script.splitlines():
        part += f"{line}\n"
        if sqlite3.complete_statement(part):
            yield part
            part = ""


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that has the file to itself, also against other processes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk may have ended it already
            db.execute("ROLLBACK")
        raise
