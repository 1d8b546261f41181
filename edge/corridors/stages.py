"""Which of a junction's stages a corridor asks for."""

from __future__ import annotations

from controller.intersection import Intersection
from edge.corridors.lamp_watch import LampWatch
from edge.corridors.streets import Turn
from edge.corridors.values import SiteView
from optimizer.corridor.changes import UNKNOWN_S, change_s, hindrance, usual_change_s, walks
from optimizer.corridor.lanes import lanes_of_turn
from optimizer.traffic.layout import layout_of


class SiteTimes:
    """What the desk knows of one *site*; None: nothing but its name."""

    def __init__(self, site: Intersection | None) -> None:
        self.site = site
        self._lanes = layout_of(site).lanes if site is not None else ()
        self._lamps = LampWatch(site) if site is not None else None
        self._usual_s: dict[str, float] = {}
        self._burden: dict[tuple[str, Turn], tuple[int, int]] = {}

    def look(self, now_ms: int, view: SiteView) -> None:
        """It is like this at *now_ms*."""
        if self._lamps is not None:
            self._lamps.look(now_ms, view)

    def change_s(self, now_ms: int, view: SiteView | None, stage: str) -> float:
        """Until *stage* may be green, asked for now; *view* is the last one that was looked at."""
        if view is not None and view.stage == stage:
            return 0.0
        if self.site is None or self._lamps is None or stage not in self.site.mask_of_stage:
            return UNKNOWN_S
        seen_s = None if view is None else self._lamps.change_s(now_ms, stage)
        if seen_s is not None:
            return seen_s
        if view is None or view.stage not in self.site.mask_of_stage:
            return self.usual_s(stage)
        return change_s(self.site, view.stage, view.green_ms, stage)

    def usual_s(self, stage: str) -> float:
        """Until *stage* may be green, asked for at any time."""
        if self.site is None or stage not in self.site.mask_of_stage:
            return UNKNOWN_S
        if stage not in self._usual_s:
            self._usual_s[stage] = usual_change_s(self.site, stage)
        return self._usual_s[stage]

    def _hindrance(self, site: Intersection, stage: str, turn: Turn) -> tuple[int, int]:
        """What keeps a vehicle from making *turn* in *stage*: vehicles, and crossings."""
        found = self._burden.get((stage, turn))
        if found is None:
            lanes = lanes_of_turn(self._lanes, turn.lanes)
            found = hindrance(site, turn.groups, lanes, stage), walks(site, turn.groups, stage)
            self._burden[stage, turn] = found
        return found

    def choose(
        self,
        turn: Turn,
        following: Turn | None,
        view: SiteView | None,
        tried: frozenset[str] = frozenset(),
    ) -> str:
        """The stage for *turn*: one of those in which least is in the way.

        One that was *tried* in vain comes last. Among equals, one that serves the *following* turn
        at the same junction too; the present one; then the one that lets most of those go who
        wait. Else the map's first one.
        """
        site = self.site
        known = [stage for stage in turn.stages if site and stage in site.mask_of_stage]
        if site is None or not known:
            return turn.stages[0] if turn.stages else ""
        both = set(following.stages) if following is not None else set()

        def rank(stage: str) -> tuple[bool, int, bool, int, bool, float, int]:
            present = view is not None and view.stage == stage
            hindered, crossings = self._hindrance(site, stage, turn)
            return (
                stage in tried,
                hindered,
                bool(both) and stage not in both,
                crossings,
                not present,
                -self._waiting_veh(stage, view),
                known.index(stage),
            )

        return min(known, key=rank)

    def _waiting_veh(self, stage: str, view: SiteView | None) -> float:
        if view is None or self.site is None or len(view.queue_veh) != len(self._lanes):
            return 0.0
        mask = self.site.mask_of_stage[stage]
        pairs = zip(view.queue_veh, self._lanes, strict=True)
        return sum(queue_veh for queue_veh, lane in pairs if lane.groups & mask)

    def others_veh(self, turn: Turn, stage: str, view: SiteView | None) -> float:
        """Vehicles that wait, and are not served by *stage*."""
        if view is None or self.site is None or len(view.queue_veh) != len(self._lanes):
            return 0.0
        return max(0.0, sum(view.queue_veh) - self._waiting_veh(stage, view))


def longest_of(lanes: tuple[int, ...], vehicles: tuple[float, ...]) -> float:
    """The most of *vehicles* on one of *lanes*; what nobody counts is none."""
    return max((vehicles[lane] for lane in lanes if 0 <= lane < len(vehicles)), default=0.0)
