"""What the lamps showed, held against the site, with nothing of the controller's insides.

Works on samples: the cabinet's clock and its lamps at each look. Between two looks something may
have passed unseen; a change lies anywhere between them, and a time is only found too short if it
was so however the change lay. With a look at every step of the cabinet nothing is left to guess.

Flash, and a time without lamps, may cut anything off; what was lit counts as ended then, and the
start-up red comes before the next green. How a trace begins is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from controller.intersection import Intersection, SignalGroup
from controller.signals import Outputs

STANDSTILL_MS = 1_000
OWN_CLOCK_MS = 1
"""The shortest step of a cabinet with its own clock: one step may be late, the next in time."""
_LONG_AGO_MS = -(1 << 40)


class Sample(NamedTuple):
    """The lamps at one look: the cabinet's clock in its last step, and what they show."""

    mono_ms: int
    outputs: Outputs


class Rule(Enum):
    """What has to hold."""

    CONFLICT = "two groups in conflict are never lit together"
    ASPECT = "a lit group is green or ending, and one that the site has"
    MIN_GREEN = "a green or walk lasts for its minimum"
    ENDING = "a green is followed by its whole yellow or clearance, and red"
    INTERGREEN = "a green waits for the intergreen after every conflicting one"
    REVERT = "a red between two greens of a group lasts for its minimum"
    RESTART = "after darkness and flash all is red for the start-up red before the first green"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where, when on the cabinet's clock, and what was seen."""

    rule: Rule
    junction: str
    at_ms: int
    message: str


def check_trace(
    site: Intersection, samples: Sequence[Sample], tick_ms: int
) -> tuple[Violation, ...]:
    """Every violation in *samples* of a cabinet of *site*, with no step shorter than *tick_ms*.

    Where the change is between two looks that are further apart is not known.
    """
    record = _Record(site, tick_ms)
    return tuple(
        Violation(rule, site.name, after.mono_ms, message)
        for before, after in pairwise((None, *samples))
        if after is not None
        for rule, message in record.take(before, after)
    )


def unseen_share(samples: Sequence[Sample], tick_ms: int) -> float:
    """Part of the steps of a cabinet with its own clock that nobody looked at."""
    gaps_ms = [after.mono_ms - before.mono_ms for before, after in pairwise(samples)]
    # After a longer pause it was the cabinet that stood still.
    moving = [round(gap_ms / tick_ms) for gap_ms in gaps_ms if gap_ms <= STANDSTILL_MS]
    return sum(max(0, steps - 1) for steps in moving) / max(1, sum(moving))


class _Aspect(Enum):
    UNKNOWN = "unknown"
    RED = "red"
    GREEN = "green"
    ENDING = "ending"
    FLASH = "flash"


@dataclass(slots=True)
class _Group:
    """One group: what it shows, the earliest that this can have begun, and its last green end."""

    aspect: _Aspect = _Aspect.UNKNOWN
    before: _Aspect = _Aspect.UNKNOWN
    since_ms: int = _LONG_AGO_MS
    green_end_ms: int = _LONG_AGO_MS
    red_ms: int = 0
    """The red that it needs before its next green."""


class _Gap(NamedTuple):
    """A change between two looks: the earliest and the latest that it can have been."""

    earliest_ms: int
    latest_ms: int

    @property
    def ms(self) -> int:
        return self.latest_ms - self.earliest_ms


Found = tuple[Rule, str]


