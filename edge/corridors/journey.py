"""One corridor as the desk keeps it: its vehicle's progress, its stops, its life."""

from __future__ import annotations

from collections.abc import Mapping

from controller.clock import Instant
from edge.corridors import sentences
from edge.corridors.call_book import HOLD_MAX_MS, TTL_MS, CallBook
from edge.corridors.progress import BLOCKED_MS, LOST_MS, PARKED_MS, Progress
from edge.corridors.stages import SiteTimes, longest_of
from edge.corridors.stop import AGAIN_MS, Stop
from edge.corridors.values import (
    Corridor,
    CorridorState,
    Passage,
    PassageState,
    Position,
    SiteView,
    Wish,
)
from edge.corridors.way import Line, Way
from optimizer.corridor.windows import SPACING_M, Approach, WindowSettings, windows

Views = Mapping[str, SiteView]
Sites = Mapping[str, SiteTimes]

STUCK_MS = 20_000
"""Standing for so long in front of a green, a vehicle is blocked by who wants another one."""
START_WAVE_M_PER_S = 4.5
"""A queue starts to move at its head; the last one knows it so much later."""
DROP_S = 40.0
"""A call that was made is let go when the vehicle turns out to be so much too early for it."""
CHOOSE_S = 30.0
"""So long before a junction is asked its stage is chosen anew, every second."""
_HAS_ANSWER = frozenset({PassageState.GRANTED, PassageState.HELD, PassageState.QUEUED})


