"""The audit: who asked for what, when and why, and what every junction answered.

Append-only and chained (:mod:`edge.audit_chain`). The same file layout as in the store of an edge,
so that one command verifies both.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.audit_chain import AuditEntry, append, last_link, verify
from edge.errors import StoreError
from greenband.console.database import writing

ROWS_MAX = 5_000
_COLUMNS = "id, utc_ms, actor, action, subject, detail, digest"


@dataclass(frozen=True, slots=True)
class Written:
    """One entry as it stands in the book."""

    number: int
    entry: AuditEntry
    digest: str

    @property
    def detail(self) -> dict[str, object]:
        """What there is to know beside who, what and when."""
        found = json.loads(self.entry.detail)
        return found if isinstance(found, dict) else {"detail": found}


class AuditBook:
    """Writes to and reads from the console's file *db*."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def note(
        self,
        utc_ms: int,
        actor: str,
        action: str,
        subject: str,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Write one entry; it is on record when this returns."""
        text = json.dumps(detail or {}, ensure_ascii=False, sort_keys=True, allow_nan=False)
        entry = AuditEntry(utc_ms, actor, action, subject, text)
        with writing(self._db):
            append(self._db, entry, last_link(self._db))

    def read(self, subject: str = "", *, after: int = 0, most: int = 200) -> tuple[Written, ...]:
        """The newest *most* entries after number *after*, in their order; only of *subject*."""
        return read(self._db, subject, after=after, most=most)


def read(
    db: sqlite3.Connection, subject: str = "", *, after: int = 0, most: int = 200
) -> tuple[Written, ...]:
    """The newest *most* entries of any file with an audit; see :meth:`AuditBook.read`."""
    chosen, values = "id > ?", [after]
    more: list[object] = [*values]
    if subject:
        chosen += " AND subject = ?"
        more.append(subject)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM audit WHERE {chosen} ORDER BY id DESC LIMIT ?",
        (*more, min(most, ROWS_MAX)),
    ).fetchall()
    return tuple(
        Written(row[0], AuditEntry(*row[1:6]), bytes(row[6]).hex()) for row in reversed(rows)
    )


def open_audit(path: Path) -> sqlite3.Connection:
    """A read-only connection to a console's file or an edge's store.

    Raises :class:`~edge.errors.StoreError` for anything without an audit.
    """
    if not path.is_file():
        raise StoreError(f"{path} is not there: name the console.db or the store of an edge")
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        db.execute("SELECT count(*) FROM audit, meta WHERE 0")
    except sqlite3.DatabaseError as error:
        db.close()
        raise StoreError(f"{path} has no audit ({error})") from None
    return db


def verified(db: sqlite3.Connection, digest: str = "") -> tuple[int, str]:
    """(entries, digest of the last one); raises :class:`~edge.errors.StoreError` for a break.

    With *digest*, also if no entry has it: then the end was cut off after somebody had noted it.
    """
    count = verify(db)
    _, last = last_link(db)
    if digest:
        known = [bytes(row[0]).hex() for row in db.execute("SELECT digest FROM audit")]
        if not any(each.startswith(digest.lower()) for each in known):
            raise StoreError(f"no entry has the digest {digest}: entries have been cut off")
    return count, bytes(last).hex()
