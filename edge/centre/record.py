"""What the edges have logged, kept for good: every numbered message once, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import messages
from edge.errors import StoreError
from edge.messages import LogMessage, MessageError
from edge.receiver import LogReceiver

TABLES = """
CREATE TABLE IF NOT EXISTS log (
    edge TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    utc_ms INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (edge, boot, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_by_time ON log (kind, utc_ms);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of an edge."""

    edge: str
    kind: str
    utc_ms: int
    body: dict[str, Any]


class CentreRecord:
    """The log of all edges; raises :class:`StoreError` if *path* can't be opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(TABLES)
        except sqlite3.Error as error:
            raise StoreError(f"{path} can't be opened: {error}") from None
        self._receiver = LogReceiver()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def take(self, edge: str, payload: bytes) -> tuple[LogMessage | None, bytes | None]:
        """Store a log message of *edge*; (the message if it is new, what to confirm).

        Nothing is confirmed that could not be stored: the edge sends it again. Raises
        :class:`MessageError` for one that can't be read or speaks for another edge.
        """
        if messages.read_log_message(payload).edge != edge:
            raise MessageError("it speaks for another edge")
        new, confirmation = self._receiver.take(payload)
        if new is None:
            return None, confirmation
        row = (new.edge, new.boot, new.seq, new.kind, new.utc_ms, json.dumps(new.body))
        try:
            found = self._db.execute("INSERT OR IGNORE INTO log VALUES (?,?,?,?,?,?)", row)
        except sqlite3.Error:
            # As if it had never come: the edge begins again with the first one not confirmed.
            self._receiver = LogReceiver()
            return None, None
        # After a restart of the centre an edge may send what was stored, but not confirmed.
        return (new if found.rowcount else None), confirmation

    def newest(self, kind: str, most: int) -> Iterator[Entry]:
        """The newest messages of a kind (``audit``, ``reply``, ``events``…), newest first."""
        rows = self._db.execute(
            "SELECT edge, kind, utc_ms, body FROM log WHERE kind = ? ORDER BY utc_ms DESC LIMIT ?",
            (kind, most),
        )
        for edge, name, utc_ms, body in rows:
            yield Entry(edge, name, utc_ms, json.loads(body))
