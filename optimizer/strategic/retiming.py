"""Better cycles, splits and offsets for plans in force: a zone at a time, from where it is.

The stages, their order and the zones stay; that is what makes it quick, and the change a smooth
one. Each zone tries its cycle and those around it, and takes another setting only if the network
model expects a gain that is worth a transition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.plan import TimingPlan
from optimizer.planning.cycles import LARGE_NODES
from optimizer.planning.network import NetworkPlan, PlanningNetwork, Zone
from optimizer.planning.time_left import TimeLeft
from optimizer.planning.timing import SitePlan, signal_network, streams_by_site, timing_plan
from optimizer.profiles.cycle import at_cycle
from optimizer.profiles.improve import Effort, improve
from optimizer.profiles.model import Evaluation, evaluate
from optimizer.profiles.network import DELAY_AND_STOPS, Objective, Setting, SignalNetwork
from optimizer.strategic.present import setting_of, site_plan

GAIN_MIN = 0.05
"""Share of a zone's index that new plans have to save: a transition costs some of it."""
CYCLE_STEPS_S = (0.0, -4.0, 4.0, -10.0, 10.0)
"""Even, so that half a cycle has whole seconds."""
CYCLE_RANGE_S = (40.0, 120.0)
MOVES = ("offsets", "splits")
QUICK = Effort(kicks=0, is_local=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneChange:
    """What a review found for one zone.

    ``plans``: by position of the site, those in force where ``taken`` is False. The indices are
    those of the network model under the demand of the review. ``fullest``: the stream that was
    used most before, and how much of its capacity.
    """

    zone: Zone
    sites: tuple[int, ...]
    plans: Mapping[int, TimingPlan]
    cycle_before_s: float
    index_before: float
    index_after: float
    fullest: str
    saturation: float
    taken: bool
    streams: tuple[int, ...] = ()
    expected: Evaluation | None = None
    """What ``plans`` do, stream by stream of ``streams``."""
    site_plans: Mapping[int, SitePlan] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """The share of the index that the change saves."""
        return 1.0 - self.index_after / self.index_before if self.index_before > 0.0 else 0.0

    def explain(self) -> str:
        """One line for an engineer."""
        found = self.zone.cycle_s
        if not self.taken:
            better = (
                f"the best found would save {self.gain:.0%}" if self.gain > 0.0 else "none better"
            )
            return f"zone {self.zone.name}: cycle {self.cycle_before_s:g} s stays, {better}"
        cycle = f"{self.cycle_before_s:g} → {found:g} s"
        cycle = f"{found:g} s as before" if found == self.cycle_before_s else cycle
        full = f": {self.fullest} was {self.saturation:.0%} full" if self.fullest else ""
        return f"zone {self.zone.name}: cycle {cycle}, index −{self.gain:.0%}{full}"


def retimed(
    network: PlanningNetwork,
    present: NetworkPlan,
    *,
    effort: Effort = QUICK,
    objective: Objective = DELAY_AND_STOPS,
    cycle_range_s: tuple[float, float] = CYCLE_RANGE_S,
    gain_min: float = GAIN_MIN,
) -> tuple[ZoneChange, ...]:
    """What each zone of the *present* plans should do under the demand of *network*.

    *gain_min*: the share of a zone's index that it has to save. The time limit of *effort* is for
    all zones. A zone of more than :data:`~optimizer.planning.cycles.LARGE_NODES` sites keeps its
    cycle.
    """
    position = {planned.name: at for at, planned in enumerate(network.sites)}
    plans = {position[plan.site]: plan for plan in present.plans}
    by_site = streams_by_site(network)
    time = TimeLeft(effort)
    left = sum(len(zone.sites) for zone in present.zones)
    found = []
    for zone in present.zones:
        retiming = _Retiming(network, zone, position, plans, objective, by_site)
        share = time.effort(len(zone.sites) / left)
        found.append(retiming.change(share, cycle_range_s, gain_min))
        left -= len(zone.sites)
    return tuple(found)


def cost_of(
    network: PlanningNetwork, plan: NetworkPlan, objective: Objective = DELAY_AND_STOPS
) -> float:
    """The index of *plan* under the demand of *network*, all zones together."""
    position = {planned.name: at for at, planned in enumerate(network.sites)}
    plans = {position[each.site]: each for each in plan.plans}
    by_site = streams_by_site(network)
    zones = (_Retiming(network, zone, position, plans, objective, by_site) for zone in plan.zones)
    return sum(zone.evaluated().index for zone in zones)


class _Retiming:
    """One zone, as the network model has it now."""

    def __init__(
        self,
        network: PlanningNetwork,
        zone: Zone,
        position: Mapping[str, int],
        plans: Mapping[int, TimingPlan],
        objective: Objective,
        by_site: Mapping[int, Sequence[int]],
    ) -> None:
        self._zone = zone
        self._objective = objective
        self._sites = tuple(position[name] for name in zone.sites)
        self._plans = {at: plans[at] for at in self._sites}
        self._layouts = {at: site_plan(network, at, plans[at]) for at in self._sites}
        halves = any(plan.cycle_ms != zone.cycle_s * 1000 for plan in self._plans.values())
        self._model, self._streams = signal_network(
            network, self._layouts, self._sites, half_cycles=halves, by_site=by_site
        )
        self._setting = setting_of(self._layouts, self._plans, self._sites, zone.cycle_s)

    def evaluated(self) -> Evaluation:
        """What the plans in force cost."""
        return evaluate(self._model, self._setting, self._objective)

    def change(
        self, effort: Effort, cycle_range_s: tuple[float, float], gain_min: float
    ) -> ZoneChange:
        """The best setting around the one in force, if it gains enough."""
        before = self.evaluated()
        fullest = max(before.links, key=lambda link: link.saturation, default=None)
        found, after = self._best(before, effort, cycle_range_s)
        saved = before.index - after.index
        taken = saved > 0.0 and saved >= gain_min * before.index
        zone, plans = self._zone, self._plans
        if taken:
            zone = replace(zone, cycle_s=found.cycle_s)
            plans = {
                at: _renumbered(
                    plans[at], timing_plan(self._layouts[at], found, node, plans[at].name)
                )
                for node, at in enumerate(self._sites)
            }
        return ZoneChange(
            zone=zone,
            sites=self._sites,
            plans=plans,
            cycle_before_s=self._setting.cycle_s,
            index_before=before.index,
            index_after=after.index,
            fullest=fullest.name if fullest else "",
            saturation=fullest.saturation if fullest else 0.0,
            taken=taken,
            streams=self._streams,
            expected=after if taken else before,
            site_plans=self._layouts,
        )

    def _best(
        self, before: Evaluation, effort: Effort, cycle_range_s: tuple[float, float]
    ) -> tuple[Setting, Evaluation]:
        """The best setting found at the cycles around the present one, and what it does."""
        best = self._setting, before
        time = TimeLeft(effort)
        cycles_s = [self._setting.cycle_s]
        if len(self._sites) <= LARGE_NODES:
            cycles_s = _cycles(self._setting.cycle_s, cycle_range_s)
        for done, cycle_s in enumerate(cycles_s):
            start = _started(self._model, self._setting, cycle_s)
            if start is None:
                continue
            share = time.effort(1.0 / (len(cycles_s) - done))
            better = improve(
                self._model, start, objective=self._objective, move=MOVES, effort=share
            )
            if better.index < best[1].index:
                best = better.setting, better.evaluation
        return best


def _cycles(now_s: float, cycle_range_s: tuple[float, float]) -> list[float]:
    low, high = cycle_range_s
    return [now_s + step for step in CYCLE_STEPS_S if not step or low <= now_s + step <= high]


def _started(model: SignalNetwork, setting: Setting, cycle_s: float) -> Setting | None:
    try:
        return at_cycle(model, setting, cycle_s)
    except ValueError:
        return None


def _renumbered(before: TimingPlan, plan: TimingPlan) -> TimingPlan:
    """*plan* with the flags of the stages that it takes over from *before*, and the next number."""
    stages = tuple(
        replace(old, split_ms=new.split_ms)
        for old, new in zip(before.stages, plan.stages, strict=True)
    )
    return replace(
        before,
        cycle_ms=plan.cycle_ms,
        offset_ms=plan.offset_ms,
        stages=stages,
        sequence_no=before.sequence_no + 1,
    )
