"""A plan for a whole network: zones, a cycle for each, sequences, splits and offsets.

1. Each site on its own: which of its stages serve its demand best.
2. Zones: sites without platoons between them are parted; a zone is cut further at its weakest
   coupling when both parts together do better, each with a cycle of its own (of up to 60 sites).
3. In each zone the cycle, splits, offsets and orders that cost least, by the network model.
4. A checked plan for every site, what it is expected to do, and what it cannot do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import ceil

from controller.plan import check_plan
from optimizer.planning.cycles import LARGE_NODES, Search, best_cycle
from optimizer.planning.network import NetworkPlan, PlanningNetwork, Zone
from optimizer.planning.predictions import (
    StreamPrediction,
    prediction,
    shortcomings,
    without_slack,
)
from optimizer.planning.sequences import orders_of
from optimizer.planning.stages import best_stages, changed_stages
from optimizer.planning.time_left import TimeLeft
from optimizer.planning.timing import (
    SLACK_S,
    SitePlan,
    positions_of,
    signal_network,
    streams_by_site,
    timing_plan,
)
from optimizer.planning.zones import Couplings, coupled_zones, couplings_of, weakest_cut
from optimizer.profiles.cycle import shortest_cycle_s
from optimizer.profiles.improve import Effort, Improvement, Progress
from optimizer.profiles.network import DELAY, DELAY_AND_STOPS, STOPS, Objective, SignalNetwork

CYCLE_STEP_S = 10.0
CYCLE_MIN_S, CYCLE_MAX_S = 40.0, 120.0
"""The cycles that are tried if nobody says which."""
CUT_GAIN = 0.01
"""A cut must save this share of a zone's index."""
WHOLE_SHARE = 0.5
"""Of the time that a zone has, for its search as one; its parts have the rest."""
MOVES = ("offsets", "splits", "order", "cycles")
OBJECTIVES = {
    "delay": (DELAY, "least delay"),
    "stops": (STOPS, "fewest stops"),
    "index": (DELAY_AND_STOPS, "least delay and stops, a stop as 20 s"),
}


class PlanningError(ValueError):
    """Nothing can be planned from what was given; the message says why in a sentence."""


