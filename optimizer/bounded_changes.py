"""Strategic bounds as the search takes them: this second's minimums, maximums and followers.

A search knows no time of day, and only the first second of its plan is done. So the window of the
coordinated stage is kept by what the *running* stage may do now:

* The coordinated stage has to stay until its window ends, or, before its window, until then if
  nobody else could be served and the coordinated stage be back in time.
* Any other stage has to end in time for the way to the coordinated stage, and may be followed only
  by one whose minimum green and changes leave time for that. The coordinated stage always may.

What may begin at all is so always able to end in time. Ways count with all pedestrians of later
stages called, so that a call that comes later makes nobody late, unless it is for a walk of the
running stage that begins at the very end.
Limits count from the begin of the running green, so they are the same from one second to the next,
and so are the :class:`StageChanges` that are laid out for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from controller.intersection import Intersection
from optimizer.bounds import CheckedBounds, CoordinationWindow, changes_s
from optimizer.search_stages import NEVER_S, StageChanges

KEPT_MAX = 256
Row = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Ways:
    """What changing takes for one set of called pedestrians, in whole seconds."""

    changes: StageChanges
    change_s: list[list[int]]
    followers: tuple[Row, ...]
    min_green_s: Row
    """The site's and that of the bounds."""
    max_green_s: Row


@dataclass(frozen=True, slots=True)
class _Limits:
    """What the stages may do as of one second; ``followers`` of the running stage only."""

    min_green_s: Row
    max_green_s: Row
    followers: Row | None = None


@dataclass(frozen=True, slots=True)
class _Now:
    """One second: what runs, and where in the cycle of the window it is."""

    window: CoordinationWindow
    home: int
    """The coordinated stage."""
    since_s: float
    """Since the last begin of the window."""
    stage: int
    green_s: int


