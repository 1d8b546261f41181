"""The lamp layer: from the groups a sequencer wants to aspects that are legal.

A sequencer only ever *wants* a set of groups to be green. What the lamps then show is decided
here, so that minimum greens, yellows, clearances, intergreens and conflicts hold whatever a plan,
a schedule, an operator or a faulty sequencer asks for:

* a green group that is no longer wanted ends once its minimum green is served, shows yellow (or
  the pedestrian clearance) for its ending time, and is then red;
* a wanted red group starts when every conflicting group is red, the intergreen since the end of
  green of each of them is over, and its own red has lasted for the revert time; of two wanted
  groups that conflict, the one that has been red for longer goes first;
* a permissive group takes the streams it gives way to along when it ends (yellow trap), and none
  of them starts while it is about to end or ending.

Times are on the controller's own clock (:attr:`controller.core.State.clock_ms`).
"""

from __future__ import annotations

from typing import NamedTuple

from controller.intersection import Intersection, bits

NEVER_MS = 1 << 62
"""A time that never comes."""
LONG_AGO_MS = -(1 << 40)
"""A time before which nothing that matters happened."""


class LampState(NamedTuple):
    """What the lamps of every group show, and since when."""

    green: int
    ending: int
    since_ms: tuple[int, ...]
    """Per group, when its present aspect began."""
    ended_ms: tuple[int, ...]
    """Per group, when its last green ended."""
    want: int
    due_ms: int
    """Until then nothing changes while the same groups are wanted."""


def all_red(n_groups: int, clock_ms: int, lamps: LampState | None = None) -> LampState:
    """Every group red from *clock_ms* on; greens and endings shown by *lamps* are cut there.

    Only for leaving the dark and for flash: it keeps no minimum.
    """
    ended = [LONG_AGO_MS] * n_groups if lamps is None else list(lamps.ended_ms)
    for i in bits(lamps.green | lamps.ending if lamps is not None else 0):
        ended[i] = clock_ms
    return LampState(0, 0, (clock_ms,) * n_groups, tuple(ended), 0, NEVER_MS)


def light(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
    """The lamps one step later, as close to *want* as is legal; the same object if unchanged."""
    if want == lamps.want and clock_ms < lamps.due_ms:
        return lamps
    expired, expiry_ms = _expired(site, lamps, clock_ms)
    released, release_ms = _released(site, lamps, want, clock_ms)
    since, ended = list(lamps.since_ms), list(lamps.ended_ms)
    for i in bits(expired | released):
        since[i] = clock_ms
    for i in bits(released):
        ended[i] = clock_ms
        expiry_ms = min(expiry_ms, clock_ms + site.groups[i].ending_ms)
    held = LampState(
        lamps.green & ~released,
        lamps.ending & ~expired | released,
        tuple(since),
        tuple(ended),
        want,
        min(expiry_ms, release_ms),
    )
    return _start(site, held, clock_ms)


def _expired(site: Intersection, lamps: LampState, clock_ms: int) -> tuple[int, int]:
    """Groups whose yellow or clearance is over, and when the next one will be."""
    mask, due_ms = 0, NEVER_MS
    for i in bits(lamps.ending):
        over_ms = lamps.since_ms[i] + site.groups[i].ending_ms
        if clock_ms >= over_ms:
            mask |= 1 << i
        else:
            due_ms = min(due_ms, over_ms)
    return mask, due_ms


def _released(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> tuple[int, int]:
    """Green groups that end now, each with those it takes along, and when the next ones may."""
    mask, due_ms = 0, NEVER_MS
    for i in bits(lamps.green & ~want):
        together = site.ending_with(1 << i, lamps.green)
        served_ms = max(lamps.since_ms[j] + site.groups[j].min_green_ms for j in bits(together))
        if clock_ms >= served_ms:
            mask |= together
        else:
            due_ms = min(due_ms, served_ms)
    return mask, due_ms


def _start(site: Intersection, lamps: LampState, clock_ms: int) -> LampState:
    """*lamps* with every wanted group lit that may be."""
    waiting = lamps.want & site.all_groups & ~lamps.green & ~lamps.ending
    lit = lamps.green | lamps.ending
    hindered = 0
    for i in bits(lamps.ending | lamps.green & ~lamps.want):
        hindered |= site.yields_to[i]
    started, due_ms = 0, lamps.due_ms
    for i in sorted(bits(waiting & ~hindered), key=lambda i: (lamps.since_ms[i], i)):
        if site.conflicts[i] & (lit | started):
            continue
        legal_ms = lamps.since_ms[i] + site.groups[i].red_ms
        for j in bits(site.conflicts[i]):
            legal_ms = max(legal_ms, lamps.ended_ms[j] + site.intergreen_ms[j][i])
        if clock_ms >= legal_ms:
            started |= 1 << i
        else:
            due_ms = min(due_ms, legal_ms)
    since = list(lamps.since_ms)
    for i in bits(started):
        since[i] = clock_ms
    return LampState(
        lamps.green | started, lamps.ending, tuple(since), lamps.ended_ms, lamps.want, due_ms
    )
