"""A plan for an arterial: cycle, offsets and orders of stages by the exact green wave.

1. Each site on its own: which of its stages serve its demand best (:func:`.best_stages`).
2. At every cycle: splits that ease the fullest stream most, in every order of the stages, and the
   widest wave that these greens allow (:mod:`optimizer.bandwidth.maxband`).
3. Of the cycles that carry the demand and whose wave is nearly the widest, the one that costs
   least by the network model.
4. Where one long wave is a poor goal, the arterial is cut into groups with a wave each.
5. Whole seconds; what a wave leaves free is set where it costs least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from controller.plan import TimingPlan
from optimizer.bandwidth.cutting import Cut, best_cut
from optimizer.planning.arterial_greens import OrderedSite, SiteTiming, orders_in_full, pattern_of
from optimizer.planning.arterial_model import ArterialModel
from optimizer.planning.arterial_offsets import fitted_offsets, placed
from optimizer.planning.arterial_result import (
    ArterialPlan,
    ArterialSite,
    band_of_group,
    mean_of,
)
from optimizer.planning.arterial_road import Road, arterial_of, queue_clearances, road_of
from optimizer.planning.arterial_wave import Group, group_of, improved
from optimizer.planning.chain import Chain
from optimizer.planning.maker import (
    CYCLE_MAX_S,
    CYCLE_MIN_S,
    OBJECTIVES,
    Keep,
    MadePlan,
    OnProgress,
    PlanningError,
    PlanProgress,
)
from optimizer.planning.network import NetworkPlan, PlanningNetwork, Zone
from optimizer.planning.predictions import prediction, shortcomings, without_slack
from optimizer.planning.stages import best_stages, changed_stages
from optimizer.planning.timing import positions_of, streams_by_site, timing_plan

CYCLE_STEP_S = 2.0
SLACK_S = 2.0
"""Above its minimums a site needs some time to catch up when it is behind its offset."""
NEARLY = 0.8
"""A cycle whose wave is this part of the widest may be chosen for costing less."""
ABOUT = 0.01
CUT_CYCLES_MAX = 12
FULL = 0.95
"""A cycle that loads a stream more than this is taken only if none does better."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cycle: its greens in every order, the widest wave, and what that costs."""

    cycle_s: float
    timings: tuple[tuple[SiteTiming, ...], ...]
    groups: tuple[Group, ...]
    offset_s: tuple[float, ...]
    index: float
    fullest: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArterialOptions:
    """What is wished of a plan for an arterial.

    ``cycles_s``: those allowed; 40 to 120 s if None. ``objective`` is of
    :data:`~optimizer.planning.maker.OBJECTIVES` and decides where the wave leaves a choice.
    ``ratio``: of the inbound to the outbound band; that of the volumes if None.
    """

    cycles_s: tuple[float, ...] | None = None
    objective: str = "index"
    keep: Keep = Keep.NOTHING
    ratio: float | None = None
    name: str = "arterial"


def plan_arterial(
    network: PlanningNetwork,
    chain: Chain,
    options: ArterialOptions | None = None,
    on_progress: OnProgress | None = None,
) -> ArterialPlan:
    """The plan of the widest green wave along *chain*, whose sites *network* has.

    The same input gives the same plan. Raises :class:`PlanningError` for a site that is not there,
    or that no allowed cycle is long enough for.
    """
    return _Maker(
        network, chain, options or ArterialOptions(), on_progress or (lambda _: None)
    ).make()


