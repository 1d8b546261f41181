"""What the lamps of a site were seen to show, and how long a change takes from there.

Who knows where a change under way leads, and since when each group is green, need not guess: what
is guessed too long is asked for too early, and others wait for it; what is guessed too short, the
vehicle waits for. Of walks the worst is assumed: they may begin up to the very call. And where
people walk, a stage that is let go is long in coming back: there a change under way counts as
usual, so that the stage is asked for while it comes. (In trials on development seeds exact times
cost the vehicle more there than they spare the others.)
"""

from __future__ import annotations

from controller.change import prepare
from controller.intersection import Intersection, bits
from controller.lamps import LONG_AGO_MS, LampState
from edge.corridors.values import SiteView
from optimizer.corridor.changes import change_s


class LampWatch:
    """One *site*, look by look; what changed is taken to have changed at the look that saw it."""

    def __init__(self, site: Intersection) -> None:
        self._site = site
        self._view = SiteView()
        self._lamps: LampState | None = None
        self._next: str | None = None
        """Where the change under way leads."""
        self._over_ms = 0
        """When it will be over."""

    def look(self, now_ms: int, view: SiteView) -> None:
        """It is like this at *now_ms*."""
        before, self._view = self._lamps, view
        if view.green is None or view.ending is None:
            self._lamps = self._next = None
            return
        self._lamps = self._seen(now_ms, view.green, view.ending)
        if view.stage is not None or view.next_stage not in self._site.mask_of_stage:
            self._next = None
        elif self._next is None:
            mask = self._site.mask_of_stage[view.next_stage]
            lamps = before or self._lamps
            change = prepare(self._site, lamps, self._site.pedestrian_groups, mask)
            self._next, self._over_ms = view.next_stage, now_ms + change.duration_ms

    def _seen(self, now_ms: int, green: int, ending: int) -> LampState:
        known = self._site.all_groups
        green, ending = green & known, ending & known & ~green
        before = self._lamps or self._first(now_ms, green)
        since_ms, ended_ms = list(before.since_ms), list(before.ended_ms)
        for i in bits((green ^ before.green) | (ending ^ before.ending)):
            since_ms[i] = now_ms
        for i in bits(before.green & ~green | ending & ~before.ending):
            ended_ms[i] = now_ms
        return LampState(green, ending, tuple(since_ms), tuple(ended_ms), green, 0)

    def _first(self, now_ms: int, green: int) -> LampState:
        """Before anything was seen: what is green now has been for as long as its stage."""
        count = len(self._site.groups)
        since_ms = now_ms - self._view.green_ms
        return LampState(green, 0, (since_ms,) * count, (LONG_AGO_MS,) * count, green, 0)

    def change_s(self, now_ms: int, wanted: str) -> float | None:
        """Until stage *wanted* may be green, asked for at *now_ms*; None: the lamps don't say."""
        site, lamps, view = self._site, self._lamps, self._view
        if lamps is None:
            return None
        if view.stage is not None:
            change = prepare(site, lamps, site.pedestrian_groups, site.mask_of_stage[wanted])
            seen_s = (max(0, change.ready_ms - now_ms) + change.duration_ms) / 1_000.0
            return max(seen_s, change_s(site, view.stage, view.green_ms, wanted))
        if self._next is None or site.pedestrian_groups:
            return None
        left_s = max(0, self._over_ms - now_ms) / 1_000.0
        if self._next == wanted:
            return left_s
        return left_s + change_s(site, self._next, 0, wanted)
