"""Plans for the signals of a SUMO network out of a UTDF file.

Cycle, offset, splits and order are always UTDF's own, so whatever was changed in another program
counts. Where the file was written by Greenband, our section in it says which stage a phase is and
who is actuated; elsewhere the phases of the lane groups say what is green together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.plan import PlanStage, TimingPlan
from controller.values_json import decode, parse
from controller.violations import InvalidError, Violation
from optimizer.planning.network import NetworkPlan
from sim.network.model import Finding, Junction, Network
from sim.plans.read_plan import ReadPlan
from sim.plans.utdf import Cell, Utdf, UtdfNode
from sim.plans.utdf_lanes import approaches
from sim.plans.utdf_phases import Interval, NodeTiming, node_timing
from sim.plans.zones import zones_by_cycle

_ACTUATED_FROM = 1
"""From this control type on phases may end early."""
_MAXIMUM_RECALL = 3


def plans_of_utdf(utdf: Utdf, network: Network) -> ReadPlan:
    """The plan in *utdf* for the signals of *network*.

    A node is the signal whose name its DESCRIPTION is. Raises
    :class:`~sim.errors.PlanFileError` for a file that does not say enough, with line and advice,
    and :class:`InvalidError` for phases together that a site does not know as a stage.
    """
    known = {junction.id: junction for junction in network.junctions}
    plans: list[TimingPlan] = []
    remarks: list[Finding] = []
    violations: list[Violation] = []
    for node in utdf.signals():
        junction = known.get(node.description.strip())
        if junction is None:
            message = (
                f"no signal of {network.name} is called {node.description!r}, left out: write the "
                "SUMO id of its traffic light into the DESCRIPTION of the node"
            )
            remarks.append(Finding("warning", "unknown site", f"node {node.id}", message))
            continue
        try:
            plans.append(_site_plan(utdf, node, junction, network))
        except InvalidError as error:
            violations += error.violations
    if violations:
        raise InvalidError(utdf.source, tuple(violations))
    if not plans:
        node_line = next(iter(utdf.nodes.values())).line if utdf.nodes else 1
        raise utdf.fault(
            node_line,
            f"no node is a signal of {network.name}: write the SUMO ids of the traffic lights "
            "into the DESCRIPTION of the nodes of TYPE 0",
        )
    return _network_plan(utdf, network, plans, remarks)


def network_named_in(utdf: Utdf) -> str:
    """The network that a file of ours was made for; empty for the files of others."""
    cell = utdf.own.get(0, {}).get("network plan", {}).get("DATA")
    named = "" if cell is None else _json(utdf, cell).get("network", "")
    return named if isinstance(named, str) else ""


def _network_plan(
    utdf: Utdf, network: Network, plans: list[TimingPlan], remarks: list[Finding]
) -> ReadPlan:
    cell = utdf.own.get(0, {}).get("network plan", {}).get("DATA")
    if cell is not None:
        whole = decode(NetworkPlan, _json(utdf, cell), f"{utdf.source}, line {cell.line}")
        sites = set().union(*(zone.sites for zone in whole.zones))
        if sites <= {plan.site for plan in plans}:
            return ReadPlan(replace(whole, plans=tuple(plans)), tuple(remarks))
    plan = NetworkPlan(
        name="UTDF", zones=zones_by_cycle(plans), plans=tuple(plans), network=network.name
    )
    return ReadPlan(plan, tuple(remarks))


def _json(utdf: Utdf, cell: Cell) -> dict[str, Any]:
    try:
        return parse(cell.text, "[Greenband]")
    except InvalidError as error:
        reason = error.violations[0].message
        raise utdf.fault(
            cell.line, f"[Greenband] is damaged ({reason}): delete the section, the rest counts"
        ) from None


def _site_plan(utdf: Utdf, node: UtdfNode, junction: Junction, network: Network) -> TimingPlan:
    timing = node_timing(utdf, node)
    cell = utdf.own.get(node.id, {}).get("plan", {}).get("DATA")
    if cell is not None and len({phase.ring for phase in timing.phases}) == 1:
        own = _json(utdf, cell)
        stages = own.get("stages")
        if isinstance(stages, list) and len(stages) == len(timing.phases):
            return _with_own_names(utdf, cell, own, timing)
    entries = _merged(
        [_entry(utdf, node, junction, network, timing, interval) for interval in timing.intervals]
    )
    return TimingPlan(
        site=junction.intersection.name,
        name=f"UTDF {node.id}",
        cycle_ms=timing.cycle_ms,
        offset_ms=None if timing.control_type == _ACTUATED_FROM else timing.offset_ms,
        stages=tuple(entries),
    )


def _with_own_names(utdf: Utdf, cell: Cell, own: dict[str, Any], timing: NodeTiming) -> TimingPlan:
    """Phase k is the k-th of our stages, wherever in the ring somebody has put it."""
    stages = own["stages"]
    isolated = own.pop("isolated", False)
    own["cycle_ms"] = timing.cycle_ms
    own["offset_ms"] = None if isolated else timing.offset_ms
    try:
        own["stages"] = [
            {**stages[phase.number - 1], "split_ms": phase.split_ms} for phase in timing.phases
        ]
    except (IndexError, TypeError):
        raise utdf.fault(
            cell.line,
            "[Greenband] does not fit the phases: delete its row for this node, the rest counts",
        ) from None
    return decode(TimingPlan, own, f"{utdf.source}, line {cell.line}")


def _entry(
    utdf: Utdf,
    node: UtdfNode,
    junction: Junction,
    network: Network,
    timing: NodeTiming,
    interval: Interval,
) -> PlanStage:
    site = junction.intersection
    green = _green(utdf, node, junction, network, set(interval.phases))
    vehicles = site.all_groups & ~site.pedestrian_groups
    own = [timing.phase(number) for number in interval.phases]
    walks = 1 if any(phase.walk_ms for phase in own) else -1
    fitting = [
        (walks * (mask & site.pedestrian_groups).bit_count(), -k, stage.name)
        for k, (stage, mask) in enumerate(zip(site.stages, site.stage_masks, strict=True))
        if mask & vehicles == green
    ]
    if not fitting:
        where = f"node {node.id} ({site.name}), phases {_listed(interval.phases)}"
        lit = ", ".join(site.names(green)) or "nothing"
        message = f"they light {lit}, which is no stage of the site: compare [Lanes] and BRP"
        raise InvalidError(utdf.source, (Violation("stages", where, message),))
    may_end_early = timing.control_type >= _ACTUATED_FROM and all(
        phase.recall < _MAXIMUM_RECALL for phase in own
    )
    is_reference = any(number in timing.reference for number in interval.phases)
    coordinated = timing.control_type > _ACTUATED_FROM and is_reference
    return PlanStage(
        stage=max(fitting)[2],
        split_ms=interval.duration_ms,
        actuated=may_end_early and not coordinated,
        skippable=may_end_early and not coordinated and all(phase.recall == 0 for phase in own),
        coordinated=coordinated,
    )


def _green(
    utdf: Utdf, node: UtdfNode, junction: Junction, network: Network, phases: set[int]
) -> int:
    """Vehicle groups that the lane groups light in *phases*."""
    records = utdf.lanes.get(node.id, {})
    names = [f"{kind}{k}" for kind in ("phase", "permphase") for k in range(1, 5)]
    green = 0
    for approach in approaches(junction, network):
        for column in approach.columns:
            key = f"{approach.direction}{column.turn}"
            for name in names:
                where = f"{name} of node {node.id}, {key}"
                number = utdf.number(where, records.get(name, {}).get(key))
                if number is not None and round(number) in phases:
                    green |= column.groups
    return green


def _merged(entries: list[PlanStage]) -> list[PlanStage]:
    """Neighbours with the same stage become one: phases of another ring have changed."""
    found: list[PlanStage] = []
    for entry in entries:
        if found and found[-1].stage == entry.stage:
            found[-1] = replace(found[-1], split_ms=found[-1].split_ms + entry.split_ms)
        else:
            found.append(entry)
    return found


def _listed(phases: tuple[int, ...]) -> str:
    return " and ".join(str(number) for number in phases)
