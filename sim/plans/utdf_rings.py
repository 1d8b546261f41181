"""The signals of a UTDF file with their phases in rings, each alone; and their splits put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from controller.plan import TimingPlan
from optimizer.isolated.signal import Phase, Signal, Window
from optimizer.isolated.solve import Goal, Timing
from optimizer.isolated.stages import (
    best_stage_timing,
    lane_groups_of,
    stage_plan,
    streams_alone,
)
from optimizer.planning.maker import Keep
from optimizer.planning.network import NetworkPlan, PlanningNetwork, Stream
from sim.network.model import Finding
from sim.plans.utdf import Utdf, UtdfNode
from sim.plans.utdf_phases import UtdfPhase
from sim.plans.utdf_site import UtdfMovement, UtdfSite, site_of_node
from sim.plans.utdf_update import RingPlace, with_ring_splits

PERIOD_H = 0.25
"""Analysis period where the file's volumes are hourly rates (HCM)."""
END_GAIN_S = 2.0
"""Part of the yellow that is still used (HCM)."""
STAGES_LONGER_S = 31
"""By less than this a plan in stages may need a longer cycle than rings."""


@dataclass(frozen=True, slots=True)
class RingSignal:
    """A node, the phases (by number) of every way to run it, and the ways, the present one first.

    Ways differ in which turns lead and which lag, and are one if that makes no difference.
    """

    node: UtdfNode
    site: UtdfSite
    variants: tuple[Signal, ...]


def ring_signals(
    utdf: Utdf, network: PlanningNetwork, *, lead_lag: bool = False
) -> Iterator[RingSignal]:
    """The signals of *utdf* with the demand of *network*, which was made from it.

    *lead_lag*: turns that are permitted besides may lead or lag as is best.
    """
    for at, node in enumerate(utdf.signals()):
        made = site_of_node(utdf, node)
        present = _signal(utdf, made, network, at, made.timing.phases)
        variants = [present]
        if lead_lag and present.coupled:
            variants += [
                _signal(utdf, made, network, at, order)
                for order in _orders(made.timing.phases)
                if order != made.timing.phases
            ]
        yield RingSignal(node, made, tuple(variants))


def with_timings(text: str, timings: Mapping[int, Timing], source: str = "UTDF") -> str:
    """*text* with the cycle, splits and order of phases of every node (by number) in *timings*.

    Offsets become 0: signals with cycles of their own have none.
    """
    places = {
        node: (round(timing.cycle_s * 1000), _places(timing)) for node, timing in timings.items()
    }
    return with_ring_splits(text, places, source)


def isolated_plan(
    utdf: Utdf, network: PlanningNetwork, goal: Goal, name: str, objective: str
) -> tuple[NetworkPlan, tuple[Finding, ...]]:
    """What the signals of *utdf* run, each alone, as a plan in stages, and what differs in it.

    Rings may overlap for less time than a stage takes; then the stages get the best splits that
    they can have in that cycle. *network* has the demand.
    """
    made = [site_of_node(utdf, node) for node in utdf.signals()]
    staged = replace(
        network,
        sites=tuple(
            replace(planned, site=each.site, present=each.present)
            for planned, each in zip(network.sites, made, strict=True)
        ),
        period_h=PERIOD_H,
        end_gain_s=END_GAIN_S,
    )
    plans, findings = [], []
    for at, each in enumerate(made):
        plan = each.present
        if each.remarks:
            cycle_s = each.timing.cycle_ms / 1000
            # Not always can a cycle that has room for rings hold the stages.
            cycles = [cycle_s + more for more in range(STAGES_LONGER_S)]
            timing, stages = best_stage_timing(
                staged, at, cycles, goal, Keep.ORDER, _runs_every_phase(each)
            )
            plan = stage_plan(staged, at, stages, timing, name)
            findings.append(_instead(each, plan))
        plans.append(replace(plan, name=name, offset_ms=None))
    return (
        NetworkPlan(
            name=name, zones=(), plans=tuple(plans), network=utdf.source, objective=objective
        ),
        tuple(findings),
    )


def _runs_every_phase(made: UtdfSite) -> Callable[[tuple[int, ...]], bool]:
    """Whether stages (positions) have all phases, those of turns that may go permitted too."""
    phases = [frozenset(made.stage_phases[stage.name]) for stage in made.site.stages]
    every = frozenset[int]().union(*phases)
    return lambda stages: frozenset[int]().union(*(phases[k] for k in stages)) == every