class Journey:
    """A corridor under way; *opened_no* counts all corridors of the desk.

    *resumed*: it was opened by a centre that has started anew since.
    """

    def __init__(
        self,
        now: Instant,
        name: str,
        opened_no: int,
        wish: Wish,
        caller: str,
        way: Way,
        *,
        resumed: bool = False,
    ) -> None:
        self.name = name
        self.opened_no = opened_no
        self.wish = wish
        self.state = CorridorState.PENDING
        self.over_ms: int | None = None
        self.stops: list[Stop] = []
        self.note = ""
        self._caller = caller
        self._resumed = resumed
        self._opened = now
        self._until_ms = now.mono_ms + round(wish.max_duration_s * 1_000)
        self._final = CorridorState.CLOSED
        self._past: list[Stop] = []
        self._off: Position | None = None
        """Where it is, while no way to its destination is known from there."""
        self._eta_s: float | None = None
        self.progress = Progress(way, now.mono_ms)

    def plan_stops(self, lines: tuple[Line, ...], views: Views, sites: Sites) -> None:
        """A stop for each of *lines*; those that stay on the way keep what they have."""
        kept = {stop.line.turn: stop for stop in reversed(self.stops) if not stop.is_done}
        stops = []
        for k, line in enumerate(lines):
            stop = kept.pop(line.turn, None)
            if stop is None:
                stop = Stop(line, choose_stage(lines, k, views, sites))
            stop.line = line
            stops.append(stop)
        self.stops = stops

    @property
    def is_under_way(self) -> bool:
        """Whether it still asks for anything."""
        return self.state in {CorridorState.PENDING, CorridorState.GRANTED, CorridorState.ACTIVE}

    def put_questions(self, now: Instant, book: CallBook) -> None:
        """Ask every junction that has not been asked yet whether it can be called."""
        for stop in self.stops:
            fresh = stop.state is PassageState.PLANNED and not stop.answered
            if (fresh and stop.question_no is None) or stop.asks_again(now.mono_ms):
                stop.ask(now, book, self.name, self.wish.level)

    def change_way(
        self, now: Instant, book: CallBook, way: Way, at_m: float, views: Views, sites: Sites
    ) -> None:
        """Go on along *way*; what is no longer on it is released at once."""
        self.progress.follow(way, at_m)
        self._off = None
        left = self.stops
        self.plan_stops(way.lines, views, sites)
        for stop in left:
            if stop.is_done:
                self._past.append(stop)
            elif stop not in self.stops:
                was_called = stop.call_no is not None
                stop.let_go(now, book, PassageState.RELEASED, "no longer on the way")
                if was_called:
                    self._past.append(stop)

    def stay_on_way(self) -> None:
        """The vehicle is on its way (again)."""
        self._off = None

    @property
    def place(self) -> tuple[str, float]:
        """Its street, and how far along it; on its way or off it."""
        if self._off is not None:
            return self._off.street, self._off.at_m
        return self.progress.place

    def lose_way(self, now: Instant, book: CallBook, position: Position) -> None:
        """No way to its destination is known from *position*: hold nothing until one is."""
        self._off = position
        self._release_all(now, book, PassageState.PLANNED, "")

    def finish(self, now: Instant, book: CallBook, final: CorridorState, note: str) -> None:
        """Let go of everything; *final* is what it is when all junctions are back."""
        self._release_all(now, book, PassageState.RELEASED, note)
        self.state, self._final, self.note = CorridorState.RECOVERING, final, note

    def _release_all(self, now: Instant, book: CallBook, state: PassageState, why: str) -> None:
        for stop in self.stops:
            if not stop.is_done and (state is PassageState.RELEASED or stop.call_no is not None):
                waits = state is PassageState.PLANNED and stop.answered
                stop.let_go(now, book, PassageState.GRANTED if waits else state, why)

    def advance(self, now: Instant, book: CallBook, views: Views) -> None:
        """What time has brought: junctions passed, limits reached, states left behind."""
        if self.is_under_way:
            self._watch(now, book, views)
            self._note_limits(now, book)
            self._come_further(now, book)
        if self.state is CorridorState.RECOVERING:
            done = [stop.recover(now, views.get(stop.site)) for stop in self._past + self.stops]
            if all(done):
                self.state, self.over_ms = self._final, now.mono_ms
        else:
            for stop in self._past + self.stops:
                stop.recover(now, views.get(stop.site))

    def _watch(self, now: Instant, book: CallBook, views: Views) -> None:
        for stop in self.stops:
            if stop.is_done:
                continue
            if self.progress.has_passed(stop.line, now.mono_ms):
                stop.passed_ms = now.mono_ms
                stop.let_go(now, book, PassageState.PASSED, "")
            else:
                stop.watch(now, views.get(stop.site))

    def _note_limits(self, now: Instant, book: CallBook) -> None:
        silent_ms = self.progress.silent_ms(now.mono_ms)
        self.note = ""
        if now.mono_ms >= self._until_ms:
            minutes = self.wish.max_duration_s / 60.0
            self.finish(now, book, CorridorState.EXPIRED, sentences.expired(minutes))
        elif self._off is not None:
            self.note = sentences.off_the_map(self.wish.vehicle)
        elif self.progress.position is None:
            self.note = sentences.no_position(self.wish.vehicle, again=self._resumed)
        elif silent_ms > LOST_MS:
            self._release_all(now, book, PassageState.PLANNED, "")
            self.note = sentences.lost(self.wish.vehicle, silent_ms)
        elif silent_ms:
            self.note = sentences.silent(self.wish.vehicle, silent_ms)
        elif self.is_parked(now.mono_ms):
            self._release_all(now, book, PassageState.PLANNED, "")
            self.note = sentences.parked(self.wish.vehicle)
        still_ms = self.progress.still_ms(now.mono_ms)
        for stop in self.stops:
            if stop.call_no is not None:
                self._cut(now, book, stop)
            stuck_ms = min(stop.held_ms(now.mono_ms), still_ms)
            if stuck_ms >= STUCK_MS + self._start_wave_ms(stop, now.mono_ms):
                self._try_another(now, book, stop)

    def _cut(self, now: Instant, book: CallBook, stop: Stop) -> None:
        """No call is held for longer than it may be."""
        if stop.call_no is None or stop.called_for_ms(now.mono_ms) < HOLD_MAX_MS - TTL_MS:
            return
        silent = self.progress.silent_ms(now.mono_ms)
        why = sentences.held_too_long(stop.site, HOLD_MAX_MS)
        state = PassageState.RELEASED if silent else PassageState.GRANTED
        stop.let_go(now, book, state, why)
        stop.not_before_ms = now.mono_ms + AGAIN_MS

    def _try_another(self, now: Instant, book: CallBook, stop: Stop) -> None:
        """The way is green and the vehicle can't go: somebody before it wants another green."""
        if len(stop.line.turn.stages) > len(stop.tried) + 1:
            stop.tried |= {stop.stage}
            why = sentences.another_stage(stop.site)
            stop.let_go(now, book, PassageState.GRANTED, why)

    def is_parked(self, now_ms: int) -> bool:
        """It stands although its way is green, or for too long whatever the signals."""
        still_ms = self.progress.still_ms(now_ms)
        if still_ms >= BLOCKED_MS:
            return True
        first = next((stop for stop in self.stops if not stop.is_done), None)
        if first is None or still_ms < PARKED_MS:
            return False
        needed_ms = PARKED_MS + self._start_wave_ms(first, now_ms)
        return still_ms >= needed_ms and (
            first.call_no is None or first.held_ms(now_ms) >= needed_ms
        )

    def _start_wave_ms(self, stop: Stop, now_ms: int) -> int:
        """Until the start of a queue has come from the stop line back to the vehicle."""
        distance_m = max(0.0, stop.line.at_m - self.progress.ahead_m(now_ms))
        return round(distance_m / START_WAVE_M_PER_S * 1_000)

    def _come_further(self, now: Instant, book: CallBook) -> None:
        if not self.is_under_way:
            return
        open_stops = [stop for stop in self.stops if not stop.is_done]
        if not open_stops:
            if self._off is None:
                self.finish(now, book, CorridorState.CLOSED, "")
            return
        if any(stop.state is PassageState.HELD for stop in open_stops):
            self.state = CorridorState.ACTIVE
        elif self.state is CorridorState.PENDING:
            self._judge_answers(now, open_stops)

    def _judge_answers(self, now: Instant, stops: list[Stop]) -> None:
        if any(stop.state in {PassageState.PLANNED, PassageState.ASKED} for stop in stops):
            return
        if any(stop.state in _HAS_ANSWER for stop in stops):
            self.state = CorridorState.GRANTED
        elif all(stop.state is PassageState.REFUSED for stop in stops):
            self.state, self.over_ms = CorridorState.REFUSED, now.mono_ms
            self.note = sentences.all_refuse(stops[0].why)
        else:
            self.note = sentences.nobody_answers()

    @property
    def may_want(self) -> bool:
        """Whether it may call junctions at all."""
        return self.is_under_way and self._off is None and self.progress.position is not None

    def look_ahead(
        self, now: Instant, views: Views, sites: Sites, settings: WindowSettings
    ) -> tuple[Stop, ...]:
        """Plan a window for every stop ahead; those whose window has come, in order of the way."""
        open_stops = [stop for stop in self.stops if not stop.is_done]
        at_m = self.progress.ahead_m(now.mono_ms)
        self._choose_stages(open_stops, views, sites)
        approaches = self._approaches(now.mono_ms, open_stops, views, sites)
        found = windows(approaches, standing=self.progress.standing, settings=settings)
        for stop, window in zip(open_stops, found, strict=True):
            stop.window = window
        way = self.progress.way
        self._eta_s = way.free_s - way.free_at_s(at_m)
        if found:
            self._eta_s += found[-1].eta_s - found[-1].free_eta_s
        now_ms = now.mono_ms
        if not self.may_want or self.is_parked(now_ms):
            return ()
        if self.progress.silent_ms(now_ms) > LOST_MS:
            return ()
        return tuple(self._wanting(open_stops, now_ms))

    def wants_soon(self, now: Instant) -> list[Stop]:
        """The stops that it will ask for within :data:`CHOOSE_S`, after :meth:`look_ahead`."""
        silent = self.progress.silent_ms(now.mono_ms) > LOST_MS
        if not self.may_want or silent or self.is_parked(now.mono_ms):
            return []
        return [
            stop
            for stop in self.stops
            if not stop.is_done and stop.window is not None and stop.window.ask_from_s <= CHOOSE_S
        ]

    def _choose_stages(self, stops: list[Stop], views: Views, sites: Sites) -> None:
        """Those that will be asked for soon; a stage that is asked for stays."""
        lines = tuple(stop.line for stop in stops)
        for k, stop in enumerate(stops):
            soon = stop.window is not None and stop.window.ask_from_s < CHOOSE_S
            if soon and stop.call_no is None:
                stop.stage = choose_stage(lines, k, views, sites, stop.tried)

    def _wanting(self, stops: list[Stop], now_ms: int) -> list[Stop]:
        wanting: list[Stop] = []
        sites: set[str] = set()
        for stop in stops:
            window = stop.window
            if window is None or stop.site in sites:
                continue
            sites.add(stop.site)  # of two stop lines of one junction the nearer one comes first
            due = window.ask_from_s <= (DROP_S if stop.call_no is not None else 0.0)
            if due and stop.may_call(now_ms):
                wanting.append(stop)
        return wanting

    def _approaches(
        self, now_ms: int, stops: list[Stop], views: Views, sites: Sites
    ) -> list[Approach]:
        found = []
        at_m = self.progress.ahead_m(now_ms)
        way, before_m = self.progress.way, at_m
        for stop in stops:
            view, line = views.get(stop.site), stop.line
            end_m = max(line.at_m, at_m)
            begin_m = max(before_m, way.begins_m[line.street])
            queue_veh = coming_veh = 0.0
            if view is not None:
                part = min(1.0, (end_m - begin_m) / max(end_m - way.begins_m[line.street], 1.0))
                queue_veh = longest_of(line.turn.lanes, view.queue_veh)
                coming_veh = longest_of(line.turn.lanes, view.coming_veh) * part
            room_m = end_m - before_m
            found.append(
                Approach(
                    drive_s=way.free_at_s(end_m) - way.free_at_s(min(before_m, end_m)),
                    room_m=room_m if room_m >= SPACING_M else 0.0,
                    queue_veh=queue_veh,
                    coming_veh=coming_veh,
                    change_s=sites[stop.site].change_s(now_ms, view, stop.stage),
                )
            )
            before_m = end_m
        return found

    def corridor(self, now: Instant) -> Corridor:
        """As it is shown."""
        progress, shift_ms = self.progress, now.utc_ms - now.mono_ms
        eta_ms = None
        if self.is_under_way and self._eta_s is not None:
            eta_ms = now.utc_ms + round(self._eta_s * 1_000)
        return Corridor(
            id=self.name,
            wish=self.wish,
            caller=self._caller,
            state=self.state,
            route=progress.way.route,
            passages=self.passages(now),
            opened_utc_ms=self._opened.utc_ms,
            until_utc_ms=self._until_ms + shift_ms,
            position=progress.position,
            eta_utc_ms=eta_ms,
            note=self.note,
        )

    def passages(self, now: Instant) -> tuple[Passage, ...]:
        """Junctions that were let go before, then those of the present way."""
        return tuple(stop.passage(now) for stop in (*self._past, *self.stops))


def choose_stage(
    lines: tuple[Line, ...],
    k: int,
    views: Views,
    sites: Sites,
    tried: frozenset[str] = frozenset(),
) -> str:
    """The stage to ask for at the *k*-th of *lines*."""
    turn = lines[k].turn
    following = lines[k + 1].turn if k + 1 < len(lines) else None
    if following is not None and following.site != turn.site:
        following = None
    return sites[turn.site].choose(turn, following, views.get(turn.site), tried)
