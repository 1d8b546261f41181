"""Time as the controller is told it.

The controller never reads a clock. Every call to :func:`controller.core.step` is handed an
:class:`Instant`; intervals (minimum greens, yellows, clearances) run on its monotonic part,
coordination and schedules by time of day on its UTC part, so that a clock step can never cut
an interval short.
"""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    """One moment on both clocks, in integer milliseconds."""

    mono_ms: int
    """Monotonic time since an arbitrary origin; never goes back."""
    utc_ms: int
    """UTC since 1970-01-01; may step in either direction."""

    def after(self, elapsed_ms: int) -> Instant:
        """The instant *elapsed_ms* later, on clocks that agree."""
        return Instant(self.mono_ms + elapsed_ms, self.utc_ms + elapsed_ms)
