"""How long to wait before the next try: longer each time, and never in step with others."""

from __future__ import annotations

import random


class BackOff:
    """Doubles from *first_s* up to *most_s*; each wait is a random part, half of it at least."""

    def __init__(self, first_s: float = 1.0, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next_s(self) -> float:
        """The wait before the next try."""
        wait_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(2.0 * self._next_s, self._most_s)
        return wait_s

    def reset(self) -> None:
        """It worked."""
        self._next_s = self._first_s
