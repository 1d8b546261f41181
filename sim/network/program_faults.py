"""What is unsafe in a signal program: yellows, intergreens, greens, walks, pedestrian clearances.

Every fault names the group, its links, the phase (counted from 0, as in the file) and the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.intersection import WALK_MIN_MS, YELLOW_MIN_MS, bits
from sim.network.conflicts import Foes, describe, group_masks
from sim.network.heads import Head, HeadGroup
from sim.network.intergreens import VEHICLE_MIN_GREEN_MS
from sim.network.model import Finding
from sim.network.net_file import NetFile
from sim.network.programs import ShippedProgram

CLEARING_WALK_M_PER_S = 1.2
"""Below the time that this speed needs, a pedestrian clearance is called unsafe (RiLSA 2015)."""
_KNOWN_LETTERS = frozenset("rsuyYgGoO")


def program_faults(
    net: NetFile,
    program: ShippedProgram,
    heads: Sequence[Head],
    groups: Sequence[HeadGroup],
    relations: Foes,
) -> tuple[Finding, ...]:
    """Everything in *program* that endangers or strands somebody."""
    conflicts = group_masks(groups, heads, relations.conflicts)
    findings = [*_unknown_letters(program), *_never_green(program, heads), *relations.findings]
    for g, group in enumerate(groups):
        if group.is_pedestrian:
            others = [groups[j] for j in bits(conflicts[g])]
            findings += _pedestrian_faults(net, program, group, others)
        else:
            findings += _yellow_faults(program, group)
            findings += _short_greens(program, group)
        for j in bits(conflicts[g]):
            findings += _early_starts(program, group, groups[j])
    return tuple(findings)


def _where(program: ShippedProgram, phase: int | None = None) -> str:
    place = f"{program.controller}, program {program.id}"
    return place if phase is None else f"{place}, phase {phase}"


def _named(group: HeadGroup) -> str:
    indices = ", ".join(str(head.index) for head in group.heads)
    return f"{group.name} (link{'s' if len(group.heads) > 1 else ''} {indices})"


def _unknown_letters(program: ShippedProgram) -> Iterator[Finding]:
    for p, phase in enumerate(program.phases):
        unknown = sorted(set(phase.state) - _KNOWN_LETTERS)
        if unknown:
            yield Finding(
                "warning",
                "letters",
                _where(program, p),
                f"unknown letters {', '.join(unknown)} in the state, read as red",
            )


def _never_green(program: ShippedProgram, heads: Sequence[Head]) -> Iterator[Finding]:
    for head in heads:
        if head.is_constant and "s" not in head.letters:
            yield Finding(
                "warning",
                "never green",
                f"{_where(program)}, link {head.index}",
                f"{describe(head)} is never green, so its lamp stays red: whoever needs it waits "
                "for ever",
            )


def _ends(group: HeadGroup) -> Iterator[int]:
    """The last phase of every green of *group*."""
    n = len(group.pattern)
    return (p for p in range(n) if group.pattern[p] == "g" and group.pattern[(p + 1) % n] != "g")


def _length_ms(program: ShippedProgram, group: HeadGroup, letter: str, first: int) -> int:
    """How long *group* shows *letter* from phase *first* on."""
    n, length_s = len(program.phases), 0.0
    for p in (phase % n for phase in range(first, first + n)):
        if group.pattern[p] != letter:
            break
        length_s += program.phases[p].duration_s
    return round(length_s * 1000)


def _yellow_faults(program: ShippedProgram, group: HeadGroup) -> Iterator[Finding]:
    for p in _ends(group):
        yellow_ms = _length_ms(program, group, "y", (p + 1) % len(program.phases))
        if not yellow_ms:
            what = "goes from green to red without yellow"
        elif yellow_ms < YELLOW_MIN_MS:
            what = f"has {yellow_ms / 1000:g} s of yellow, at least {YELLOW_MIN_MS / 1000:g} s"
            what += " are needed to stop"
        else:
            continue
        yield Finding(
            "unsafe", "yellow", _where(program, p), f"{_named(group)} {what} after this phase"
        )


def _short_greens(program: ShippedProgram, group: HeadGroup) -> Iterator[Finding]:
    for p in _starts(group):
        green_ms = _length_ms(program, group, "g", p)
        if green_ms < VEHICLE_MIN_GREEN_MS:
            yield Finding(
                "warning",
                "minimum green",
                _where(program, p),
                f"{_named(group)} is green for {green_ms / 1000:g} s, less than the minimum of "
                f"{VEHICLE_MIN_GREEN_MS / 1000:g} s",
            )


def _starts(group: HeadGroup) -> Iterator[int]:
    """The first phase of every green of *group*."""
    pattern = group.pattern
    return (p for p in range(len(pattern)) if pattern[p] == "g" and pattern[p - 1] != "g")


def _early_starts(
    program: ShippedProgram, ending: HeadGroup, starting: HeadGroup
) -> Iterator[Finding]:
    for p, pair in enumerate(zip(ending.pattern, starting.pattern, strict=True)):
        if pair == ("y", "g"):
            yield Finding(
                "unsafe",
                "intergreen",
                _where(program, p),
                f"{_named(starting)} is green while {_named(ending)}, which it conflicts with, "
                "is still yellow",
            )


def _pedestrian_faults(
    net: NetFile, program: ShippedProgram, group: HeadGroup, others: Sequence[HeadGroup]
) -> Iterator[Finding]:
    for p in _starts(group):
        walk_ms = _length_ms(program, group, "g", p)
        if walk_ms < WALK_MIN_MS:
            yield Finding(
                "unsafe",
                "walk",
                _where(program, p),
                f"{_named(group)} has {walk_ms / 1000:g} s of walk, at least "
                f"{WALK_MIN_MS / 1000:g} s are needed",
            )
    length_m = max(
        net.lanes[lane].length_m for head in group.heads for lane in net.edges[head.origin].lanes
    )
    needed_s = length_m / CLEARING_WALK_M_PER_S
    for p in _ends(group):
        cleared_s, other = _clearance_s(program, p, others)
        if other is not None and cleared_s < needed_s:
            yield Finding(
                "unsafe",
                "pedestrian clearance",
                _where(program, p),
                f"{cleared_s:g} s after the walk of {_named(group)} ends, {_named(other)} is "
                f"green: {length_m:.1f} m at {CLEARING_WALK_M_PER_S:g} m/s take {needed_s:.1f} s",
            )


def _clearance_s(
    program: ShippedProgram, last_green: int, others: Sequence[HeadGroup]
) -> tuple[float, HeadGroup | None]:
    """Time from the end of a walk until the first conflicting green, and whose green that is."""
    n, elapsed_s = len(program.phases), 0.0
    for p in (phase % n for phase in range(last_green + 1, last_green + 1 + n)):
        for other in others:
            if other.pattern[p] == "g":
                return elapsed_s, other
        elapsed_s += program.phases[p].duration_s
    return elapsed_s, None
