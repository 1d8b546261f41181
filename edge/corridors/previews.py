"""What a corridor would be, before anybody is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.clock import Instant
from edge.corridors.errors import CorridorError
from edge.corridors.journey import Journey
from edge.corridors.routes import SIGNAL_WAIT_S
from edge.corridors.stages import SiteTimes, longest_of
from edge.corridors.stop import cannot_reach
from edge.corridors.values import PassageState, Preview, SiteView, Wish
from edge.corridors.way import Way
from optimizer.corridor.windows import WindowSettings

GOOD_FOR_MS = 60_000
KEPT_MAX = 1_000
LEVEL_MAX = 14
DURATION_MAX_S = 7_200.0
CROSS_FLOW_VEH_PER_S = 0.25
"""Vehicles that come, at one junction, to the approaches that a corridor keeps waiting."""


class Previews:
    """Previews that are still good."""

    def __init__(self) -> None:
        self._kept: dict[str, Preview] = {}

    def keep(self, now: Instant, preview: Preview) -> None:
        """Remember *preview*; those that have expired go."""
        kept = (each for each in self._kept.values() if each.expires_utc_ms > now.utc_ms)
        self._kept = {each.id: each for each in list(kept)[-KEPT_MAX:]}
        self._kept[preview.id] = preview

    def find(self, now: Instant, name: str) -> Preview:
        """Raises :class:`CorridorError` ``expired-preview``."""
        found = self._kept.get(name)
        if found is None or found.expires_utc_ms <= now.utc_ms:
            raise CorridorError(
                "expired-preview",
                f"preview {name!r} is not good any more (after {GOOD_FOR_MS // 1_000} s traffic "
                "has changed): make a new one",
            )
        return found


def check_wish(wish: Wish) -> None:
    """Raise :class:`CorridorError` ``bad-wish`` for what can't be meant."""
    if not wish.vehicle.strip():
        raise CorridorError("bad-wish", "the vehicle has no name: say which it is")
    if not 0 <= wish.level <= LEVEL_MAX:
        raise CorridorError("bad-wish", f"level {wish.level} is outside 0..{LEVEL_MAX}")
    duration_s = wish.max_duration_s
    if not (math.isfinite(duration_s) and 1.0 <= duration_s <= DURATION_MAX_S):
        raise CorridorError(
            "bad-wish", f"a corridor lasts 1 to {DURATION_MAX_S:g} s, not {duration_s:g} s"
        )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a preview looks at besides its own way; *others* are the corridors under way."""

    views: Mapping[str, SiteView]
    sites: Mapping[str, SiteTimes]
    others: Sequence[Journey]
    settings: WindowSettings


def sketch(now: Instant, name: str, wish: Wish, way: Way, around: Surroundings) -> Preview:
    """The preview of *wish* along *way*, as if the vehicle set off now."""
    views, sites, settings = around.views, around.sites, around.settings
    journey = Journey(now, name, 0, wish, "", way)
    journey.plan_stops(way.lines, views, sites)
    journey.look_ahead(now, views, sites, settings)
    without_s, others_s = way.free_s, 0.0
    for stop in journey.stops:
        view = views.get(stop.site)
        queue_veh = longest_of(stop.line.turn.lanes, view.queue_veh) if view is not None else 0.0
        without_s += SIGNAL_WAIT_S + settings.headway_s * queue_veh
        if stop.window is not None:
            held_s = stop.window.eta_s - stop.window.green_from_s
            waiting = sites[stop.site].others_veh(stop.line.turn, stop.stage, view)
            others_s += held_s * (waiting + CROSS_FLOW_VEH_PER_S * held_s / 2.0)
    eta_s = ((journey.corridor(now).eta_utc_ms or now.utc_ms) - now.utc_ms) / 1_000.0
    return Preview(
        id=name,
        wish=wish,
        route=way.route,
        passages=journey.passages(now),
        length_m=way.length_m,
        eta_s=eta_s,
        without_s=max(without_s, eta_s),
        others_delay_s=others_s,
        remarks=tuple(_remarks(journey, views, around.others)),
        expires_utc_ms=now.utc_ms + GOOD_FOR_MS,
    )


def _remarks(
    journey: Journey, views: Mapping[str, SiteView], others: Sequence[Journey]
) -> list[str]:
    remarks = []
    for site in dict.fromkeys(stop.site for stop in journey.stops):
        view = views.get(site)
        if view is not None and not view.reachable:
            remarks.append(cannot_reach(site))
    ours = {stop.site: stop for stop in journey.stops}
    for other in others:
        shared = [
            stop
            for stop in other.stops
            if stop.site in ours and not stop.is_done and ours[stop.site].stage != stop.stage
        ]
        for stop in shared:
            until_s = max(0.0, stop.window.eta_s) if stop.window is not None else 0.0
            state = "held" if stop.state is PassageState.HELD else "wanted"
            remarks.append(
                f"{stop.site} is {state} by {other.wish.vehicle}, level {other.wish.level}, "
                f"for about {until_s:.0f} s more"
            )
    return remarks
