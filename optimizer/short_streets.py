"""Streets so short that one green fills them: how much room there will be, and when.

Where two junctions stand close together, the vehicles of one green don't fit into the street
between them. Sent there against a red at its end they stand in the junction behind them, and two
such streets that fill each other's junction lock both for good. So the junction downstream tells
every second what room there will be as its own plan goes on, and the one upstream plans to send no
more; and that one tells who waits to come, so that the one downstream opens for vehicles that it
can't see. The two greens then come together with nobody above them to say so.

A controller over several nodes does the same with itself: its outer streets feed its inner ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.clock import Instant
from controller.intersection import Intersection
from optimizer._platoons_reference import CLOCKS_APART_MS
from optimizer.announcement import Announcement
from optimizer.delay import Floats
from optimizer.links import WHOLE_SHARE, Link
from optimizer.search_stages import NEVER_S, Integers, Plan, StageChanges
from optimizer.search_units import EXITS_MAX
from optimizer.traffic.layout import Layout

LENGTH_MAX_M = 40.0
"""Longer streets take what a minimum green sends."""
SHORTEST_M = 15.0
"""On longer streets two can wait and leave the junction behind them free."""
SOON_S = 8
"""Whoever is let go now comes to the end of such a street by then."""
CLOSED_SHARE = 0.15
"""Part of a lane's vehicles that makes it one that feeds a street."""
CLOSED_MAX_MS = 60_000
"""After that it is tried again: what is said of the street may be wrong."""
SPACING_M = 7.5
"""Front to front of standing vehicles, generously: one too many stands in the junction."""
WAITING_MAX_VEH = 10.0
"""More vehicles that wait to come into a lane count as this many."""
HEARD_LIFETIME_MS = 3_000
PLAN_LIFETIME_MS = 10_000
"""Longer than any change, during which nothing new is planned."""
PLANNED_S = 120


