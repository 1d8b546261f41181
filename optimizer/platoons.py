"""The platoons that neighbours have announced, as they will come to the lanes of a junction.

What the loops count on average is right; announcements only say *when* more or fewer than that
come: to the loops upstream (sources), or to the stop lines of lanes without any. The law stands in
:mod:`optimizer._platoons_reference`; the kernel serves where it is built, the reference elsewhere
or when ``GREENBAND_NO_EXT=1``.

Sources: prediction exchanged between junctions after Sen and Head, Transportation Science 31
(1997), and Xie, Smith and Barlow, ICAPS 2012 (Surtrac).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from controller.clock import Instant
from controller.intersection import Intersection
from optimizer import _platoons_reference
from optimizer._platoons_reference import Integers
from optimizer.announcement import Announcement
from optimizer.delay import Floats
from optimizer.kernels import implementations
from optimizer.links import Link
from optimizer.traffic.layout import Layout, TrafficLane

DISPERSION = 0.35
"""Robertson's alpha for streets with moderate friction."""
FRONT = 0.8
"""Robertson's beta: the front of a platoon needs this part of the mean travel time."""
CROSSING_S = 2.0
"""From the stop line to the beginning of the exit."""
FEED_TRAVEL_MAX_S = 60.0
"""From farther away nothing is left of a platoon within a horizon."""


class Platoons(Protocol):
    """What both implementations do; see :class:`optimizer._platoons_reference.Platoons`."""

    def take(self, rows: Integers, columns: Integers, outflow: Floats, start_ms: int) -> None:
        """Keep an announcement."""

    def learn(self, now_ms: int, passed: Integers) -> None:
        """Once a second: what is usual."""

    def meet(self, to_lane: Floats, arrivals: Floats) -> None:
        """Move mean arrivals as the platoons come."""


IMPLEMENTATIONS: dict[str, Callable[..., Platoons]] = implementations(
    "platoons",
    "optimizer._platoons_kernel",
    lambda kernel: kernel.Platoons,
    reference=_platoons_reference.Platoons,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


class IncomingPlatoons:
    """What comes over *into*, the links that lead to the approaches of *site*."""

    def __init__(
        self,
        site: Intersection,
        layout: Layout,
        into: Sequence[Link],
        implementation: str | None = None,
    ) -> None:
        exits = dict.fromkeys((link.upstream, link.exit) for link in into)
        self._rows = {key: x for x, key in enumerate(exits)}
        self._picked: dict[str, tuple[tuple[str, ...], tuple[Integers, Integers]]] = {}
        """By neighbour, the exits that it last told of, and which rows those are."""
        feeds = _feeds(site, layout, into, self._rows)
        groups = list(dict.fromkeys(feeds.values()))
        flat = [(g, *feed) for g, group in enumerate(groups) for feed in group]
        group = np.full(len(layout.sources) + len(layout.lanes), -1, dtype=np.int32)
        for p, feed in feeds.items():
            group[p] = groups.index(feed)
        travel_s = np.array([_travel_s(row) for row in flat])
        self._platoons = IMPLEMENTATIONS[implementation or IMPLEMENTATION](
            len(self._rows),
            np.array(
                [(row[1], row[0], round(FRONT * _travel_s(row))) for row in flat], dtype=np.int32
            ).reshape(-1, 3),
            1.0 / (1.0 + DISPERSION * FRONT * travel_s),
            np.array([row[3] for row in flat]),
            group,
            np.array(
                [int(s.travel_s) for s in layout.sources] + [_seen_s(x) for x in layout.lanes],
                dtype=np.int32,
            ),
        )
        self._to_lane = np.vstack(
            [np.zeros((len(layout.sources), len(layout.lanes))), np.eye(len(layout.lanes))]
        )

    def take(self, message: Announcement) -> None:
        """Keep a *message*: what it says from its start on replaces what was said before."""
        exits, picked = self._picked.get(message.site, ((), None))
        if picked is None or exits != message.exits:
            picked = self._pick(message)
            self._picked[message.site] = message.exits, picked
        if len(picked[0]):
            self._platoons.take(*picked, message.outflow_veh, message.start_utc_ms)

    def _pick(self, message: Announcement) -> tuple[Integers, Integers]:
        """The exits that lead here, as our rows and as theirs."""
        found = [
            (self._rows[message.site, name], row)
            for row, name in enumerate(message.exits)
            if (message.site, name) in self._rows
        ]
        pairs = np.array(found, dtype=np.int32).reshape(-1, 2)
        return pairs[:, 0].copy(), pairs[:, 1].copy()

    def learn(self, now: Instant, passed: Integers) -> None:
        """Once a second: vehicles that *passed* since the last call, -1 if unknown.

        (sources and lanes,): over each source, and over the stop line of each lane.
        """
        if self._rows:
            self._platoons.learn(now.utc_ms, passed)

    def meet(self, to_lane: Floats, arrivals: Floats) -> None:
        """Move *arrivals* (lanes, seconds), which hold the means, as of the last :meth:`learn`.

        *to_lane* (sources, lanes): part of each source's vehicles that comes to each lane.
        """
        if self._rows:
            self._to_lane[: len(to_lane)] = to_lane
            self._platoons.meet(self._to_lane, arrivals)


_Feed = tuple[int, float, float]
"""Row of the exit, time from there to the loop, share."""


def _feeds(
    site: Intersection,
    layout: Layout,
    into: Sequence[Link],
    rows: dict[tuple[str, str], int],
) -> dict[int, tuple[_Feed, ...]]:
    """By source, then by lane, what it is fed from; loops side by side on a street have the same.

    Lanes with a source are fed through it.
    """
    sources = {site.detectors[s.detector].name: p for p, s in enumerate(layout.sources)}
    sourced = {k for source in layout.sources for k in source.lanes}
    found: dict[int, tuple[_Feed, ...]] = {}
    for link in into:
        reached = {sources[name]: s for name, s in link.entries if name in sources}
        for k, lane in enumerate(layout.lanes):
            if k not in sourced and layout.approaches[lane.approach] == link.approach:
                reached[len(sources) + k] = max(0.0, link.travel_s - _seen_s(lane))
        for target, after_s in reached.items():
            if after_s <= FEED_TRAVEL_MAX_S:
                feed = rows[link.upstream, link.exit], after_s, link.share
                found[target] = (*found.get(target, ()), feed)
    return found


def _seen_s(lane: TrafficLane) -> int:
    """For how many seconds ahead the arrivals of a lane without a source are known."""
    return int(lane.advance_travel_s) + 1 if lane.advance else 0


def _travel_s(row: tuple[int, int, float, float]) -> float:
    return CROSSING_S + row[2]
