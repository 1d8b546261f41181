"""One time limit for many searches: what one of them leaves over, the next ones have."""

from __future__ import annotations

from dataclasses import replace

from optimizer.profiles.improve import Effort


class TimeLeft:
    """The time limit of an effort, from its making on; none if the effort has none."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        clock, limit_s = effort.clock, effort.time_limit_s
        self._until_s = clock() + limit_s if clock is not None and limit_s is not None else None

    def effort(self, share: float = 1.0) -> Effort:
        """The same effort, limited to *share* of the time that is left."""
        if self._until_s is None or self._effort.clock is None:
            return self._effort
        left_s = max(self._until_s - self._effort.clock(), 0.0)
        return replace(self._effort, time_limit_s=share * left_s)