class ShortStreets:
    """Those between *site* and its neighbours, seen from both ends.

    *share* (exits, lanes): usual part of each lane's vehicles for each of *exits*.
    """

    def __init__(
        self,
        site: Intersection,
        layout: Layout,
        links: Sequence[Link],
        exits: Sequence[str],
        share: Floats,
    ) -> None:
        short = [link for link in links if _is_short(link)]
        names = [lane.name for lane in layout.lanes]
        out = [link for link in short if link.upstream == site.name]
        self._fed = _fed_lanes(out, names, exits, share)
        into = [link for link in short if link.downstream == site.name]
        self._ours = _our_lanes(into, names)
        self._stored_veh = np.array(
            [max(1, int(link.length_m / SPACING_M)) for link in self._ours.values()], dtype=float
        )
        self._lanes = np.array([names.index(name) for name in self._ours], dtype=np.intp)
        self._heard: dict[str, Announcement] = {}
        self._queue = np.zeros(len(names))
        self._capacity = np.zeros((len(self._lanes), 0))
        self._planned_ms = 0
        self._closed_since_ms: dict[str, int] = {}

    def avoided(self, stage_share: Floats) -> tuple[int, ...]:
        """Stages in which a lane at the end of the shortest gives way, and that can be spared.

        *stage_share* (stages, lanes): part of its saturation flow that each stage releases. Who
        finds no gap fills such a street at once. A stage stays if it alone serves some lane, or
        serves it without giving way.
        """
        found: list[int] = []
        lengths_m = [link.length_m for link in self._ours.values()]
        shortest = self._lanes[np.array(lengths_m) <= SHORTEST_M]
        better = np.where(stage_share >= stage_share.max(axis=0), stage_share, 0.0)
        for stage, share in enumerate(stage_share):
            ours = share[shortest]
            rest = np.delete(better, [*found, stage], axis=0)
            if ((ours > 0.0) & (ours < 1.0)).any() and (rest > 0.0).any(axis=0).all():
                found.append(stage)
        return tuple(found)

    def full_lanes(self, queue: Floats) -> Integers:
        """Positions of the lanes at the ends of streets that their *queue* (lanes,) fills."""
        full: Integers = self._lanes[queue[self._lanes] >= self._stored_veh]
        return full

    @property
    def any(self) -> bool:
        """Whether a short street begins or ends here."""
        return bool(self._ours or self._fed)

    def take(self, message: Announcement) -> None:
        """Keep what a neighbour says of its rooms, and of who waits there."""
        if message.rooms or message.waiting:
            self._heard[message.site] = message

    def _lately(self, now: Instant, site: str) -> Announcement | None:
        heard = self._heard.get(site)
        if heard is None:
            return None
        age_ms = now.utc_ms - heard.start_utc_ms
        return heard if -CLOCKS_APART_MS <= age_ms <= HEARD_LIFETIME_MS else None

    def note(self, queue: Floats) -> None:
        """The *queue* of every lane, before those are added who wait to come."""
        self._queue = queue.copy()

    def expected(self, now: Instant) -> Floats:
        """(lanes,) vehicles that wait at the neighbours to come to each lane."""
        more = np.zeros(len(self._queue))
        for site in {link.upstream for link in self._ours.values()}:
            heard = self._lately(now, site)
            for name, veh in zip(heard.waiting, heard.waiting_veh, strict=True) if heard else ():
                if name in self._ours:
                    more[self._lanes[list(self._ours).index(name)]] += veh
        return np.minimum(more, WAITING_MAX_VEH)

    def waiting(self) -> tuple[tuple[str, ...], Floats]:
        """The lanes at the ends of short streets from here, and how many wait to come to each."""
        names = tuple(self._fed)
        return names, np.array([float(fed.share @ self._queue) for fed in self._fed.values()])

    def exits(self, now: Instant, horizon_s: int) -> tuple[Floats, Floats]:
        """(share (lanes, E), room (E, horizon)) of the lanes that are fed from here.

        The room is cumulative: vehicles that may have entered from now until each second. E is the
        number of lanes that a neighbour has lately told of; the fullest where they are too many.
        """
        found = []
        for name, fed in self._fed.items():
            rest = self._room_from(now, name, fed.downstream)[:horizon_s]
            if rest.size:
                found.append((fed.share, np.pad(rest, (0, horizon_s - len(rest)), mode="edge")))
        found = sorted(found, key=lambda pair: float(pair[1].sum()))[:EXITS_MAX]
        share = np.array([pair[0] for pair in found]).reshape(len(found), len(self._queue))
        return share.T, np.array([pair[1] for pair in found]).reshape(len(found), horizon_s)

    def closed(self, now: Instant) -> NDArray[np.bool_]:
        """(lanes,) whose vehicles would soon stand in the junction, as their street is too short.

        Nobody can hold back single vehicles of a green that runs, and two such junctions that send
        each other one too many lock: these greens have to end, and not to begin.
        """
        closed = np.zeros(len(self._queue), dtype=bool)
        for name, fed in self._fed.items():
            if fed.length_m > SHORTEST_M or self._has_room_soon(now, name, fed.downstream):
                self._closed_since_ms.pop(name, None)
                continue
            since_ms = self._closed_since_ms.setdefault(name, now.mono_ms)
            if now.mono_ms - since_ms <= CLOSED_MAX_MS:
                closed |= fed.share >= CLOSED_SHARE
        return closed

    def _has_room_soon(self, now: Instant, lane: str, downstream: str) -> bool:
        """Whether one more will fit; also where nothing has been heard."""
        room = self._room_from(now, lane, downstream)[: SOON_S + 1]
        return not room.size or bool(room[-1] >= 1.0)

    def _room_from(self, now: Instant, lane: str, downstream: str) -> Floats:
        """(seconds,) room in *lane* as last heard, from *now* on; empty if nothing was lately."""
        heard = self._lately(now, downstream)
        if heard is None or lane not in heard.rooms:
            return np.zeros(0)
        room: Floats = heard.room_veh[heard.rooms.index(lane)]
        age_s = max(0, (now.utc_ms - heard.start_utc_ms) // 1000)
        return room[min(age_s, len(room) - 1) :]

    def plan(self, now: Instant, changes: StageChanges, plan: Plan, rates: Floats) -> None:
        """What the *plan* from *now* on could let out of the streets that end here.

        *rates* (stages, lanes) in veh/s.
        """
        if self._ours:
            self._capacity = capacity_veh(changes, plan, rates[:, self._lanes], self._lanes)
            self._planned_ms = now.mono_ms

    def room(self, now: Instant) -> tuple[tuple[str, ...], Floats]:
        """The lanes at the ends of short streets, and the room there will be.

        (lanes of short streets, seconds) vehicles that may have entered from now until each second.
        """
        age_ms = now.mono_ms - self._planned_ms
        rest = self._capacity[:, max(0, age_ms) // 1000 :]
        if not 0 <= age_ms <= PLAN_LIFETIME_MS or not rest.size:
            return (), np.zeros((0, 1))
        free = np.maximum(0.0, self._stored_veh - self._queue[self._lanes])
        return tuple(self._ours), free[:, None] + np.cumsum(rest, axis=1)


@dataclass(frozen=True, slots=True)
class _FedLane:
    """A lane at the end of a short street that begins here."""

    downstream: str
    length_m: float
    share: Floats
    """(lanes,) part of the vehicles of each of ours that comes to it."""


def _fed_lanes(
    out: Sequence[Link], names: Sequence[str], exits: Sequence[str], share: Floats
) -> dict[str, _FedLane]:
    found: dict[str, _FedLane] = {}
    for link in out:
        of_exit = share[exits.index(link.exit)] * link.share
        targets = Counter(ours for ours, _ in link.feeds)
        for ours, theirs in link.feeds:
            fed = found.setdefault(
                theirs, _FedLane(link.downstream, link.length_m, np.zeros(len(names)))
            )
            if ours in names:
                k = names.index(ours)
                fed.share[k] += of_exit[k] / targets[ours]
    return found


def _our_lanes(into: Sequence[Link], names: Sequence[str]) -> dict[str, Link]:
    return {lane: link for link in into for _, lane in link.feeds if lane in names}


def _is_short(link: Link) -> bool:
    return 0.0 < link.length_m <= LENGTH_MAX_M and link.share >= WHOLE_SHARE


def capacity_veh(
    changes: StageChanges,
    plan: Plan,
    rates: Floats,
    lanes: Integers,
    seconds: int = PLANNED_S,
) -> Floats:
    """(lanes, seconds) what each of *lanes* could let go in each second of *plan*.

    *rates* (stages, lanes) in veh/s. Second by second as the search has it
    (:meth:`optimizer._search_model.Junction.served_in_change`): a change serves who has not been
    stopped yet and who has got going already. Behind the last stage of the plan nobody is served.
    """
    change_s = changes.ready["change_s"]
    stops, starts = changes.ready["stops_s"], changes.ready["starts_s"]
    found = np.zeros((len(lanes), seconds))
    t, going_s = 0, np.zeros(len(lanes), dtype=np.int64)
    followers = [stage for stage, _ in plan[1:]]
    for (stage, hold), following in zip(plan, [*followers, None], strict=True):
        end = min(t + hold, seconds)
        found[:, t:end] = rates[stage][:, None] * (np.arange(t, end) >= going_s[:, None])
        if following is None or end >= seconds:
            break
        stop, start = stops[stage, following, lanes], starts[stage, following, lanes]
        t = min(end + int(change_s[stage, following]), seconds)
        tau = np.arange(t - end)
        found[:, end:t] = np.where(
            tau < stop[:, None],
            rates[stage][:, None],
            rates[following][:, None] * (tau >= start[:, None]),
        )
        going_s = np.where(start < NEVER_S, end + start, 0)
    return found
