"""Which heads and groups exclude each other, and which of two gives way.

Streams that cross or merge are foes in the right-of-way matrices of SUMO's nodes. Foes conflict,
unless the shipped program releases them together and one of them has to give way (a permissive
turn). At an unregulated node, which has no matrix, streams are foes whose paths meet. Between
streams of different nodes nothing is known: those that the program never lets overlap are taken
to conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.intersection import bits
from sim.network.geometry import meeting_point, path_of
from sim.network.heads import Head, HeadGroup
from sim.network.model import Finding
from sim.network.net_file import NetFile
from sim.network.programs import ShippedProgram


@dataclass(frozen=True, slots=True)
class Foes:
    """Relations between heads, by position in the list of heads, as bit masks."""

    foes: tuple[int, ...]
    conflicts: tuple[int, ...]
    yields: tuple[int, ...]
    """Heads that it gives way to; whoever shows green together with one of them shows ``g``."""
    yields_unsignalled: tuple[bool, ...]
    """Whether it also gives way to traffic without a signal."""
    findings: tuple[Finding, ...]


def head_foes(net: NetFile, program: ShippedProgram, heads: Sequence[Head]) -> Foes:
    """Relations between all *heads* of one controller."""
    n = len(heads)
    foes, conflicts, yields = [0] * n, [0] * n, [0] * n
    findings = []
    for a in range(n):
        for b in range(a + 1, n):
            foe, known = _are_foes(net, heads[a], heads[b])
            together = heads[a].green & heads[b].green
            if not known:
                foe = not together and not _overlap(heads[a], heads[b])
            if not foe:
                continue
            foes[a] |= 1 << b
            foes[b] |= 1 << a
            a_yields, b_yields = _who_yields(net, heads[a], heads[b])
            unsafe = _unsafe_phases(heads[a], heads[b])
            permitted = bool(together) and (not unsafe or a_yields or b_yields)
            if unsafe:
                findings.append(_conflicting_greens(program, heads[a], heads[b], unsafe, permitted))
            if permitted:
                yields[a] |= a_yields << b
                yields[b] |= b_yields << a
            else:
                conflicts[a] |= 1 << b
                conflicts[b] |= 1 << a
    return Foes(
        tuple(foes),
        tuple(conflicts),
        tuple(yields),
        tuple(_yields_unsignalled(net, program, head) for head in heads),
        tuple(findings),
    )


def _are_foes(net: NetFile, a: Head, b: Head) -> tuple[bool, bool]:
    """(whether they are foes, whether that is known at all)."""
    known = False
    for one in a.connections:
        for other in b.connections:
            if one.node != other.node or one.request < 0 or other.request < 0:
                continue
            known = True
            matrix = net.nodes[one.node].foes
            if any(matrix):
                foe = bool(matrix[one.request] >> other.request & 1)
            else:  # an unregulated node: look where the paths go
                apart = one.from_edge != other.from_edge
                foe = apart and meeting_point(path_of(net, one), path_of(net, other)) is not None
            if foe:
                return True, True
    return False, known


def _responds(net: NetFile, a: Head, b: Head) -> bool:
    return any(
        one.node == other.node
        and 0 <= one.request < len(net.nodes[one.node].yields)
        and other.request >= 0
        and bool(net.nodes[one.node].yields[one.request] >> other.request & 1)
        for one in a.connections
        for other in b.connections
    )


def _overlap(a: Head, b: Head) -> bool:
    """Whether one is green while the other is green or yellow."""
    return bool(a.green & (b.green | b.yellow) or b.green & a.yellow)


def _unsafe_phases(a: Head, b: Head) -> int:
    """Phases in which two streams that cross or merge both have right of way, as a mask."""
    return 0 if a.origin == b.origin else a.major & b.major


def _who_yields(net: NetFile, a: Head, b: Head) -> tuple[bool, bool]:
    """Whether a yields to b and b to a while both are green.

    The right-of-way matrix decides; where it names nobody, the one that the program shows ``g``.
    Of two through streams that cross at right of way neither can be asked to yield.
    """
    together = a.green & b.green
    if a.origin == b.origin and together == a.major & b.major:
        return False, False  # neighbouring lanes of one approach merge by themselves
    a_yields, b_yields = _responds(net, a, b), _responds(net, b, a)
    if a_yields or b_yields:
        if _unsafe_phases(a, b) and not (_may_yield(a, b) or _may_yield(b, a)):
            return False, False
        return a_yields, b_yields
    return not together & a.major, not together & b.major


def _may_yield(head: Head, other: Head) -> bool:
    """A turn may give way, and so may a stream that merges; a through stream may not cross."""
    ends = {connection.to_edge for connection in head.connections}
    return head.turn not in {"through", "crossing"} or not ends.isdisjoint(
        connection.to_edge for connection in other.connections
    )


def _yields_unsignalled(net: NetFile, program: ShippedProgram, head: Head) -> bool:
    return any(
        0 <= mine.request < len(net.nodes[mine.node].yields)
        and other.node == mine.node
        and other.tl != program.controller
        and other.request >= 0
        and net.nodes[mine.node].yields[mine.request] >> other.request & 1
        for mine in head.connections
        for other in net.at_node[mine.node]
    )


def _conflicting_greens(
    program: ShippedProgram, a: Head, b: Head, phases: int, permitted: bool
) -> Finding:
    read_as = (
        "read as a permissive pair, one of them gives way by the network's right of way"
        if permitted
        else "read as a conflict, so the stage is split in two"
    )
    return Finding(
        "unsafe",
        "conflicting greens",
        f"{program.controller}, program {program.id}, phase {', '.join(map(str, bits(phases)))}",
        f"links {a.index} ({describe(a)}) and {b.index} ({describe(b)}) cross or merge and both "
        f"show G; {read_as}",
    )


def describe(head: Head) -> str:
    """A head in words, for messages."""
    connection = head.connections[0]
    if head.is_pedestrian:
        return f"crossing {head.origin}"
    return f"{head.turn} from {connection.from_lane} to {connection.to_edge}"


def group_masks(
    groups: Sequence[HeadGroup], heads: Sequence[Head], relation: Sequence[int]
) -> tuple[int, ...]:
    """A relation between heads, lifted to the groups that they belong to (never to itself)."""
    position = {head.index: i for i, head in enumerate(heads)}
    group_of = {position[h.index]: g for g, group in enumerate(groups) for h in group.heads}
    masks = []
    for g, group in enumerate(groups):
        mask = 0
        for head in group.heads:
            for other in bits(relation[position[head.index]]):
                if other in group_of and group_of[other] != g:
                    mask |= 1 << group_of[other]
        masks.append(mask)
    return tuple(masks)
