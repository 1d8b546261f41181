"""Plans against each other in SUMO before one of them is chosen.

The network model follows mean flows, and a queue that is too long costs a penalty there; in the
street it blocks the signal before it. Between plans that differ by less than the model can tell,
a few runs decide, with seeds that nothing else is measured with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import fmean

from optimizer.planning.maker import OBJECTIVES, MadePlan
from sim.compare import Progress, compare
from sim.convention import Convention
from sim.plans.plan_json import to_json
from sim.results import RunResult
from sim.scenario import Scenario

FIRST_SEED = 9_001
NEAR = 0.10
"""A cycle whose index is so much above the best may still do best in the street."""
APART_S = 8.0
"""Cycles that are closer together do the same."""
RIVALS_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A plan and its runs."""

    made: MadePlan
    runs: tuple[RunResult, ...]

    @property
    def delay_s(self) -> float:
        """Mean delay of a vehicle."""
        return fmean(run.delay_s for run in self.runs)

    @property
    def stops(self) -> float:
        """Mean stops of a trip."""
        return fmean(run.stops for run in self.runs)

    @property
    def walking_delay_s(self) -> float | None:
        """Mean delay of people on foot; None if nobody walks."""
        delays = [run.pedestrian_delay_s for run in self.runs if run.pedestrian_delay_s is not None]
        return fmean(delays) if delays else None

    @property
    def cycles_s(self) -> tuple[float, ...]:
        """The cycles of its zones, each once."""
        return tuple(dict.fromkeys(zone.cycle_s for zone in self.made.plan.zones))

    def cost_s(self, objective: str) -> float:
        """What *objective* makes of it, as seconds of a vehicle's trip, people on foot added."""
        goal, _ = OBJECTIVES[objective]
        return fmean(
            goal.delay * (run.delay_s + _walking_s(run)) + goal.stop_s * run.stops
            for run in self.runs
        )


def _walking_s(run: RunResult) -> float:
    """The delay of people on foot, spread over the vehicles."""
    if run.pedestrian_delay_s is None or not run.scheduled:
        return 0.0
    return run.pedestrian_delay_s * run.pedestrians / run.scheduled


def rivals(best: MadePlan, make: Callable[[float], MadePlan]) -> Iterator[MadePlan]:
    """Plans that might do better in the street than *best*, which comes first.

    *make*: a plan at one cycle. Tried are the cycles at which the greatest zone costs little more.
    """
    yield best
    zones = best.plan.zones
    greatest = max(range(len(zones)), key=lambda k: len(zones[k].sites))
    by_cycle = best.index_by_cycle[greatest]
    most = (1.0 + NEAR) * min(by_cycle.values(), default=inf)
    taken = [zones[greatest].cycle_s]
    for cycle_s in sorted(by_cycle, key=by_cycle.__getitem__):
        if len(taken) > RIVALS_MAX or by_cycle[cycle_s] > most:
            return
        if all(abs(cycle_s - other) >= APART_S for other in taken):
            made = make(cycle_s)
            # All signals may have taken half of it, which may be there already.
            longest_s = max(zone.cycle_s for zone in made.plan.zones)
            if longest_s == cycle_s or all(abs(longest_s - other) >= APART_S for other in taken):
                yield made
            taken += {cycle_s, longest_s}


def tried(
    plans: Sequence[MadePlan],
    scenario: Scenario,
    runs: int,
    *,
    convention: Convention,
    scale: float = 1.0,
    workers: int = 2,
    on_progress: Callable[[Progress], None],
) -> tuple[Trial, ...]:
    """Every one of *plans* in so many runs of *scenario*, with the same seeds.

    Raises :class:`BenchError` as :func:`~sim.compare.compare` does.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        files = [Path(folder) / f"plan {number}.json" for number in range(1, len(plans) + 1)]
        for file, made in zip(files, plans, strict=True):
            file.write_text(to_json(made.plan), encoding="utf-8")
        found = compare(
            scenario,
            [str(file) for file in files],
            range(FIRST_SEED, FIRST_SEED + runs),
            convention,
            scale=scale,
            workers=workers,
            on_progress=lambda step: on_progress(replace(step, control=Path(step.control).stem)),
        )
    return tuple(
        Trial(made=made, runs=control.runs)
        for made, control in zip(plans, found.controls, strict=True)
    )


def best_of(trials: Sequence[Trial], objective: str) -> Trial:
    """The one that did best; of equal ones the first, which is the model's choice."""
    return min(trials, key=lambda each: each.cost_s(objective))
