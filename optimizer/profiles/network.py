"""The values of the network model: nodes, links that feed each other, and a setting of the signals.

Stages, nodes and links are counted from 0. Times of a setting are seconds after the start of the
common cycle. A stage *starts* when the change to it starts, so a stage lasts from its start to the
start of the stage after it: the interstage into it, then its green.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from math import inf, isfinite

STEPS_MAX = 400
"""Steps of a cycle; finer profiles cost time and show nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreenTimes:
    """A green of a link: from a stage's start plus a lag to a stage's start plus a lag.

    The lags describe the lamps; start-up loss and end gain are the displacements of the network.
    From a stage to itself is a green that is shorter than the cycle, unless the lags are equal:
    that is green all the time.
    """

    start_stage: int
    start_lag_s: float
    end_stage: int
    end_lag_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a link receives from an upstream link.

    ``travel_time_s``: from stop line to stop line at cruise speed, without dispersion.
    """

    link: int
    flow_veh_per_h: float
    travel_time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveWay:
    """A link that yields to others: it discharges *maximum - sum of slope x opposing flow*.

    ``only_while_green``: the opposing links count only while they show green; when they are red
    the link discharges at its saturation flow. Otherwise their flow counts at all times.
    """

    links: tuple[int, ...]
    slopes: tuple[float, ...]
    maximum_veh_per_h: float
    only_while_green: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A queue at a stop line.

    ``greens``: in the node's first sequence; ``other_greens``: in each of its others. Without a
    node there is no signal: the link discharges (or gives way) all the time.
    ``flow_veh_per_h`` is what arrives: the feeds' and the even source's profiles are scaled to it.
    ``storage_veh``: the queue that fits. ``delay_weight``, ``stop_weight``: in the index; the
    persons in a vehicle, say.
    """

    name: str
    node: int | None
    greens: tuple[GreenTimes, ...]
    saturation_veh_per_h: float
    flow_veh_per_h: float
    uniform_veh_per_h: float = 0.0
    feeds: tuple[Feed, ...] = ()
    give_way: GiveWay | None = None
    storage_veh: float = inf
    delay_weight: float = 1.0
    stop_weight: float = 1.0
    other_greens: tuple[tuple[GreenTimes, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSequence:
    """Another order of a node's stages. ``stages`` leaves out those that it does not show.

    ``minimum_split_s``: in the order of ``stages``, as in :class:`Node`.
    """

    stages: tuple[int, ...]
    minimum_split_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One controller. Its first sequence is its stages as they are numbered.

    ``minimum_split_s``: per stage, from its start to the next start: interstage and shortest
    green, pedestrian minimums included. ``cycle_factors``: the shares of the common cycle that the
    node may run at, of 0.5, 1 and 2. ``slack_s``: a cycle or order that is looked for leaves at
    least so much above the minimums.
    """

    name: str
    minimum_split_s: tuple[float, ...]
    may_move_offset: bool = True
    may_move_splits: bool = True
    other_sequences: tuple[StageSequence, ...] = ()
    cycle_factors: tuple[float, ...] = (1.0,)
    slack_s: float = 0.0

    @property
    def stages(self) -> int:
        """How many stages there are."""
        return len(self.minimum_split_s)

    @property
    def sequences(self) -> tuple[StageSequence, ...]:
        """Every order that the node may run, its first one first."""
        first = StageSequence(
            stages=tuple(range(self.stages)), minimum_split_s=self.minimum_split_s
        )
        return (first, *self.other_sequences)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalNetwork:
    """Nodes and links, and how finely they are looked at.

    ``period_h``: how long the flows last, for random and oversaturation delay.
    ``start_displacement_s``: start-up loss; ``end_displacement_s``: how long vehicles still flow
    after green. ``dispersion`` and ``fastest`` are Robertson's alpha and beta: the first of a
    platoon need ``fastest`` of the travel time, and it spreads the more the greater ``dispersion``.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    steps_per_cycle: int = 60
    period_h: float = 1.0
    start_displacement_s: float = 2.0
    end_displacement_s: float = 3.0
    dispersion: float = 0.35
    fastest: float = 0.8

    def __post_init__(self) -> None:
        """Refuse what the model cannot read."""
        for fault in self._faults():
            raise ValueError(fault)

    def _faults(self) -> Iterator[str]:
        if not 4 <= self.steps_per_cycle <= STEPS_MAX:
            yield f"steps_per_cycle: {self.steps_per_cycle} is not in 4..{STEPS_MAX}"
        if not (isfinite(self.period_h) and self.period_h > 0.0):
            yield f"period_h: {self.period_h} is not above 0"
        for name in ("dispersion", "fastest"):
            if not 0.0 <= getattr(self, name) <= 2.0:
                yield f"{name}: {getattr(self, name)} is not in 0..2"
        for name in ("start_displacement_s", "end_displacement_s"):
            if not isfinite(getattr(self, name)):
                yield f"{name}: {getattr(self, name)} is not finite"
        yield from chain.from_iterable(map(_faults_of_node, self.nodes))
        for link in self.links:
            yield from _faults_of_link(link, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The signal times of every node.

    ``stage_start_s[node][stage]``: within the node's own cycle, ``cycle_s x cycle_factor``; the
    start of a stage that its sequence leaves out is not looked at. ``cycle_factors`` and
    ``sequences`` (positions in :attr:`Node.sequences`) are 1 and 0 where they are empty.
    """

    cycle_s: float
    stage_start_s: tuple[tuple[float, ...], ...]
    cycle_factors: tuple[float, ...] = ()
    sequences: tuple[int, ...] = ()

    def factor(self, node: int) -> float:
        """The share of the common cycle that *node* runs at."""
        return self.cycle_factors[node] if self.cycle_factors else 1.0

    def sequence(self, node: int) -> int:
        """Which of its sequences *node* runs."""
        return self.sequences[node] if self.sequences else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is minimised: *delay x delay + stops + spillback*, in vehicle-hours per hour.

    ``stop_s``: a stop counts as so many seconds of delay. ``spillback``: vehicle-hours per hour
    for the square of a tenth of the vehicles by which a link's queue exceeds its storage.
    The links' weights multiply delay and stops.
    """

    delay: float = 1.0
    stop_s: float = 0.0
    spillback: float = 10.0


DELAY = Objective()
STOPS = Objective(delay=0.0, stop_s=60.0)
DELAY_AND_STOPS = Objective(stop_s=20.0)


def check_setting(network: SignalNetwork, setting: Setting) -> None:
    """Raise :class:`ValueError` with node and fault if *setting* does not fit *network*."""
    if not (isfinite(setting.cycle_s) and setting.cycle_s > 0.0):
        raise ValueError(f"cycle_s: {setting.cycle_s} is not above 0")
    nodes = len(network.nodes)
    for name in ("stage_start_s", "cycle_factors", "sequences"):
        given = len(getattr(setting, name))
        if given != nodes and (given or name == "stage_start_s"):
            raise ValueError(f"{name}: {given} nodes, but the network has {nodes}")
    for position, node in enumerate(network.nodes):
        starts = setting.stage_start_s[position]
        if len(starts) != node.stages or not all(map(isfinite, starts)):
            raise ValueError(
                f"stage_start_s: node {node.name} needs {node.stages} finite times, not {starts}"
            )
        if setting.factor(position) not in (0.5, 1.0, 2.0):
            raise ValueError(f"cycle_factors: node {node.name} has {setting.factor(position):g}")
        if not 0 <= setting.sequence(position) < len(node.sequences):
            raise ValueError(
                f"sequences: node {node.name} has no sequence {setting.sequence(position)}"
            )
        _check_order(node, setting, position)


def _check_order(node: Node, setting: Setting, position: int) -> None:
    """The stages start in the order of the sequence, once in the node's cycle."""
    cycle = setting.cycle_s * setting.factor(position)
    stages = node.sequences[setting.sequence(position)].stages
    starts = [setting.stage_start_s[position][stage] for stage in stages]
    lasted = sum((after - before) % cycle for before, after in pairwise(starts))
    if len(starts) > 1 and not 0.0 < lasted < cycle + 1e-9:
        raise ValueError(
            f"stage_start_s: the stages of node {node.name} do not start in the order "
            f"{', '.join(str(stage + 1) for stage in stages)} within {cycle:g} s"
        )


def _faults_of_node(node: Node) -> Iterator[str]:
    if not node.minimum_split_s:
        yield f"node {node.name}: no stages"
    for sequence in node.sequences:
        if len(sequence.stages) != len(sequence.minimum_split_s):
            yield f"node {node.name}: a sequence needs one minimum_split_s for each of its stages"
        if len(set(sequence.stages)) != len(sequence.stages):
            yield f"node {node.name}: a sequence shows a stage twice; number it as two stages"
        if not set(sequence.stages) <= set(range(node.stages)):
            yield f"node {node.name}: a sequence names a stage that is not there"
        if any(not (isfinite(split) and split >= 0.0) for split in sequence.minimum_split_s):
            yield f"node {node.name}: minimum_split_s {sequence.minimum_split_s} must be 0 or more"
    if not node.cycle_factors or not set(node.cycle_factors) <= {0.5, 1.0, 2.0}:
        yield f"node {node.name}: cycle_factors {node.cycle_factors} must be of 0.5, 1 and 2"
    if not (isfinite(node.slack_s) and node.slack_s >= 0.0):
        yield f"node {node.name}: slack_s {node.slack_s} is not 0 or more"


def _faults_of_link(link: Link, network: SignalNetwork) -> Iterator[str]:
    where = f"link {link.name}"
    for name in ("saturation_veh_per_h", "flow_veh_per_h", "uniform_veh_per_h"):
        value = getattr(link, name)
        if not (isfinite(value) and value >= 0.0):
            yield f"{where}: {name} {value} is not 0 or more"
    if link.saturation_veh_per_h <= 0.0:
        yield f"{where}: saturation_veh_per_h must be above 0"
    if not link.storage_veh > 0.0:
        yield f"{where}: storage_veh {link.storage_veh} is not above 0"
    if link.node is not None:
        yield from _faults_of_greens(where, link, link.node, network)
    for feed in link.feeds:
        if not 0 <= feed.link < len(network.links):
            yield f"{where}: there is no link {feed.link} to be fed from"
            continue
        for name in ("flow_veh_per_h", "travel_time_s"):
            value = getattr(feed, name)
            if not (isfinite(value) and value >= 0.0):
                yield f"{where}: a feed's {name} {value} is not 0 or more"
        if feed.flow_veh_per_h > 0.0 and not network.links[feed.link].flow_veh_per_h > 0.0:
            yield f"{where}: is fed by link {network.links[feed.link].name}, which has no flow"
    if link.give_way is not None:
        yield from _faults_of_give_way(where, link.give_way, len(network.links))


def _faults_of_greens(
    where: str, link: Link, position: int, network: SignalNetwork
) -> Iterator[str]:
    if not 0 <= position < len(network.nodes):
        yield f"{where}: there is no node {position}"
        return
    node = network.nodes[position]
    every = (link.greens, *link.other_greens)
    if len(every) != len(node.sequences):
        yield (
            f"{where}: greens for {len(every)} sequences, "
            f"but node {node.name} has {len(node.sequences)}"
        )
        return
    for sequence, greens in zip(node.sequences, every, strict=True):
        for green in greens:
            if not {green.start_stage, green.end_stage} <= set(sequence.stages):
                yield f"{where}: a green names a stage that its sequence does not show"
            if not (isfinite(green.start_lag_s) and isfinite(green.end_lag_s)):
                yield f"{where}: a green has a lag that is not finite"


def _faults_of_give_way(where: str, rule: GiveWay, links: int) -> Iterator[str]:
    if len(rule.links) != len(rule.slopes):
        yield f"{where}: gives way to {len(rule.links)} links with {len(rule.slopes)} slopes"
    if any(not 0 <= link < links for link in rule.links):
        yield f"{where}: gives way to a link that is not there"
    if any(not (isfinite(slope) and slope >= 0.0) for slope in rule.slopes):
        yield f"{where}: the slopes {rule.slopes} must be 0 or more"
    if not (isfinite(rule.maximum_veh_per_h) and rule.maximum_veh_per_h >= 0.0):
        yield f"{where}: maximum_veh_per_h {rule.maximum_veh_per_h} is not 0 or more"
