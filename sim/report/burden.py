"""Who pays for the gain: the groups of road users whose lot got worse.

A mean over all trips hides a starved side street. So every group is compared on its own, paired by
seed, and the report may only say that nobody pays when it has looked at all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from sim.report.aggregate import Detail, MovementKey, MovementSummary, weighted_mean
from sim.report.cast import paired_runs, verdict
from sim.results import ControlResult, RunResult
from sim.statistics import Estimate, paired_difference

MOVEMENT_TOLERANCE_S = 5.0
"""A movement pays when its mean delay rises by more than this."""
MOVEMENT_VEHICLES_MIN = 10
"""Movements with fewer vehicles a run are too noisy to judge one by one."""
SIDE_STREET_SHARE = 0.5
"""An approach is a side street below this share of its junction's busiest approach."""
THROUGHPUT_LOSS = 0.2
"""An approach is held back when this share of its vehicles no longer gets through."""
LOS_BOUNDS_S = (("A", 10.0), ("B", 20.0), ("C", 35.0), ("D", 55.0), ("E", 80.0))
"""Upper bounds of delay per level of service at signals (HCM 6, exhibit 19-8)."""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One group of road users before and after; ``verdict`` as in :func:`cast.verdict`."""

    name: str
    unit: str
    before: float
    after: float
    change: Estimate
    verdict: str
    decimals: int = 1
    counts: bool = True
    """Whether a worse figure means that the group pays."""


@dataclass(frozen=True, slots=True)
class MovementChange:
    """One movement before and after; a side that no vehicle made is None."""

    key: MovementKey
    turn: str
    vehicles: float
    """Vehicles per run, before (after, for a movement that nobody made before)."""
    before: MovementSummary | None
    after: MovementSummary | None
    change: Estimate | None
    verdict: str
    held_back: bool

    @property
    def pays(self) -> bool:
        """Whether the movement's drivers are clearly worse off."""
        return self.held_back or (
            self.verdict == "worse" and self.vehicles >= MOVEMENT_VEHICLES_MIN
        )


@dataclass(frozen=True, slots=True)
class Burden:
    """Every group and movement, and the conclusion: ``somebody``, ``nobody``, or ``unknown``."""

    groups: tuple[GroupChange, ...]
    movements: tuple[MovementChange, ...]
    """Sorted from the largest rise of delay to the largest fall."""
    detailed: bool

    @property
    def paying_groups(self) -> tuple[GroupChange, ...]:
        """Groups that are clearly worse off."""
        return tuple(group for group in self.groups if group.counts and group.verdict == "worse")

    @property
    def unequal_groups(self) -> tuple[GroupChange, ...]:
        """Ratios between groups that clearly rose: nobody need pay, but not all gain alike."""
        return tuple(
            group for group in self.groups if not group.counts and group.verdict == "worse"
        )

    @property
    def unclear_groups(self) -> tuple[GroupChange, ...]:
        """Groups whose mean rose, but within its interval."""
        return tuple(
            group
            for group in self.groups
            if group.counts and group.verdict == "unclear" and group.change.mean > 0
        )

    @property
    def paying_movements(self) -> tuple[MovementChange, ...]:
        """Movements that are clearly worse off."""
        return tuple(movement for movement in self.movements if movement.pays)

    @property
    def conclusion(self) -> str:
        """``somebody`` pays, ``nobody`` does, or it is ``unclear`` or (no detail) ``unknown``."""
        if self.paying_groups or self.paying_movements:
            return "somebody"
        if not self.detailed:
            return "unknown"
        return "unclear" if self.unclear_groups else "nobody"


def level_of_service(delay_s: float) -> str:
    """The HCM letter for a delay in s per vehicle."""
    return next((letter for letter, bound in LOS_BOUNDS_S if delay_s <= bound), "F")


def burden(
    baseline: ControlResult, subject: ControlResult, before: Detail | None, after: Detail | None
) -> Burden:
    """Compare every group of *subject* with *baseline*; without detail, only whole-run figures."""
    groups = _run_groups(paired_runs(subject, baseline))
    if before is None or after is None:
        return Burden(tuple(groups), (), detailed=False)
    movements = movement_changes(before, after)
    detailed = bool(movements)
    return Burden((*_street_groups(before, after), *groups), tuple(movements), detailed)


def movement_changes(before: Detail, after: Detail) -> list[MovementChange]:
    """Every movement that anybody made, from the largest rise of delay to the largest fall."""
    keys = [*before.movements, *(key for key in after.movements if key not in before.movements)]
    changes = [_movement_change(key, before, after) for key in keys]
    return sorted(changes, key=lambda each: -(each.change.mean if each.change else float("-inf")))


def _movement_change(key: MovementKey, before: Detail, after: Detail) -> MovementChange:
    old, new = before.movements.get(key), after.movements.get(key)
    shared = sorted(set(old.by_seed) & set(new.by_seed)) if old and new else []
    change = None
    if old and new and shared:
        difference = paired_difference(
            [new.by_seed[seed][1] for seed in shared], [old.by_seed[seed][1] for seed in shared]
        )
        # The mean is that of the columns beside it (weighted by vehicles), the interval by seed.
        change = Estimate(new.delay_s - old.delay_s, difference.half_width, len(shared))
    seen = old or new
    assert seen is not None
    return MovementChange(
        key,
        seen.turn,
        seen.vehicles,
        old,
        new,
        change,
        verdict(change, MOVEMENT_TOLERANCE_S) if change else "unclear",
        _throttled(old.vehicles if old else 0.0, new.vehicles if new else 0.0)
        and _held_back(key, before, after),
    )


