"""Search over the next stages of one junction and their durations: the reference of the kernel.

Model. Every lane is a vertical queue. In each second it takes its arrivals, gives off what its
present rate releases, and what is left costs its weight. A vehicle that comes to a red light or to
a queue of more than half a vehicle costs a stop. During a change a lane goes on as long as its
green and the used part of its yellow last, and starts when it is released and has got going. An
exit that has taken all it can keeps the lanes that lead there standing. At the end of the horizon
the rest costs ``weight q^2 / (2 best rate)``, the delay of clearing it, and ``red_s`` more where
the last stage does not serve it. All this stands in :mod:`optimizer._search_model`.

Search. A *label* is the begin of green of a stage: a second, a stage, the queues then and the cost
so far. Seconds are taken in order. Of the labels of a second the ``beam`` with the least cost and
tail are followed: their stage is held second by second, and at every decision (each second within
``fine_s`` and then every other for the running stage, every ``grid_s`` for later ones, the minimum
and the maximum green, and when nobody uses the stage while others wait) a change to every allowed
stage is simulated and gives a label there. A second and stage keep their ``labels`` cheapest ones.
With a beam and labels without end, a grid of 1 s and ``idle_s`` 0 the search is complete.

What can't become better than the best plan so far is dropped. The bound lets every lane be served
at its best rate from the first second at which a permitted sequence of stages can reach it.
Arrivals and queues may be bounded apart, since served together they wait no less.

Longest waits. A lane whose head must be served by a certain second is due until a stage serves it.
Each second beyond counts :data:`LATE`, more than any delay, so that plans that keep all limits come
first, then those that exceed them least; what can't be avoided any more counts at once.

Everything is integer: vehicles in 1/128, clearing times in 1/16 s, costs in units of the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optimizer._search_model import (
    LATE,
    NONE,
    Junction,
    Row,
    Traffic,
    due_now,
    is_idle,
    lateness,
    least,
    serve_due,
    tail,
)

Rows = list[tuple[int, int]]


@dataclass(slots=True)
class Label:
    """The green of a stage begins: what it cost, and how it got there."""

    cost: int
    stage: int
    previous: int
    traffic: Traffic
    due: frozenset[int]
    """Lanes with a wait limit that have not been served yet."""
    parent: Label | None = None
    hold: int = 0
    """How long the parent's stage was held."""
    first: int = -1
    """The first stage that the plan changes to."""
    go: bool = False
    """Whether that change begins now."""


def search(*arguments: Any) -> int:  # noqa: ANN401
    """Fill the four outputs and return the number of rows of the plan.

    The arguments, in order:
    ``arrivals`` (H, P), ``queue`` (P,): in 1/128 vehicle; ``weight``, ``stop_weight`` (P,): cost of
    a queue for one second and of a stop, per 1/128 vehicle; ``rate`` (S, P): 1/128 vehicle per s.
    ``change_s`` (S, S); ``stops_s``, ``starts_s`` (S, S, P); ``served_from_s`` (P,);
    ``min_green_s``, ``max_green_s`` (S,); ``allowed`` (S, S); ``limit_s`` (P,), 9999 for none;
    ``exit_share`` (E, P) in 1/128; ``exit_spare`` (E, H) in 1/16384 vehicle; ``incumbent`` (R, 2);
    ``settings`` (10,): stage now, green so far, beam, labels, grid, fine, idle (s), red (1/16 s),
    steps, standing (1/128 vehicle).
    Outputs: ``plan`` (H + 2, 2); ``value`` (S,) best cost by first next stage;
    ``departures`` (H, P); ``figures`` (7,): best cost, best with staying, best with changing now,
    least estimate of what a wait limit ruled out, cost of the incumbent, steps, complete.
    """
    *inputs, incumbent, settings, plan_out, value_out, departures_out, figures_out = arguments
    at = _junction([array.tolist() for array in inputs], settings.tolist())
    run = _Run(at)
    rows = [(stage, hold) for stage, hold in incumbent.tolist()] or [(at.stage_now, at.horizon)]
    run.best, run.plan, departures = _replay(at, rows)
    figures_out[4] = run.best
    go = len(run.plan) > 1 and run.plan[0][1] == 0
    run.record(run.best, run.plan[1][0] if len(run.plan) > 1 else at.stage_now, go)
    complete = run.solve()
    if run.found:
        _, run.plan, departures = _replay(at, run.plan)
    plan_out[: len(run.plan)] = run.plan
    value_out[:] = run.value
    departures_out[:] = departures
    figures_out[:4] = run.best, run.stay, run.go, run.late_estimate
    figures_out[5:] = run.steps, complete
    return len(run.plan)


