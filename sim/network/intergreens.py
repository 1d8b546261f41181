"""Times between the end of one green and the start of a conflicting one.

Field convention: what the shipped program really leaves between two greens; where it never changes
between the two, its yellow and its usual all-red; where it has no yellow at all, clearance from
geometry. A pedestrian clearance lasts as long as the crossing is at 1.0 m/s, and a buffer follows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from controller.intersection import WALK_MIN_MS, YELLOW_MIN_MS, bits
from sim.convention import Convention
from sim.network.geometry import clearance_s
from sim.network.heads import HeadGroup
from sim.network.model import Finding
from sim.network.net_file import NetFile
from sim.network.programs import ShippedProgram

YELLOW_FIELD_MAX_MS = 5_000
VEHICLE_MIN_GREEN_MS = 5_000
WALK_MS = 7_000
"""Walk that pedestrians are given (MUTCD 2009, section 4E.06)."""
WALKING_SPEED_M_PER_S = 1.0
"""For the clearance; MUTCD 2009 allows 3.5 ft/s = 1.07 m/s, RiLSA 2015 1.0 to 1.5 m/s."""
PEDESTRIAN_BUFFER_MS = 3_000
"""Red between a pedestrian clearance and conflicting traffic (MUTCD 2009, section 4E.06)."""
_REACTION_S = 1.0
_DECELERATION_M_PER_S2 = 3.05


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """Per group, what may not be cut: minimum green (or walk), and yellow (or clearance)."""

    min_green_ms: tuple[int, ...]
    ending_ms: tuple[int, ...]
    findings: tuple[Finding, ...]


def group_times(
    net: NetFile, program: ShippedProgram, groups: Sequence[HeadGroup], convention: Convention
) -> GroupTimes:
    """Minimum greens and endings of all *groups*."""
    findings: list[Finding] = []
    yellows = [_longest_run_ms(program, group, "y") for group in groups if not group.is_pedestrian]
    usual_ms = max(yellows, default=0)
    min_green, ending = [], []
    for group in groups:
        if group.is_pedestrian:
            min_green.append(_walk_ms(program, group))
            ending.append(pedestrian_clearance_ms(net, group))
        else:
            min_green.append(VEHICLE_MIN_GREEN_MS)
            ending.append(_yellow_ms(net, program, group, usual_ms, convention, findings))
    return GroupTimes(tuple(min_green), tuple(ending), tuple(findings))


def _longest_run_ms(program: ShippedProgram, group: HeadGroup, letter: str) -> int:
    return max((run for run in runs_ms(program, group, letter)), default=0)


def runs_ms(program: ShippedProgram, group: HeadGroup, letter: str) -> list[int]:
    """Lengths of the uninterrupted runs of *letter* through the cycle."""
    n = len(program.phases)
    if all(c == letter for c in group.pattern):
        return [round(program.cycle_s * 1000)]
    starts = [p for p in range(n) if group.pattern[p] == letter and group.pattern[p - 1] != letter]
    runs = []
    for p in starts:
        length_s = 0.0
        while group.pattern[p % n] == letter:
            length_s += program.phases[p % n].duration_s
            p += 1  # noqa: PLW2901
        runs.append(round(length_s * 1000))
    return runs


def _walk_ms(program: ShippedProgram, group: HeadGroup) -> int:
    shortest = min(runs_ms(program, group, "g"), default=WALK_MS)
    return max(WALK_MIN_MS, min(WALK_MS, shortest))


def pedestrian_clearance_ms(net: NetFile, group: HeadGroup) -> int:
    """Time to walk the longest crossing of *group* at 1.0 m/s."""
    longest_m = max(
        net.lanes[lane].length_m for head in group.heads for lane in net.edges[head.origin].lanes
    )
    return max(1_000, math.ceil(longest_m / WALKING_SPEED_M_PER_S) * 1000)


def _yellow_ms(
    net: NetFile,
    program: ShippedProgram,
    group: HeadGroup,
    usual_ms: int,
    convention: Convention,
    findings: list[Finding],
) -> int:
    if convention.yellow_s is not None:
        return round(convention.yellow_s * 1000)
    shipped_ms = _longest_run_ms(program, group, "y") or usual_ms
    if not shipped_ms:
        return ite_yellow_ms(net, group)
    if shipped_ms > YELLOW_FIELD_MAX_MS:
        findings.append(
            Finding(
                "note",
                "yellow",
                f"{program.controller}, {group.name}",
                f"yellow of {shipped_ms / 1000:g} s in the program, "
                f"{YELLOW_FIELD_MAX_MS / 1000:g} s is used",
            )
        )
    return max(YELLOW_MIN_MS, min(YELLOW_FIELD_MAX_MS, shipped_ms))


def ite_yellow_ms(net: NetFile, group: HeadGroup) -> int:
    """Yellow for the approach speed: 1 s + v / (2 * 3.05 m/s2), 3 to 5 s (ITE 2020)."""
    speed = max(
        net.lanes[c.from_lane].speed_m_per_s for head in group.heads for c in head.connections
    )
    yellow_s = _REACTION_S + speed / (2 * _DECELERATION_M_PER_S2)
    return max(YELLOW_MIN_MS, min(YELLOW_FIELD_MAX_MS, math.ceil(yellow_s * 10) * 100))


def intergreen_matrix(
    net: NetFile,
    program: ShippedProgram,
    groups: Sequence[HeadGroup],
    conflicts: Sequence[int],
    times: GroupTimes,
    *,
    convention: Convention,
    stages: Collection[int],
) -> tuple[tuple[int, ...], ...]:
    """Rows of milliseconds, row = group that ends; 0 where two groups do not conflict."""
    has_yellow = any("y" in group.pattern for group in groups)
    red_ms = _usual_red_ms(program, groups, conflicts, stages)
    rows = []
    for i, group in enumerate(groups):
        row = [0] * len(groups)
        for j in bits(conflicts[i]):
            least_ms = times.ending_ms[i]
            if group.is_pedestrian:
                row[j] = least_ms + PEDESTRIAN_BUFFER_MS
            elif convention.all_red_s is not None:
                row[j] = least_ms + round(convention.all_red_s * 1000)
            elif has_yellow:
                shipped_ms = shipped_change_ms(program, stages, group, groups[j])
                row[j] = max(least_ms, shipped_ms or least_ms + red_ms)
            else:
                needed_s = clearance_s(net, group, groups[j], least_ms / 1000)
                row[j] = max(least_ms, math.ceil(needed_s * 2) * 500)
        rows.append(tuple(row))
    return tuple(rows)


def shipped_change_ms(
    program: ShippedProgram, stages: Collection[int], ending: HeadGroup, starting: HeadGroup
) -> int | None:
    """Shortest time from the end of one green to the start of the other in *program*.

    *stages* are the phases that are stages: with one of them between the two greens there is no
    direct change. None where the program never changes straight from one to the other.
    """
    n = len(program.phases)
    changes = []
    for p in range(n):
        if ending.pattern[p] != "g" or ending.pattern[(p + 1) % n] == "g":
            continue
        waited_s = 0.0
        for q in (phase % n for phase in range(p + 1, p + n)):
            if starting.pattern[q] == "g":
                changes.append(round(waited_s * 1000))
                break
            if q in stages or ending.pattern[q] == "g":
                break
            waited_s += program.phases[q].duration_s
    return min(changes, default=None)


def _usual_red_ms(
    program: ShippedProgram,
    groups: Sequence[HeadGroup],
    conflicts: Sequence[int],
    stages: Collection[int],
) -> int:
    """The all-red that most changes between vehicle groups of *program* have after the yellow."""
    reds: Counter[int] = Counter()
    for i, group in enumerate(groups):
        for j in bits(conflicts[i]):
            if group.is_pedestrian or groups[j].is_pedestrian:
                continue
            change_ms = shipped_change_ms(program, stages, group, groups[j])
            yellow_ms = _longest_run_ms(program, group, "y")
            if change_ms is not None and yellow_ms:
                reds[max(0, change_ms - yellow_ms)] += 1
    return max(reds, key=lambda red: (reds[red], red), default=0)
