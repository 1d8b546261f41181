"""What is put on record for good, or let go where there is no store."""

from __future__ import annotations

import json
from collections.abc import Mapping

from controller.clock import Instant
from edge.audit_chain import AuditEntry
from edge.records import Audited, Message, Record
from edge.store import Store


class Journal:
    """Writes into *store*, if there is one; never waits."""

    def __init__(self, store: Store | None) -> None:
        self._store = store

    def add(self, record: Record) -> None:
        """Have *record* kept."""
        if self._store is not None:
            self._store.add(record)

    def audit(
        self, now: Instant, action: str, cabinet: str, detail: Mapping[str, object] | None = None
    ) -> None:
        """The edge did *action* to *cabinet*."""
        text = json.dumps(detail or {}, ensure_ascii=False, separators=(",", ":"))
        self.add(Audited(AuditEntry(now.utc_ms, "edge", action, cabinet, text)))

    def reply(self, now: Instant, body: Mapping[str, object]) -> None:
        """Tell the centre what became of its order."""
        self.add(Message("reply", now.utc_ms, body))
