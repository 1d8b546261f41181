"""The common cycle of a network, and settings to start from.

Every candidate gets a setting of its own with balanced splits and a sketch of its offsets; the
most promising ones are improved in full, and the best of those stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from optimizer.profiles import _moves
from optimizer.profiles._search import OnProgress, Search
from optimizer.profiles._tables import Floats
from optimizer.profiles.improve import Effort, Improvement, improve
from optimizer.profiles.network import (
    DELAY_AND_STOPS,
    GreenTimes,
    Node,
    Objective,
    Setting,
    SignalNetwork,
    StageSequence,
)

FINALISTS = 2
"""How many cycles are improved in full after the sketches."""
BALANCE_STEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleChoice:
    """The best setting of all cycles, and what each cycle reached (sketch or full)."""

    best: Improvement
    index_by_cycle: Mapping[float, float]


def choose_cycle(
    network: SignalNetwork,
    cycles_s: Sequence[float],
    *,
    objective: Objective = DELAY_AND_STOPS,
    move: Collection[str] = ("offsets", "splits", "order"),
    effort: Effort | None = None,
    threads: int = 1,
    on_progress: OnProgress | None = None,
) -> CycleChoice:
    """The best of *cycles_s* for all nodes together, and its setting.

    Cycles below a node's minimums are left out. ``effort`` is for each of the finalists; its time
    limit is for everything. Raises :class:`ValueError` if no cycle is as long as the minimums.
    """
    effort = effort or Effort()
    is_late = effort.deadline()
    began = effort.clock() if effort.clock else 0.0
    starts = [balanced_setting(network, cycle) for cycle in _long_enough(network, cycles_s)]

    def sketched(start: Setting) -> tuple[float, Setting]:
        search = Search(network, start, objective, move)
        search.is_late = is_late
        search.sketch()
        return search.index, search.setting(start)

    def improved(start: Setting) -> Improvement:
        left = None
        if effort.clock and effort.time_limit_s is not None:
            left = max(effort.time_limit_s - (effort.clock() - began), 0.0)
        return improve(
            network,
            start,
            objective=objective,
            move=move,
            effort=replace(effort, time_limit_s=left),
            on_progress=on_progress,
        )

    with ThreadPoolExecutor(threads) as pool:
        sketches = list(pool.map(sketched, starts))
        sketches.sort(key=lambda sketch: sketch[0])
        finals = list(pool.map(improved, [setting for _, setting in sketches[:FINALISTS]]))
    indices = {setting.cycle_s: index for index, setting in sketches}
    indices |= {final.setting.cycle_s: final.index for final in finals}
    return CycleChoice(
        best=min(finals, key=lambda final: final.index),
        index_by_cycle=dict(sorted(indices.items())),
    )


def shortest_cycle_s(network: SignalNetwork) -> float:
    """The cycle that the first sequence of every node fits in, at its shortest, with its slack."""
    return max((_least_s(node) for node in network.nodes), default=0.0)


def _least_s(node: Node) -> float:
    return sum(node.minimum_split_s) + node.slack_s


def _long_enough(network: SignalNetwork, cycles_s: Sequence[float]) -> list[float]:
    shortest = shortest_cycle_s(network)
    fitting = [float(cycle) for cycle in cycles_s if cycle >= shortest - 1e-9]
    if fitting:
        return fitting
    longest = max(network.nodes, key=_least_s)
    raise ValueError(
        f"cycles_s: node {longest.name} needs at least {shortest:g} s for its minimums; "
        "add a longer cycle"
    )


def at_cycle(network: SignalNetwork, setting: Setting, cycle_s: float) -> Setting:
    """*setting* at another cycle: offsets in proportion, what is above the minimums likewise.

    Raises :class:`ValueError` with the node whose minimums do not fit.
    """
    starts = []
    for position, node in enumerate(network.nodes):
        factor = setting.factor(position)
        sequence = node.sequences[setting.sequence(position)]
        old = np.array(setting.stage_start_s[position])
        lasts = _moves.durations(old[list(sequence.stages)], setting.cycle_s * factor)
        first = round(old[sequence.stages[0]] * cycle_s / setting.cycle_s)
        starts.append(_placed(node, sequence, lasts, float(first), cycle_s * factor))
    return replace(setting, cycle_s=cycle_s, stage_start_s=tuple(starts))


def balanced_setting(network: SignalNetwork, cycle_s: float) -> Setting:
    """Every node at *cycle_s* from time 0, its green shared so that the fullest link is eased.

    Raises :class:`ValueError` with the node whose minimums do not fit.
    """
    links: list[list[int]] = [[] for _ in network.nodes]
    for position, link in enumerate(network.links):
        if link.node is not None:
            links[link.node].append(position)
    starts = []
    for node, own in zip(network.nodes, links, strict=True):
        lasts = _balanced(network, node, own, cycle_s)
        starts.append(_placed(node, node.sequences[0], lasts, 0.0, cycle_s))
    return Setting(cycle_s=cycle_s, stage_start_s=tuple(starts))


def _placed(
    node: Node, sequence: StageSequence, wished_s: Floats, first_s: float, cycle_s: float
) -> tuple[float, ...]:
    """The stage starts of *node* with stages about as long as wished."""
    minimum = np.asarray(sequence.minimum_split_s)
    fitted = _moves.fit(wished_s, minimum, cycle_s, slack_s=node.slack_s)
    if fitted is None:
        raise ValueError(
            f"cycle_s: {cycle_s:g} s is shorter than the {minimum.sum() + node.slack_s:g} s "
            f"that the minimums of node {node.name} need"
        )
    starts = np.zeros(node.stages)
    starts[list(sequence.stages)] = (first_s + np.cumsum([0.0, *fitted[:-1]])) % cycle_s
    return tuple(starts.tolist())


def _balanced(network: SignalNetwork, node: Node, links: Sequence[int], cycle_s: float) -> Floats:
    """Stage durations: some seconds at a time to a stage of the link that is fullest."""
    lasts = list(node.minimum_split_s)
    served = list(_served(network, node, links))
    spare = cycle_s - sum(lasts)
    while served and spare >= BALANCE_STEP_S:
        fullness = [
            need / max(sum(lasts[stage] for stage in stages) + extra, 0.1)
            for stages, extra, need in served
        ]
        fullest = max(range(len(served)), key=fullness.__getitem__)
        # Of its stages, the one that eases the others most.
        eased = dict.fromkeys(served[fullest][0], 0.0)
        for (stages, _, _), full in zip(served, fullness, strict=True):
            for stage in stages:
                if stage in eased:
                    eased[stage] += full
        step = BALANCE_STEP_S if spare < 4.0 * BALANCE_STEP_S else spare // 4.0
        step = min(step, 4.0 * BALANCE_STEP_S)
        lasts[max(eased, key=eased.__getitem__)] += step
        spare -= step
    return np.array(lasts)


def _served(
    network: SignalNetwork, node: Node, links: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], float, float]]:
    """Per link with flow: the stages that it flows in, extra effective green, flow ratio."""
    for position in links:
        link = network.links[position]
        if not link.greens or link.flow_veh_per_h <= 0.0:
            continue
        stages: set[int] = set()
        extra = 0.0
        for green in link.greens:
            stages.update(_stages_of(green, node.stages))
            extra += green.end_lag_s - green.start_lag_s
            extra += network.end_displacement_s - network.start_displacement_s
        if stages:
            need = link.flow_veh_per_h / link.saturation_veh_per_h
            yield tuple(sorted(stages)), extra, need


def _stages_of(green: GreenTimes, stages: int) -> list[int]:
    """The stages from the start of *green* to its end."""
    count = (green.end_stage - green.start_stage) % stages
    if not count and green.end_lag_s <= green.start_lag_s:
        count = stages
    return [(green.start_stage + at) % stages for at in range(count)]
