"""The strategic tier of a group of sites: it counts, and now and then looks at the plans.

It does no long work of its own: :meth:`StrategicTier.due` hands out a :class:`Review`, a value that
needs nothing else and may be worked out inline, in a thread, or on another machine;
:meth:`StrategicTier.adopt` takes what came of it, whenever that is ready. The same counts give the
same plans.

Three kinds of reviews:

* the first, after some minutes of counting, and the one after it make the whole plan: stages,
  zones, cycles, splits and offsets (:func:`optimizer.planning.maker.make_plan`);
* so does any for a demand that is another than that of the last whole plan;
* the others look for better cycles, splits and offsets around those in force
  (:mod:`optimizer.strategic.retiming`).

A plan is only changed for a gain that is worth a transition, and the plans of a zone are moved
together so that it is short (:mod:`optimizer.strategic.changeover`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from controller.clock import Instant
from controller.intersection import Intersection
from controller.plan import TimingPlan, check_plan
from optimizer.delay import Floats
from optimizer.links import Link
from optimizer.planning.maker import PlanningError, make_plan
from optimizer.planning.network import NetworkPlan, PlanningNetwork, PlanningSite
from optimizer.profiles.improve import Effort
from optimizer.strategic.changeover import Handover, in_time, longest_ms
from optimizer.strategic.counts import TAU_S, LaneCounts, LaneFlows, to_plan_for
from optimizer.strategic.demand import TEXTBOOK, Drivers, demand_network, filled
from optimizer.strategic.retiming import GAIN_MIN, QUICK, cost_of, retimed
from optimizer.strategic.streets import streets_of
from optimizer.traffic import JunctionTraffic
from optimizer.traffic.layout import layout_of

WHOLE_REVIEWS = 2
"""The first counts are short, so the second review begins anew."""
KNOWN_MIN = 0.5
"""Lanes of which something is known; with fewer the plans stay as they are."""
LOOK_MS = 30_000
"""How often the demand is looked at between reviews."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategicSettings:
    """When to look, and how hard.

    ``first_s``: from the first reading to the first review; ``every_s`` from one to the next, or
    sooner, from ``soonest_s`` on, if ``moved`` of the demand is another. With ``anew`` of it
    another than at the last whole plan, ``anew_after_s`` or more ago, everything is planned anew.
    ``period_h``: how long the demand lasts, to the network model. ``actuated``: stages but the
    longest end when nobody comes.
    """

    first_s: float = 240.0
    every_s: float = 300.0
    soonest_s: float = 150.0
    moved: float = 0.15
    anew: float = 0.15
    anew_after_s: float = 900.0
    period_h: float = 0.5
    whole: Effort = field(default_factory=lambda: Effort(kicks=0))
    quick: Effort = QUICK
    drivers: Drivers = TEXTBOOK
    actuated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One look at the plans: everything it needs. ``present`` is None before the first plan."""

    number: int
    network: PlanningNetwork
    present: NetworkPlan | None
    is_whole: bool
    held: frozenset[str]
    """Sites whose stages are never ended early."""
    settings: StrategicSettings

    def work(self) -> Outcome:
        """Find better plans; this may take seconds."""
        whole = self._whole() if self.is_whole else None
        if whole is not None:
            return whole
        if self.present is None:
            return Outcome(review=self, plan=None)
        changes = retimed(self.network, self.present, effort=self.settings.quick)
        plans = {plan.site: plan for change in changes for plan in change.plans.values()}
        return Outcome(
            review=self,
            plan=replace(
                self.present,
                zones=tuple(change.zone for change in changes),
                plans=tuple(plans[planned.name] for planned in self.network.sites),
            ),
            told={name: change.explain() for change in changes for name in change.zone.sites},
        )

    def _whole(self) -> Outcome | None:
        """Everything anew; None if that is no better than what is in force."""
        try:
            made = make_plan(
                self.network, name=f"coordinated {self.number}", effort=self.settings.whole
            )
        except PlanningError:
            return None
        words = "planned"
        if self.present is not None:
            before, after = cost_of(self.network, self.present), cost_of(self.network, made.plan)
            if not before > 0.0 or after > (1.0 - GAIN_MIN) * before:
                return None
            words = f"planned anew, index −{1.0 - after / before:.0%}"
        fullest = max(made.predictions, key=lambda each: each.saturation)
        stream = self.network.streams[fullest.stream].name
        full = f"{stream} will be {fullest.saturation:.0%} full"
        plan = made.plan
        if self.settings.actuated:
            plans = (p if p.site in self.held else _actuated(p) for p in plan.plans)
            plan = replace(plan, plans=tuple(plans))
        return Outcome(
            review=self,
            plan=plan,
            told={
                name: f"zone {zone.name}: cycle {zone.cycle_s:g} s, {words}; {full}"
                for zone in made.plan.zones
                for name in zone.sites
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a review found: the plans from now on, None if none can be made; a line per site."""

    review: Review
    plan: NetworkPlan | None
    told: Mapping[str, str] = field(default_factory=dict)


