"""Calls, recalls and gap timers: who waits for green, and whose green is still used.

A group is *called* while a vehicle or pedestrian waits for it: a pulse or presence on one of its
calling detectors while it is not green registers the call, and only its green clears it (locking
memory). A group without any calling detector is on recall: it is called whenever it is not green.

A group is *extended* while one of its extending detectors is occupied; how long they have all been
silent is its gap. Of a group without extending detectors nothing is known, so it counts as used.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.health import WINDOW_MS, Health, judge, observe
from controller.intersection import Intersection, bits
from controller.lamps import NEVER_MS
from controller.signals import Inputs


class CallState(NamedTuple):
    """Calls and gaps of every group; what the detectors said last."""

    called: int
    since_ms: tuple[int, ...]
    """Per group, when its present or last call came."""
    overdue_ms: int
    """When the first of the present calls will have waited too long."""
    extended: int
    silent_ms: tuple[int, ...]
    """Per group, when it was last extended."""
    occupied: int
    pulsed: int
    missing: int
    active: int
    """Detectors that count as occupied: pulsed, missing and faulty ones too."""
    calling: int
    """Groups that the active detectors call."""
    green: int
    health: Health


def first_calls(site: Intersection, clock_ms: int) -> CallState:
    """The state before anything was detected: nothing is known, so every group is called."""
    n_groups = len(site.groups)
    return CallState(
        called=site.all_groups,
        since_ms=(clock_ms,) * n_groups,
        overdue_ms=clock_ms + min(group.max_wait_ms for group in site.groups),
        extended=0,
        silent_ms=(clock_ms,) * n_groups,
        occupied=0,
        pulsed=0,
        missing=0,
        active=-1,
        calling=0,
        green=0,
        health=Health(window_end_ms=clock_ms + WINDOW_MS),
    )


def silence(calls: CallState) -> CallState:
    """*calls* as if nobody had called."""
    return calls._replace(called=0)


def collect(
    site: Intersection, calls: CallState, seen: Inputs, green: int, clock_ms: int, before_ms: int
) -> CallState:
    """The calls at *clock_ms*; the last step was at *before_ms*. Same object if unchanged."""
    occupied, pulsed, missing = seen.occupied, seen.pulsed, seen.missing
    health = calls.health
    if (
        occupied == calls.occupied
        and missing == calls.missing
        and green == calls.green
        and not pulsed
        and not calls.pulsed
        and clock_ms < health.window_end_ms
    ):
        return calls
    known = (1 << len(site.detectors)) - 1
    steady = occupied & known & ~pulsed & ~missing
    health = observe(health, steady, pulsed & known & ~missing, green)
    if clock_ms >= health.window_end_ms:
        health = judge(site, health, steady, green, clock_ms)
    active = (occupied | pulsed | missing | health.stuck | health.chattering) & known
    calling, extended, silent_ms = calls.calling, calls.extended, calls.silent_ms
    if active != calls.active:
        calling = _groups_of(site.calling_detectors, active)
        extended = _groups_of(site.extending_detectors, active)
        fallen_silent = calls.extended & ~extended
        if fallen_silent:
            silent_ms = _stamped(silent_ms, fallen_silent, before_ms)
    called = (calls.called | calling) & ~green
    since_ms, overdue_ms = calls.since_ms, calls.overdue_ms
    if called != calls.called:
        since_ms = _stamped(since_ms, called & ~calls.called, clock_ms)
        overdue_ms = min(
            (since_ms[i] + site.groups[i].max_wait_ms for i in bits(called)), default=NEVER_MS
        )
    return CallState(
        called,
        since_ms,
        overdue_ms,
        extended,
        silent_ms,
        occupied,
        pulsed,
        missing,
        active,
        calling,
        green,
        health,
    )


def most_overdue(site: Intersection, calls: CallState, clock_ms: int) -> int | None:
    """The called group that is overdue for longest, or None if none is."""
    if clock_ms < calls.overdue_ms:
        return None
    return min(
        bits(calls.called), key=lambda i: (calls.since_ms[i] + site.groups[i].max_wait_ms, i)
    )


def gapped_out(site: Intersection, calls: CallState, groups: int, clock_ms: int) -> bool:
    """Whether the detectors of every group in *groups* have been silent for the passage time."""
    if calls.extended & groups:
        return False
    passed_ms = clock_ms - site.passage_ms
    return all(calls.silent_ms[i] <= passed_ms for i in bits(groups))


def _groups_of(detectors_of_group: tuple[int, ...], active: int) -> int:
    """Groups with an active detector, and those that have no detector at all."""
    mask, bit = 0, 1
    for detectors in detectors_of_group:
        if detectors & active or not detectors:
            mask |= bit
        bit <<= 1
    return mask


def _stamped(times_ms: tuple[int, ...], groups: int, now_ms: int) -> tuple[int, ...]:
    stamped = list(times_ms)
    for i in bits(groups):
        stamped[i] = now_ms
    return tuple(stamped)
