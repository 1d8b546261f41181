"""The adaptive plan of one isolated site: every cycle the counts give a new cycle and new splits.

The law
    1. Demand per lane from the loops: exponential mean of what left, raised where queues were not
       cleared (:mod:`optimizer.demand`; the feedback on the degree of saturation is that of SCATS:
       Sims and Dobinson, IEEE Transactions on Vehicular Technology 29(2), 1980). Saturation flow
       and start-up loss are learnt (:mod:`optimizer.saturation`).
    2. Cycle and greens of least total delay d1 + d2 for that demand (HCM 2010, chapters 18 and 31;
       for light traffic this is Webster's optimum, Road Research Technical Paper 39, 1958), subject
       to minimum greens, walks and interstages. A stage that serves a lane of which nothing is
       known keeps at least its share of the shipped plan.
    3. The stages are actuated, and left out when nobody calls: what the optimum gives is what a
       stage needs on average, so as a *maximum* it is stretched by ``HEADROOM``, for the cycle in
       which more vehicles come than usual, up to a cycle of ``STRETCHED_CYCLE_S``. A gap ends it
       sooner. Under saturation all stages run to their maximum, and the optimum decides who gets
       what.
    4. Against jitter, the cycle moves by at most ``CYCLE_STEP_S`` per plan, splits move half of the
       way, and a plan that differs by less than ``HYSTERESIS_S`` everywhere is not issued.

A site that must keep its sequence (``keep_order``) runs every stage, in the shipped order; a
shipped offset is kept, and then so is the cycle, since neighbours count on it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.plan import PlanStage, TimingPlan
from controller.signals import Outputs
from optimizer.delay import Floats
from optimizer.demand import DemandEstimator
from optimizer.site_problem import (
    SiteProblem,
    SiteSolution,
    names_of,
    saturation_degrees,
    sequence_of,
    site_problem,
    solve_site,
)

HEADROOM = 2.5
STRETCHED_CYCLE_S = 140.0
"""No headroom beyond this sum of the splits, which all stages at their maximum would take."""
CYCLE_STEP_S = 15.0
CYCLE_GRID_S = 5.0
APPROACH = 0.5
HYSTERESIS_S = 1.0
LEARN_FIRST_S = 120.0
CYCLE_RANGE_S = (30.0, 120.0)


class AdaptivePlan:
    """Plans for *site* on the stage sequence of the shipped *plan*.

    ``cycle_range_s`` bounds the cycle of the optimum, before the headroom of actuated stages. Call
    :meth:`observe` at every step and :meth:`plan` after it.
    """

    def __init__(
        self,
        site: Intersection,
        plan: TimingPlan,
        *,
        cycle_range_s: tuple[float, float] = CYCLE_RANGE_S,
        keep_order: bool = False,
    ) -> None:
        low, high = cycle_range_s
        if not 0.0 < low <= high:
            raise ValueError(f"cycle_range_s: {low:g}..{high:g} is not a range above 0")
        self.demand = DemandEstimator(site)
        self.why = "no plan yet"
        """One line on the last plan: what is critical, what it changed, what bounds it."""
        self._site = site
        self._shipped = plan
        self._sequence = sequence_of(site, plan)
        self._range_s = cycle_range_s
        self._keep_order = keep_order
        self._cycle_s = plan.cycle_ms / 1000.0
        if not self._fixed_cycle():
            self._cycle_s = min(max(self._cycle_s, low), high)
        self._green_s = self._shipped_greens()
        self._issued: TimingPlan | None = None
        self._next_ms: int | None = None

    def _shipped_greens(self) -> Floats:
        splits = np.array([entry.split_ms / 1000.0 for entry in self._shipped.stages])
        scale = self._cycle_s * 1000.0 / self._shipped.cycle_ms
        greens: Floats = np.maximum(
            splits * scale - self._sequence.interstage_s, self._sequence.minimum_green_s
        )
        return greens

    def observe(self, now: Instant, readings: SiteReadings, outputs: Outputs) -> None:
        """Readings since the last call, and what the lamps showed meanwhile."""
        self.demand.observe(now, readings, outputs.green)

    def plan(self, now: Instant) -> TimingPlan | None:
        """A new plan, or None to go on with the last one."""
        if self._next_ms is None:
            self._next_ms = now.mono_ms + int(LEARN_FIRST_S * 1000)
            self.why = "the shipped splits, stages actuated, until counts are in"
            return self._issue(self._green_s)
        if now.mono_ms < self._next_ms:
            return None
        self._next_ms = now.mono_ms + int(self._cycle_s * 1000)
        problem = site_problem(self._site, self._sequence, self.demand.lane_demands(now))
        if not problem.lanes:
            self.why = "no lane has a valid count: the shipped splits"
            self._green_s = self._shipped_greens()
            return self._issue(self._green_s)
        solution = self._optimum(problem)
        before = saturation_degrees(problem, self._cycle_s, self._green_s)
        blend = self._green_s + APPROACH * (solution.green_s - self._green_s)
        self._cycle_s = float(blend.sum() + self._sequence.interstage_s.sum())
        self._green_s = blend
        self.why = self._reason(problem, solution, before)
        return self._issue(blend)

    def _fixed_cycle(self) -> bool:
        return self._keep_order and self._shipped.offset_ms is not None

    def _optimum(self, problem: SiteProblem) -> SiteSolution:
        sequence = self._sequence
        shares = np.array([entry.split_ms for entry in self._shipped.stages])
        kept = shares / self._shipped.cycle_ms * self._cycle_s - sequence.interstage_s
        minimum = np.where(
            problem.unknown, np.maximum(sequence.minimum_green_s, kept), sequence.minimum_green_s
        )
        shortest = float(np.ceil(minimum.sum() + sequence.interstage_s.sum()))
        return solve_site(problem, sequence, minimum, self._cycles(shortest))

    def _cycles(self, shortest_s: float) -> Floats:
        """Candidate cycles around the present one, in reach of one step."""
        if self._fixed_cycle():
            return np.array([self._shipped.cycle_ms / 1000.0])
        low, high = self._range_s
        around = np.arange(-CYCLE_STEP_S, CYCLE_STEP_S + 0.1, CYCLE_GRID_S) / APPROACH
        cycles: Floats = np.unique(
            np.clip(self._cycle_s + around, max(low, shortest_s), max(high, shortest_s))
        )
        return cycles

    def _issue(self, green_s: Floats) -> TimingPlan | None:
        """The plan with maximum greens stretched from *green_s*, None if it hardly differs."""
        sequence = self._sequence
        if self._fixed_cycle():
            splits_ms = _whole_ms(green_s + sequence.interstage_s, self._shipped.cycle_ms)
        else:
            lost_s = float(sequence.interstage_s.sum())
            room = (STRETCHED_CYCLE_S - lost_s) / float(green_s.sum())
            stretched = green_s * min(HEADROOM, max(room, 1.0)) + sequence.interstage_s
            splits_ms = _whole_ms(stretched, round(float(stretched.sum()) * 1000))
        issued = self._issued
        if issued is not None and all(
            abs(split - entry.split_ms) < HYSTERESIS_S * 1000
            for split, entry in zip(splits_ms, issued.stages, strict=True)
        ):
            return None
        self._issued = replace(
            self._shipped,
            name=f"{self._shipped.name} adaptive",
            cycle_ms=sum(splits_ms),
            stages=self._stages(splits_ms),
            offset_ms=self._shipped.offset_ms if self._keep_order else None,
            sequence_no=(issued or self._shipped).sequence_no + 1,
        )
        return self._issued

    def _stages(self, splits_ms: tuple[int, ...]) -> tuple[PlanStage, ...]:
        return tuple(
            replace(
                entry,
                split_ms=split,
                actuated=True,
                skippable=not self._keep_order,
                coordinated=entry.coordinated and self._keep_order,
            )
            for entry, split in zip(self._shipped.stages, splits_ms, strict=True)
        )

    def _reason(self, problem: SiteProblem, solution: SiteSolution, before: Floats) -> str:
        after = saturation_degrees(problem, self._cycle_s, self._green_s)
        worst = int(after.argmax())
        lane = problem.lanes[worst]
        parts = [
            f"cycle {self._cycle_s:.0f} s; critical lane {lane.lane.name} "
            f"({names_of(self._site, lane.lane.groups)}), "
            f"degree of saturation {before[worst]:.2f} -> {after[worst]:.2f}"
        ]
        if lane.unserved > 1.0:
            parts.append(f"its queue was not cleared, demand x {lane.unserved:.2f}")
        parts += self._bounds(problem, solution)
        return "; ".join(parts)

    def _bounds(self, problem: SiteProblem, solution: SiteSolution) -> list[str]:
        names = [entry.stage for entry in self._shipped.stages]
        at_minimum = solution.green_s <= self._sequence.minimum_green_s + 0.05
        bounds = []
        if at_minimum.any():
            short = ", ".join(name for name, bound in zip(names, at_minimum, strict=True) if bound)
            bounds.append(f"at minimum green: {short}")
        if any(problem.unknown):
            kept = ", ".join(name for name, u in zip(names, problem.unknown, strict=True) if u)
            bounds.append(f"no valid counts, shipped share kept: {kept}")
        if solution.cycle_s >= self._range_s[1]:
            bounds.append("at the longest cycle")
        return bounds


def _whole_ms(splits_s: Floats, cycle_ms: int) -> tuple[int, ...]:
    """*splits_s* in whole ms that add up to *cycle_ms*, by largest remainder; none rounds down.

    The sum of *splits_s* is that of the cycle up to rounding.
    """
    exact = splits_s * 1000.0
    floors = np.floor(exact + 1e-6).astype(np.int64)
    order = np.argsort(floors - exact, kind="stable")
    for k in range(cycle_ms - int(floors.sum())):
        floors[order[k % len(order)]] += 1
    return tuple(int(split) for split in floors)
