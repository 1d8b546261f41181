"""An append-only audit: each entry carries a digest of itself and of the one before it.

Nobody can change, insert or remove an entry without every later digest being wrong; and as each
digest is also sent to the centre, the end cannot be cut off unnoticed either.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass

from edge.errors import StoreError

NOTHING_BEFORE = bytes(32)
_FIELDS = "id, utc_ms, actor, action, subject, detail, previous, digest"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which cabinet, and the details as JSON text."""

    utc_ms: int
    actor: str
    action: str
    subject: str
    detail: str = "{}"

    def digest(self, number: int, previous: bytes) -> bytes:
        """SHA-256 over the digest before it and a canonical text of the entry."""
        text = json.dumps(
            [number, self.utc_ms, self.actor, self.action, self.subject, self.detail],
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return hashlib.sha256(previous + text.encode()).digest()


def last_link(db: sqlite3.Connection) -> tuple[int, bytes]:
    """Number and digest of the newest entry, also when it has been pruned."""
    row = db.execute("SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    return row if row is not None else _pruned(db)


def append(db: sqlite3.Connection, entry: AuditEntry, last: tuple[int, bytes]) -> tuple[int, bytes]:
    """Write *entry* behind *last*; returns its number and digest."""
    number, previous = last[0] + 1, last[1]
    digest = entry.digest(number, previous)
    db.execute(
        f"INSERT INTO audit ({_FIELDS}) VALUES (?,?,?,?,?,?,?,?)",
        (
            *(number, entry.utc_ms, entry.actor, entry.action, entry.subject, entry.detail),
            *(previous, digest),
        ),
    )
    return number, digest


def prune(db: sqlite3.Connection, before_utc_ms: int, most: int) -> int:
    """Remove at most *most* of the oldest entries, if they are of before *before_utc_ms*."""
    rows = db.execute(
        "SELECT id, utc_ms, digest FROM audit ORDER BY id LIMIT ?", (most,)
    ).fetchall()
    old = []
    for number, utc_ms, digest in rows:
        if utc_ms >= before_utc_ms:
            break
        old.append((number, digest))
    if old:
        number, digest = old[-1]
        db.execute("DELETE FROM audit WHERE id <= ?", (number,))
        db.executemany(
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
            (("audit pruned", number), ("audit pruned digest", digest)),
        )
    return len(old)


def verify(db: sqlite3.Connection) -> int:
    """How many entries there are; raises :class:`StoreError` at the first that doesn't fit."""
    expected, previous = _pruned(db)
    count = 0
    for row in db.execute(f"SELECT {_FIELDS} FROM audit ORDER BY id"):
        number, *fields, before, digest = row
        expected += 1
        if number != expected:
            raise StoreError(f"audit entry {expected} is missing")
        if before != previous or digest != AuditEntry(*fields).digest(number, before):
            raise StoreError(f"audit entry {number} is not what was written")
        previous = digest
        count += 1
    return count


def _pruned(db: sqlite3.Connection) -> tuple[int, bytes]:
    found = dict(db.execute("SELECT key, value FROM meta WHERE key LIKE 'audit pruned%'"))
    return found.get("audit pruned", 0), found.get("audit pruned digest", NOTHING_BEFORE)
