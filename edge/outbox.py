"""What waits until the centre has confirmed it: store and forward, in order, of limited size.

Every message has a number that only ever grows (``seq``) and that of the start of the daemon which
wrote it (``boot``). A power cut can take the newest messages, and numbers are then given twice, but
never with the same ``boot``: the pair is unique for ever.

When it is full, the oldest of the least important go first: counts, then events, then the rest.
What went is counted by kind for ever, and every message that is sent carries those counts.
"""

from __future__ import annotations

import sqlite3
import zlib
from dataclasses import dataclass

RANKS = {"counts": 0, "events": 1}
"""The lower, the sooner dropped; all other kinds come last."""
RANK_OTHERS = 2
DROP_AT_ONCE = 100
ROW_BYTES = 40
"""What a message takes beside its body, about."""


@dataclass(frozen=True, slots=True)
class OutMessage:
    """One message as it waits; ``body`` is JSON."""

    seq: int
    boot: int
    kind: str
    utc_ms: int
    body: bytes


@dataclass(slots=True)
class Fill:
    """How full the outbox is."""

    messages: int = 0
    bytes: int = 0


def measure(db: sqlite3.Connection) -> Fill:
    """How full it is now."""
    query = f"SELECT count(*), coalesce(sum(length(body) + {ROW_BYTES}), 0) FROM outbox"
    messages, size = db.execute(query).fetchone()
    return Fill(messages, size)


def append(
    db: sqlite3.Connection, fill: Fill, boot: int, kind: str, utc_ms: int, body: bytes
) -> None:
    """Write one message behind all others."""
    packed = zlib.compress(body, 1)
    db.execute(
        "INSERT INTO outbox (boot, rank, kind, utc_ms, body) VALUES (?,?,?,?,?)",
        (boot, RANKS.get(kind, RANK_OTHERS), kind, utc_ms, packed),
    )
    fill.messages += 1
    fill.bytes += len(packed) + ROW_BYTES


def confirm(db: sqlite3.Connection, fill: Fill, boot: int, seq: int) -> None:
    """Forget everything up to message *seq* of start *boot*.

    A number of an earlier start says nothing of messages that a later one wrote under it.
    """
    where = "WHERE seq <= ? AND boot <= ?"
    query = f"SELECT count(*), coalesce(sum(length(body) + {ROW_BYTES}), 0) FROM outbox {where}"
    messages, size = db.execute(query, (seq, boot)).fetchone()
    db.execute(f"DELETE FROM outbox {where}", (seq, boot))
    fill.messages -= messages
    fill.bytes -= size


def trim(db: sqlite3.Connection, fill: Fill, most_bytes: int) -> dict[str, int]:
    """Drop until no more than *most_bytes* wait; returns how many of each kind went."""
    dropped: dict[str, int] = {}
    while fill.bytes > most_bytes and fill.messages:
        rows = db.execute(
            f"SELECT seq, kind, length(body) + {ROW_BYTES} FROM outbox ORDER BY rank, seq LIMIT ?",
            (DROP_AT_ONCE,),
        ).fetchall()
        for seq, kind, size in rows:
            if fill.bytes <= most_bytes:
                break
            db.execute("DELETE FROM outbox WHERE seq = ?", (seq,))
            dropped[kind] = dropped.get(kind, 0) + 1
            fill.messages -= 1
            fill.bytes -= size
    return dropped


def after(db: sqlite3.Connection, seq: int, most: int) -> list[OutMessage]:
    """The next messages behind number *seq*, at most *most*."""
    rows = db.execute(
        "SELECT seq, boot, kind, utc_ms, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
        (seq, most),
    )
    return [
        OutMessage(number, boot, kind, utc_ms, zlib.decompress(body))
        for number, boot, kind, utc_ms, body in rows
    ]
