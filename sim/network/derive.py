"""From a SUMO network to junctions that the controller can run: see :func:`derive_network`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from controller.intersection import (
    Detector,
    GroupKind,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
    bits,
)
from controller.violations import InvalidError
from sim.convention import FIELD, Convention
from sim.errors import NetworkError
from sim.network.conflicts import Foes, group_masks, head_foes
from sim.network.detection import place_detection
from sim.network.heads import Head, signal_groups, signal_heads
from sim.network.intergreens import group_times, intergreen_matrix
from sim.network.model import Finding, Junction, Network, SignalLink
from sim.network.net_file import NetFile, Point, read_net
from sim.network.program_faults import program_faults
from sim.network.programs import ShippedProgram, programs_in_force
from sim.network.shipped_plan import shipped_greens_s, shipped_plan
from sim.network.stages import ShippedStage, extra_stages, shipped_sequence, stage_phases


def derive_network(
    net_file: Path,
    additional_files: Sequence[Path] = (),
    convention: Convention = FIELD,
    begin_s: float = 0.0,
) -> Network:
    """Derive a controller for every traffic light of *net_file*.

    *additional_files* may hold later programs and WAUTs; the program in force at *begin_s* counts.
    Raises :class:`NetworkError` for a file that is no network, for a network without traffic
    lights, and for a program from which no safe stage set can be made.
    """
    net = read_net(Path(net_file))
    programs = programs_in_force(net.logics, additional_files, begin_s)
    controlled = {c.tl for c in net.connections if c.link_indices}
    junctions, findings = [], []
    for controller in sorted(controlled & programs.keys()):
        junction = _junction(net, programs[controller], convention)
        if isinstance(junction, Finding):
            findings.append(junction)
        else:
            junctions.append(junction)
    findings += _unused(programs, controlled)
    if not junctions:
        reasons = "".join(f"; {finding.message}" for finding in findings)
        raise NetworkError(
            f"{net_file}: the network has no traffic lights to control{reasons}; choose a network "
            "with traffic lights, or let netconvert add them (--tls.guess)"
        )
    return Network(
        path=Path(net_file),
        name=net.path.name.removesuffix(".gz").removesuffix(".net.xml"),
        convention=convention,
        junctions=tuple(junctions),
        lanes=net.lanes,
        edges=net.edges,
        nodes=net.nodes,
        internal_length_m=net.internal_length_m,
        left_hand=net.left_hand,
        findings=tuple(findings),
    )


def _unused(programs: dict[str, ShippedProgram], controlled: set[str]) -> list[Finding]:
    return [
        Finding("note", "unused program", name, "its program controls no connection, left out")
        for name in sorted(programs.keys() - controlled)
    ]


def _junction(net: NetFile, program: ShippedProgram, convention: Convention) -> Junction | Finding:
    """The junction of *program*, or why it has none."""
    if program.is_off:
        return Finding(
            "note", "signals off", program.controller, "its lights are off all day, left as it is"
        )
    heads = signal_heads(net, program)
    if all(head.is_constant for head in heads):
        return Finding(
            "warning", "never green", program.controller, "no link is ever green, left as it is"
        )
    return _Builder(net, program, convention, heads).build()


def _centre(net: NetFile, nodes: Sequence[str]) -> Point:
    positions = [net.nodes[node].position for node in nodes if node in net.nodes]
    return (
        math.fsum(x for x, _ in positions) / len(positions),
        math.fsum(y for _, y in positions) / len(positions),
    )


class _Builder:
    """Builds one junction; holds what its steps share."""

    def __init__(
        self, net: NetFile, program: ShippedProgram, convention: Convention, heads: tuple[Head, ...]
    ) -> None:
        self.net = net
        self.program = program
        self.convention = convention
        self.heads = heads
        self.nodes = tuple(sorted({c.node for head in heads for c in head.connections}))
        self.centre = _centre(net, self.nodes)
        self.groups = signal_groups(net, heads, self.centre)
        self.relations: Foes = head_foes(net, program, heads)
        self.conflicts = group_masks(self.groups, heads, self.relations.conflicts)
        self.phases = stage_phases(program, self.groups)
        faults = program_faults(net, program, heads, self.groups, self.relations)
        self.findings = list(faults)

    @property
    def keep_order(self) -> bool:
        return len(self.nodes) > 1

    def build(self) -> Junction:
        sequence = shipped_sequence(self.program, self.groups, self.conflicts, self.phases)
        masks, n_shipped = self._stage_masks(sequence)
        detection = place_detection(self.net, self.program.controller, self.groups)
        site = self._intersection(masks, n_shipped, detection.detectors)
        plan, changes = shipped_plan(self.program, site, sequence)
        self.findings += changes
        return Junction(
            id=self.program.controller,
            nodes=self.nodes,
            position=self.centre,
            intersection=site,
            links=self._links(),
            loops=detection.loops,
            buttons=detection.buttons,
            shipped=self.program,
            shipped_plan=plan,
            shipped_greens_s=shipped_greens_s(self.program, sequence, self.phases),
            shipped_stages=n_shipped,
            keep_order=self.keep_order,
            stage_labels=tuple(" + ".join(stage.groups) for stage in site.stages),
            constant_letters=self._constant_letters(),
            findings=tuple(self.findings),
        )

    def _stage_masks(self, sequence: Sequence[ShippedStage]) -> tuple[tuple[int, ...], int]:
        own = tuple(dict.fromkeys(stage.mask for stage in sequence))
        if self.keep_order:
            self.findings.append(
                Finding(
                    "note",
                    "several nodes",
                    self.program.controller,
                    f"it controls {len(self.nodes)} nodes: its stages keep the shipped order",
                )
            )
            return own, len(own)
        foes = group_masks(self.groups, self.heads, self.relations.foes)
        extra, complete = extra_stages(self.groups, foes, self.conflicts, own)
        if not complete:
            self.findings.append(
                Finding(
                    "note",
                    "many stages",
                    self.program.controller,
                    f"it has more conflict-free stages than are kept ({len(extra)} besides the "
                    f"{len(own)} shipped ones)",
                )
            )
        return own + extra, len(own)

    def _intersection(
        self,
        masks: tuple[int, ...],
        n_shipped: int,
        detectors: tuple[Detector, ...],
    ) -> Intersection:
        times = group_times(self.net, self.program, self.groups, self.convention)
        self.findings += times.findings
        names = tuple(group.name for group in self.groups)
        yields = group_masks(self.groups, self.heads, self.relations.yields)
        try:
            return Intersection(
                name=self.program.controller,
                groups=tuple(
                    SignalGroup(
                        name=group.name,
                        kind=GroupKind.PEDESTRIAN if group.is_pedestrian else GroupKind.VEHICLE,
                        min_green_ms=times.min_green_ms[g],
                        ending_ms=times.ending_ms[g],
                    )
                    for g, group in enumerate(self.groups)
                ),
                conflicts=self.conflicts,
                yields_to=tuple(
                    mask & ~conflict for mask, conflict in zip(yields, self.conflicts, strict=True)
                ),
                intergreen_ms=intergreen_matrix(
                    self.net,
                    self.program,
                    self.groups,
                    self.conflicts,
                    times,
                    convention=self.convention,
                    stages=self.phases,
                ),
                stages=tuple(
                    Stage(
                        name=str(k + 1) if k < n_shipped else f"x{k + 1 - n_shipped}",
                        groups=tuple(names[g] for g in bits(mask)),
                    )
                    for k, mask in enumerate(masks)
                ),
                detectors=detectors,
                movements=tuple(self._movements()),
            )
        except InvalidError as error:
            raise NetworkError(
                f"traffic light {self.program.controller!r} cannot be controlled safely: {error}"
            ) from error

    def _movements(self) -> list[Movement]:
        lanes: dict[tuple[str, str, str, str], list[str]] = {}
        for group in self.groups:
            for head in group.heads:
                for c in head.connections:
                    key = (group.name, head.turn, c.from_edge, c.to_edge)
                    lanes.setdefault(key, []).append(c.from_lane)
        return [
            Movement(
                name=f"{group}: {start} to {end}",
                group=group,
                from_approach=start,
                to_exit=end,
                turn=turn,
                lanes=tuple(dict.fromkeys(from_lanes)),
            )
            for (group, turn, start, end), from_lanes in lanes.items()
        ]

    def _links(self) -> tuple[SignalLink, ...]:
        group_of = {h.index: g for g, group in enumerate(self.groups) for h in group.heads}
        constant = self._constant_letters()
        links = []
        for i, head in enumerate(self.heads):
            yields = 0
            for other in bits(self.relations.yields[i]):
                group = group_of.get(self.heads[other].index)
                yields |= 0 if group is None else 1 << group
            links += [
                SignalLink(
                    index=head.index,
                    group=group_of.get(head.index),
                    from_lane=c.from_lane,
                    to_lane=c.to_lane,
                    from_edge=c.from_edge,
                    to_edge=c.to_edge,
                    turn=head.turn,
                    node=c.node,
                    via=c.via,
                    yields_to_groups=yields,
                    always_yields=self.relations.yields_unsignalled[i],
                    idle_letter=constant[head.index],
                )
                for c in head.connections
            ]
        return tuple(links)

    def _constant_letters(self) -> str:
        """Red, or the turn on red (``s``) where every stage that is not green shows it."""
        letters = ["r"] * len(self.program.phases[0].state)
        for head in self.heads:
            idle = {head.letters[p] for p in self.phases if head.pattern[p] != "g"}
            if idle == {"s"}:
                letters[head.index] = "s"
        return "".join(letters)
