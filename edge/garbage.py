"""Python's garbage collector, put to work only while no cabinet waits for an answer.

Left to itself it stops everything in the middle of a turn, and for longer the more cabinets there
are. What it has to find here are a few thousand objects a second.
"""

from __future__ import annotations

import gc

ANYWAY = 100_000
"""New objects after which it works all the same, should the rounds leave it no time."""
ALL_EVERY = 60
"""Calls of :meth:`Garbage.clear` from one look at everything to the next."""


class Garbage:
    """For the whole process."""

    def __init__(self) -> None:
        self._calls = 0

    def settle(self) -> None:
        """What is here now stays: no need to look through it again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(ANYWAY, *gc.get_threshold()[1:])

    def clear(self) -> None:
        """Collect what has come since the last call; to be called once a second."""
        self._calls += 1
        gc.collect(2 if self._calls % ALL_EVERY == 0 else 1)
