"""The rings and barriers of a UTDF node, unrolled into what is green together and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from sim.plans.utdf import Records, Utdf, UtdfNode

CYCLE_TOLERANCE_MS = 100
LAST_GREEN, YELLOW, RED, FIRST_GREEN, WALK_CLEARANCE = range(5)
"""What an offset may be referenced to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UtdfPhase:
    """One phase: its place in barriers and rings, and its times."""

    number: int
    barrier: int
    ring: int
    position: int
    min_green_ms: int
    green_ms: int
    yellow_ms: int
    all_red_ms: int
    walk_ms: int
    dont_walk_ms: int
    recall: int
    calls_per_h: float = 0.0
    """People on foot, as their calls."""

    @property
    def split_ms(self) -> int:
        """Green, yellow and all-red."""
        return self.green_ms + self.yellow_ms + self.all_red_ms


@dataclass(frozen=True, slots=True)
class Interval:
    """Phases (by number) that run together, from *start_ms* after the local zero."""

    start_ms: int
    duration_ms: int
    phases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NodeTiming:
    """What runs at one node: phases, intervals of one cycle, cycle and offset of the first."""

    phases: tuple[UtdfPhase, ...]
    intervals: tuple[Interval, ...]
    cycle_ms: int
    offset_ms: int
    control_type: int
    reference: tuple[int, ...]

    def phase(self, number: int) -> UtdfPhase:
        """The phase of that number."""
        return next(phase for phase in self.phases if phase.number == number)


def node_timing(utdf: Utdf, node: UtdfNode) -> NodeTiming:
    """The timing of *node*; raises :class:`~sim.errors.PlanFileError` with line and advice."""
    phases = _phases(utdf, node)
    starts, barrier_ends = _starts(phases)
    records = utdf.timeplans[node.id]
    cycle_ms = barrier_ends[-1]
    where = f"Cycle Length of node {node.id}"
    cell = records.get("cycle length", {}).get("DATA")
    given_s = utdf.number(where, cell)
    if cell is not None and given_s and abs(given_s * 1000 - cycle_ms) > CYCLE_TOLERANCE_MS:
        raise utdf.fault(
            cell.line,
            f"{where} is {given_s:g} s, but the phases (MaxGreen, Yellow and AllRed in BRP order) "
            f"add up to {cycle_ms / 1000:g} s: correct one of them",
        )
    reference = _reference(utdf, node, phases)
    return NodeTiming(
        phases=phases,
        intervals=_intervals(phases, starts, barrier_ends),
        cycle_ms=cycle_ms,
        offset_ms=_offset_ms(utdf, node, [p for p in phases if p.number in reference], starts)
        % cycle_ms,
        control_type=round(
            utdf.number(
                f"Control Type of node {node.id}", records.get("control type", {}).get("DATA")
            )
            or 0
        ),
        reference=reference,
    )


def _phases(utdf: Utdf, node: UtdfNode) -> tuple[UtdfPhase, ...]:
    records = utdf.phases[node.id]
    places = records.get("brp", {})
    found = []
    for column, cell in places.items():
        place = round(utdf.number(f"BRP of node {node.id}, {column}", cell) or 0)
        if not place:
            continue
        if not 111 <= place <= 999 or not column[1:].isdecimal():
            raise utdf.fault(
                cell.line,
                f"BRP of node {node.id}, {column} is {cell.text!r}: give three digits, barrier, "
                "ring and position",
            )
        found.append(_phase(utdf, node, records, column, place))
    if not found:
        line = next(iter(places.values())).line if places else node.line
        raise utdf.fault(
            line, f"node {node.id} has no phase with a BRP: give its phases their place in the ring"
        )
    return tuple(sorted(found, key=lambda p: (p.barrier, p.ring, p.position, p.number)))


def _phase(utdf: Utdf, node: UtdfNode, records: Records, column: str, place: int) -> UtdfPhase:
    def time_ms(record: str, needed: bool = False) -> int:
        where = f"{record} of node {node.id}, {column}"
        cell = records.get(record.lower(), {}).get(column)
        value = utdf.needed(where, cell, node) if needed else utdf.number(where, cell) or 0.0
        return round(value * 1000)

    return UtdfPhase(
        number=int(column[1:]),
        barrier=place // 100,
        ring=place // 10 % 10,
        position=place % 10,
        min_green_ms=time_ms("MinGreen"),
        green_ms=time_ms("MaxGreen", needed=True),
        yellow_ms=time_ms("Yellow", needed=True),
        all_red_ms=time_ms("AllRed"),
        walk_ms=time_ms("Walk"),
        dont_walk_ms=time_ms("DontWalk"),
        recall=time_ms("Recall") // 1000,
        calls_per_h=time_ms("PedCalls") / 1000,
    )


