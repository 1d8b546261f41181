"""What is wrong with the edge itself right now, from any thread, and logged once when it begins.

A fault of a cabinet or of the street comes from the controller and the optimizer; an alarm is of
the store, the broker, the clock, or an input that was refused.
"""

from __future__ import annotations

import threading

import structlog

from controller.signals import Fault

_log = structlog.get_logger("edge.alarms")


class Alarms:
    """The alarms that stand, by kind; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standing: dict[str, Fault] = {}
        self._raised: dict[str, int] = {}

    def sound(self, kind: str, message: str) -> None:
        """Let *kind* stand until it is cleared; a new message replaces the last."""
        with self._lock:
            is_new = kind not in self._standing
            self._standing[kind] = Fault(kind, message)
            if is_new:
                self._raised[kind] = self._raised.get(kind, 0) + 1
        if is_new:
            _log.error("alarm", kind=kind, message=message)

    def clear(self, kind: str) -> None:
        """*kind* is over."""
        with self._lock:
            was = self._standing.pop(kind, None)
        if was is not None:
            _log.info("alarm over", kind=kind)

    def standing(self) -> tuple[Fault, ...]:
        """Those that stand now."""
        with self._lock:
            return tuple(self._standing.values())

    def raised(self) -> dict[str, int]:
        """How often each kind has begun since the start."""
        with self._lock:
            return dict(self._raised)
