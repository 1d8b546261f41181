"""A process that writes into a store until it is killed, and says what is committed."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path

from controller.signals import Event
from edge.alarms import Alarms
from edge.audit_chain import AuditEntry
from edge.records import Audited, Confirmed, Events
from edge.store import Retention, Store


def write(path: Path, first: int, committed: Connection) -> None:
    store = Store(path, Retention(), Alarms())
    number = first
    while True:
        now_ms = time.time_ns() // 1_000_000
        events = tuple(Event(now_ms, 82, number) for _ in range(20))
        store.add(Events(now_ms, {"J1": events}))
        store.add(Audited(AuditEntry(now_ms, "test", "wrote", "J1", f'{{"n": {number}}}')))
        done = store.add_and_tell(None)
        if number % 7 == 0:
            waiting = store.messages_after(0, 1)
            if waiting:
                store.add(Confirmed(waiting[0].boot, waiting[0].seq))
        done.result(20)
        committed.send(number)
        number += 1
