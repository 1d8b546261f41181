"""The tactical tier: once a second, the next stages of one junction, from its loops alone.

Each second the traffic state (:mod:`optimizer.traffic`) says who waits and who comes; the search
(:mod:`optimizer.search`) finds the stages and durations of least delay from now to the horizon;
and only their first second is done. The signal controller runs it as a
:class:`~controller.plan.StageSchedule` with a short time to live, so that nothing unsafe can come
of it and a silent optimizer falls back to the plan in force. Where detectors fail it steps down
lane by lane (:mod:`optimizer.fallback`), and issues nothing once none is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection, bits
from controller.plan import ScheduledStage, StageSchedule, TimingPlan
from controller.signals import Fault, Outputs
from optimizer.bounded_changes import BoundedChanges
from optimizer.bounds import StrategicBounds, check_bounds
from optimizer.capacity import least_saturation
from optimizer.delay import Floats
from optimizer.explain import PLAN_IN_FORCE, Grounds, explain, limit
from optimizer.fallback import AssumedDemand, DetectionWatch
from optimizer.fault_log import FaultLog
from optimizer.links import Link
from optimizer.neighbours import Neighbourhood
from optimizer.search import (
    GREEN_MAX_S,
    Plan,
    SearchProblem,
    SearchResult,
    SearchSettings,
    plan_after,
    search,
)
from optimizer.search_stages import StageChanges
from optimizer.search_units import EXITS_MAX
from optimizer.site_changes import StageRules, site_changes
from optimizer.traffic import JunctionTraffic

WALK_RATE_PER_S = 5.0
"""Everybody who waits at a crossing goes when it opens."""
CAPACITY_REVIEW_MS = 60_000
FLOW_GAIN = 0.25
"""Of a review: the demand is a mean over about four minutes."""
HELD_UP_MAX = 2.0
"""Vehicles of other lanes that each vehicle of a queue counts for at most."""
FULL_STREET = 3.0
"""Vehicles that each one of a queue counts for besides itself where it fills its street: it stands
in the junction behind it, which may have no signals and nobody who keeps it free."""
OVER_CAPACITY = 1.0
WITHIN_CAPACITY = 0.95
CHANGING = "change under way"


@dataclass(frozen=True, slots=True, kw_only=True)
class TacticalSettings:
    """What the law weighs, as trials on development seeds chose it (11-13, then 101 and up)."""

    horizon_s: int = 60
    ordered_horizon_s: int = 120
    """With a given order the horizon has to reach beyond a cycle."""
    max_green_s: int = 90
    max_wait_s: float = 120.0
    """No vehicle is to wait for longer, pedestrians half of it, if any plan can keep that."""
    fair_after_s: float = 60.0
    """Who has waited longer counts more with every second."""
    pedestrian_weight: float = 1.0
    ttl_ms: int = 5_000
    platoons: bool = False
    """Expect what the neighbours announce. Neutral where entry loops see far enough ahead; worse
    in a network that is full, where plans don't come true."""
    full_streets: bool = True
    """Don't send vehicles where the neighbours say that there is no room."""
    short_streets: bool = True
    """Send no more vehicles into a short street than the next plan lets out of it."""
    search: SearchSettings = field(default_factory=SearchSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the signal controller is doing: its stage, fully green for *green_s*, and its calls.

    ``stage`` is None during a change.
    """

    stage: int | None
    green_s: int = 0
    called: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, and why."""

    schedule: StageSchedule | None
    """None: no detector works, and the plan in force knows better."""
    target: int | None = None
    """The stage that is asked for."""
    changed: bool = False
    """Another stage than the running one is asked for."""
    result: SearchResult | None = None
    grounds: Grounds | None = None
    """None where nothing was searched."""

    @property
    def limit(self) -> str:
        """What decided, in a word or two: a limit, or ``less delay``."""
        if self.grounds is not None:
            return limit(self.grounds)
        return PLAN_IN_FORCE if self.schedule is None else CHANGING

    def explain(self) -> str:
        """What and why in one line; put in words only here."""
        if self.grounds is not None:
            return explain(self.grounds)
        if self.schedule is None:
            return "no detector of the junction works: the plan in force runs"
        return CHANGING


class TacticalControl:
    """Decides for one *site*.

    ``order``: positions in ``site.stages`` that have to follow each other in this order (sites over
    several nodes), or None where any stage may follow any other. ``plan`` is the one that the
    site was shipped with: its splits say what to expect of lanes of which nothing is known.
    *links* lead to and from the neighbours; :attr:`neighbours` takes and makes their messages.
    """

    def __init__(
        self,
        site: Intersection,
        *,
        order: tuple[int, ...] | None = None,
        plan: TimingPlan | None = None,
        links: Sequence[Link] = (),
        settings: TacticalSettings = TacticalSettings(),
    ) -> None:
        self.site = site
        self._settings = settings
        self._horizon_s = settings.horizon_s if order is None else settings.ordered_horizon_s
        self._crossings = tuple(bits(site.pedestrian_groups))
        self.traffic = JunctionTraffic(site)
        self.neighbours = Neighbourhood(site, self.traffic.layout, links)
        short = self.neighbours.short_streets
        self._short = short if settings.short_streets and short.any else None
        self._rules = StageRules(
            max_green_s=[settings.max_green_s] * len(site.stages),
            order=order,
            avoided=self._short.avoided(self.traffic.stage_share) if self._short else (),
        )
        self._changes: dict[tuple[int, tuple[int, ...]], StageChanges] = {}
        self._bounds: BoundedChanges | None = None
        self._plan: Plan = ()
        self._planned_ms = 0
        self._target = 0
        self._sequence_no = 0
        self._called_since_ms: dict[int, int] = {}
        self._green = 0
        groups = tuple(lane.groups for lane in self.traffic.lanes)
        self._lane_groups = (*groups, *(1 << i for i in self._crossings))
        self._detection = DetectionWatch()
        self._confidence = self.traffic.confidence
        self._assumed = AssumedDemand(site, groups, self.traffic.rates, plan)
        self._flow: Floats | None = None
        self._flow_at_ms: int | None = None
        self._walk_rates = _walk_rates(site, self._crossings)
        self._rates_of = -1
        self._free_rates: Floats = np.empty((0, 0))
        self._lasting = _unserved(site, self._lane_groups, order)
        self._over_capacity: tuple[Fault, ...] = ()
        self._log = FaultLog(site.name)

    def observe(self, now: Instant, readings: SiteReadings, outputs: Outputs) -> None:
        """Readings since the last call, and what the lamps showed meanwhile."""
        self.traffic.observe(now, readings, outputs.green)
        if self._settings.platoons:
            self.neighbours.learn(now, self.traffic.passed)
        self.neighbours.full = self.traffic.full_entries()
        if self.neighbours.gates.any:
            left = self.traffic.passed[-len(self.traffic.lanes) :]
            self.neighbours.gates.observe(now, np.maximum(left, 0).astype(np.float64))
        self._green = outputs.green
        self._confidence = self.traffic.confidence
        self._assumed.advance(now, self._confidence, outputs.green)
        self._log.note(now, self.faults())

    def faults(self) -> tuple[Fault, ...]:
        """What is wrong now: detectors, clock, stages that leave a lane out, too much demand."""
        return (*self.traffic.faults(), *self._lasting, *self._over_capacity)

    def bound(self, bounds: StrategicBounds | None) -> None:
        """Move within *bounds* as long as they are valid; None: within none.

        Raises :class:`~controller.violations.InvalidError` naming every violation; those in force
        then stay.
        """
        if bounds is None:
            self._bounds = None
            return
        previous = None if self._bounds is None else self._bounds.bounds
        checked = check_bounds(bounds, self.site, self._rules.order, previous)
        self._bounds = BoundedChanges(checked, self.site, self._changes_for)

    def gate(self, now: Instant, veh_per_s: Mapping[str, float]) -> None:
        """Let no more than *veh_per_s* out through each exit named: a protected area is full.

        Holds for three minutes or until the next order; {} ends it. Raises :class:`ValueError` for
        an exit that leads to no junction and for what is no flow.
        """
        self.neighbours.gates.order(now, veh_per_s)

    def decide(self, now: Instant, running: Running) -> Decision:
        """The schedule from now on, given what is *running*."""
        self._sequence_no += 1
        if self._detection.look(now, self._confidence):
            self._plan = ()
            return Decision(schedule=None)
        if running.stage is None:
            self._note_short_streets()
            return Decision(schedule=self._schedule(now, self._target, 1), target=self._target)
        self._note_pedestrians(now, running.called)
        grounds = self._search(now, running, running.stage)
        result = grounds.result
        self._plan, self._planned_ms = result.plan, now.mono_ms
        if self._settings.platoons:
            self.neighbours.plan(now, result.departures_veh[: len(self.traffic.lanes)])
        self._target = target = result.next_stage
        hold_s = next((hold for stage, hold in result.plan if stage == target and hold > 0), 1)
        return Decision(
            schedule=self._schedule(now, target, hold_s),
            target=target,
            changed=target != running.stage,
            result=result,
            grounds=grounds,
        )

    def _search(self, now: Instant, running: Running, stage: int) -> Grounds:
        # Who walks now is no longer called, but has to clear the road before it goes on.
        walking = self._green & self.site.stage_masks[stage]
        pedestrians = (running.called | walking) & self.site.pedestrian_groups
        no_room = self._without_room(now, stage)
        changes = self._changes_for(pedestrians, no_room)
        if self._bounds is not None:
            changes = self._bounds.at(now.utc_ms, stage, running.green_s, pedestrians)
        lanes = len(self.traffic.lanes)
        queue, arrivals = self.traffic.forecast(self._horizon_s, len(self._crossings))
        if self._settings.platoons:
            self.neighbours.meet(self.traffic.to_lane, arrivals[:lanes])
        self._assumed.fill(queue[:lanes], arrivals[:lanes])
        self._review_capacity(now, arrivals[:lanes])
        wait_s = self._assumed.waits_s(self.traffic.head_wait_s)
        limit_s = np.where(queue[:lanes] > 0.0, self._settings.max_wait_s - wait_s, np.inf)
        if self._crossings:
            called_s = self._called_s(now)
            queue[lanes:] = self._walkers(running.called)
            wait_s = np.concatenate([wait_s, called_s])
            limit_s = np.concatenate([limit_s, self._walk_limits(called_s)])
        weight = self._weights(wait_s, queue)
        share, spare_veh = self._exits(now, queue)
        problem = SearchProblem(
            changes=changes,
            arrivals_veh=arrivals,
            queue_veh=queue,
            rate_veh_per_s=self._rates(now),
            stage=stage,
            green_s=min(running.green_s, GREEN_MAX_S),
            weight=weight,
            wait_limit_s=limit_s,
            exit_share=share,
            exit_spare_veh=spare_veh,
            incumbent=plan_after(self._plan, (now.mono_ms - self._planned_ms) // 1000, changes),
        )
        result = search(problem, self._settings.search)
        if self._short is not None:
            self._short.plan(now, changes, result.plan, self.traffic.sure_rates)
        return Grounds(
            site=self.site,
            lane_groups=self._lane_groups,
            problem=problem,
            result=result,
            wait_s=wait_s,
            assumed=self._assumed.count,
            no_room=no_room,
        )

    def _without_room(self, now: Instant, stage: int) -> tuple[int, ...]:
        """The stages whose vehicles would stand in the junction: to be ended, and not begun.

        Only where another than the running *stage* is left to go to, and any may follow any.
        """
        if self._short is None or self._rules.order is not None or self._bounds is not None:
            return ()
        lanes = self._short.closed(now)
        if not lanes.any():
            return ()
        has_none = (self.traffic.stage_share[:, lanes] > 0.0).any(axis=1)
        left = set(np.flatnonzero(~has_none).tolist()) - {stage, *self._rules.avoided}
        return tuple(np.flatnonzero(has_none).tolist()) if left else ()

    def _exits(self, now: Instant, queue: Floats) -> tuple[Floats | None, Floats | None]:
        """What the exits can take that are not free; *queue* is told of those who wait to come.

        See :attr:`SearchProblem.exit_share` and :attr:`SearchProblem.exit_spare_veh`.
        """
        short, lanes = self._short, len(self.traffic.lanes)
        share, spare_veh = self.neighbours.gates.exits(self._horizon_s)
        if short is not None:
            short.note(queue[:lanes])
            queue[:lanes] += short.expected(now)
            of_short, room_veh = short.exits(now, self._horizon_s)
            share = np.hstack([share, of_short])[:, :EXITS_MAX]
            spare_veh = np.vstack([spare_veh, room_veh])[:EXITS_MAX]
        if not len(spare_veh):
            return None, None
        return np.pad(share, ((0, len(queue) - lanes), (0, 0))), spare_veh

    def _note_short_streets(self) -> None:
        """What the neighbours have to know while a change leaves nothing to decide."""
        if self._short is not None:
            self._short.note(self.traffic.forecast(1)[0])

    def _changes_for(self, pedestrians: int, no_room: tuple[int, ...] = ()) -> StageChanges:
        key = pedestrians, no_room
        changes = self._changes.get(key)
        if changes is None:
            rules = self._rules.closing(no_room)
            changes = site_changes(self.site, self._lane_groups, pedestrians, rules)
            self._changes[key] = changes
        return changes

    def _note_pedestrians(self, now: Instant, called: int) -> None:
        since = self._called_since_ms
        if not self._crossings:
            return
        self._called_since_ms = {
            i: since.get(i, now.mono_ms) for i in self._crossings if called >> i & 1
        }

    def _walkers(self, called: int) -> Floats:
        return np.array([float(called >> i & 1) for i in self._crossings])

    def _rates(self, now: Instant) -> Floats:
        """(stages, lanes and crossings) veh/s; the same array while nothing new is learnt."""
        traffic = self.traffic
        if self._rates_of != traffic.rates_learnt:
            self._rates_of = traffic.rates_learnt
            self._free_rates = np.hstack([traffic.rates, self._walk_rates])
        room = self.neighbours.room(now) if self._settings.full_streets else None
        if room is None and not traffic.any_blocked:
            return self._free_rates
        rates = traffic.rates * traffic.blocked_in_stages
        return np.hstack([rates if room is None else rates * room, self._walk_rates])

    def _weights(self, wait_s: Floats, queue: Floats) -> Floats:
        """(lanes and crossings,) more for who has waited long, holds up others, fills a street."""
        settings = self._settings
        weights = np.maximum(0.0, wait_s - settings.fair_after_s)
        weights /= 30.0
        weights += 1.0
        lanes = len(self.traffic.lanes)
        held_up = self.traffic.trapped / np.maximum(queue[:lanes], 1.0)
        weights[:lanes] += np.minimum(held_up, HELD_UP_MAX)
        full = self.traffic.full_lanes()
        if self._short is not None:
            full[self._short.full_lanes(queue)] = True
        weights[:lanes][full] += FULL_STREET
        if self._crossings:
            weights[lanes:] = settings.pedestrian_weight
        return weights

    def _called_s(self, now: Instant) -> Floats:
        """(crossings,) how long each has been called; 0 where it is not."""
        since = self._called_since_ms
        return np.array(
            [(now.mono_ms - since.get(i, now.mono_ms)) / 1000.0 for i in self._crossings]
        )

    def _walk_limits(self, called_s: Floats) -> Floats:
        called = [i in self._called_since_ms for i in self._crossings]
        return np.where(called, self._settings.max_wait_s / 2.0 - called_s, np.inf)

    def _review_capacity(self, now: Instant, arrivals: Floats) -> None:
        """Once a minute: whether any plan could serve what comes."""
        last_ms = self._flow_at_ms
        if last_ms is not None and 0 <= now.mono_ms - last_ms < CAPACITY_REVIEW_MS:
            return
        self._flow_at_ms = now.mono_ms
        mean = arrivals.mean(axis=1)
        self._flow = mean if self._flow is None else self._flow + FLOW_GAIN * (mean - self._flow)
        limit = WITHIN_CAPACITY if self._over_capacity else OVER_CAPACITY
        least = least_saturation(self._flow, self.traffic.rates, enough=limit)
        if least < limit:
            self._over_capacity = ()
        elif not self._over_capacity:
            message = f"the demand is at least {least:.2f} of what the best greens can serve"
            self._over_capacity = (Fault("over capacity", message),)

    def _schedule(self, now: Instant, stage: int, hold_s: int) -> StageSchedule:
        entry = ScheduledStage(stage=self.site.stages[stage].name, duration_ms=hold_s * 1000)
        return StageSchedule(
            site=self.site.name,
            start_mono_ms=now.mono_ms,
            entries=(entry,),
            ttl_ms=self._settings.ttl_ms,
            sequence_no=self._sequence_no,
        )


def _walk_rates(site: Intersection, crossings: tuple[int, ...]) -> Floats:
    """(stages, crossings) persons/s that each stage lets go."""
    walks = [[WALK_RATE_PER_S * (mask >> i & 1) for i in crossings] for mask in site.stage_masks]
    return np.array(walks).reshape(len(site.stage_masks), len(crossings))


def _unserved(
    site: Intersection, lane_groups: tuple[int, ...], order: tuple[int, ...] | None
) -> tuple[Fault, ...]:
    """Groups with lanes that no stage of a given *order* releases."""
    stages = range(len(site.stages)) if order is None else order
    served = 0
    for stage in stages:
        served |= site.stage_masks[stage]
    missing = 0
    for groups in lane_groups:
        missing |= groups & ~served
    if not missing:
        return ()
    names = ", ".join(site.names(missing))
    message = f"no stage of the given order serves {names}: served only when overdue"
    return (Fault("unserved lane", message),)
