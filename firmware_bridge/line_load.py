"""How long one round of a line takes, and whether that fits into the second it is meant for.

A round is one turn of every cabinet on the line: from one poll to the next. What counts is the time
that requests and their answers take. What is lost on cabinets that do not answer does not: a cut
wire is no heavy load.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

ROUND_S = 1.0
"""Every cabinet is polled once in this time."""
EASED = 0.9
"""A line that could not keep up can again once a round takes this part of the time."""
TURNS = 10
"""Turns of a cabinet that are averaged: not every one reads events, and few upload a plan."""
FORGOTTEN_S = 10.0
"""A cabinet that is not polled any more is off the line after this."""


@dataclass(slots=True)
class _Turns:
    """What the turns of one cabinet took."""

    begun_s: float
    before_s: float
    """When the turn before began."""
    spent_s: float = 0.0
    last_s: deque[float] = field(default_factory=lambda: deque(maxlen=TURNS))

    @property
    def mean_s(self) -> float:
        return sum(self.last_s) / len(self.last_s) if self.last_s else 0.0


class LineLoad:
    """The load of one line, told of every turn and every request; times are monotonic."""

    def __init__(self) -> None:
        self._turns: dict[int, _Turns] = {}
        self._too_much = False

    @property
    def cabinets(self) -> int:
        """How many are polled."""
        return len(self._turns)

    @property
    def round_s(self) -> float:
        """What one turn of all of them takes."""
        return self.without(())

    @property
    def too_much(self) -> bool:
        """Whether that is more than there is time for."""
        return self._too_much

    def without(self, units: Collection[int]) -> float:
        """What one turn takes of all but *units*, in seconds."""
        return sum(turns.mean_s for unit, turns in self._turns.items() if unit not in units)

    def begin(self, unit: int, now_s: float) -> None:
        """The turn of *unit* begins, and the one before is over."""
        turns = self._turns.get(unit)
        if turns is None:
            self._turns[unit] = _Turns(now_s, now_s)
        else:
            turns.last_s.append(turns.spent_s)
            turns.before_s, turns.begun_s, turns.spent_s = turns.begun_s, now_s, 0.0
        gone = [u for u, each in self._turns.items() if now_s - each.begun_s > FORGOTTEN_S]
        for each in gone:
            del self._turns[each]
        self._too_much = self.round_s > (EASED * ROUND_S if self._too_much else ROUND_S)

    def rank(self, unit: int, now_s: float) -> float:
        """What a request of *unit* is sorted by, lowest first, when others wait as well.

        That is when its last turn but this began. What it asks for beyond an ordinary turn (a plan
        is uploaded) waits as if the others had been asked for as much.
        """
        turns = self._turns.get(unit)
        if turns is None:
            return now_s
        return turns.before_s + len(self._turns) * max(0.0, turns.spent_s - turns.mean_s)

    def spend(self, unit: int, took_s: float) -> None:
        """*unit* was asked and answered in so long; outside of any turn this does not count."""
        turns = self._turns.get(unit)
        if turns is not None:
            turns.spent_s += took_s
