"""One second of the daemon, as everybody in it is told."""

from __future__ import annotations

from dataclasses import dataclass

from controller.clock import Instant

UTC_SET_MS = 1_735_689_600_000
"""The beginning of 2025: a clock before that has never been set."""


@dataclass(frozen=True, slots=True)
class Beat:
    """``now`` is when the tick was due: the control sees whole seconds, however late it is."""

    now: Instant
    clock_step_ms: int = 0
    clock_trusted: bool = True


def is_set(utc_ms: int) -> bool:
    """Whether a clock that shows *utc_ms* can be right."""
    return utc_ms >= UTC_SET_MS