class Keep(Enum):
    """What of the present sequences of stages has to stay."""

    NOTHING = "nothing"
    ORDER = "order"
    """Stages may be left out; the others come in their order."""
    STAGES = "stages"
    """All stages, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProgress:
    """Where the making stands: what is done, how much of it, and the index so far."""

    phase: str
    done: int
    of: int
    index: float | None = None


OnProgress = Callable[[PlanProgress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePlan:
    """A plan and what is to be known about it.

    ``predictions``: of every stream with demand, in the order of the network. ``notes``: why the
    plan is as it is; ``shortcomings``: what it cannot do. ``index_by_cycle``: zone by zone what
    each cycle would have reached.
    """

    plan: NetworkPlan
    predictions: tuple[StreamPrediction, ...]
    notes: tuple[str, ...]
    shortcomings: tuple[str, ...]
    index_by_cycle: tuple[dict[float, float], ...]

    @property
    def of_vehicles(self) -> tuple[StreamPrediction, ...]:
        """The predictions of streams of vehicles."""
        return tuple(each for each in self.predictions if not each.is_pedestrian)

    @property
    def of_people_on_foot(self) -> tuple[StreamPrediction, ...]:
        """The predictions of those who walk."""
        return tuple(each for each in self.predictions if each.is_pedestrian)

    @property
    def delay_veh(self) -> float:
        """Vehicle-hours of delay in an hour."""
        return sum(each.delay_veh for each in self.of_vehicles)

    @property
    def stops_per_h(self) -> float:
        """Stops of vehicles in an hour."""
        return sum(each.stops_per_veh * each.flow_veh_per_h for each in self.of_vehicles)

    @property
    def walking_wait_s(self) -> float | None:
        """The mean wait of people on foot; None if nobody is known to walk."""
        people = sum(each.flow_veh_per_h for each in self.of_people_on_foot)
        waits = sum(each.delay_veh for each in self.of_people_on_foot)
        return 3600.0 * waits / people if people else None


@dataclass(frozen=True, slots=True)
class _Solved:
    """A zone and the best that was found for it."""

    zone: tuple[int, ...]
    streams: tuple[int, ...]
    found: Improvement
    by_cycle: dict[float, float]

    @property
    def cycle_s(self) -> float:
        """The longest cycle of its sites: all of them may have taken half of the common one."""
        setting = self.found.setting
        return setting.cycle_s * max(setting.factor(node) for node in range(len(self.zone)))


def make_plan(
    network: PlanningNetwork,
    *,
    cycles_s: Sequence[float] | None = None,
    objective: str = "index",
    keep: Keep = Keep.NOTHING,
    name: str = "network",
    on_progress: OnProgress | None = None,
    effort: Effort | None = None,
) -> MadePlan:
    """The best plan found for *network*, its cycles of *cycles_s* (40 to 120 s if None).

    *objective* is of :data:`OBJECTIVES`. The time limit of *effort* is for the whole plan.
    Raises :class:`PlanningError` if there is no demand, or no cycle is as long as the minimums.
    """
    if not any(stream.flow_veh_per_h > 0.0 for stream in network.streams):
        raise PlanningError(f"{network.name}: every flow is 0, so there is nothing to plan for")
    goal, in_words = OBJECTIVES[objective]
    maker = _Maker(network, goal, on_progress or (lambda _: None), effort or Effort(kicks=10))
    maker.cycles_s = None if cycles_s is None else tuple(sorted(cycles_s))
    maker.keep = keep
    return maker.make(name, in_words)


class _Maker:
    """Holds what the steps share."""

    def __init__(
        self, network: PlanningNetwork, objective: Objective, tell: OnProgress, effort: Effort
    ) -> None:
        self._network = network
        self._objective = objective
        self._tell = tell
        self._time = TimeLeft(effort)
        self.cycles_s: tuple[float, ...] | None = None
        self.keep = Keep.NOTHING
        self._notes: list[str] = []
        self._sites: dict[int, SitePlan] = {}
        self._couplings: Couplings = couplings_of(network)
        self._by_site = streams_by_site(network)

    def make(self, name: str, objective: str) -> MadePlan:
        self._sites = dict(enumerate(self._sequences()))
        zones = coupled_zones(range(len(self._sites)), self._couplings)
        left = len(self._sites)
        solved: list[_Solved] = []
        for zone in zones:
            solved += self._solve(zone, TimeLeft(self._time.effort(len(zone) / left)))
            left -= len(zone)
        return self._assembled(solved, name, objective)

    def _sequences(self) -> Iterator[SitePlan]:
        """Each site with its stages chosen, and the orders that it may run them in."""
        count = len(self._network.sites)
        for at, planned in enumerate(self._network.sites):
            chosen = positions_of(planned)
            if self.keep is not Keep.STAGES:
                chosen = best_stages(self._network, at, self._objective, self._by_site)
            keeps = planned.keep_order or self.keep is not Keep.NOTHING
            yield SitePlan(planned, (chosen,) if keeps else orders_of(planned.site, chosen))
            self._tell(PlanProgress(phase="stages", done=at + 1, of=count))

    def _solve(self, zone: tuple[int, ...], time: TimeLeft) -> list[_Solved]:
        """*zone* as one or, where that does better, in parts."""
        parts = weakest_cut(zone, self._couplings) if len(zone) <= LARGE_NODES else None
        if parts is None:
            return [self._optimised(zone, time.effort())]
        whole = self._optimised(zone, time.effort(WHOLE_SHARE))
        shares = [WHOLE_SHARE * len(part) / len(zone) for part in parts]
        solved = [
            self._optimised(part, replace(time.effort(share), kicks=0))
            for part, share in zip(parts, shares, strict=True)
        ]
        together = sum(part.found.index for part in solved)
        if together > (1.0 - CUT_GAIN) * whole.found.index:
            return [whole]
        self._notes.append(self._why_cut(whole, solved))
        ends: list[_Solved] = []
        left = len(zone)
        for part in parts:
            ends += self._solve(part, TimeLeft(time.effort(len(part) / left)))
            left -= len(part)
        return ends

    def _why_cut(self, whole: _Solved, parts: Sequence[_Solved]) -> str:
        cycles = " and ".join(f"{part.cycle_s:g} s" for part in parts)
        saved = 1.0 - sum(part.found.index for part in parts) / whole.found.index
        names = ", ".join(self._network.sites[at].name for at in parts[-1].zone[:3])
        more = " and others" if len(parts[-1].zone) > 3 else ""
        return (
            f"cut at a weak link before {names}{more}: cycles of {cycles} "
            f"cost {saved:.0%} less than {whole.cycle_s:g} s for all"
        )

    def _optimised(self, zone: tuple[int, ...], effort: Effort) -> _Solved:
        model, streams = self._model_of(zone)
        cycles_s = self._cycles(model)
        if cycles_s is None:
            model, streams = self._model_of(zone, slack_s=0.0)
            cycles_s = self._cycles(model)
        if cycles_s is None:
            raise self._too_short(model)
        label = self._network.sites[zone[0]].name
        label = label if len(zone) == 1 else f"{label} and {len(zone) - 1} more"

        def improving(progress: Progress) -> None:
            step = PlanProgress(
                phase=f"{label}: {progress.phase}",
                done=progress.done,
                of=progress.of,
                index=progress.index,
            )
            self._tell(step)

        def cycling(done: int, of: int, index: float) -> None:
            self._tell(PlanProgress(phase=f"{label}: cycles", done=done, of=of, index=index))

        search = Search(self._objective, MOVES, effort, improving, cycling)
        finer = self.cycles_s is None or len(self.cycles_s) > 1
        best, by_cycle = best_cycle(model, cycles_s, search, finer=finer)
        return _Solved(zone, streams, best, by_cycle)

    def _model_of(
        self, zone: tuple[int, ...], slack_s: float = SLACK_S
    ) -> tuple[SignalNetwork, tuple[int, ...]]:
        even = self.cycles_s is None or all(cycle % 2 == 0 for cycle in self.cycles_s)
        return signal_network(
            self._network,
            self._sites,
            zone,
            half_cycles=even and len(zone) > 1,
            slack_s=slack_s,
            by_site=self._by_site,
        )

    def _cycles(self, model: SignalNetwork) -> list[float] | None:
        """The cycles to try, of those allowed; None if all of them are too short."""
        shortest_s = shortest_cycle_s(model)
        if self.cycles_s is None:
            first = ceil(max(CYCLE_MIN_S, shortest_s) / CYCLE_STEP_S) * CYCLE_STEP_S
            steps = int(max(CYCLE_MAX_S - first, 0.0) / CYCLE_STEP_S)
            return [first + CYCLE_STEP_S * k for k in range(steps + 1)]
        return [cycle for cycle in self.cycles_s if cycle >= shortest_s - 1e-9] or None

    def _too_short(self, model: SignalNetwork) -> PlanningError:
        longest = max(model.nodes, key=lambda node: sum(node.minimum_split_s))
        return PlanningError(
            f"{longest.name} needs a cycle of at least {shortest_cycle_s(model):g} s for its "
            "minimum greens, walks and interstages, but the longest cycle allowed is "
            f"{max(self.cycles_s or ()):g} s"
        )

    def _assembled(self, solved: Sequence[_Solved], name: str, objective: str) -> MadePlan:
        network = self._network
        plans, predictions = {}, {}
        late: list[str] = []
        for part in solved:
            for node, at in enumerate(part.zone):
                plans[at] = timing_plan(self._sites[at], part.found.setting, node, name)
                check_plan(plans[at], network.sites[at].site)
                late += without_slack(plans[at], self._sites[at])
                changed = changed_stages(network.sites[at], plans[at])
                self._notes += [changed] if changed else []
            for stream, result in zip(part.streams, part.found.evaluation.links, strict=True):
                predictions[stream] = prediction(network, stream, result)
        told = tuple(predictions[stream] for stream in sorted(predictions))
        zones = tuple(
            Zone(
                name=str(number),
                cycle_s=part.cycle_s,
                sites=tuple(network.sites[at].name for at in part.zone),
            )
            for number, part in enumerate(solved, 1)
        )
        return MadePlan(
            plan=NetworkPlan(
                name=name,
                zones=zones,
                plans=tuple(plans[at] for at in range(len(network.sites))),
                network=network.name,
                objective=objective,
            ),
            predictions=told,
            notes=tuple(self._notes),
            shortcomings=(*shortcomings(network, told), *late),
            index_by_cycle=tuple(part.by_cycle for part in solved),
        )
