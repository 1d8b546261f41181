"""The plans a cabinet is delivered with, by time of day: what it runs when nobody tells it else."""

from __future__ import annotations

from typing import NamedTuple

from controller.plan import CheckedPlan

MINUTES_PER_DAY = 1_440


class DayPlans(NamedTuple):
    """Plans and the minute of the day (UTC) from which each runs, in ascending order."""

    entries: tuple[tuple[int, CheckedPlan], ...] = ()

    def at(self, utc_ms: int) -> CheckedPlan | None:
        """The plan at *utc_ms*: the last that began; before the first it is yesterday's last."""
        if not self.entries:
            return None
        minute = utc_ms // 60_000 % MINUTES_PER_DAY
        begun = [plan for begin, plan in self.entries if begin <= minute]
        return begun[-1] if begun else self.entries[-1][1]


def all_day(plan: CheckedPlan | None) -> DayPlans:
    """*plan* at any time; without one the cabinet runs isolated and actuated."""
    return DayPlans() if plan is None else DayPlans(((0, plan),))
