"""What the trials of settings gave, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from benchmarks.record.markdown import NOTHING, table
from benchmarks.record.plan import Group, Matrix, group
from benchmarks.record.store import Store
from benchmarks.tuning.cross_validation import (
    Fold,
    LogRatios,
    Verdict,
    by_scenario,
    chances,
    leave_one_out,
    verdict,
)
from benchmarks.tuning.settings import DEFAULT
from sim.errors import BenchError
from sim.results import RunResult
from sim.statistics import Estimate, mean_interval

_ENOUGH = 2
"""Scenarios without which nothing can be left out."""


@dataclass(frozen=True, slots=True)
class Trials:
    """All runs of a matrix of settings: a group for each convention and scale."""

    matrix: Matrix
    groups: tuple[Group, ...]

    def runs(self, label: str, scenario: str, seed: int) -> list[RunResult] | None:
        """The runs of *label* with *seed*, one for each group; None unless all are there."""
        found = [each[label][scenario].by_seed.get(seed) for each in self.groups]
        runs = [run for run in found if run is not None]
        return runs if len(runs) == len(self.groups) else None

    def all_runs(self, label: str) -> list[RunResult]:
        """Every run of *label* that is on record."""
        return [
            run
            for each in self.groups
            for by_name in each[label].values()
            for run in by_name.by_seed.values()
        ]

    def log_ratios(self, label: str) -> dict[str, dict[int, float]]:
        """See :data:`LogRatios`; only seeds that *label* and the default both have."""
        ratios: dict[str, dict[int, float]] = {}
        for scenario in self.matrix.scenarios:
            for seed in self.matrix.seeds_of(scenario):
                own = self.runs(label, scenario.name, seed)
                usual = self.runs(DEFAULT, scenario.name, seed)
                if own and usual:
                    ratio = fmean(
                        math.log(a.delay_s / b.delay_s) for a, b in zip(own, usual, strict=True)
                    )
                    ratios.setdefault(scenario.name, {})[seed] = ratio
        return ratios


def report(matrix: Matrix, store: Store) -> str:
    """The tables of the trials on record; raises :class:`BenchError` if there are too few."""
    groups = tuple(
        group(matrix, store, convention, scale)
        for convention in matrix.conventions
        for scale in matrix.scales
    )
    trials = Trials(matrix, groups)
    every = {label: trials.log_ratios(label) for label in matrix.controls}
    names = [scenario.name for scenario in matrix.scenarios]
    complete = {label: found for label, found in every.items() if len(found) == len(names)}
    if len(names) < _ENOUGH:
        raise BenchError("leaving one scenario out takes at least two: name more of them")
    if set(complete) <= {DEFAULT}:
        raise BenchError(
            "no settings have a run on every scenario beside the default yet: give it more time"
        )
    folds = leave_one_out(complete)
    parts = [*_all_scenarios(trials, every, chances(complete), names), *_folds(folds)]
    missing = [f"`{label}`" for label in every if label not in complete]
    if missing:
        parts.append(f"Not among the choices, runs are missing: {', '.join(missing)}.")
    return "\n\n".join([*parts, sentence(folds, verdict(complete, folds))]) + "\n"


def _all_scenarios(
    trials: Trials, every: LogRatios, chance: Mapping[str, float], names: list[str]
) -> Iterator[str]:
    matrix = trials.matrix
    conventions = ", ".join(f"`{each.name}`" for each in matrix.conventions)
    yield "## Delay against the default settings, same seeds"
    yield (
        f"Conventions {conventions}, seeds {', '.join(map(str, matrix.seeds))}. The mean is that "
        "of the logarithms; ± is its 95 % interval over scenarios. Chance: how likely noise alone "
        f"makes any of all {len(every) - 1} tried look as good. Jammed: runs that end with a "
        "vehicle locked."
    )
    rows = {}
    for label, found in every.items():
        means = by_scenario(found)
        cells = [_percent(means[n]) if n in means else NOTHING for n in names]
        overall = mean_interval(list(means.values())) if means else None
        runs = trials.all_runs(label)
        rows[label] = [
            *cells,
            _with_interval(overall) if overall else NOTHING,
            _percent(max(means.values())) if means else NOTHING,
            f"{chance[label]:.3f}" if label in chance and label != DEFAULT else NOTHING,
            f"{sum(run.jammed for run in runs)}/{len(runs)}",
        ]
    yield table(["settings", *names, "mean ± 95 %", "worst", "chance", "jammed"], rows)


def _folds(folds: tuple[Fold, ...]) -> Iterator[str]:
    yield "## Leave one scenario out"
    yield "± is the 95 % interval over seeds."
    rows = {
        fold.left_out: [fold.settings, _percent(fold.others), _with_interval(fold.here)]
        for fold in folds
    }
    yield table(["left out", "best on the others", "on the others", "on the one left out"], rows)


def sentence(folds: tuple[Fold, ...], found: Verdict) -> str:
    """Whether any settings are better than the default beyond the noise."""
    if all(fold.settings == DEFAULT for fold in folds):
        return "No: whichever scenario is left out, the default is best on the others."
    chosen = (
        f"settings chosen without a scenario change its delay by {_with_interval(found.gain)} "
        f"(95 %, over {found.gain.n} scenarios)"
    )
    if found.better:
        names = ", ".join(f"`{label}`" for label in found.better)
        return f"Yes: better than the default beyond the noise, best first: {names}; {chosen}."
    best = "the default" if found.settings == DEFAULT else f"`{found.settings}`"
    return (
        "No: nothing that was tried is better than the default beyond the noise; "
        f"best on all scenarios: {best}; {chosen}."
    )


def _percent(log_ratio: float) -> str:
    return f"{100 * math.expm1(log_ratio):+.1f} %"


def _with_interval(found: Estimate) -> str:
    """In per cent; the width is that of the logarithm, close enough for small changes."""
    width = "" if found.half_width is None else f" ± {100 * found.half_width:.1f}"
    return f"{100 * math.expm1(found.mean):+.1f}{width} %"