class StrategicTier:
    """The plans of *sites*, which *links* join.

    ``sites[k].present`` is what its engineer left there. Each second: :meth:`observe` for every
    site, then :meth:`due`. What a review finds goes to :meth:`adopt`.
    """

    def __init__(
        self,
        name: str,
        sites: Sequence[PlanningSite],
        links: Sequence[Link],
        settings: StrategicSettings | None = None,
    ) -> None:
        self.plan: NetworkPlan | None = None
        """The plans in force; None until the first review."""
        self._name = name
        self._settings = settings or StrategicSettings()
        self._streets = streets_of([planned.site for planned in sites], links)
        self._held = frozenset(planned.name for planned in sites if planned.keep_order)
        self._sites = tuple(sites)
        self._masks = [[lane.groups for lane in layout_of(planned.site).lanes] for planned in sites]
        self._counts = [LaneCounts(len(masks)) for masks in self._masks]
        self._traffic: dict[int, JunctionTraffic] = {}
        self._known: list[LaneFlows | None] = [None] * len(self._sites)
        self._at_review: Floats | None = None
        self._at_whole: Floats | None = None
        self._whole_ms = 0
        self._looked_ms: int | None = None
        self._next_ms = 0
        self._reviews = 0
        self._is_working = False

    def observe(self, now: Instant, at: int, traffic: JunctionTraffic) -> None:
        """The site at position *at* has been read; *traffic* is what its loops make of it."""
        self._traffic[at] = traffic
        self._counts[at].observe(now, traffic)

    def due(self, now: Instant) -> Review | None:
        """A review if it is time for one; then none until its outcome is adopted."""
        settings = self._settings
        if self._looked_ms is None:
            self._looked_ms = now.mono_ms
            self._next_ms = now.mono_ms + round(settings.first_s * 1000)
        if self._is_working or now.mono_ms < self._next_ms:
            return None
        self._next_ms = now.mono_ms + LOOK_MS
        known = self._lane_flows()
        if known is None:
            return None
        flow = np.concatenate([flows.flow_veh_per_h for flows in known])
        waited_s = (now.mono_ms - self._looked_ms) / 1000.0
        is_early = self._at_review is not None and waited_s < settings.every_s
        if is_early and moved(self._at_review, flow) < settings.moved:
            return None
        self._looked_ms, self._at_review = now.mono_ms, flow
        self._reviews += 1
        self._is_working = True
        is_whole = self._is_whole(now, flow)
        if is_whole:
            self._at_whole, self._whole_ms = flow, now.mono_ms
        return Review(
            number=self._reviews,
            network=demand_network(
                self._name,
                self._sites,
                self._streets,
                [to_plan_for(flows) for flows in known],
                period_h=settings.period_h,
                drivers=settings.drivers,
            ),
            present=self.plan,
            is_whole=is_whole,
            held=self._held,
            settings=settings,
        )

    def _is_whole(self, now: Instant, flow: Floats) -> bool:
        """Whether it is time to plan everything anew for *flow*."""
        if self._reviews <= WHOLE_REVIEWS or self.plan is None:
            return True
        waited_s = (now.mono_ms - self._whole_ms) / 1000.0
        is_other = moved(self._at_whole, flow) >= self._settings.anew
        return is_other and waited_s >= self._settings.anew_after_s

    def _lane_flows(self) -> list[LaneFlows] | None:
        """By site, what is known of its lanes; None if that is too little."""
        found, seen = [], 0
        for at, (planned, masks) in enumerate(zip(self._sites, self._masks, strict=True)):
            traffic = self._traffic.get(at)
            if traffic is None:
                return None
            counted = self._counts[at].flows(traffic)
            seen += int(np.isfinite(counted.flow_veh_per_h).sum())
            found.append(filled(counted, self._known[at], planned, masks))
        if seen < KNOWN_MIN * sum(len(masks) for masks in self._masks):
            return None
        self._known = list(found)
        return found

    def adopt(self, now: Instant, outcome: Outcome) -> dict[str, TimingPlan]:
        """Put what a review found in force; the plans that are new, by site.

        Each has passed :func:`~controller.plan.check_plan`, and is in time with those before.
        """
        self._is_working = False
        self._next_ms = now.mono_ms + round(self._settings.soonest_s * 1000)
        if outcome.plan is None:
            return {}
        sites = {planned.name: planned.site for planned in self._sites}
        before = {} if self.plan is None else {plan.site: plan for plan in self.plan.plans}
        plans = {plan.site: plan for plan in outcome.plan.plans}
        new: dict[str, TimingPlan] = {}
        for zone in outcome.plan.zones:
            wanted = [Handover(sites[s], before.get(s), plans[s]) for s in zone.sites]
            if all(each.before == each.after for each in wanted):
                continue
            moved_on = in_time(wanted, now.utc_ms)
            for plan in moved_on:
                if before.get(plan.site) != plan:
                    new[plan.site] = _numbered(plan, before.get(plan.site), sites[plan.site])
            taken = [replace(each, after=p) for each, p in zip(wanted, moved_on, strict=True)]
            # The next change begins when all are in step with this one.
            in_step_ms = now.mono_ms + longest_ms(taken, now.utc_ms)
            self._next_ms = max(self._next_ms, in_step_ms)
        self.plan = replace(
            outcome.plan,
            plans=tuple(new.get(plan.site, plan) for plan in outcome.plan.plans),
        )
        return new


def moved(before: Floats | None, after: Floats) -> float:
    """The part of the demand that is another than before, beyond what chance does to counts.

    veh/h (lanes,) each, as exponential means; all of it where there is none before.
    """
    if before is None:
        return 1.0
    chance = np.sqrt(3600.0 / TAU_S * np.maximum(before + after, 1.0) / 2.0)
    changed = np.maximum(np.abs(after - before) - chance, 0.0)
    return float(changed.sum() / max(before.sum(), after.sum(), 1.0))


def _actuated(plan: TimingPlan) -> TimingPlan:
    """*plan* with its longest stage held to its end and the others ended when nobody comes."""
    longest = max(plan.stages, key=lambda entry: entry.split_ms)
    stages = tuple(
        replace(entry, coordinated=entry is longest, actuated=entry is not longest)
        for entry in plan.stages
    )
    return replace(plan, stages=stages)


def _numbered(plan: TimingPlan, before: TimingPlan | None, site: Intersection) -> TimingPlan:
    number = 1 if before is None else before.sequence_no + 1
    plan = replace(plan, sequence_no=number)
    check_plan(plan, site)
    return plan
