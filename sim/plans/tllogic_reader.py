"""Plans from SUMO's signal programs: static, actuated and NEMA, by us or by anybody.

A program that Greenband wrote and nobody changed gives the very plan that it was written from. Of
any other the phases count: first it is tried whether the controller can show exactly them; if not,
the plan has their stages and splits and the controller's own intergreens, and the remarks say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from controller import plan_json
from controller.plan import PlanStage, TimingPlan, plan_violations
from controller.values_json import decode, parse
from controller.violations import InvalidError, Violation
from optimizer.planning.network import NetworkPlan
from sim.errors import NetworkError
from sim.network.heads import Head, HeadGroup
from sim.network.model import Finding, Junction, Network
from sim.network.net_file import read_elements, read_net
from sim.network.programs import GREEN, YELLOW, ShippedProgram, programs_in_force
from sim.network.shipped_plan import shipped_greens_s, shipped_plan
from sim.network.stages import shipped_sequence, stage_phases
from sim.plans.read_plan import ReadPlan
from sim.plans.tllogic import NETWORK_KEY, PLAN_KEY, Timed, shown_phases
from sim.plans.zones import zones_by_cycle


def read_tllogic(path: Path, network: Network, begin_s: float = 0.0) -> ReadPlan:
    """The plan of the programs in *path* (an additional file or a network) for *network*.

    Of several programs the one in force at *begin_s* counts. A ``tlLogic`` with only an offset
    changes that of the network's program. Raises :class:`NetworkError` for a file without programs
    for the network, :class:`InvalidError` for a program that its site cannot show.
    """
    named = dict.fromkeys(
        element.get("id", "") for _, element in read_elements(path) if element.tag == "tlLogic"
    )
    in_force = programs_in_force(read_net(network.path).logics, [path], begin_s)
    known = {junction.id for junction in network.junctions}
    programs = [in_force[name] for name in named if name in in_force and name in known]
    if not programs:
        has = f"it has {', '.join(sorted(named))}" if named else "it has no tlLogic"
        raise NetworkError(
            f"{path}: no program for a signal of {network.name} ({has}); give the network that it "
            "was made for"
        )
    remarks = [
        Finding("warning", "unknown site", name, f"{network.name} has no such signal, left out")
        for name in named
        if name not in known
    ]
    plans: list[TimingPlan] = []
    violations: list[Violation] = []
    for program in programs:
        try:
            plan, said = _site_plan(network.junction(program.controller), program)
        except InvalidError as error:
            violations += error.violations
            continue
        plans.append(plan)
        remarks += said
    if violations:
        raise InvalidError(str(path), tuple(violations))
    return _network_plan(plans, programs, network, remarks)


def _network_plan(
    plans: list[TimingPlan],
    programs: list[ShippedProgram],
    network: Network,
    remarks: list[Finding],
) -> ReadPlan:
    for program in programs:
        text = dict(program.params).get(NETWORK_KEY)
        if text is not None:
            whole = decode(NetworkPlan, parse(text, NETWORK_KEY), NETWORK_KEY)
            if set().union(*(zone.sites for zone in whole.zones)) <= {each.site for each in plans}:
                return ReadPlan(replace(whole, plans=tuple(plans)), tuple(remarks))
    names = {program.id for program in programs}
    plan = NetworkPlan(
        name=names.pop() if len(names) == 1 else network.name,
        zones=zones_by_cycle(plans),
        plans=tuple(plans),
        network=network.name,
    )
    return ReadPlan(plan, tuple(remarks))


def _site_plan(
    junction: Junction, program: ShippedProgram
) -> tuple[TimingPlan, tuple[Finding, ...]]:
    where = f"{program.controller}, program {program.id}"
    embedded = dict(program.params).get(PLAN_KEY)
    if embedded is not None:
        plan = plan_json.from_json(embedded)
        if _shows(junction, plan, program):
            return plan, ()
        changed = Finding(
            "note",
            "changed program",
            where,
            "its phases are not those of the plan that it was "
            "written from: what the phases say counts",
        )
        read, said = _from_phases(junction, program, where)
        return replace(read, name=plan.name), (changed, *said)
    return _from_phases(junction, program, where)


def _from_phases(
    junction: Junction, program: ShippedProgram, where: str
) -> tuple[TimingPlan, tuple[Finding, ...]]:
    groups = _groups(junction, program, where)
    for candidate in _literal_plans(junction, program, groups):
        if _shows(junction, candidate, program):
            return candidate, ()
    return _nearest_plan(junction, program, groups, where)


def _shows(junction: Junction, plan: TimingPlan, program: ShippedProgram) -> bool:
    """Whether the controller shows exactly what *program* does when it runs *plan*."""
    site = junction.intersection
    if plan.cycle_ms != round(program.cycle_s * 1000) or any(plan_violations(plan, site)):
        return False
    try:
        offset_ms, phases = shown_phases(junction, plan)
    except InvalidError:
        return False
    written = tuple((round(phase.duration_s * 1000), phase.state) for phase in program.phases)
    return _switches(offset_ms, phases) == _switches(round(program.offset_s * 1000), written)


def _switches(offset_ms: int, phases: Timed) -> tuple[tuple[int, str], ...]:
    """When in the clock's cycle the lamps change, and to what; rights of way do not count."""
    cycle_ms = sum(duration_ms for duration_ms, _ in phases)
    plain = [(duration_ms, _aspects(state)) for duration_ms, state in phases]
    found, at_ms = [], offset_ms
    for k, (duration_ms, state) in enumerate(plain):
        if state != plain[k - 1][1]:
            found.append((at_ms % cycle_ms, state))
        at_ms += duration_ms
    return tuple(sorted(found))


