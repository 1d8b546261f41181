"""How long the store keeps what, and removing what is older, a little at a time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from edge import audit_chain
from edge.settings import StoreSettings
from edge.write_queue import ROWS_MAX

PRUNE_ROWS = 5_000
"""In one go, so that no transaction takes long."""
PRUNE_ROUNDS = 20
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is kept, and how much may wait to be confirmed."""

    counts_days: int = 90
    events_days: int = 14
    audit_days: int = 365
    outbox_bytes: int = 1_024_000_000
    queue_rows: int = ROWS_MAX

    @classmethod
    def of(cls, settings: StoreSettings) -> Retention:
        """As ``site.toml`` says."""
        return cls(
            counts_days=settings.counts_days,
            events_days=settings.events_days,
            audit_days=settings.audit_days,
            outbox_bytes=settings.outbox_mb * 1_000_000,
        )


def prune(db: sqlite3.Connection, retention: Retention, now_utc_ms: int) -> None:
    """Remove what is older than *retention* says, in transactions of limited size."""
    before = now_utc_ms - retention.events_days * DAY_MS
    _prune_events(db, before)
    before = (now_utc_ms - retention.counts_days * DAY_MS) // 60_000
    _prune_counts(db, before)
    before = now_utc_ms - retention.audit_days * DAY_MS
    db.execute("BEGIN IMMEDIATE")
    audit_chain.prune(db, before, PRUNE_ROWS)
    db.execute(
        "DELETE FROM plans WHERE accepted_utc_ms < ? AND sequence_no < (SELECT max(sequence_no) "
        "FROM plans AS same WHERE same.cabinet = plans.cabinet)",
        (before,),
    )
    db.execute("COMMIT")


def _prune_events(db: sqlite3.Connection, before_utc_ms: int) -> None:
    """By time, not by place: a cabinet whose clock was wrong logs old times among the new."""
    oldest = f"SELECT id FROM events WHERE utc_ms < ? ORDER BY utc_ms LIMIT {PRUNE_ROWS}"
    for _ in range(PRUNE_ROUNDS):
        gone = db.execute(f"DELETE FROM events WHERE id IN ({oldest})", (before_utc_ms,)).rowcount
        if gone < PRUNE_ROWS:
            return


def _prune_counts(db: sqlite3.Connection, before: int) -> None:
    oldest = f"SELECT minute FROM counts ORDER BY minute LIMIT {PRUNE_ROWS}"
    for _ in range(PRUNE_ROUNDS):
        last_old = f"SELECT max(minute) FROM ({oldest}) WHERE minute < ?"
        last = db.execute(last_old, (before,)).fetchone()[0]
        if last is None:
            return
        db.execute("DELETE FROM counts WHERE minute <= ?", (last,))