class _Record:
    """All that has been seen of one site so far."""

    def __init__(self, site: Intersection, tick_ms: int) -> None:
        self._site = site
        self._tick_ms = tick_ms
        self._groups = [_Group() for _ in site.groups]

    def take(self, before: Sample | None, after: Sample) -> Iterator[Found]:
        """What the change from *before* to *after* breaks."""
        if before is not None and _lamps(before) == _lamps(after):
            return
        late_ms = after.mono_ms
        early_ms = late_ms if before is None else min(late_ms, before.mono_ms + self._tick_ms)
        gap = _Gap(early_ms, late_ms)
        shown = after.outputs
        if not shown.flash:
            yield from self._picture(shown)
        started = []
        for i, record in enumerate(self._groups):
            aspect = _aspect(shown, i)
            if aspect is record.aspect:
                continue
            yield from _change(self._site.groups[i], record, aspect, gap)
            if record.aspect is _Aspect.GREEN:
                record.green_end_ms = gap.earliest_ms
            if aspect is _Aspect.FLASH and record.aspect is not _Aspect.UNKNOWN:
                record.red_ms = self._site.opening_red_ms
            elif aspect is _Aspect.GREEN:
                record.red_ms = 0
            record.before, record.aspect = record.aspect, aspect
            record.since_ms = _LONG_AGO_MS if before is None else gap.earliest_ms
            if aspect is _Aspect.GREEN:
                started.append(i)
        for i in started:
            yield from self._clearance(i, gap)

    def _picture(self, shown: Outputs) -> Iterator[Found]:
        site, lit = self._site, shown.green | shown.ending
        if shown.green & shown.ending or lit >> len(site.groups):
            yield Rule.ASPECT, f"green {shown.green:#x} and ending {shown.ending:#x} at once"
        for i, group in enumerate(site.groups):
            others = site.conflicts[i] & lit & ~((2 << i) - 1)
            if lit >> i & 1 and others:
                yield Rule.CONFLICT, f"{group.name} is lit with {', '.join(site.names(others))}"

    def _clearance(self, starter: int, gap: _Gap) -> Iterator[Found]:
        site = self._site
        for i, record in enumerate(self._groups):
            needed_ms = site.intergreen_ms[i][starter]
            passed_ms = gap.latest_ms - record.green_end_ms
            if needed_ms and record.aspect is not _Aspect.GREEN and passed_ms < needed_ms:
                names = f"{site.groups[starter].name} began after {site.groups[i].name}"
                yield Rule.INTERGREEN, f"{names} in {passed_ms} ms, not {needed_ms} ms"


def _change(group: SignalGroup, record: _Group, aspect: _Aspect, gap: _Gap) -> Iterator[Found]:
    """What is wrong with *group* going over to *aspect*."""
    was, lasted_ms = record.aspect, gap.latest_ms - record.since_ms
    red_ms = lasted_ms if was is _Aspect.RED else gap.ms
    if aspect is _Aspect.GREEN and red_ms < record.red_ms:
        yield Rule.RESTART, f"{group.name} was red for {red_ms} ms after darkness or flash"
    if _Aspect.FLASH in (was, aspect) or was is _Aspect.UNKNOWN:
        return
    if was is _Aspect.GREEN:
        if lasted_ms < group.min_green_ms:
            yield Rule.MIN_GREEN, f"{group.name} was green for {lasted_ms} ms"
        if aspect is _Aspect.RED and gap.ms < group.ending_ms:
            yield Rule.ENDING, f"{group.name} went from green to red"
    elif was is _Aspect.ENDING:
        if lasted_ms < group.ending_ms:
            yield Rule.ENDING, f"{group.name} ended for {lasted_ms} ms"
        if aspect is _Aspect.GREEN and gap.ms < group.revert_ms:
            yield Rule.ENDING, f"{group.name} went from ending to green"
    elif aspect is _Aspect.ENDING and gap.ms < group.min_green_ms:
        yield Rule.ENDING, f"{group.name} went from red to ending"
    elif record.before is _Aspect.ENDING and lasted_ms < group.revert_ms:
        yield Rule.REVERT, f"{group.name} was red for {lasted_ms} ms"


def _aspect(shown: Outputs, group: int) -> _Aspect:
    if shown.flash:
        return _Aspect.FLASH
    if shown.green >> group & 1:
        return _Aspect.GREEN
    return _Aspect.ENDING if shown.ending >> group & 1 else _Aspect.RED


def _lamps(sample: Sample) -> tuple[int, int, bool]:
    shown = sample.outputs
    return shown.green, shown.ending, shown.flash
