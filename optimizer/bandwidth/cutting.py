"""Where one long band is a poor goal, and where to cut the arterial instead.

The longer an arterial, the narrower the band that passes all of its signals, and the fewer drivers
who go all the way. Cut into groups, each with a wave of its own, every link inside a group has a
wider band; at a cut there is none. What is maximised is the mean over all links of their bands,
weighted by volume; links at cuts count 0. Groups keep a common cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.maxband import IMPLEMENTATION, Wave, search, widest_wave
from optimizer.bandwidth.problem import Reduced, objective, reduced

PAYS = 1.2
"""A cut is recommended when it raises the mean band of a link by a fifth."""
CYCLES = 9
GROUP_MAX = 25
"""Signals of the longest group that is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The best groups of an arterial."""

    after: tuple[int, ...]
    """Signals (from 0) after which it is cut; empty where the whole is best."""
    cycle_s: float
    """Of all groups."""
    value: float
    """Mean over the links of outbound plus k times inbound band, 0 at cuts."""
    uncut_value: float
    """The same for the widest wave through all signals."""
    waves: tuple[Wave, ...]
    """Of each group, in order."""

    @property
    def pays(self) -> bool:
        """Whether the cut is worth losing the wave through the whole arterial."""
        return bool(self.after) and self.value >= PAYS * self.uncut_value


def part(arterial: Arterial, first: int, last: int) -> Arterial:
    """Signals *first* to *last* of *arterial*, both included."""
    signals, links = slice(first, last + 1), slice(first, last)
    changes = {
        field: getattr(arterial, field)[signals]
        for field in (
            "red_outbound",
            "red_inbound",
            "queue_clearance_outbound",
            "queue_clearance_inbound",
            "left_turn_outbound",
            "left_turn_inbound",
            "patterns",
            "red_centre_shift",
            "red_centre_choices",
        )
    }
    changes |= {
        field: getattr(arterial, field)[links]
        for field in (
            "distance_m",
            "speed_range_kmh",
            "volume_outbound_veh_per_h",
            "volume_inbound_veh_per_h",
        )
    }
    changes["max_slowness_change_s_per_m"] = arterial.max_slowness_change_s_per_m[
        first : max(first, last - 1)
    ]
    return replace(arterial, **changes)


def best_cut(arterial: Arterial) -> Cut:
    """The groups of the greatest mean band, at the best of several cycles."""
    whole = widest_wave(arterial)
    uncut = whole.band_outbound + arterial.k * whole.band_inbound
    shortest, longest = arterial.cycle_range_s
    cycles = {whole.cycle_s, *np.linspace(shortest, longest, CYCLES).tolist()}
    best: tuple[float, float, tuple[int, ...]] = (uncut, whole.cycle_s, ())
    for cycle in sorted(cycles):
        value, after = _groups(arterial, cycle)
        if value > best[0] + 1e-6:
            best = (value, cycle, after)
    value, cycle, after = best
    ends = [-1, *after, arterial.signals - 1]
    fixed = replace(arterial, cycle_range_s=(cycle, cycle))
    waves = (
        tuple(
            widest_wave(part(fixed, before + 1, last))
            for before, last in pairwise(ends)
            if last > before + 1
        )
        if after
        else (whole,)
    )
    return Cut(after=after, cycle_s=cycle, value=value, uncut_value=uncut, waves=waves)


def _groups(arterial: Arterial, cycle_s: float) -> tuple[float, tuple[int, ...]]:
    """The best mean band at one cycle, and the cuts; a dynamic program over the last group."""
    fixed = replace(arterial, cycle_range_s=(cycle_s, cycle_s))
    weight = np.add(
        arterial.volume_outbound_veh_per_h,
        np.multiply(arterial.k, arterial.volume_inbound_veh_per_h),
    )
    before_link = np.concatenate(([0.0], np.cumsum(weight)))
    signals = arterial.signals
    best = [0.0] + [-1.0] * signals
    origin = [0] * (signals + 1)
    for first in range(signals):
        last_to_try = min(signals, first + GROUP_MAX) - 1
        for last, band in _bands_from(fixed, first, last_to_try):
            gain = best[first] + band * float(before_link[last] - before_link[first])
            if gain > best[last + 1] + 1e-12:
                best[last + 1], origin[last + 1] = gain, first
    cuts: list[int] = []
    at = origin[signals]
    while at > 0:
        cuts.append(at - 1)
        at = origin[at]
    return best[signals] / float(before_link[-1] or 1.0), tuple(reversed(cuts))


def _bands_from(arterial: Arterial, first: int, last_to_try: int) -> Iterator[tuple[int, float]]:
    """The last signal and the band of each group that begins at *first*."""
    yield first, 0.0
    problem = reduced(arterial)
    for last in range(first + 1, last_to_try + 1):
        group = part(arterial, first, last)
        if arterial.one_way:
            yield last, 1.0 - max(group.red_outbound)
            continue
        total = search(_slice(problem, group, first, last), IMPLEMENTATION).total
        if total <= 0.0:
            return  # a longer group has no band either
        yield last, objective(group, total)


def _slice(problem: Reduced, group: Arterial, first: int, last: int) -> Reduced:
    """The numbers of a group; its limits of change keep the tightened speeds of the whole."""
    from optimizer.bandwidth.problem import band_limits

    signals, links = slice(first, last + 1), slice(first, last)
    return replace(
        problem,
        green=problem.green[signals],
        centre=problem.centre[signals],
        centres=problem.centres[signals],
        clearance=problem.clearance[links],
        length=problem.length[links],
        fast=problem.fast[links],
        slow=problem.slow[links],
        change=problem.change[first : max(first, last - 1)],
        band_max=sum(band_limits(group)),
    )


def advice(arterial: Arterial, cut: Cut) -> str:
    """One sentence on whether one band through all signals is a good goal."""
    if not cut.after:
        return "one wave through all signals is best"
    places = _listed([f"{last + 1}" for last in cut.after])
    gain = (
        f"from {100 * cut.uncut_value:.0f} % to {100 * cut.value:.0f} % of the cycle"
        if cut.uncut_value > 0
        else f"from none to {100 * cut.value:.0f} % of the cycle"
    )
    verdict = "one long wave is a poor goal here: cut" if cut.pays else "keep the wave; cut"
    return f"{verdict} after signal {places} the mean band of a link, both ways, goes {gain}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
