"""What one junction hears from its neighbours, and what it tells them; nobody stands above them.

Each second it announces what its plan discharges, by exit, to those downstream, which of its
streets are full to those upstream, and what room its short streets will have
(:mod:`optimizer.short_streets`). What is lost, late or refused only costs quality: then mean
arrivals and free exits are expected, as if there were no neighbour.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.clock import Instant
from controller.intersection import Intersection
from controller.signals import Fault
from optimizer._platoons_reference import CLOCKS_APART_MS, LIFETIME_MS, Integers
from optimizer.announcement import Announcement, AnnouncementError, checked
from optimizer.delay import Floats
from optimizer.fault_log import FaultLog
from optimizer.gates import GatedExits
from optimizer.links import WHOLE_SHARE, Link
from optimizer.platoons import IncomingPlatoons
from optimizer.short_streets import ShortStreets
from optimizer.traffic.layout import Layout

USUAL_PART = {"through": 0.6, "left": 0.2, "right": 0.2}
"""How the vehicles of a lane divide, before normalisation; receivers correct the sum."""
OTHER_PART = 0.02
FULL_LIFETIME_MS = 3_000
BEHIND_FACTOR = 1.5
"""Vehicles of a lane that stand for each one that can't get on: itself, and some behind it."""
LEAST_FACTOR = 0.1
NOTHING: frozenset[str] = frozenset()


