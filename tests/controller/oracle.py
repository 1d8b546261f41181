"""The oracle: holds a trace of lamps against the site, with nothing of the controller's insides.

Time in a trace is counted as the controller promises to live it: monotonic time between steps,
nothing for a step back, at most 2 s for one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from controller.clock import Instant
from controller.core import Mode, State, start, step
from controller.intersection import Intersection
from controller.sequence import CHANGING, Sequence
from controller.signals import Aspect, Event, Inputs, Outputs

RED, GREEN, ENDING, FLASH = Aspect.RED, Aspect.GREEN, Aspect.ENDING, Aspect.FLASH


@dataclass(frozen=True)
class Shown:
    """One step of a trace."""

    now: Instant
    lived_ms: int
    seen: Inputs
    outputs: Outputs
    aspects: tuple[Aspect, ...]
    state: State


@dataclass(frozen=True)
class Interval:
    """One aspect of one group without a break: steps ``first`` to ``last``, then ``after``."""

    group: int
    aspect: Aspect
    before: Aspect | None
    after: Aspect | None
    begin_ms: int
    end_ms: int
    last_ms: int
    """When it was last seen."""


def run(site: Intersection, steps: Iterable[tuple[Instant, Inputs]]) -> list[Shown]:
    """The trace of a controller switched on at the first step."""
    trace: list[Shown] = []
    state, lived_ms, last_ms = None, 0, 0
    for now, seen in steps:
        if state is None:
            state, last_ms = start(site, now), now.mono_ms
        lived_ms += min(2_000, max(0, now.mono_ms - last_ms))
        last_ms = now.mono_ms
        state, outputs = step(site, state, now, seen)
        trace.append(Shown(now, lived_ms, seen, outputs, outputs.aspects(site), state))
    return trace


def intervals(site: Intersection, trace: list[Shown]) -> Iterator[Interval]:
    """All aspects of all groups; the first has no ``before`` and the last no ``after``."""
    for group in range(len(site.groups)):
        before: Aspect | None = None
        begin = 0
        for k in range(1, len(trace) + 1):
            aspect = trace[begin].aspects[group]
            over = k == len(trace)
            if not over and trace[k].aspects[group] is aspect:
                continue
            yield Interval(
                group,
                aspect,
                before,
                None if over else trace[k].aspects[group],
                trace[begin].lived_ms,
                trace[k - 1 if over else k].lived_ms,
                trace[k - 1].lived_ms,
            )
            before, begin = aspect, k


def conflicts_lit(site: Intersection, trace: list[Shown]) -> Iterator[str]:
    """Invariant 1: two conflicting groups green, yellow, walking or clearing."""
    for shown in trace:
        lit = [i for i, a in enumerate(shown.aspects) if a in (GREEN, ENDING)]
        for i in lit:
            for j in lit:
                if site.conflicts[i] >> j & 1:
                    yield f"{site.groups[i].name} and {site.groups[j].name} at {shown.lived_ms}"


def short_greens(site: Intersection, trace: list[Shown]) -> Iterator[str]:
    """Invariant 4 (and walks of 8): greens shorter than their minimum."""
    for it in intervals(site, trace):
        minimum_ms = site.groups[it.group].min_green_ms
        if it.aspect is GREEN and it.after is not None and it.end_ms - it.begin_ms < minimum_ms:
            yield f"{it.group} green for {it.end_ms - it.begin_ms} ms at {it.begin_ms}"


def wrong_endings(site: Intersection, trace: list[Shown], pedestrians: bool) -> Iterator[str]:
    """Invariants 5 and 8: every green ends in its full yellow or clearance, then red."""
    for it in intervals(site, trace):
        group = site.groups[it.group]
        if group.is_pedestrian is not pedestrians:
            continue
        where = f"{group.name} at {it.begin_ms}"
        if it.aspect is GREEN and it.after not in (ENDING, None):
            yield f"{where}: green then {it.after}"
        if it.aspect is ENDING:
            if it.before is not GREEN or it.after not in (RED, None):
                yield f"{where}: {it.before} then yellow then {it.after}"
            if it.after is not None and it.end_ms - it.begin_ms < group.ending_ms:
                yield f"{where}: yellow or clearance of {it.end_ms - it.begin_ms} ms"
            if it.last_ms - it.begin_ms >= group.ending_ms:
                yield f"{where}: yellow or clearance goes on for too long"


def short_intergreens(site: Intersection, trace: list[Shown]) -> Iterator[str]:
    """Invariant 6: green sooner after a conflicting green than the matrix says."""
    greens = [it for it in intervals(site, trace) if it.aspect is GREEN]
    for one in greens:
        for other in greens:
            needed_ms = site.intergreen_ms[one.group][other.group]
            if needed_ms and other.begin_ms >= one.begin_ms:
                passed_ms = other.begin_ms - one.end_ms
                if one.after is None or passed_ms < needed_ms:
                    yield f"{one.group} to {other.group}: {passed_ms} ms of {needed_ms}"


def short_reds(site: Intersection, trace: list[Shown]) -> Iterator[str]:
    """Invariant 14: red shorter than the red revert, between two greens."""
    for it in intervals(site, trace):
        if it.aspect is RED and it.before is ENDING and it.after is GREEN:
            red_ms = it.end_ms - it.begin_ms
            if red_ms < site.groups[it.group].revert_ms:
                yield f"{site.groups[it.group].name} red for {red_ms} ms"


def yellow_traps(site: Intersection, trace: list[Shown]) -> Iterator[str]:
    """A permissive green ends while a stream it gives way to stays green, or starts meanwhile."""
    for last, shown in pairwise(trace):
        for i, mask in enumerate(site.yields_to):
            ends = last.aspects[i] is GREEN and shown.aspects[i] is not GREEN
            for j, stream in enumerate(site.groups):
                if not mask >> j & 1:
                    continue
                was, now = last.aspects[j], shown.aspects[j]
                if ends and not stream.is_pedestrian and was is now is GREEN:
                    yield f"{i} ended under {j} at {shown.lived_ms}"
                if shown.aspects[i] is ENDING and was is not GREEN and now is GREEN:
                    yield f"{j} started against the yellow of {i} at {shown.lived_ms}"


def split_changes(trace: list[Shown]) -> Iterator[str]:
    """In one change between stages: a green that ends after another began (or the same)."""
    started: set[int] = set()
    for last, shown in pairwise(trace):
        if not _in_one_change(last, shown):
            started = set()
            continue
        for i, (was, now) in enumerate(zip(last.aspects, shown.aspects, strict=True)):
            if was is GREEN and now is not GREEN and started:
                yield f"{i} ended at {shown.lived_ms} after {sorted(started)} had started"
        for i, (was, now) in enumerate(zip(last.aspects, shown.aspects, strict=True)):
            if was is not GREEN and now is GREEN:
                started.add(i)


def _in_one_change(last: Shown, shown: Shown) -> bool:
    one, other = last.state, shown.state
    return (
        one.mode is other.mode is Mode.RUN
        and isinstance(one.sequence, Sequence)
        and isinstance(other.sequence, Sequence)
        and one.sequence.since_ms == other.sequence.since_ms == CHANGING
        and one.sequence.mask == other.sequence.mask
    )


def log_faults(trace: list[Shown]) -> Iterator[str]:
    """Invariant 34: stamps that go back, greens without exactly one 7, 8, 9, 10, 11, 12."""
    events = [event for shown in trace for event in shown.outputs.events]
    for last, event in pairwise(events):
        if event.utc_ms < last.utc_ms:
            yield f"{event} after {last}"
    chain = (1, 7, 8, 9, 10, 11, 12)
    for parameter in {e.parameter for e in events if e.code == 1}:
        codes = [e.code for e in events if e.parameter == parameter and e.code in chain]
        for k, code in enumerate(codes):
            if code != chain[k % len(chain)]:
                yield f"group {parameter}: {codes[max(0, k - 7) : k + 2]}"
                break


def events(trace: list[Shown], *codes: int) -> list[tuple[Shown, Event]]:
    """Every event of *codes* with the step that wrote it."""
    return [
        (shown, event) for shown in trace for event in shown.outputs.events if event.code in codes
    ]


def green_starts(trace: list[Shown], group: int) -> list[Shown]:
    """The steps in which *group* turned green."""
    return [
        shown
        for last, shown in pairwise(trace)
        if shown.aspects[group] is GREEN and last.aspects[group] is not GREEN
    ]


def called_waits(site: Intersection, trace: list[Shown]) -> Iterator[tuple[int, int, int]]:
    """(group, begin of the call, wait in ms) of every call in the log, served or not."""
    waiting: dict[int, int] = {}
    for shown in trace:
        for event in shown.outputs.events:
            group = event.parameter - 1
            if event.code in (43, 45):
                waiting.setdefault(group, shown.lived_ms)
            elif event.code in (1, 21) and group in waiting:
                begin_ms = waiting.pop(group)
                yield group, begin_ms, shown.lived_ms - begin_ms
    for group, begin_ms in waiting.items():
        yield group, begin_ms, trace[-1].lived_ms - begin_ms


def service_ms(site: Intersection) -> int:
    """An upper bound of what serving one stage can take from the first end of green."""
    clearance_ms = max(max(row) for row in site.intergreen_ms)
    greens_ms = max(group.min_green_ms + group.ending_ms + group.revert_ms for group in site.groups)
    return 2 * (clearance_ms + greens_ms) + 2_000


def ring_faults(
    site: Intersection, rings: tuple[tuple[tuple[str, ...], ...], ...], trace: list[Shown]
) -> Iterator[str]:
    """Invariants 9 and 10 for phases whose groups are called ``v<phase>``."""
    place = {
        site.group_index(f"v{name}"): (r, b)
        for r, ring in enumerate(rings)
        for b, part in enumerate(ring)
        for name in part
    }
    last_green: dict[int, int] = {}
    for shown in trace:
        green = [i for i in place if shown.aspects[i] is GREEN]
        lit = [i for i in place if shown.aspects[i] in (GREEN, ENDING)]
        if len({place[i][0] for i in lit}) < len(lit):
            yield f"two phases of one ring at {shown.lived_ms}"
        if len({place[i][1] for i in lit}) > 1:
            yield f"two barrier groups at {shown.lived_ms}"
        for i in green:
            last_green[i] = shown.lived_ms
    for last, shown in pairwise(trace):
        ended = [i for i in place if last.aspects[i] is GREEN and shown.aspects[i] is not GREEN]
        if not ended:
            continue
        following = {i: _next_barrier(trace, shown, place, place[i][0]) for i in ended}
        left = [i for i in ended if following[i] not in (place[i][1], None)]
        stayed = [i for i in place if shown.aspects[i] is GREEN]
        if left and stayed:
            yield f"{left} crossed at {shown.lived_ms} while {stayed} stayed"


def _next_barrier(
    trace: list[Shown], shown: Shown, place: dict[int, tuple[int, int]], ring: int
) -> int | None:
    """The barrier group of the next green in *ring* from *shown* on; None if it has no more."""
    later = trace[trace.index(shown) :]
    for step_shown in later:
        for i, (r, b) in place.items():
            if r == ring and step_shown.aspects[i] is GREEN:
                return b
    return None