class _Maker:
    def __init__(
        self, network: PlanningNetwork, chain: Chain, options: ArterialOptions, tell: OnProgress
    ) -> None:
        self._network, self._chain, self._options, self._tell = network, chain, options, tell
        self._goal, _ = OBJECTIVES[options.objective]
        at = {planned.name: k for k, planned in enumerate(network.sites)}
        missing = [site for site in chain.sites if site not in at]
        if missing:
            raise PlanningError(f"{network.name} has no site {', '.join(missing)} to plan")
        self._zone = tuple(at[site] for site in chain.sites)
        self._require_demand()
        self._road: Road = road_of(network, chain, at, options.ratio)
        self._sites = tuple(self._ordered(options.keep))
        self._notes: list[str] = []

    def _require_demand(self) -> None:
        zone = set(self._zone)
        if not any(s.flow_veh_per_h > 0.0 for s in self._network.streams if s.site in zone):
            raise PlanningError(
                f"{self._chain.name}: every flow at its signals is 0, so there is nothing to give "
                "green to"
            )

    def _ordered(self, keep: Keep) -> list[tuple[OrderedSite, ...]]:
        by_site = streams_by_site(self._network)
        ways = self._road.ways
        found = []
        for k, at in enumerate(self._zone):
            planned = self._network.sites[at]
            chosen = positions_of(planned)
            if keep is not Keep.STAGES:
                chosen = best_stages(self._network, at, self._goal, by_site)
            keeps = planned.keep_order or keep is not Keep.NOTHING
            groups = (ways[0].groups[k], ways[1].groups[k] if len(ways) == 2 else ())
            orders = orders_in_full(chosen, keep_order=keeps)
            sites = tuple(
                OrderedSite(self._network, at, order, groups, by_site) for order in orders
            )
            if not any(site.serves_both for site in sites):
                raise PlanningError(
                    f"no stage of {planned.name} lets traffic on along the arterial "
                    f"({', '.join(dict.fromkeys(groups[0] + groups[1]))})"
                )
            found.append(tuple(site for site in sites if site.serves_both))
            self._tell(PlanProgress(phase="stages", done=k + 1, of=len(self._zone)))
        return found

    def make(self) -> ArterialPlan:
        candidates = []
        cycles = self._cycles()
        for done, cycle in enumerate(cycles, 1):
            candidates.append(self._whole(cycle))
            step = PlanProgress(
                phase="waves", done=done, of=len(cycles), index=candidates[-1].index
            )
            self._tell(step)
        able = self._able(candidates)
        chosen = self._cheapest(able)
        cut = self._cut(chosen)
        if cut.after:
            self._notes.append(self._advice(cut))
        if cut.pays:
            chosen = self._cheapest([self._in_groups(each) for each in _some(able)])
        groups = tuple(improved(self._road, chosen.timings, each) for each in chosen.groups)
        chosen = replace(chosen, groups=groups, offset_s=_moved(chosen, groups))
        model = self._model_of(chosen.groups)
        self._tell(PlanProgress(phase="offsets", done=1, of=1, index=chosen.index))
        offsets = fitted_offsets(chosen.groups, chosen.offset_s, model.index)
        best = {each.cycle_s: mean_of(each.groups[0], each.groups[0].bound) for each in candidates}
        return self._assembled(chosen, offsets, model, best)

    def _cycles(self) -> list[float]:
        asked = self._options.cycles_s
        shortest_s, name = max(
            (min(order.shortest_cycle_s for order in orders), self._chain.sites[k])
            for k, orders in enumerate(self._sites)
        )
        if asked is None:
            first = ceil(max(CYCLE_MIN_S, shortest_s + SLACK_S) / CYCLE_STEP_S) * CYCLE_STEP_S
            steps = int(max(CYCLE_MAX_S - first, 0.0) / CYCLE_STEP_S)
            return [first + CYCLE_STEP_S * k for k in range(steps + 1)]
        fitting = sorted(cycle for cycle in asked if cycle >= shortest_s - 1e-9)
        if not fitting:
            raise PlanningError(
                f"{name} needs a cycle of at least {shortest_s:g} s for its minimum greens, walks "
                f"and interstages, but the longest cycle allowed is {max(asked):g} s"
            )
        return fitting

    def _whole(self, cycle_s: float) -> _Candidate:
        """The widest wave through all sites at *cycle_s*."""
        timings = tuple(
            tuple(found for order in orders if (found := order.timing(cycle_s)) is not None)
            for orders in self._sites
        )
        group = group_of(self._road, timings, cycle_s, 0, len(timings) - 1)
        value = group.value(group.offset_s)
        return self._rated(cycle_s, timings, (group,), group.offset_s, value)

    def _rated(
        self,
        cycle_s: float,
        timings: tuple[tuple[SiteTiming, ...], ...],
        groups: tuple[Group, ...],
        offset_s: tuple[float, ...],
        value: float,
    ) -> _Candidate:
        result = self._model_of(groups).evaluation(offset_s)
        fullest = max((link.saturation for link in result.links), default=0.0)
        return _Candidate(cycle_s, timings, groups, offset_s, result.index, fullest, value)

    def _model_of(self, groups: Sequence[Group]) -> ArterialModel:
        timings = [timing for group in groups for timing in group.timings]
        return ArterialModel(self._network, self._zone, timings, groups[0].cycle_s, self._goal)

    def _able(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        """Those that carry the demand, or come nearest to it."""
        least = min(each.fullest for each in candidates)
        return [each for each in candidates if each.fullest <= max(FULL, least + ABOUT)]

    def _cheapest(self, able: Sequence[_Candidate]) -> _Candidate:
        """The one that costs least of those whose waves are nearly the widest."""
        widest = max(each.value for each in able)
        return min(
            (each for each in able if each.value >= NEARLY * widest), key=lambda each: each.index
        )

    def _cut(self, chosen: _Candidate) -> Cut:
        clearances = queue_clearances(self._road, chosen.timings, chosen.cycle_s)
        last = len(self._zone) - 1
        arterial, _ = arterial_of(self._road, chosen.timings, clearances, chosen.cycle_s, 0, last)
        return best_cut(arterial)

    def _advice(self, cut: Cut) -> str:
        """Whether one wave through all signals is a good goal."""
        sites = self._chain.sites
        places = ", ".join(f"{sites[last]} and {sites[last + 1]}" for last in cut.after)
        part = 100.0 / (1.0 + self._road.ratio) if len(self._road.ways) == 2 else 100.0
        gain = (
            f"the mean band of a link goes from {part * cut.uncut_value:.0f} % to "
            f"{part * cut.value:.0f} % of the cycle"
        )
        if cut.pays:
            return f"one wave through all signals is a poor goal here; cut between {places}: {gain}"
        return f"one wave through all signals is kept; if cut between {places}, {gain}"

    def _in_groups(self, whole: _Candidate) -> _Candidate:
        """*whole* with a wave for each group, one group after the other where it costs least."""
        cut = self._cut(whole)
        ends = [-1, *cut.after, len(self._zone) - 1]
        groups = tuple(
            group_of(self._road, whole.timings, whole.cycle_s, before + 1, last)
            for before, last in pairwise(ends)
        )
        offsets = placed(groups, self._model_of(groups).index)
        return self._rated(whole.cycle_s, whole.timings, groups, offsets, cut.value)

    def _assembled(
        self,
        chosen: _Candidate,
        offset_s: tuple[float, ...],
        model: ArterialModel,
        widest: dict[float, float],
    ) -> ArterialPlan:
        network, cycle_s, name = self._network, chosen.cycle_s, self._options.name
        plans: list[TimingPlan] = []
        late: list[str] = []
        for node, (at, plan) in enumerate(zip(self._zone, model.sites, strict=True)):
            timing = timing_plan(plan, model.setting(offset_s), node, name)
            changed = changed_stages(network.sites[at], timing)
            self._notes += [changed] if changed else []
            plans.append(timing)
            late += without_slack(timing, plan, SLACK_S)
        result = model.evaluation(offset_s)
        told = tuple(
            prediction(network, stream, link)
            for stream, link in zip(model.streams, result.links, strict=True)
        )
        zone = Zone(name="1", cycle_s=cycle_s, sites=self._chain.sites)
        made = MadePlan(
            plan=NetworkPlan(
                name=name,
                zones=(zone,),
                plans=tuple(plans),
                network=network.name,
                objective=f"the widest green wave along {self._chain.name}",
            ),
            predictions=told,
            notes=tuple(self._notes),
            shortcomings=(*shortcomings(network, told), *late),
            index_by_cycle=({cycle_s: result.index},),
        )
        return ArterialPlan(
            chain=self._chain,
            made=made,
            cycle_s=cycle_s,
            sites=tuple(self._site(chosen, offset_s, k) for k in range(len(plans))),
            bands=tuple(
                band_of_group(group, offset_s[group.first : group.last + 1])
                for group in chosen.groups
                if group.arterial is not None
            ),
            ratio=self._road.ratio,
            bound_by_cycle=widest,
        )

    def _site(self, chosen: _Candidate, offset_s: Sequence[float], k: int) -> ArterialSite:
        timings = [timing for group in chosen.groups for timing in group.timings]
        timing, ways = timings[k], self._road.ways
        greens = [
            (round((offset_s[k] + green.start_s) % chosen.cycle_s, 3), round(green.length_s, 3))
            for green in (timing.outbound, timing.inbound)
        ]
        return ArterialSite(
            name=self._chain.sites[k],
            at_m=self._chain.distances_m[k],
            outbound_green_s=greens[0],
            inbound_green_s=greens[1] if len(ways) == 2 else None,
            pattern=pattern_of(timing.plan.planned.site, timing.plan.orders[0], ways, k),
        )


def _some(able: Sequence[_Candidate]) -> Sequence[_Candidate]:
    """Not too many of them, spread over all."""
    return able[:: -(-len(able) // CUT_CYCLES_MAX)]


def _moved(chosen: _Candidate, groups: Sequence[Group]) -> tuple[float, ...]:
    """The offsets of *groups* where those of *chosen* stand: each from its first site's green."""
    offsets: list[float] = []
    for group in groups:
        before = next(each for each in chosen.groups if each.first == group.first)
        here_s = chosen.offset_s[group.first] + before.timings[0].outbound.start_s
        first_s = group.offset_s[0] + group.timings[0].outbound.start_s
        offsets += [(each + here_s - first_s) % chosen.cycle_s for each in group.offset_s]
    return tuple(offsets)