def _instead(made: UtdfSite, plan: TimingPlan) -> Finding:
    splits = ", ".join(f"{entry.stage}: {entry.split_ms / 1000:g}" for entry in plan.stages)
    return Finding(
        "note",
        "stages",
        f"node {made.node.id}",
        f"its rings overlap for less time than a stage takes, so the plan in stages differs from "
        f"the UTDF file: {splits} s",
    )


def _places(timing: Timing) -> dict[int, RingPlace]:
    phases = timing.signal.phases
    splits = dict(zip((int(phase.name) for phase in phases), timing.splits_s, strict=True))
    return {
        int(phases[k].name): RingPlace(
            barrier=barrier + 1,
            ring=ring + 1,
            position=position,
            split_ms=round(splits[int(phases[k].name)] * 1000),
        )
        for (barrier, ring), part in timing.signal.parts.items()
        for position, k in enumerate(part, 1)
    }


def _orders(phases: Sequence[UtdfPhase]) -> Iterator[tuple[UtdfPhase, ...]]:
    """With every pair of phases between two barriers one way around, and the other."""
    parts: dict[tuple[int, int], list[UtdfPhase]] = {}
    for phase in phases:
        parts.setdefault((phase.barrier, phase.ring), []).append(phase)
    ways = [
        (tuple(part), tuple(reversed(part))) if len(part) == 2 else (tuple(part),)
        for part in parts.values()
    ]
    for chosen in product(*ways):
        yield tuple(
            replace(phase, position=position)
            for part in chosen
            for position, phase in enumerate(part, 1)
        )


def _signal(
    utdf: Utdf,
    made: UtdfSite,
    network: PlanningNetwork,
    at: int,
    order: tuple[UtdfPhase, ...],
) -> Signal:
    rings = sorted({phase.ring for phase in order})
    barriers = sorted({phase.barrier for phase in order})
    own = streams_alone(network, at)
    windows = [_windows(made, network.streams[stream], order) for stream in own]
    return Signal(
        name=made.site.name,
        phases=tuple(
            Phase(
                name=str(phase.number),
                minimum_s=_minimum_ms(utdf, made.node, phase) / 1000,
                ring=rings.index(phase.ring),
                barrier=barriers.index(phase.barrier),
            )
            for phase in order
        ),
        groups=lane_groups_of(network, own, windows),
        period_h=PERIOD_H,
        start_loss_s=network.start_loss_s,
        end_gain_s=END_GAIN_S,
        label=" ".join(str(phase.number) for phase in order),
    )


def _minimum_ms(utdf: Utdf, node: UtdfNode, phase: UtdfPhase) -> int:
    """The file's own MinSplit, minimum green, and walk with its clearance, whichever is longest."""
    where = f"MinSplit of node {node.id}, D{phase.number}"
    cell = utdf.phases[node.id].get("minsplit", {}).get(f"D{phase.number}")
    given_ms = round(1000 * (utdf.number(where, cell) or 0.0))
    green_ms = max(phase.min_green_ms, phase.walk_ms + phase.dont_walk_ms if phase.walk_ms else 0)
    return max(given_ms, green_ms + phase.yellow_ms + phase.all_red_ms)


def _windows(made: UtdfSite, stream: Stream, order: Sequence[UtdfPhase]) -> tuple[Window, ...]:
    """One for every run of phases, one after the other in a ring, that release the stream."""
    numbers = _releasing([each for each in made.movements if each.column in stream.groups])
    found = []
    for ring in sorted({phase.ring for phase in order}):
        slots = _slots(order, ring)
        served = [k is not None and order[k].number in numbers for k in slots]
        if all(served):
            found.append(Window(phases=tuple(k for k in slots if k is not None)))
            continue
        begins = [at for at in range(len(slots)) if served[at] and not served[at - 1]]
        for first in begins:
            turned, on = slots[first:] + slots[:first], served[first:] + served[:first]
            run = [k for k in turned[: on.index(False)] if k is not None]
            last = order[run[-1]]
            clearance_ms = last.yellow_ms + last.all_red_ms
            found.append(Window(phases=tuple(run), end_lag_s=-clearance_ms / 1000))
    return tuple(found)


def _slots(order: Sequence[UtdfPhase], ring: int) -> list[int | None]:
    """The phases of a ring, by position; None where it has nothing between two barriers."""
    found: list[int | None] = []
    for barrier in sorted({phase.barrier for phase in order}):
        own = [k for k, phase in enumerate(order) if (phase.barrier, phase.ring) == (barrier, ring)]
        found += own or [None]
    return found


def _releasing(movements: Sequence[UtdfMovement]) -> frozenset[int]:
    """The phases in which all of *movements* may go; where there is none, those of the first."""
    common = frozenset.intersection(*(each.phases for each in movements))
    return common or movements[0].phases
