"""A week of counts as periods with a plan each: which days are alike, when to change, what pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.delay import Floats
from optimizer.planning.cheap_plans import CheapPlanner
from optimizer.planning.day_types import alike_days
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.periods import PeriodChoice, choose_periods, shared_plans
from sim.errors import CountsError
from sim.network.model import Network
from sim.planning.count_places import CountPlaces
from sim.planning.counts import WEEKDAYS, Counts
from sim.planning.day_flows import BIN_S, DayFlows, day_flows, weekday_means
from sim.planning.from_net import planning_network
from sim.planning.turning import TurningEstimate, estimated_turns
from sim.plans.week_json import DayType, WeekPeriod, WeekTable

BUSY = 0.8
"""Stages are chosen for the intervals that are busier than this part of all."""
EVERY_DAY = tuple(range(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period of a day type: its time, and the plan that it runs.

    ``is_made_for``: the plan is for this period, others share it. ``flow_veh_per_h``: over all stop
    lines.
    """

    day_type: int
    begin_s: float
    end_s: float
    plan: str
    is_made_for: bool
    flow_veh_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWeek:
    """``day_types``: days of the week in groups; ``choices``: what was weighed for each."""

    day_types: tuple[tuple[int, ...], ...]
    choices: tuple[PeriodChoice, ...]
    periods: tuple[Period, ...]
    remarks: tuple[str, ...]
    flows: DayFlows
    _network: Network
    _counts: Counts
    _places: CountPlaces

    @property
    def plans(self) -> tuple[str, ...]:
        """The names of the plans, in the order of the periods."""
        return tuple(dict.fromkeys(period.plan for period in self.periods))

    def planning(self, plan: str) -> tuple[PlanningNetwork, TurningEstimate]:
        """The network under the demand that *plan* is made for, and how that was estimated."""
        period = next(each for each in self.periods if each.plan == plan and each.is_made_for)
        days = [
            day
            for day, own in zip(self.flows.days, self.flows.weekdays, strict=True)
            if own in self.day_types[period.day_type]
        ]
        chosen = self._counts.within(period.begin_s, period.end_s, days)
        estimate = estimated_turns(self._network, chosen, self._places)
        return planning_network(self._network, estimate.demand), estimate

    def table(self, network: str) -> WeekTable:
        """Which plan runs when; neighbours with one plan are one period."""
        types = []
        for k, days in enumerate(self.day_types):
            periods: list[WeekPeriod] = []
            for own in self.periods:
                if own.day_type == k and not (periods and periods[-1].plan == own.plan):
                    minute = round(own.begin_s / 60.0) if periods else 0
                    periods.append(WeekPeriod(minute=minute, plan=own.plan))
            types.append(DayType(days=days, periods=tuple(periods)))
        return WeekTable(
            network=network,
            plans=tuple((name, f"plan-{name}.json") for name in self.plans),
            day_types=tuple(types),
        )

    def document(self) -> dict[str, object]:
        """What was weighed, as data to draw from: costs by number of periods, flows by the clock.

        Delays are vehicle-hours of a mean day.
        """
        return {
            "schema": 1,
            "clock_s": self.flows.clock_s.tolist(),
            "day_types": [self._type_document(k) for k in range(len(self.day_types))],
        }

    def _type_document(self, k: int) -> dict[str, object]:
        own = [d for d, day in enumerate(self.flows.weekdays) if day in self.day_types[k]]
        total = self.flows.flows[own].sum(axis=2)
        return {
            "days": [WEEKDAYS[day] for day in self.day_types[k]],
            "flow_veh_per_h": total.mean(axis=0).round(1).tolist(),
            "busiest_veh_per_h": total.max(axis=0).round(1).tolist(),
            "quietest_veh_per_h": total.min(axis=0).round(1).tolist(),
            "chosen": self.choices[k].chosen,
            "by_count": [
                {
                    "periods": count,
                    "from_s": [float(self.flows.clock_s[at]) for at in cut.starts],
                    "delay_veh_h": round(cut.delay_veh_h, 3),
                    "changes_veh_h": round(cut.changes_veh_h, 3),
                }
                for count, cut in enumerate(self.choices[k].by_count, 1)
            ],
            "periods": [
                {"from_s": each.begin_s, "to_s": each.end_s, "plan": each.plan}
                for each in self.periods
                if each.day_type == k
            ],
        }


