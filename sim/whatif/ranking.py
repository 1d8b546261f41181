"""Ranks candidates by what they make of the same present, seed by seed, and says how surely.

All candidates go on from one present with the same seeds (common random numbers), so what counts is
the difference within each seed. Two candidates can be told apart if the 95 % interval of its mean
leaves out zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from sim.results import RunResult
from sim.statistics import Estimate, mean_interval, paired_difference, t_95
from sim.whatif.figures import Ahead, Place

SEEDS_MAX = 200
"""More seeds than that are not worth waiting for: the two are as good as each other."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Why a candidate can't be told from the best one, and what would help.

    ``more_seeds`` is None where no number up to :data:`SEEDS_MAX` would do, or nobody can say.
    """

    more_seeds: int | None
    identical: bool = False
    """Every seed gave exactly the same delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One candidate, means over its seeds; ``runs`` by seed."""

    name: str
    sees: str
    runs: Mapping[int, RunResult]
    delay_s: Estimate
    delay_veh_h: Estimate
    stops: Estimate
    behind_s: Estimate | None
    """Delay above the best one's, paired by seed; None for the best, and without common seeds."""
    like_best: Likeness | None
    """None for the best, and for one that is surely worse."""
    longest_queue_veh: Place
    """The longest of any seed."""
    full_lane_min: float
    longest_wait_s: Place
    """The longest of any seed."""
    worst_group: Place | None
    """The worst of any seed."""
    walker_wait_s: float | None
    arrived: float
    standing: tuple[tuple[float, float], ...]
    unsafe: tuple[str, ...]


def ranked(
    runs: Mapping[str, Mapping[int, RunResult]], sees: Mapping[str, str]
) -> tuple[Ranked, ...]:
    """The candidates of *runs* (name to seed to run), least mean delay first.

    Where an interruption has left some with fewer seeds than others, means are taken over the seeds
    that all of them have, if there are any.
    """
    there = {name: by_seed for name, by_seed in runs.items() if by_seed}
    common = set.intersection(*(set(by_seed) for by_seed in there.values())) if there else set()
    judged = {
        name: {seed: by_seed[seed] for seed in sorted(common or by_seed)}
        for name, by_seed in there.items()
    }
    order = sorted(judged, key=lambda name: fmean(_delays(judged[name])))
    return tuple(_ranked(name, judged[name], judged[order[0]], sees[name]) for name in order)


def _ranked(
    name: str, runs: Mapping[int, RunResult], best: Mapping[int, RunResult], sees: str
) -> Ranked:
    ahead = [each for each in (run.ahead for run in runs.values()) if each is not None]
    behind = _behind(runs, best)
    waits = [each.walker_wait_s for each in ahead if each.walker_wait_s is not None]
    groups = [each.worst_group for each in ahead if each.worst_group is not None]
    return Ranked(
        name=name,
        sees=sees,
        runs=runs,
        delay_s=mean_interval(_delays(runs)),
        delay_veh_h=mean_interval([each.delay_veh_h for each in ahead]),
        stops=mean_interval([run.stops for run in runs.values()]),
        behind_s=behind,
        like_best=None if runs is best else _likeness(runs, best),
        longest_queue_veh=_most([each.longest_queue_veh for each in ahead]),
        full_lane_min=fmean(each.full_lane_min for each in ahead),
        longest_wait_s=_most([each.longest_wait_s for each in ahead]),
        worst_group=_most(groups) if groups else None,
        walker_wait_s=fmean(waits) if waits else None,
        arrived=fmean(each.arrived for each in ahead),
        standing=_mean_lines(ahead),
        unsafe=tuple(dict.fromkeys(fault for each in ahead for fault in each.unsafe)),
    )


def _delays(runs: Mapping[int, RunResult]) -> list[float]:
    return [run.delay_s for run in runs.values()]


def _common(
    runs: Mapping[int, RunResult], best: Mapping[int, RunResult]
) -> tuple[list[float], list[float]]:
    seeds = [seed for seed in runs if seed in best]
    return [runs[seed].delay_s for seed in seeds], [best[seed].delay_s for seed in seeds]


def _behind(runs: Mapping[int, RunResult], best: Mapping[int, RunResult]) -> Estimate | None:
    mine, its = _common(runs, best)
    return paired_difference(mine, its) if mine and runs is not best else None


def _likeness(runs: Mapping[int, RunResult], best: Mapping[int, RunResult]) -> Likeness | None:
    mine, its = _common(runs, best)
    differences = [a - b for a, b in zip(mine, its, strict=True)]
    if len(differences) < 2:
        return Likeness(None, identical=differences == [0.0])
    if not any(differences):
        return Likeness(None, identical=True)
    needed = seeds_to_tell(differences)
    if needed is not None and needed <= len(differences):
        return None
    return Likeness(None if needed is None else needed - len(differences))


def seeds_to_tell(differences: Sequence[float]) -> int | None:
    """How many seeds would tell two candidates apart whose *differences* go on like these.

    The number of *differences* itself if they do already; None if more than :data:`SEEDS_MAX`.
    There must be two or more.
    """
    distance, spread = abs(fmean(differences)), stdev(differences)
    for seeds in range(len(differences), SEEDS_MAX + 1):
        if t_95(seeds - 1) * spread / math.sqrt(seeds) < distance:
            return seeds
    return None


def _most(places: Sequence[Place]) -> Place:
    return max(places, key=lambda place: place.value)


def _mean_lines(ahead: Sequence[Ahead]) -> tuple[tuple[float, float], ...]:
    lines = [each.standing for each in ahead]
    return tuple(
        (points[0][0], fmean(value for _, value in points)) for points in zip(*lines, strict=False)
    )
