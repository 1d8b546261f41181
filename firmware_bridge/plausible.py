"""Whether one picture of a cabinet can follow another.

Not every line has a check sum: on plain TCP a byte that was changed on its way is believed, unless
what it says can't be.
"""

from __future__ import annotations

from firmware_bridge.registers import EVENTS_KEPT
from firmware_bridge.status import CabinetStatus, Counts

CLOCKS_APART_MS = 2_000
"""Both clocks of a cabinet go on alike, but for its time being set."""
VEHICLES_AT_ONCE = 20
VEHICLES_PER_S = 3
"""No detector counts more than that."""


def can_follow(before: CabinetStatus, after: CabinetStatus) -> bool:
    """Whether *after* is what the same life of the cabinet may show next.

    False is no error yet: a cabinet that was switched on or whose time was set shows it as well.
    """
    passed_ms = after.now.mono_ms - before.now.mono_ms
    told_ms = after.now.utc_ms - before.now.utc_ms
    return (
        after.boot_no == before.boot_no
        and passed_ms >= 0
        and abs(told_ms - passed_ms) <= CLOCKS_APART_MS
        and 0 <= after.event_no - before.event_no <= EVENTS_KEPT
        and _can_count(before.counts, after.counts, passed_ms / 1_000)
    )


def _can_count(before: Counts, after: Counts, passed_s: float) -> bool:
    most = VEHICLES_AT_ONCE + VEHICLES_PER_S * passed_s
    moved = after.since(before)
    return all((count or 0) <= most for count in (*moved.entered, *moved.left))
