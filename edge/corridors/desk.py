"""The corridor desk: all green corridors of a centre, from the wish to the last recovery.

Pure: time, positions, views of the sites and answers of the cabinets are handed in, calls to be
made come out. Whoever runs it calls :meth:`CorridorDesk.turn` once a second (and once more right
after a wish, so that its questions go out at once).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from controller.clock import Instant
from controller.intersection import Intersection
from edge.corridors import sentences
from edge.corridors.call_book import CallBook
from edge.corridors.errors import CorridorError
from edge.corridors.granting import Grants
from edge.corridors.journey import Journey
from edge.corridors.previews import Previews, Surroundings, check_wish, sketch
from edge.corridors.progress import Fix
from edge.corridors.routes import check_route, quickest_route
from edge.corridors.stages import SiteTimes
from edge.corridors.stop import Stop
from edge.corridors.streets import Streets
from edge.corridors.values import (
    Call,
    CallAnswer,
    Corridor,
    CorridorState,
    Position,
    Preview,
    SiteView,
    Wish,
)
from edge.corridors.way import Way
from optimizer.corridor.windows import DEFAULTS, WindowSettings

KEPT_MS = 3_600_000
"""So long a corridor can be looked up after it is over."""
KEPT_MAX = 1_000
AHEAD_MAX_MS = 2_000
"""A position from farther in the future is one of a wrong clock."""


class CorridorDesk:
    """All corridors on *streets*.

    *ids* gives a new name for every corridor and preview. *sites*: the intersections by name, whose
    minimum times and intergreens say how long a change takes; a site that is missing is assumed to
    need :data:`optimizer.corridor.changes.UNKNOWN_S`.
    """

    def __init__(
        self,
        streets: Streets,
        ids: Callable[[], str],
        sites: Mapping[str, Intersection] | None = None,
        settings: WindowSettings = DEFAULTS,
    ) -> None:
        known = sites or {}
        names = {turn.site for turns in streets.turns.values() for turn in turns if turn.site}
        self._streets = streets
        self._ids = ids
        self._settings = settings
        self._sites = {name: SiteTimes(known.get(name)) for name in sorted(names)}
        self._views: dict[str, SiteView] = {}
        self._journeys: dict[str, Journey] = {}
        self._shown: dict[str, Corridor] = {}
        self._previews = Previews()
        self._book = CallBook()
        self._grants = Grants(self._sites, self._views, self._book)
        self._opened = 0
        self._now = Instant(0, 0)
        self.changes = 0
        """How often something changed that a dispatcher has to see."""

    @property
    def corridors(self) -> Mapping[str, Corridor]:
        """All corridors by id, oldest first; those that are over stay for an hour."""
        return dict(self._shown)

    def corridor(self, corridor: str) -> Corridor:
        """Raises :class:`CorridorError` ``unknown-corridor``."""
        self._journey(corridor)
        return self._shown[corridor]

    def of_vehicle(self, vehicle: str) -> Corridor:
        """The corridor of *vehicle* that is under way; raises ``unknown-vehicle`` if none is."""
        for journey in self._journeys.values():
            if journey.wish.vehicle == vehicle and journey.is_under_way:
                return self._shown[journey.name]
        raise CorridorError(
            "unknown-vehicle", f"{vehicle} has no corridor under way: open one for it first"
        )

    def preview(self, now: Instant, wish: Wish) -> Preview:
        """What a corridor would be; good for a minute.

        Raises :class:`CorridorError`: ``bad-wish``, ``unknown-street``, ``no-route``,
        ``no-signals``, ``vehicle-busy``.
        """
        now = self._at(now)
        way = self._way_for(wish, None)
        others = [each for each in self._journeys.values() if each.is_under_way]
        sites = Surroundings(self._views, self._sites, others, self._settings)
        made = sketch(now, self._ids(), wish, way, sites)
        self._previews.keep(now, made)
        return made

    def previewed(self, now: Instant, preview: str) -> Preview:
        """A preview by its id; raises ``expired-preview`` (or one that never was)."""
        return self._previews.find(self._at(now), preview)

    def open(
        self, now: Instant, wish: Wish, caller: str, route: tuple[str, ...] | None = None
    ) -> Corridor:
        """Open a corridor, on *route* (a preview's) if given; it is pending.

        Raises as :meth:`preview`.
        """
        now = self._at(now)
        way = self._way_for(wish, route)
        name = next(name for name in iter(self._ids, None) if name not in self._journeys)
        return self._begin(now, Journey(now, name, self._next_no(), wish, caller, way))

    def resume(
        self, now: Instant, corridor: str, wish: Wish, caller: str, opened_utc_ms: int
    ) -> Corridor:
        """Go on with a *corridor* that was opened before a restart, on the route of its *wish*.

        It is pending; nothing is held before its vehicle has said where it is now. Its maximum
        duration goes on from when it was opened. Raises as :meth:`preview`.
        """
        now = self._at(now)
        way = self._way_for(wish, None)
        opened = Instant(now.mono_ms - max(0, now.utc_ms - opened_utc_ms), opened_utc_ms)
        journey = Journey(opened, corridor, self._next_no(), wish, caller, way, resumed=True)
        return self._begin(now, journey)

    def _next_no(self) -> int:
        self._opened += 1
        return self._opened

    def _begin(self, now: Instant, journey: Journey) -> Corridor:
        journey.plan_stops(journey.progress.way.lines, self._views, self._sites)
        journey.put_questions(now, self._book)
        journey.look_ahead(now, self._views, self._sites, self._settings)
        self._journeys[journey.name] = journey
        return self._show(now, journey)

    def report(self, now: Instant, corridor: str, position: Position) -> Corridor:
        """The vehicle is at *position*; off the route it gets a new one to its destination.

        Where it is while its junctions recover changes nothing. A report older than the last one
        is ignored. Raises ``unknown-corridor``, ``over``, and ``bad-position`` for a street that
        the map does not have or a time in the future.
        """
        now = self._at(now)
        journey = self._journey(corridor)
        if journey.state is CorridorState.RECOVERING:
            return self._show(now, journey)
        journey = self._under_way(corridor)
        fixed_ms = now.mono_ms - self._age_ms(now, position)
        fix = journey.progress.take(position, fixed_ms)
        if fix is Fix.OFF_ROUTE:
            self._leave_route(now, journey, position, fixed_ms)
        elif fix is Fix.ON_ROUTE:
            journey.stay_on_way()
        journey.advance(now, self._book, self._views)
        return self._show(now, journey)

    def reroute(
        self, now: Instant, corridor: str, route_or_destination: tuple[str, ...] | str
    ) -> Corridor:
        """Go on by another route, or to another destination, from where the vehicle is.

        A route begins with the street on which the vehicle is. Raises ``unknown-corridor``,
        ``over``, and as :meth:`preview`; then nothing has changed.
        """
        now = self._at(now)
        journey = self._under_way(corridor)
        here, at_m = journey.place
        if isinstance(route_or_destination, str):
            route = quickest_route(self._streets, here, route_or_destination)
        else:
            route = tuple(route_or_destination)
        if route and route[0] != here:
            raise CorridorError(
                "no-route", f"{journey.wish.vehicle} is on {here}: the route has to begin there"
            )
        check_route(self._streets, route)
        journey.wish = replace(journey.wish, destination=route[-1], route=route)
        self._take_way(now, journey, route, at_m)
        return self._show(now, journey)

    def cancel(self, now: Instant, corridor: str, why: str) -> Corridor:
        """Let go of all junctions: recovering, then cancelled. One that is over stays as it is.

        Raises ``unknown-corridor``.
        """
        return self._finish(now, corridor, CorridorState.CANCELLED, why or "cancelled")

    def end(self, now: Instant, corridor: str) -> Corridor:
        """The vehicle has arrived, or needs no more: recovering, then closed.

        Raises ``unknown-corridor``.
        """
        return self._finish(now, corridor, CorridorState.CLOSED, "ended: no more is needed")

    def see(self, now: Instant, site: str, view: SiteView) -> None:
        """What *site* shows now; sites that no street leads over are ignored."""
        now = self._at(now)
        if site in self._sites:
            self._views[site] = view
            self._sites[site].look(now.mono_ms, view)

    def hear(self, now: Instant, site: str, number: int, answer: CallAnswer) -> None:
        """What the cabinet of *site* says to call *number*; of unknown calls nothing is kept."""
        now = self._at(now)
        for journey in self._journeys.values():
            if not journey.is_under_way:
                continue
            for stop in journey.stops:
                if stop.site == site and number in {stop.call_no, stop.question_no}:
                    stop.hear(now, self._book, number, answer)
                    journey.advance(now, self._book, self._views)
                    self._show(now, journey)
                    return

    def hear_of(self, now: Instant, site: str, answer: CallAnswer) -> None:
        """What is said of all calls to *site*, such as that its edge obeys none of them."""
        for journey in self._living():
            for stop in journey.stops:
                number = stop.call_no if stop.call_no is not None else stop.question_no
                if stop.site == site and number is not None:
                    self.hear(now, site, number, answer)

    def turn(self, now: Instant) -> tuple[Call, ...]:
        """Plan anew, and give the calls to make, keep up and end now.

        A call that is wanted is repeated every 2 s with 5 s to live; one that is not any more is
        ended, and the end is said twice.
        """
        now = self._at(now)
        wanting: dict[str, list[tuple[Journey, Stop]]] = defaultdict(list)
        soon: dict[str, list[tuple[Journey, Stop]]] = defaultdict(list)
        living = self._living()
        for journey in living:
            journey.advance(now, self._book, self._views)
            if not journey.is_under_way:
                continue
            journey.put_questions(now, self._book)
            for stop in journey.look_ahead(now, self._views, self._sites, self._settings):
                wanting[stop.site].append((journey, stop))
            for stop in journey.wants_soon(now):
                soon[stop.site].append((journey, stop))
        self._grants.give(now, living, wanting, soon)
        for journey in living:
            self._show(now, journey)
        self._forget(now)
        return self._book.due(now.mono_ms)

    def _finish(self, now: Instant, corridor: str, final: CorridorState, note: str) -> Corridor:
        now = self._at(now)
        journey = self._journey(corridor)
        if journey.is_under_way:
            journey.finish(now, self._book, final, note)
        return self._show(now, journey)

    def _way_for(self, wish: Wish, route: tuple[str, ...] | None) -> Way:
        check_wish(wish)
        for journey in self._journeys.values():
            if journey.wish.vehicle == wish.vehicle and journey.is_under_way:
                raise CorridorError(
                    "vehicle-busy",
                    f"{wish.vehicle} has corridor {journey.name} already: reroute or end that",
                )
        chosen = tuple(route or wish.route)
        if not chosen:
            chosen = quickest_route(self._streets, wish.origin, wish.destination)
        check_route(self._streets, chosen)
        return Way(self._streets, chosen)

    def _leave_route(
        self, now: Instant, journey: Journey, position: Position, fixed_ms: int
    ) -> None:
        """The vehicle has taken another way: on to its destination from there."""
        try:
            destination = journey.progress.way.route[-1]
            route = quickest_route(self._streets, position.street, destination)
        except CorridorError:
            journey.lose_way(now, self._book, position)
            journey.note = sentences.off_the_map(journey.wish.vehicle)
            return
        self._take_way(now, journey, route, position.at_m)
        journey.progress.take(position, fixed_ms)

    def _take_way(
        self, now: Instant, journey: Journey, route: tuple[str, ...], at_m: float
    ) -> None:
        way = Way(self._streets, route)
        distance_m = way.distance_m(0, at_m)
        journey.change_way(now, self._book, way, distance_m, self._views, self._sites)
        journey.put_questions(now, self._book)

    def _age_ms(self, now: Instant, position: Position) -> int:
        age_ms = now.utc_ms - position.utc_ms
        if position.street not in self._streets.streets:
            raise CorridorError(
                "bad-position",
                f"there is no street {position.street!r} on the map of {self._streets.name}: "
                "match the position to one of its streets",
            )
        if age_ms < -AHEAD_MAX_MS:
            raise CorridorError(
                "bad-position",
                f"the position is {-age_ms / 1_000.0:.0f} s ahead of our clock: "
                "set the clock of whoever sends it",
            )
        return max(0, age_ms)

    def _journey(self, corridor: str) -> Journey:
        try:
            return self._journeys[corridor]
        except KeyError:
            raise CorridorError(
                "unknown-corridor",
                f"there is no corridor {corridor!r}: it was never opened, or is long over",
            ) from None

    def _under_way(self, corridor: str) -> Journey:
        journey = self._journey(corridor)
        if not journey.is_under_way:
            state = journey.state.value
            raise CorridorError("over", f"corridor {corridor} is {state}: open a new one")
        return journey

    def _living(self) -> list[Journey]:
        return [each for each in self._journeys.values() if not each.state.is_over]

    def _show(self, now: Instant, journey: Journey) -> Corridor:
        before = self._shown.get(journey.name)
        shown = self._shown[journey.name] = journey.corridor(now)
        if before is None or _news(shown) != _news(before):
            self.changes += 1
        return shown

    def _forget(self, now: Instant) -> None:
        over = [each for each in self._journeys.values() if each.over_ms is not None]
        old = [each for each in over if now.mono_ms - (each.over_ms or 0) > KEPT_MS]
        surplus = over[: max(0, len(over) - KEPT_MAX)]
        for journey in {id(each): each for each in (*old, *surplus)}.values():
            del self._journeys[journey.name], self._shown[journey.name]

    def _at(self, now: Instant) -> Instant:
        """*now*; a clock that goes back stands still here."""
        if now.mono_ms < self._now.mono_ms:
            now = Instant(self._now.mono_ms, now.utc_ms)
        self._now = now
        return now


def _news(shown: Corridor) -> tuple[object, ...]:
    """What of a corridor is worth telling at once; times move on all the time."""
    passages = [(each.state, each.why, each.stage, each.back_utc_ms) for each in shown.passages]
    return shown.state, shown.note, shown.route, passages