def _aspects(state: str) -> str:
    return "".join("g" if c in GREEN else "y" if c in YELLOW else "r" for c in state)


def _groups(junction: Junction, program: ShippedProgram, where: str) -> tuple[HeadGroup, ...]:
    """The site's groups with what *program* lets them show; raises where it tells links apart."""
    states = [phase.state for phase in program.phases]
    if len(states[0]) != len(junction.constant_letters):
        message = (
            f"its states have {len(states[0])} letters, the signal has "
            f"{len(junction.constant_letters)} links: it was made for another network"
        )
        raise InvalidError(where, (Violation("letters", where, message),))
    groups, violations = [], []
    for g, group in enumerate(junction.intersection.groups):
        heads = tuple(
            Head(link.index, (), "".join(state[link.index] for state in states), "", link.turn)
            for link in junction.links_of_group(g)
        )
        other = next((head for head in heads if head.pattern != heads[0].pattern), None)
        if other is not None:
            message = (
                f"links {heads[0].index} and {other.index} are one signal group ({group.name}) and "
                "differ: derive the sites with this program in force to read it"
            )
            violations.append(Violation("groups", where, message))
        groups.append(HeadGroup(group.name, heads))
    if violations:
        raise InvalidError(where, tuple(violations))
    return tuple(groups)


def _literal_plans(
    junction: Junction, program: ShippedProgram, groups: tuple[HeadGroup, ...]
) -> Iterator[TimingPlan]:
    """Plans whose stages begin where phases show them in full.

    A stage may as well be a step on the way to the next one, where it only thins out its neighbour:
    all are tried as stages first, then only those that light something.
    """
    site = junction.intersection
    n, at_ms = len(program.phases), 0
    whole: list[tuple[int, int]] = []
    for p in range(n):
        green = sum(1 << g for g, group in enumerate(groups) if group.pattern[p] == "g")
        if green in site.stage_masks and (not whole or whole[-1][0] != green):
            whole.append((green, at_ms))
        at_ms += round(program.phases[p].duration_s * 1000)
    if len(whole) > 1 and whole[0][0] == whole[-1][0]:
        whole = [(whole[0][0], whole[-1][1] - at_ms), *whole[1:-1]]
    lighting = [each for k, each in enumerate(whole) if each[0] & ~whole[k - 1][0]]
    for stages in (whole, lighting):
        if stages:
            yield _plan(junction, program, stages)


def _plan(junction: Junction, program: ShippedProgram, stages: list[tuple[int, int]]) -> TimingPlan:
    site = junction.intersection
    cycle_ms = round(program.cycle_s * 1000)
    starts = [start_ms for _, start_ms in stages]
    ends = [*starts[1:], starts[0] + cycle_ms]
    names = {mask: stage.name for stage, mask in zip(site.stages, site.stage_masks, strict=True)}
    return TimingPlan(
        site=site.name,
        name=program.id,
        cycle_ms=cycle_ms,
        offset_ms=(round(program.offset_s * 1000) + starts[0]) % cycle_ms,
        stages=tuple(
            PlanStage(stage=names[mask], split_ms=end_ms - start_ms)
            for (mask, start_ms), end_ms in zip(stages, ends, strict=True)
        ),
    )


def _nearest_plan(
    junction: Junction, program: ShippedProgram, groups: tuple[HeadGroup, ...], where: str
) -> tuple[TimingPlan, tuple[Finding, ...]]:
    site = junction.intersection
    phases = stage_phases(program, groups)
    sequence = shipped_sequence(program, groups, site.conflicts, phases)
    unknown = [stage.mask for stage in sequence if stage.mask not in site.stage_masks]
    if unknown:
        raise InvalidError(
            where,
            tuple(
                Violation(
                    "stages",
                    where,
                    f"it lights {', '.join(site.names(mask)) or 'nothing'} together, which is no "
                    "stage of the site: derive the sites with this program in force to read it",
                )
                for mask in dict.fromkeys(unknown)
            ),
        )
    plan, changes = shipped_plan(program, site, sequence)
    bounds = shipped_greens_s(program, sequence, phases)
    stages = tuple(
        replace(entry, actuated=0 < least_s < most_s)
        for entry, (least_s, most_s) in zip(plan.stages, bounds, strict=True)
    )
    inexact = Finding(
        "note",
        "own intergreens",
        where,
        f"a program of type {program.type}: its stages and splits are kept, between them the "
        "site's own yellows and intergreens are shown",
    )
    return replace(plan, name=program.id, stages=stages), (inexact, *changes)