class BoundedChanges:
    """The changes of one *site* within *checked* bounds.

    *changes_for* has the unbounded ones for a mask of called pedestrian groups.
    """

    def __init__(
        self,
        checked: CheckedBounds,
        site: Intersection,
        changes_for: Callable[[int], StageChanges],
    ) -> None:
        self.bounds = checked.bounds
        self._checked = checked
        self._site = site
        self._walks = site.pedestrian_groups
        self._changes_for = changes_for
        self._ways: dict[int, _Ways] = {}
        self._everybody = self._ways_of(self._walks)
        self._home_walks = 0
        if checked.coordinated is not None:
            self._home_walks = site.stage_masks[checked.coordinated] & self._walks
        self._reach_s = self._reaches_s()
        self._kept: dict[tuple[int, int, _Limits], StageChanges] = {}

    def at(self, utc_ms: int, stage: int, green_s: int, pedestrians: int) -> StageChanges:
        """What may be done at *utc_ms* while *stage* has been green for *green_s*.

        *pedestrians* are those called or walking. The unbounded changes when the bounds are not
        valid.
        """
        if not self._checked.valid_at(utc_ms):
            return self._changes_for(pedestrians)
        ways = self._ways_of(pedestrians)
        limits = _Limits(ways.min_green_s, ways.max_green_s)
        window, home = self.bounds.window, self._checked.coordinated
        if window is not None and home is not None:
            now = _Now(window, home, _since_begin_s(window, utc_ms), stage, green_s)
            if stage == home:
                limits = self._at_home(ways, now)
            else:
                walks = self._site.stage_masks[stage] & self._walks
                # Who calls at a later stage, even during the change to it, must not delay it.
                ahead = self._ways_of(pedestrians | self._walks & ~walks | self._home_walks)
                limits = self._elsewhere(ways, ahead, self._ways_of(pedestrians & ~walks), now)
        key = (pedestrians, stage, limits)
        changes = self._kept.get(key)
        if changes is None:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            changes = self._kept[key] = _laid_out(ways.changes, stage, limits)
        return changes

    def _at_home(self, ways: _Ways, now: _Now) -> _Limits:
        """The coordinated stage runs."""
        followers: Row | None = None
        length_s, hold_s = now.window.length_s, 0
        if now.since_s < length_s:
            hold_s = math.ceil(length_s - now.since_s)
        else:
            left_s = now.window.cycle_s - now.since_s
            followers = self._fitting(ways, now.home, left_s + now.window.tolerance_s)
            if not followers:
                hold_s = math.ceil(left_s + length_s)
        if not hold_s:
            return _Limits(ways.min_green_s, ways.max_green_s, followers)
        least_s = now.green_s + hold_s
        # After hours of rest a green is longer than a minimum can be: nothing may follow.
        return _held(ways, now.home, min(least_s, NEVER_S), () if least_s > NEVER_S else None)

    def _elsewhere(self, ways: _Ways, ahead: _Ways, cleared: _Ways, now: _Now) -> _Limits:
        """Another stage runs.

        *ahead* is what the way to the coordinated stage may take; *cleared* what it takes when the
        walks of the running stage are over.
        """
        stage, window = now.stage, now.window
        nearest = min(ways.followers[stage], key=lambda k: self._need_s(ahead, stage, k))
        way_s = self._need_s(ahead, stage, nearest)
        # Walks that have ended may nearly be cleared: it is missed when even that comes too late.
        least_way_s = min(self._need_s(cleared, stage, k) for k in cleared.followers[stage])
        missed = now.since_s + least_way_s >= window.length_s
        left_s = window.cycle_s - now.since_s if missed else -now.since_s
        slack_s = math.floor(left_s + window.tolerance_s - way_s)
        least_s, most_s = ways.min_green_s[stage], ways.max_green_s[stage]
        most_s = max(least_s, 1, min(most_s, now.green_s + slack_s if slack_s > 0 else 0))
        fitting = self._fitting(ahead, stage, left_s + window.tolerance_s)
        home_s = 0
        if left_s - way_s - ways.min_green_s[now.home] < self._round_trip_s(now.home):
            # Who goes there now stays until the window is over.
            home_s = math.ceil(window.length_s)
        useful = tuple(k for k in fitting if k in ways.followers[stage])
        limits = _held(ways, now.home, home_s, useful or (nearest,))
        maximum = (*limits.max_green_s[:stage], most_s, *limits.max_green_s[stage + 1 :])
        return _Limits(limits.min_green_s, maximum, limits.followers)

    def _fitting(self, ways: _Ways, stage: int, left_s: float) -> Row:
        """The followers of *stage* from which the coordinated stage is reached in *left_s*."""
        return tuple(k for k in ways.followers[stage] if self._need_s(ways, stage, k) <= left_s)

    def _need_s(self, ways: _Ways, stage: int, following: int) -> int:
        """From the begin of that change until the coordinated stage is green."""
        change_s = ways.change_s[stage][following]
        if following == self._checked.coordinated:
            return change_s
        return change_s + self._checked.passing_s[following] + self._reach_s[following]

    def _round_trip_s(self, home: int) -> int:
        ways = self._everybody
        trips = (self._need_s(ways, home, k) for k in ways.followers[home])
        return min(trips, default=NEVER_S)

    def _ways_of(self, pedestrians: int) -> _Ways:
        ways = self._ways.get(pedestrians)
        if ways is None:
            ways = self._ways[pedestrians] = self._made(pedestrians)
        return ways

    def _made(self, pedestrians: int) -> _Ways:
        changes, checked = self._changes_for(pedestrians), self._checked
        ready = changes.ready
        own_s = ready["min_green_s"].tolist()
        minimum = [max(pair) for pair in zip(own_s, checked.min_green_s, strict=True)]
        maximum = [
            max(least_s, own_s if bound_s is None else bound_s)
            for least_s, own_s, bound_s in zip(
                minimum, ready["max_green_s"].tolist(), checked.max_green_s, strict=True
            )
        ]
        followers = tuple(tuple(np.flatnonzero(row).tolist()) for row in ready["allowed"])
        change_s = changes_s(self._site, pedestrians)
        return _Ways(changes, change_s, followers, tuple(minimum), tuple(maximum))

    def _reaches_s(self) -> list[int]:
        """Per stage, from the begin of a change until the coordinated stage is green at best."""
        ways = self._everybody
        self._reach_s = [NEVER_S] * len(ways.followers)
        for _ in ways.followers:
            self._reach_s = [
                min((self._need_s(ways, stage, k) for k in followers), default=NEVER_S)
                for stage, followers in enumerate(ways.followers)
            ]
        return self._reach_s


def _since_begin_s(window: CoordinationWindow, utc_ms: int) -> float:
    """Time since the last begin of the window."""
    begin_ms = round(1000 * (window.offset_s + window.begin_s))
    return (utc_ms - begin_ms) % round(1000 * window.cycle_s) / 1000.0


def _held(ways: _Ways, home: int, least_s: int, followers: Row | None) -> _Limits:
    """The limits of *ways* with stage *home* held for *least_s* at least."""
    minimum, maximum = list(ways.min_green_s), list(ways.max_green_s)
    minimum[home] = max(minimum[home], least_s)
    maximum[home] = max(maximum[home], minimum[home])
    return _Limits(tuple(minimum), tuple(maximum), followers)


def _laid_out(changes: StageChanges, stage: int, limits: _Limits) -> StageChanges:
    allowed = changes.ready["allowed"].copy()
    if limits.followers is not None:
        allowed[stage] = 0
        allowed[stage, list(limits.followers)] = 1
    return changes.within(limits.min_green_s, limits.max_green_s, allowed)
