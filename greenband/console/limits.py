"""How often an agency may ask. What ends a corridor is never counted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Rate:
    """*per_minute* in the long run, and up to *burst* at once."""

    per_minute: float
    burst: int


class Kind(Enum):
    """What is counted apart."""

    REQUEST = "corridor requests"
    PREVIEW = "previews"
    POSITION = "positions"
    PLAN = "plans"
    STREAM = "new event streams"
    SIGN_IN = "sign-ins"
    REFUSAL = "refusals on record"


RATES = {
    Kind.REQUEST: Rate(30, 10),
    Kind.PREVIEW: Rate(120, 30),
    Kind.POSITION: Rate(3_000, 300),
    Kind.PLAN: Rate(30, 20),
    Kind.STREAM: Rate(600, 100),
    Kind.SIGN_IN: Rate(30, 20),
    Kind.REFUSAL: Rate(60, 30),
}


class Limits:
    """Token buckets, one for each agency and kind."""

    def __init__(self, rates: dict[Kind, Rate] | None = None) -> None:
        self._rates = {**RATES, **(rates or {})}
        self._level: dict[tuple[str, Kind], tuple[float, int]] = {}

    def rate(self, kind: Kind) -> Rate:
        """What is allowed of *kind*."""
        return self._rates[kind]

    def take(self, agency: str, kind: Kind, mono_ms: int) -> float:
        """0 if one more is allowed now, else how many seconds to wait."""
        rate = self._rates[kind]
        level, since_ms = self._level.get((agency, kind), (float(rate.burst), mono_ms))
        level = min(float(rate.burst), level + (mono_ms - since_ms) * rate.per_minute / MINUTE_MS)
        allowed = level >= 1.0
        self._level[agency, kind] = (level - 1.0 if allowed else level), mono_ms
        return 0.0 if allowed else (1.0 - level) * 60.0 / rate.per_minute