def _junction(inputs: list[Any], settings: list[int]) -> Junction:
    names = list(Junction.__dataclass_fields__)
    values = dict(zip(names, [*inputs, *settings], strict=False))
    return Junction(**values)


class _Run:
    """One search: the labels, the best plan so far, and what it has cost to find it."""

    def __init__(self, at: Junction) -> None:
        self.at = at
        self.best, self.stay, self.go, self.late_estimate = NONE, NONE, NONE, NONE
        self.value = [NONE for _ in at.stages]
        self.plan: Rows = []
        self.found = False
        self.steps = 0
        self.labels: list[list[list[Label]]] = [[[] for _ in at.stages] for _ in range(at.horizon)]

    def record(self, total: int, first: int, go: bool) -> None:
        """A complete plan that costs *total*."""
        self.value[first] = min(self.value[first], total)
        if go:
            self.go = min(self.go, total)
        else:
            self.stay = min(self.stay, total)

    def solve(self) -> bool:
        """Follow all seconds; False when the steps run out."""
        at = self.at
        root = Traffic(at.queue.copy(), [0 for _ in at.exit_share])
        self.labels[0][at.stage_now].append(Label(0, at.stage_now, -1, root, due_now(at)))
        for t in range(at.horizon):
            labels = [label for of_stage in self.labels[t] for label in of_stage]
            estimates = [self.estimate(label, t) for label in labels]
            kept = sorted(estimates)[: at.beam][-1] if len(estimates) >= at.beam else NONE
            for label, estimate in zip(labels, estimates, strict=True):
                if estimate > kept:
                    continue
                if self.steps >= at.steps_max:
                    return False
                self.expand(label, t)
        return True

    def estimate(self, label: Label, t: int) -> int:
        """What the labels of one second are ranked by."""
        at = self.at
        elapsed = at.green_s if label.parent is None else 0
        late = lateness(at, label.due, t, label.stage, elapsed)
        if late:
            self.ruled_out(label.traffic, label.stage, label.cost)
        return label.cost + LATE * late + tail(at, label.traffic.queue, label.stage)

    def ruled_out(self, traffic: Traffic, stage: int, cost: int) -> None:
        """Remember how good a plan that exceeds a wait limit might have been."""
        estimate = cost % LATE + tail(self.at, traffic.queue, stage)
        self.late_estimate = min(self.late_estimate, estimate)

    def expand(self, label: Label, begin: int) -> None:
        """Hold the stage of a label second by second, and branch at every decision."""
        at, stage, root = self.at, label.stage, label.parent is None
        elapsed, hold, cost = (at.green_s if root else 0), 0, label.cost
        minimum, maximum = at.min_green_s[stage], at.max_green_s[stage]
        traffic = label.traffic.copy()
        while begin + hold < at.horizon:
            t = begin + hold
            if elapsed >= minimum:
                idle = not (root and hold <= at.fine_s) and is_idle(at, traffic, stage, t)
                on_grid = hold <= at.fine_s or hold % 2 == 0 if root else hold % at.grid_s == 0
                if idle or elapsed == minimum or elapsed >= maximum or on_grid:
                    if cost + least(at, traffic.queue, stage, t, elapsed) >= self.best:
                        return
                    self.branch(label, t, hold, traffic, cost)
                if idle or elapsed >= maximum:
                    return
            rates = at.served_in_stage(label.previous, stage, elapsed, hold)
            cost += traffic.advance(at, t, rates)
            self.steps += 1
            hold += 1
            elapsed += 1
            if cost >= self.best:
                return
        cost += tail(at, traffic.queue, stage)
        cost += LATE * lateness(at, label.due, at.horizon, stage, elapsed)
        self.finish(cost, stage if root else label.first, label.go, label, hold, None)

    def branch(self, label: Label, t: int, hold: int, before: Traffic, cost_before: int) -> None:
        """Change at *t* to every stage that may follow."""
        at, stage, root = self.at, label.stage, label.parent is None
        go = hold == 0 if root else label.go
        for following in at.followers(stage):
            late, due = serve_due(at, label.due, t, stage, following)
            if late:
                self.ruled_out(before, stage, cost_before)
            cost, traffic = cost_before + LATE * late, before.copy()
            end = t + at.change_s[stage][following]
            for second in range(t, min(end, at.horizon)):
                rates = at.served_in_change(stage, following, second - t)
                cost += traffic.advance(at, second, rates)
                self.steps += 1
            if cost >= self.best:
                continue
            first = following if root else label.first
            if end < at.horizon:
                self.keep(end, Label(cost, following, stage, traffic, due, label, hold, first, go))
                continue
            cost += tail(at, traffic.queue, following)
            cost += LATE * lateness(at, due, end, following, 0)
            self.finish(cost, first, go, label, hold, following)

    def keep(self, t: int, label: Label) -> None:
        """Put a label among those of its second and stage, if it is cheap enough."""
        labels = self.labels[t][label.stage]
        for other in labels:
            if other.cost == label.cost and other.traffic.queue == label.traffic.queue:
                return
        if len(labels) < self.at.labels:
            labels.append(label)
            return
        worst = max(range(len(labels)), key=lambda k: labels[k].cost)
        if label.cost < labels[worst].cost:
            labels[worst] = label

    def finish(
        self, total: int, first: int, go: bool, label: Label, hold: int, last: int | None
    ) -> None:
        """A plan has reached the horizon, in the stage of *label* or in the change to *last*."""
        self.record(total, first, go)
        if total < self.best:
            self.best, self.found = total, True
            self.plan = _trace(label, hold) + ([] if last is None else [(last, 0)])


