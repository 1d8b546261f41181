"""One junction second by second, as the reference of the search sees it.

Queues and their cost, what a change releases, what no plan can avoid any more, and what a plan owes
to lanes with a longest wait. Why it is so stands in :mod:`optimizer._search_reference`, the inputs
in :func:`optimizer._search_reference.search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LATE = 1 << 46
NONE = 1 << 62
NEVER_S = 9_999
LATE_MAX_S = 600
CLEARING_MAX = 16_384
HALF_VEHICLE = 64
BOUND_GRID_S = 5

Row = Sequence[int]


@dataclass(slots=True, kw_only=True)
class Junction:
    """The inputs as lists, see :func:`search`, and what is derived from them once."""

    arrivals: list[list[int]]
    queue: list[int]
    weight: list[int]
    stop_weight: list[int]
    rate: list[list[int]]
    change_s: list[list[int]]
    stops_s: list[list[list[int]]]
    starts_s: list[list[list[int]]]
    served_from_s: list[int]
    min_green_s: list[int]
    max_green_s: list[int]
    allowed: list[list[int]]
    limit_s: list[int]
    exit_share: list[list[int]]
    exit_spare: list[list[int]]
    stage_now: int
    green_s: int
    beam: int
    labels: int
    grid_s: int
    fine_s: int
    idle_s: int
    red16: int
    steps_max: int
    standing: int
    lanes: range = field(init=False)
    stages: range = field(init=False)
    horizon: int = field(init=False)
    clearing: list[int] = field(init=False)
    """Per lane, 16 s / (2 best rate), times 65536."""
    unavoidable: list[int] = field(init=False)
    """Per second, the cost of the arrivals to come if every lane were always served."""
    reach_s: list[list[int]] = field(init=False)
    """Per stage and lane, from the end of the minimum green until the lane can be served."""

    def __post_init__(self) -> None:
        self.lanes = range(len(self.queue))
        self.stages = range(len(self.rate))
        self.horizon = len(self.arrivals)
        best_rate = [max(1, *(row[lane] for row in self.rate)) for lane in self.lanes]
        self.clearing = [(1 << 19) // rate for rate in best_rate]
        self.unavoidable = _unavoidable(self, best_rate)
        self.reach_s = _reach_s(self)

    def followers(self, stage: int) -> list[int]:
        """The stages that *stage* may change to."""
        return [j for j in self.stages if self.allowed[stage][j]]

    def start_s(self, stage: int, following: int, lane: int) -> int:
        """From the begin of a change until a lane of the next stage is served."""
        start = self.starts_s[stage][following][lane]
        return start if start < NEVER_S else self.change_s[stage][following]

    def served_in_change(self, stage: int, following: int, tau: int) -> list[int]:
        """Rates in second *tau* of a change, which ends where the next stage has got going."""
        before, after = self.rate[stage], self.rate[following]
        stops, starts = self.stops_s[stage][following], self.starts_s[stage][following]
        if tau >= self.change_s[stage][following]:
            return [0 if tau < starts[lane] < NEVER_S else after[lane] for lane in self.lanes]
        return [
            before[lane] if tau < stops[lane] else after[lane] if tau >= starts[lane] else 0
            for lane in self.lanes
        ]

    def served_in_stage(self, previous: int, stage: int, elapsed: int, hold: int) -> list[int]:
        """Rates in a second of a stage; *previous* is -1 for the running one."""
        if previous >= 0:
            return self.served_in_change(previous, stage, self.change_s[previous][stage] + elapsed)
        return [
            rate if hold >= start else 0
            for rate, start in zip(self.rate[stage], self.served_from_s, strict=True)
        ]


@dataclass(slots=True)
class Traffic:
    """The queues at one moment, and what the exits have taken since now."""

    queue: list[int]
    inflow: list[int]

    def copy(self) -> Traffic:
        return Traffic(self.queue.copy(), self.inflow.copy())

    def advance(self, at: Junction, t: int, rates: Row) -> int:
        """One second; returns its cost."""
        full = [e for e, taken in enumerate(self.inflow) if taken >= at.exit_spare[e][t]]
        cost = 0
        for lane in at.lanes:
            arriving = at.arrivals[t][lane]
            rate = rates[lane]
            if rate > 0 and any(at.exit_share[e][lane] > 0 for e in full):
                # Whoever goes now stands in the junction, in the way of others.
                if self.queue[lane] > HALF_VEHICLE:
                    cost += at.weight[lane] * at.standing
                rate = 0
            if rate == 0 or self.queue[lane] > HALF_VEHICLE:
                cost += at.stop_weight[lane] * arriving
            out = min(self.queue[lane] + arriving, rate)
            self.queue[lane] += arriving - out
            cost += at.weight[lane] * self.queue[lane]
            for e, share in enumerate(at.exit_share):
                self.inflow[e] += share[lane] * out
        return cost


def tail(at: Junction, queue: Row, stage: int) -> int:
    """Cost of clearing what is left; lanes that *stage* does not serve wait ``red_s`` more."""
    total = 0
    for lane in at.lanes:
        seconds16 = min((queue[lane] * at.clearing[lane]) >> 16, CLEARING_MAX)
        if at.rate[stage][lane] == 0:
            seconds16 += at.red16
        total += at.weight[lane] * queue[lane] * seconds16
    return total >> 4


def least(at: Junction, queue: Row, stage: int, t: int, elapsed: int) -> int:
    """No plan that shows *stage* at *t* costs less from there on."""
    to_minimum = max(0, at.min_green_s[stage] - elapsed)
    total = 0
    for lane in at.lanes:
        seconds16 = min((queue[lane] * at.clearing[lane]) >> 16, CLEARING_MAX)
        seconds16 = max(0, seconds16 - 8)
        if at.rate[stage][lane] == 0:
            seconds16 += 16 * min(at.reach_s[stage][lane] + to_minimum, at.horizon - t)
        total += at.weight[lane] * queue[lane] * seconds16
    return (total >> 4) + at.unavoidable[t]


def _unavoidable(at: Junction, best_rate: Row) -> list[int]:
    """Cost of all arrivals from a second on, served at once; that of a later second is less."""
    costs = [0] * (at.horizon + 1)
    for start in range(0, at.horizon, BOUND_GRID_S):
        queue, total = [0 for _ in at.lanes], 0
        for t in range(start, at.horizon):
            for lane in at.lanes:
                queue[lane] = max(0, queue[lane] + at.arrivals[t][lane] - best_rate[lane])
                total += at.weight[lane] * queue[lane]
        for t in range(max(0, start - BOUND_GRID_S + 1), start + 1):
            costs[t] = total
    return costs


def _reach_s(at: Junction) -> list[list[int]]:
    """Shortest ways from stages to lanes, relaxed until nothing gets shorter (Bellman-Ford)."""
    reach = [[0 if rate > 0 else NEVER_S for rate in row] for row in at.rate]
    shorter = True
    while shorter:
        shorter = False
        for stage in at.stages:
            for following in at.followers(stage):
                for lane in at.lanes:
                    if at.rate[following][lane] > 0:
                        way = at.start_s(stage, following, lane)
                    else:
                        way = at.change_s[stage][following] + at.min_green_s[following]
                        way += reach[following][lane]
                    if way < reach[stage][lane]:
                        reach[stage][lane] = way
                        shorter = True
    return reach


def due_now(at: Junction) -> frozenset[int]:
    """Lanes with a wait limit and a queue that the running stage does not serve."""
    return frozenset(
        lane
        for lane in at.lanes
        if at.limit_s[lane] < NEVER_S and at.queue[lane] > 0 and at.rate[at.stage_now][lane] == 0
    )


def lateness(at: Junction, due: frozenset[int], t: int, stage: int, elapsed: int) -> int:
    """Lane-seconds beyond the wait limits that can't be avoided from *stage* at *t*."""
    ready = t + max(0, at.min_green_s[stage] - elapsed)
    late = (ready + at.reach_s[stage][lane] - at.limit_s[lane] for lane in due)
    return sum(min(max(0, seconds), LATE_MAX_S) for seconds in late)


def serve_due(
    at: Junction, due: frozenset[int], t: int, stage: int, following: int
) -> tuple[int, frozenset[int]]:
    """Lateness of the due lanes that a change begun at *t* serves, and those still due."""
    served = frozenset(lane for lane in due if at.rate[following][lane] > 0)
    late = (t + at.start_s(stage, following, lane) - at.limit_s[lane] for lane in served)
    return sum(min(max(0, seconds), LATE_MAX_S) for seconds in late), due - served


def is_idle(at: Junction, traffic: Traffic, stage: int, t: int) -> bool:
    """Whether nobody uses the stage now or soon, while somebody waits elsewhere."""
    if at.idle_s == 0:
        return False
    used = sum(traffic.queue[lane] for lane in at.lanes if at.rate[stage][lane] > 0)
    waiting = sum(traffic.queue) - used
    for arrivals in at.arrivals[t : t + at.idle_s]:
        used += sum(arrivals[lane] for lane in at.lanes if at.rate[stage][lane] > 0)
    return used < HALF_VEHICLE and waiting >= HALF_VEHICLE
