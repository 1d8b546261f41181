"""Which settings would have been chosen without a scenario, and what they are worth on it.

Settings that were chosen on a scenario look better there than they are. So each scenario is left
out once: the settings that are best on all the others are judged on it alone. The figure is the
logarithm of the delay over that of the default with the same seed, so that halving the delay of a
quiet junction counts as much as halving that of a jammed city.

Of many settings some look better by chance, and settings that win in every fold have been chosen
by each other's folds. So what is called better has to stand a test against chance that knows how
many were tried: were there nothing but noise, a scenario's differences from the default could as
well have had the other sign (Westfall & Young, Resampling-Based Multiple Testing, 1993).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from sim.statistics import Estimate, mean_interval

SIGNIFICANT = 0.05
_EXACT_MAX = 12
"""Scenarios up to which every way of changing signs is gone through; beyond, as many by chance."""
_SAME = 1e-9
"""Relative differences below this are rounding."""
Floats = npt.NDArray[np.float64]
LogRatios = Mapping[str, Mapping[str, Mapping[int, float]]]
"""By settings, scenario and seed: log(delay / delay of the default). Of the default itself, 0."""


@dataclass(frozen=True, slots=True)
class Fold:
    """The *settings* that are best on all scenarios but *left_out*, and their log ratio there.

    ``others`` is their mean over the other scenarios, ``here`` the mean over seeds on the one left
    out with its 95 % interval.
    """

    left_out: str
    settings: str
    others: float
    here: Estimate


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the folds come to.

    ``settings`` is what is best on all scenarios together, ``gain`` the mean of the folds with an
    interval over scenarios: what choosing in this way is worth on a scenario nobody has seen.
    ``better`` are the settings that are better than the default beyond the noise, best first.
    """

    settings: str
    gain: Estimate
    better: tuple[str, ...]


def leave_one_out(ratios: LogRatios) -> tuple[Fold, ...]:
    """A fold for each scenario; raises ValueError for fewer than two of them.

    Every choice of settings needs figures for the same scenarios. Of equally good settings the
    first are taken: put the default first.
    """
    scenarios = list(next(iter(ratios.values())))
    if len(scenarios) < 2:
        raise ValueError("leaving one scenario out takes at least two")
    folds = []
    for left_out in scenarios:
        others = [name for name in scenarios if name != left_out]
        means = {label: _mean(ratios[label], others) for label in ratios}
        best = min(means, key=lambda label: means[label])
        here = mean_interval(list(ratios[best][left_out].values()))
        folds.append(Fold(left_out, best, means[best], here))
    return tuple(folds)


def verdict(ratios: LogRatios, folds: tuple[Fold, ...]) -> Verdict:
    """The folds of *ratios* taken together. Nothing is better if choosing it does not pay."""
    means = {label: _mean(of_label, list(of_label)) for label, of_label in ratios.items()}
    gain = mean_interval([fold.here.mean for fold in folds])
    chance = chances(ratios)
    better = [label for label in sorted(means, key=means.__getitem__) if means[label] < 0]
    sure = tuple(label for label in better if chance[label] <= SIGNIFICANT and gain.mean < 0)
    return Verdict(min(means, key=means.__getitem__), gain, sure)


def chances(ratios: LogRatios) -> dict[str, float]:
    """For each choice of settings how likely chance alone makes any of them look as good.

    One-sided, by the mean over its standard error, with signs changed scenario by scenario for all
    settings together. With n scenarios it can't be below 2 ** -n.
    """
    values = np.array([list(by_scenario(of_label).values()) for of_label in ratios.values()])
    signs = _signs(values.shape[1])
    every = _t(values, signs)
    least = every.min(axis=1)
    return {
        label: float(np.mean(least <= seen + _SAME * abs(seen)))
        for label, seen in zip(ratios, every[0], strict=True)
    }


def _t(values: Floats, signs: Floats) -> Floats:
    """(F, S) mean over standard error of (S, n) *values* under (F, n) *signs*; 0 for all zeros."""
    n = values.shape[1]
    means = signs @ values.T / n
    squares = (values**2).sum(axis=1)
    variance = np.maximum(squares - n * means**2, _SAME * squares) / (n * (n - 1))
    found: Floats = means / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
    return found


def _signs(n: int) -> Floats:
    """Rows of *n* signs, the first of them all +1."""
    if n <= _EXACT_MAX:
        rows = np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1
    else:
        rows = np.random.default_rng(1).integers(0, 2, (2**_EXACT_MAX, n))
        rows[0] = 0
    signs: Floats = 1.0 - 2.0 * rows.astype(np.float64)
    return signs


def by_scenario(ratios: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """The mean over seeds for each scenario."""
    return {name: fmean(by_seed.values()) for name, by_seed in ratios.items()}


def _mean(ratios: Mapping[str, Mapping[int, float]], scenarios: list[str]) -> float:
    means = by_scenario(ratios)
    return fmean(means[name] for name in scenarios)