def _trace(label: Label, hold: int) -> Rows:
    rows = [(label.stage, hold)]
    while label.parent is not None:
        rows.append((label.parent.stage, label.hold))
        label = label.parent
    return rows[::-1]


def _replay(at: Junction, wanted: Rows) -> tuple[int, Rows, list[list[int]]]:
    """Cost, rows and departures (H, P) of a plan, which is made legal first.

    Its last stage, or one that what is wanted next may not follow, is held as long as it may;
    then the first stage that may follow comes next.
    """
    traffic = Traffic(at.queue.copy(), [0 for _ in at.exit_share])
    departures: list[list[int]] = []
    stage, elapsed, previous = at.stage_now, at.green_s, -1
    t, cost, due = 0, 0, due_now(at)
    ahead, plan = list(wanted), []

    def advance(t: int, rates: Row) -> int:
        before = traffic.queue.copy()
        cost = traffic.advance(at, t, rates)
        departures.append(
            [
                was + arriving - left
                for was, arriving, left in zip(before, at.arrivals[t], traffic.queue, strict=True)
            ]
        )
        return cost

    while True:
        followers = at.followers(stage)
        if len(ahead) > 1 and ahead[1][0] not in followers:
            ahead = []
        hold = max(0, at.max_green_s[stage] - elapsed)
        if len(ahead) > 1:
            hold = min(hold, ahead[0][1])
        hold = max(hold, at.min_green_s[stage] - elapsed)
        held = min(hold, at.horizon - t)
        for second in range(held):
            cost += advance(t, at.served_in_stage(previous, stage, elapsed, second))
            elapsed += 1
            t += 1
        plan.append((stage, held))
        if t >= at.horizon:
            break
        ahead = ahead[1:]
        following = ahead[0][0] if ahead else followers[0]
        late, due = serve_due(at, due, t, stage, following)
        cost += LATE * late
        end = t + at.change_s[stage][following]
        for second in range(t, min(end, at.horizon)):
            cost += advance(second, at.served_in_change(stage, following, second - t))
        previous, stage, elapsed, t = stage, following, 0, end
        if t >= at.horizon:
            plan.append((stage, 0))
            break
    cost += tail(at, traffic.queue, stage) + LATE * lateness(at, due, t, stage, elapsed)
    return cost, plan, departures
