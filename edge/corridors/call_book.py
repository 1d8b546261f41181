"""The calls that are made, kept up and ended: none is forgotten, none outlives its limit."""

from __future__ import annotations

from dataclasses import dataclass

from edge.corridors.values import Call

REPEAT_MS = 2_000
TTL_MS = 5_000
QUESTION_REPEAT_MS = 1_000
QUESTIONS = 3
"""How often a question is put before the junction counts as unreachable."""
ENDS = 2
"""How often an end is said; a cabinet that hears neither drops the call when its life is over."""
HOLD_MAX_MS = 100_000
"""No call lives longer, whatever happens; cabinets cut at 120 s."""
NUMBER_MAX = (1 << 32) - 1


@dataclass(slots=True)
class _Entry:
    corridor: str
    site: str
    number: int
    level: int
    stage: str
    begun_ms: int
    due_ms: int
    ends_left: int = 0
    """0: it is kept up."""
    every_ms: int = REPEAT_MS


class CallBook:
    """All calls of a desk; numbers are given once, also over restarts of the centre."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._last_no = 0

    def begin(
        self, now_ms: int, utc_ms: int, corridor: str, site: str, level: int, stage: str
    ) -> int:
        """Make a call; its number."""
        number = self._next_no(utc_ms)
        self._entries[number] = _Entry(corridor, site, number, level, stage, now_ms, now_ms)
        return number

    def question(
        self, now_ms: int, utc_ms: int, corridor: str, site: str, level: int, stage: str
    ) -> int:
        """Ask whether the cabinet can be asked; the number of the question."""
        number = self._next_no(utc_ms)
        entry = _Entry(corridor, site, number, level, stage, now_ms, now_ms, QUESTIONS)
        entry.every_ms = QUESTION_REPEAT_MS
        self._entries[number] = entry
        return number

    def end(self, now_ms: int, number: int) -> None:
        """Let go of a call; one that ends already goes on ending."""
        entry = self._entries.get(number)
        if entry is not None and not entry.ends_left:
            entry.ends_left, entry.due_ms = ENDS, now_ms

    def answered(self, number: int) -> None:
        """A question has its answer."""
        entry = self._entries.get(number)
        if entry is not None and entry.ends_left and entry.every_ms == QUESTION_REPEAT_MS:
            del self._entries[number]

    def age_ms(self, now_ms: int, number: int) -> int:
        """How old a call is; 0 for one that is over."""
        entry = self._entries.get(number)
        return now_ms - entry.begun_ms if entry is not None else 0

    def due(self, now_ms: int) -> tuple[Call, ...]:
        """The calls to be sent now."""
        return tuple(
            self._sent(now_ms, entry)
            for entry in list(self._entries.values())
            if now_ms >= entry.due_ms
        )

    def _sent(self, now_ms: int, entry: _Entry) -> Call:
        if not entry.ends_left and now_ms - entry.begun_ms >= HOLD_MAX_MS - TTL_MS:
            entry.ends_left = ENDS
        ttl_ms = 0 if entry.ends_left else TTL_MS
        entry.due_ms = now_ms + entry.every_ms
        if entry.ends_left:
            entry.ends_left -= 1
            if not entry.ends_left:
                del self._entries[entry.number]
        return Call(
            corridor=entry.corridor,
            site=entry.site,
            number=entry.number,
            level=entry.level,
            stage=entry.stage,
            ttl_ms=ttl_ms,
        )

    def _next_no(self, utc_ms: int) -> int:
        """Seconds of the day's date, so that a restarted centre does not begin with old ones."""
        self._last_no = max(self._last_no + 1, utc_ms // 1_000)
        return self._last_no % NUMBER_MAX + 1