def _held_back(key: MovementKey, before: Detail, after: Detail) -> bool:
    """Whether the movement's approach lets fewer through and queues more than before.

    A smaller movement alone proves nothing: drivers may have chosen another route.
    """
    junction, from_edge, _ = key
    old, new = (_approach_flow(detail, junction, from_edge) for detail in (before, after))
    queued, queues = before.edges.get(from_edge), after.edges.get(from_edge)
    # Queues on the shortest edges are not measured; there, the flow has to do.
    grew = queued is None or queues is None or queues.halting > queued.halting
    return grew and _throttled(old, new)


def _throttled(before: float, after: float) -> bool:
    return before - after >= max(MOVEMENT_VEHICLES_MIN, THROUGHPUT_LOSS * before)


def _approach_flow(detail: Detail, junction: str, from_edge: str) -> float:
    return sum(
        movement.vehicles
        for key, movement in detail.movements.items()
        if key[:2] == (junction, from_edge)
    )


def _street_groups(before: Detail, after: Detail) -> list[GroupChange]:
    """Side and main streets, and each kind of turn: mean delay per vehicle and signal."""
    side = _side_street_movements(before)
    every = set(before.movements) | set(after.movements)
    turns = {key: (before.movements.get(key) or after.movements[key]).turn for key in every}
    wanted: list[tuple[str, Collection[MovementKey]]] = [
        ("Side streets", side),
        ("Main streets", every - side),
        ("Left turns", {key for key in every if turns[key] == "left"}),
        ("Straight on", {key for key in every if turns[key] == "through"}),
        ("Right turns", {key for key in every if turns[key] == "right"}),
    ]
    changes = [_street_group(name, keys, before, after) for name, keys in wanted]
    return [change for change in changes if change is not None]


def _side_street_movements(before: Detail) -> set[MovementKey]:
    flows: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (junction, from_edge, _), summary in before.movements.items():
        flows[junction][from_edge] += summary.vehicles
    return {
        key
        for key in before.movements
        if flows[key[0]][key[1]] < SIDE_STREET_SHARE * max(flows[key[0]].values())
    }


def _street_group(
    name: str, keys: Collection[MovementKey], before: Detail, after: Detail
) -> GroupChange | None:
    old, new = _delay_by_seed(before, keys), _delay_by_seed(after, keys)
    shared = sorted(set(old) & set(new))
    if not shared:
        return None
    unit = "s per vehicle and signal"
    return _change(name, unit, [old[seed] for seed in shared], [new[seed] for seed in shared], 1.0)


def _delay_by_seed(detail: Detail, keys: Collection[MovementKey]) -> dict[int, float]:
    rows: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for key in keys:
        if key in detail.movements:
            for seed, (vehicles, delay_s) in detail.movements[key].by_seed.items():
                rows[seed].append((delay_s, vehicles))
    return {seed: weighted_mean(pairs) for seed, pairs in rows.items()}


def _run_groups(pairs: Sequence[tuple[RunResult, RunResult]]) -> list[GroupChange]:
    """The groups that whole-run figures show: the unlucky, those kept out, and pedestrians."""
    measures: list[tuple[str, str, Callable[[RunResult], float], float, int]] = [
        ("Slowest 5 % of trips (95th percentile of time loss)", "s",
         lambda run: run.p95_time_loss_s, 5.0, 1),
        ("Longest wait of any vehicle", "s", lambda run: run.max_waiting_s, 10.0, 0),
        ("Trips that never got into the network", "per run",
         lambda run: run.undeparted, 5.0, 0),
    ]  # fmt: skip
    groups = [
        _change(
            name,
            unit,
            [measure(theirs) for _, theirs in pairs],
            [measure(mine) for mine, _ in pairs],
            tolerance,
            decimals,
        )
        for name, unit, measure, tolerance, decimals in measures
        if pairs
    ]
    return [*groups, *_pedestrian_groups(pairs)]


def _pedestrian_groups(pairs: Sequence[tuple[RunResult, RunResult]]) -> list[GroupChange]:
    """Pedestrians: their mean delay, the longest, and both against what vehicles get.

    The ratio rises as well where only vehicles gain. Then nobody pays, but it is to be seen.
    """
    found = []
    for name, unit, measure, tolerance, counts in (
        ("Pedestrians", "s per walk", lambda run: run.pedestrian_delay_s, 1.0, True),
        (
            "Longest delay of any pedestrian",
            "s",
            lambda run: run.max_pedestrian_delay_s,
            10.0,
            True,
        ),
        (
            "Pedestrian delay over vehicle delay",
            "ratio of the means",
            _pedestrian_ratio,
            0.1,
            False,
        ),
    ):
        both = [(measure(theirs), measure(mine)) for mine, theirs in pairs]
        known = [(old, new) for old, new in both if old is not None and new is not None]
        if known:
            old, new = [each[0] for each in known], [each[1] for each in known]
            decimals = 1 if counts else 2
            found.append(replace(_change(name, unit, old, new, tolerance, decimals), counts=counts))
    return found


def _pedestrian_ratio(run: RunResult) -> float | None:
    if run.pedestrian_delay_s is None or run.delay_s <= 0:
        return None
    return run.pedestrian_delay_s / run.delay_s


def _change(
    name: str,
    unit: str,
    before: Sequence[float],
    after: Sequence[float],
    tolerance: float,
    decimals: int = 1,
) -> GroupChange:
    change = paired_difference(after, before)
    return GroupChange(
        name, unit, fmean(before), fmean(after), change, verdict(change, tolerance), decimals
    )
