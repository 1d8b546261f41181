"""A controller that goes on from lamps which somebody else has lit: no dark, no all-red before it.

What is known of the lamps is what they show, and for how long. Where nobody knows for how long,
the present aspects count as just begun: minimum greens, yellows and intergreens then last longer
than they would have to, never shorter.
"""

from __future__ import annotations

from typing import NamedTuple

from controller import core
from controller.calls import first_calls
from controller.clock import Instant
from controller.coordination import begin_cycle
from controller.intersection import Intersection, bits
from controller.lamps import LampState
from controller.monitor import MonitorState
from controller.program import free_program
from controller.signals import Outputs
from controller.stages import begin_sequence

AGE_MAX_MS = 3_600_000
"""Ages above an hour are all the same."""


class Lit(NamedTuple):
    """What the lamps of every group show, and for how long; ages in ms, 0 where nobody knows."""

    green: int
    ending: int
    since_ms: tuple[int, ...]
    """Per group, the age of its present aspect."""
    ended_ms: tuple[int, ...]
    """Per group, how long ago its last green ended; of no meaning for a group that is green."""


def dark(site: Intersection) -> Lit:
    """Every group red, and nothing known of what was green before."""
    unknown = (0,) * len(site.groups)
    return Lit(0, 0, unknown, unknown)


def legal_part(site: Intersection, lit: Lit) -> tuple[Lit, int]:
    """*lit* without groups that conflict with others that are lit, and the mask of those.

    Whoever lights the lamps has to end what is left out: it counts as red, its green as just ended.
    """
    out = 0
    for i in bits(lit.green | lit.ending):
        if site.conflicts[i] & (lit.green | lit.ending) & ~out:
            out |= 1 << i
    if not out:
        return lit, 0
    ended = tuple(0 if out >> i & 1 else age for i, age in enumerate(lit.ended_ms))
    since = tuple(0 if out >> i & 1 else age for i, age in enumerate(lit.since_ms))
    return Lit(lit.green & ~out, lit.ending & ~out, since, ended), out


def take_over(site: Intersection, now: Instant, lit: Lit) -> core.State:
    """The state of a controller that runs *site* from *now* on, while its lamps show *lit*.

    *lit* must be legal (:func:`legal_part`). Nothing is cut: what is green serves its minimum and
    its yellow, and nothing starts before the intergreens are over.
    """
    clock_ms = AGE_MAX_MS
    since = tuple(clock_ms - min(age, AGE_MAX_MS) for age in lit.since_ms)
    ended = tuple(clock_ms - min(age, AGE_MAX_MS) for age in lit.ended_ms)
    program = free_program(site)
    return core.start(site, now)._replace(
        clock_ms=clock_ms,
        mode=core.Mode.RUN,
        mode_since_ms=clock_ms,
        lamps=LampState(lit.green, lit.ending, since, ended, lit.green, 0),
        calls=first_calls(site, clock_ms),
        cycle=begin_cycle(program.rhythm, 0, clock_ms, now.utc_ms),
        sequence=begin_sequence(program, clock_ms, lit.green),
        monitor=MonitorState(lit.green, lit.ending, ended),
        shown=Outputs(lit.green, lit.ending),
    )