def _starts(phases: tuple[UtdfPhase, ...]) -> tuple[dict[int, int], list[int]]:
    """When each phase starts, and when each barrier is reached; the longest ring counts."""
    starts: dict[int, int] = {}
    ends: list[int] = []
    begin_ms = 0
    for barrier in dict.fromkeys(phase.barrier for phase in phases):
        rings: dict[int, int] = {}
        for phase in phases:
            if phase.barrier == barrier:
                starts[phase.number] = rings.get(phase.ring, begin_ms)
                rings[phase.ring] = starts[phase.number] + phase.split_ms
        begin_ms = max(rings.values())
        ends.append(begin_ms)
    return starts, ends


def _intervals(
    phases: tuple[UtdfPhase, ...], starts: dict[int, int], barrier_ends: list[int]
) -> tuple[Interval, ...]:
    """From change to change; in a ring that is over early its last phase rests in green."""
    ends: dict[int, int] = {}
    barriers = list(dict.fromkeys(phase.barrier for phase in phases))
    for k, phase in enumerate(phases):
        following = phases[k + 1] if k + 1 < len(phases) else None
        goes_on = following is not None and (following.barrier, following.ring) == (
            phase.barrier,
            phase.ring,
        )
        ends[phase.number] = (
            starts[following.number]
            if goes_on and following is not None
            else barrier_ends[barriers.index(phase.barrier)]
        )
    cuts = sorted({*starts.values(), *barrier_ends})
    return tuple(
        Interval(
            begin_ms,
            end_ms - begin_ms,
            tuple(
                phase.number
                for phase in phases
                if starts[phase.number] <= begin_ms < ends[phase.number]
            ),
        )
        for begin_ms, end_ms in pairwise(cuts)
    )


def _reference(utdf: Utdf, node: UtdfNode, phases: tuple[UtdfPhase, ...]) -> tuple[int, ...]:
    """The phases that the offset refers to: ``206`` are 2 and 6; without any the first one."""
    cell = utdf.timeplans[node.id].get("reference phase", {}).get("DATA")
    value = round(utdf.number(f"Reference Phase of node {node.id}", cell) or 0)
    named = {number for number in (value // 100, value % 100) if number}
    found = tuple(phase.number for phase in phases if phase.number in named)
    if named and not found and cell is not None:
        raise utdf.fault(
            cell.line,
            f"Reference Phase of node {node.id} is {cell.text!r}, a phase that it does not have: "
            f"choose of {', '.join(str(phase.number) for phase in phases)}",
        )
    return found or (phases[0].number,)


def _offset_ms(
    utdf: Utdf, node: UtdfNode, reference: list[UtdfPhase], starts: dict[int, int]
) -> int:
    """How long the local zero lags the multiples of the cycle."""
    records = utdf.timeplans[node.id]
    offset = records.get("offset", {}).get("DATA")
    offset_ms = round(1000 * (utdf.number(f"Offset of node {node.id}", offset) or 0.0))
    kind = records.get("referenced to", {}).get("DATA")
    to = round(utdf.number(f"Referenced To of node {node.id}", kind) or 0)
    green_ends = [starts[phase.number] + phase.green_ms for phase in reference]
    points = {
        LAST_GREEN: max(starts[phase.number] for phase in reference),
        YELLOW: min(green_ends),
        RED: min(end + p.yellow_ms for end, p in zip(green_ends, reference, strict=True)),
        FIRST_GREEN: min(starts[phase.number] for phase in reference),
        WALK_CLEARANCE: min(
            end - p.dont_walk_ms for end, p in zip(green_ends, reference, strict=True)
        ),
    }
    if to not in points:
        line = node.line if kind is None else kind.line
        raise utdf.fault(line, f"Referenced To of node {node.id} is {to}: give 0 to 4")
    return offset_ms - points[to]