class Neighbourhood:
    """One *site* among its neighbours; of *links* those that begin or end here."""

    def __init__(self, site: Intersection, layout: Layout, links: Sequence[Link]) -> None:
        self.site = site
        into = [link for link in links if link.downstream == site.name]
        out = [link for link in links if link.upstream == site.name]
        self._exits = tuple(dict.fromkeys(link.exit for link in out))
        self._share = exit_shares(site, [lane.name for lane in layout.lanes], self._exits)
        self._platoons = IncomingPlatoons(site, layout, into)
        self._neighbours = {x.upstream for x in into} | {x.downstream for x in out}
        self._streets = _streets(out, self._exits, self._share)
        self.short_streets = ShortStreets(site, layout, links, self._exits, self._share)
        self.gates = GatedExits(self._exits, self._share)
        self.full: tuple[str, ...] = ()
        """First detectors of its streets that a queue stands on, to be announced."""
        self._full_at: dict[str, tuple[frozenset[str], int]] = {}
        """By neighbour, its detectors that a queue stood on, and when that was."""
        self._last: dict[str, tuple[int, int]] = {}
        """By neighbour, number and time of its last accepted message from outside."""
        self._log = FaultLog(site.name)
        self._sequence_no = 0
        self._outflow_veh: Floats | None = None
        self._planned_ms = 0

    def receive(self, now: Instant, message: Announcement) -> bool:
        """Take a *message* from outside this process; False if it is refused, which is logged."""
        try:
            checked(message, self._neighbours)
            self._check_order(now, message)
        except AnnouncementError as error:
            self._log.note(now, (Fault("refused announcement", str(error)),))
            return False
        self._last[message.site] = message.sequence_no, now.mono_ms
        self.take(message)
        return True

    def _check_order(self, now: Instant, message: Announcement) -> None:
        age_ms = now.utc_ms - message.start_utc_ms
        if not -CLOCKS_APART_MS <= age_ms <= LIFETIME_MS:
            raise AnnouncementError(f"{message.site}: it is {age_ms / 1000:g} s old")
        number, at_ms = self._last.get(message.site, (-1, 0))
        # Who has been silent for long may have started anew.
        if message.sequence_no <= number and now.mono_ms - at_ms <= LIFETIME_MS:
            raise AnnouncementError(
                f"{message.site}: out of order, number {message.sequence_no} after {number}"
            )

    def take(self, message: Announcement) -> None:
        """Take a *message* that is known to be right, made in this process."""
        self._platoons.take(message)
        self.short_streets.take(message)
        self._full_at[message.site] = frozenset(message.full), message.start_utc_ms

    def room(self, now: Instant) -> Floats | None:
        """(lanes,) factor on what each lane can discharge; None where every exit has room.

        A lane whose vehicles find their street full stands, and those behind the first of them
        stand with it: green is of little use to it, and keeps others from where there is room.
        """
        factor: Floats | None = None
        for street in self._streets:
            full, at_ms = self._full_at.get(street.downstream, (NOTHING, 0))
            age_ms = now.utc_ms - at_ms
            lately = -CLOCKS_APART_MS <= age_ms <= FULL_LIFETIME_MS
            if not lately or not full or not street.entries <= full:
                continue
            factor = street.factor if factor is None else factor * street.factor
        return None if factor is None else np.maximum(factor, LEAST_FACTOR)

    def share_of(self, exits: Collection[str]) -> Floats:
        """(lanes,) usual part of each lane's vehicles that leaves through one of *exits*."""
        rows = [row for row, name in enumerate(self._exits) if name in exits]
        share: Floats = self._share[rows].sum(axis=0)
        return share

    def learn(self, now: Instant, passed: Integers) -> None:
        """Once a second, see :meth:`IncomingPlatoons.learn`."""
        self._platoons.learn(now, passed)

    def meet(self, to_lane: Floats, arrivals: Floats) -> None:
        """Put announced platoons into *arrivals*, see :meth:`IncomingPlatoons.meet`."""
        self._platoons.meet(to_lane, arrivals)

    def plan(self, now: Instant, departures_veh: Floats) -> None:
        """What the junction is going to discharge, (lanes, seconds) from *now* on."""
        if self._exits:
            self._outflow_veh = self._share @ departures_veh
            self._planned_ms = now.mono_ms

    def announce(self, now: Instant) -> Announcement | None:
        """What to tell the neighbours: the rest of the last plan, and what the streets can take.

        None if there is neither, or nobody to tell.
        """
        rest = self._rest(now)
        rooms, room_veh = self.short_streets.room(now)
        waiting, waiting_veh = self.short_streets.waiting()
        nothing = rest is None and not (self.full or rooms or waiting)
        if not self._neighbours or nothing:
            return None
        self._sequence_no += 1
        told = Announcement(
            site=self.site.name,
            sequence_no=self._sequence_no,
            start_utc_ms=now.utc_ms,
            rooms=rooms,
            room_veh=room_veh,
            waiting=waiting,
            waiting_veh=waiting_veh,
            full=self.full,
        )
        return told if rest is None else replace(told, exits=self._exits, outflow_veh=rest)

    def _rest(self, now: Instant) -> Floats | None:
        """(exits, seconds) what is left of the last plan, None if there is none lately."""
        age_ms = now.mono_ms - self._planned_ms
        if self._outflow_veh is None or not 0 <= age_ms <= LIFETIME_MS:
            return None
        rest = self._outflow_veh[:, age_ms // 1000 :]
        return rest if rest.shape[1] else None


@dataclass(frozen=True, slots=True)
class _Street:
    """A street that leads on from here, and what it means for our lanes when it is full."""

    downstream: str
    entries: frozenset[str]
    factor: Floats


def _streets(out: Sequence[Link], exits: Sequence[str], share: Floats) -> tuple[_Street, ...]:
    return tuple(
        _Street(
            link.downstream,
            frozenset(name for name, _ in link.entries),
            np.maximum(LEAST_FACTOR, 1.0 - BEHIND_FACTOR * share[exits.index(link.exit)]),
        )
        for link in out
        if link.share >= WHOLE_SHARE and link.entries
    )


def exit_shares(site: Intersection, lanes: Sequence[str], exits: Sequence[str]) -> Floats:
    """(exits, lanes) usual part of the vehicles of each stop-line lane that goes to each exit."""
    parts: dict[str, Floats] = {}
    for movement in site.movements:
        if movement.turn == "crossing":
            continue
        part = parts.setdefault(movement.to_exit, np.zeros(len(lanes)))
        usual = USUAL_PART.get(movement.turn, OTHER_PART)
        served = [k for k, lane in enumerate(lanes) if lane in movement.lanes]
        part[served] = np.maximum(part[served], usual)
    whole = np.maximum(OTHER_PART, sum(parts.values(), np.zeros(len(lanes))))
    nothing = np.zeros(len(lanes))
    rows = [parts.get(name, nothing) / whole for name in exits]
    return np.array(rows).reshape(len(exits), len(lanes))