def planned_week(
    network: Network,
    counts: Counts,
    places: CountPlaces,
    *,
    shortest_s: float = 1_800.0,
    most: int = 12,
    worth: float = 0.01,
) -> PlannedWeek:
    """Day types, periods and plans for *counts*; raises :class:`CountsError` if they are too few.

    Days without dates are all of one type.
    """
    reference = estimated_turns(network, _busy(counts), places)
    planning = planning_network(network, reference.demand)
    flows = day_flows(network, planning, reference.demand, counts, places)
    bin_s = max(BIN_S, counts.interval_s)
    if len(flows.clock_s) * bin_s < shortest_s:
        raise CountsError(
            f"{counts.source}: {len(flows.clock_s) * bin_s / 60.0:g} minutes of the day are "
            f"counted, less than a period of {shortest_s / 60.0:g} minutes"
        )
    planner = CheapPlanner(planning, bin_s / 3600.0)
    groups = alike_days(planner, weekday_means(flows))
    choices = tuple(
        choose_periods(
            planner,
            _days_of(flows, days),
            bin_s,
            shortest_s=shortest_s,
            most=most,
            worth=worth,
        )
        for days in groups
    )
    day_types, remarks = _all_week(groups, dated=counts.is_dated)
    return PlannedWeek(
        day_types=day_types,
        choices=choices,
        periods=_periods(planner, flows, groups, choices, (bin_s, worth)),
        remarks=(*reference.remarks, *flows.remarks, *remarks, *_not_whole(flows, bin_s)),
        flows=flows,
        _network=network,
        _counts=counts,
        _places=places,
    )


def _busy(counts: Counts) -> Counts:
    """The busiest intervals."""
    known = np.isfinite(counts.vehicles)
    mean = np.where(known, counts.vehicles, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    busy = mean >= np.quantile(mean, BUSY)
    return Counts(
        source=counts.source,
        interval_s=counts.interval_s,
        starts_s=counts.starts_s[busy],
        detectors=counts.detectors,
        vehicles=counts.vehicles[busy],
        occupancy=counts.occupancy[busy],
        is_dated=counts.is_dated,
    )


def _days_of(flows: DayFlows, weekdays: Sequence[int]) -> Floats:
    chosen: Floats = flows.flows[[k for k, own in enumerate(flows.weekdays) if own in weekdays]]
    return chosen


def _periods(
    planner: CheapPlanner,
    flows: DayFlows,
    groups: Sequence[tuple[int, ...]],
    choices: Sequence[PeriodChoice],
    terms: tuple[float, float],
) -> tuple[Period, ...]:
    """The periods of all day types; those that may share a plan do."""
    bin_s, worth = terms
    cuts = []
    for k, choice in enumerate(choices):
        starts = choice.best.starts
        mean = _days_of(flows, groups[k]).mean(axis=0)
        for first, after in zip(starts, (*starts[1:], len(mean)), strict=True):
            cuts.append((k, first, after, mean[first:after]))
    runs = shared_plans(planner, [own for *_, own in cuts], worth)
    number: Mapping[int, str] = {at: f"{n}" for n, at in enumerate(dict.fromkeys(runs), 1)}
    return tuple(
        Period(
            day_type=k,
            begin_s=float(flows.clock_s[first]),
            end_s=float(flows.clock_s[after - 1] + bin_s),
            plan=number[runs[at]],
            is_made_for=runs[at] == at,
            flow_veh_per_h=float(own.sum(axis=1).mean()),
        )
        for at, (k, first, after, own) in enumerate(cuts)
    )


def _all_week(
    groups: Sequence[tuple[int, ...]], *, dated: bool
) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """Every day of the week in a group: one that was not counted joins the nearest before it."""
    if not dated:
        return (EVERY_DAY,), ()
    counted = {day: k for k, days in enumerate(groups) for day in days}
    whole = [list(days) for days in groups]
    remarks = []
    for day in EVERY_DAY:
        if day not in counted:
            like = next(other % 7 for other in range(day + 6, day - 1, -1) if other % 7 in counted)
            whole[counted[like]].append(day)
            remarks.append(f"{WEEKDAYS[day]} was not counted: it has the table of {WEEKDAYS[like]}")
    return tuple(tuple(sorted(days)) for days in whole), tuple(remarks)


def _not_whole(flows: DayFlows, bin_s: float) -> tuple[str, ...]:
    first_s, last_s = float(flows.clock_s[0]), float(flows.clock_s[-1] + bin_s)
    if first_s == 0.0 and last_s >= 86_400.0:
        return ()
    clock = [f"{int(each // 3600):02}:{int(each % 3600 // 60):02}" for each in (first_s, last_s)]
    return (
        f"only {clock[0]} to {clock[1]} was counted: the first plan runs from midnight, the last "
        "one to midnight",
    )
