"""The audit: who asked for what, when and why, and what every junction answered.

Append-only and chained (:mod:`edge.audit_chain`). The same file layout as in the store of an edge,
so that one command verifies both.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        try:
            found = json.loads(self.entry.detail)
        except ValueError:  # not ours any more: verify says so, and here it is shown
            found = self.entry.detail
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
        said = (_storable(each) for each in (actor, action, subject, text))
        entry = AuditEntry(utc_ms, *said)
        with writing(self._db):
            append(self._db, entry, last_link(self._db))

    def read(
        self, subject: str = "", *, after: int | None = None, most: int = 200
    ) -> tuple[Written, ...]:
        """The newest *most* entries in their order; with *after*, those that follow that number.

        Only of *subject*, if one is named.
        """
        return read(self._db, subject, after=after, most=most)


def read(
    db: sqlite3.Connection, subject: str = "", *, after: int | None = None, most: int = 200
) -> tuple[Written, ...]:
    """Entries of any file with an audit; see :meth:`AuditBook.read`.

    Raises :class:`~edge.errors.StoreError` for a file that is damaged.
    """
    order = "DESC" if after is None else "ASC"
    chosen = " AND subject = ?" if subject else ""
    values: list[object] = [after or 0, *([subject] if subject else []), min(most, ROWS_MAX)]
    query = f"SELECT {_COLUMNS} FROM audit WHERE id > ?{chosen} ORDER BY id {order} LIMIT ?"
    with _damage_named():
        rows = db.execute(query, values).fetchall()
    return tuple(
        Written(row[0], AuditEntry(*row[1:6]), bytes(row[6]).hex())
        for row in (reversed(rows) if after is None else rows)
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
    with _damage_named():
        count = verify(db)
        _, last = last_link(db)
        known = [bytes(row[0]).hex() for row in db.execute("SELECT digest FROM audit")]
    if digest and not any(each.startswith(digest.lower()) for each in known):
        raise StoreError(f"no entry has the digest {digest}: entries have been cut off")
    return count, bytes(last).hex()


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the file is damaged ({error}): take what a copy of it says") from None


def _storable(text: str) -> str:
    """*text* without what no file can hold: JSON from outside may name half a character."""
    return text.encode(errors="replace").decode()
