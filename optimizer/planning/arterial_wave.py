"""The widest wave through a group of an arterial's signals, and what offsets really give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.check import band_of
from optimizer.bandwidth.maxband import Wave, widest_wave
from optimizer.planning.arterial_greens import SiteTiming
from optimizer.planning.arterial_road import Road, arterial_of, queue_clearances

SMALL_GAP = 1e-6
COMBINATIONS_MAX = 300
"""Of orders of stages at all sites of a group, tried one by one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A band: its share of the cycle, and when its front passes its first site (s)."""

    width: float
    front_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """Sites *first* to *last* of the chain with one wave, in one order each.

    ``offset_s``: start of each site's first stage. ``bound``: no offsets, speeds and orders of
    stages give the splits of this cycle a greater ``outbound + ratio * inbound``.
    """

    first: int
    last: int
    arterial: Arterial | None
    """Exact for the timings; None for a single site, which has no wave."""
    timings: tuple[SiteTiming, ...]
    offset_s: tuple[float, ...]
    speed_kmh: tuple[float, ...]
    cycle_s: float
    bound: float

    def bands(self, offset_s: Sequence[float]) -> tuple[Measured, ...]:
        """Outbound and inbound band of these offsets (one on a one-way arterial)."""
        if self.arterial is None:
            return ()
        ways = (False,) if self.arterial.one_way else (False, True)
        return tuple(self._band(offset_s, inbound=inbound) for inbound in ways)

    def _band(self, offset_s: Sequence[float], *, inbound: bool) -> Measured:
        assert self.arterial is not None
        greens = [each.inbound if inbound else each.outbound for each in self.timings]
        starts = [offset + green.start_s for offset, green in zip(offset_s, greens, strict=True)]
        return Measured(
            *band_of(self.arterial, self.cycle_s, self.speed_kmh, starts, inbound=inbound)
        )

    @property
    def mean_gap(self) -> float:
        """What the bound leaves above the offsets of the wave itself."""
        return self.bound - self.value(self.offset_s)

    def value(self, offset_s: Sequence[float]) -> float:
        """What a wave is ranked by, as far as it keeps the target ratio of the directions."""
        if self.arterial is None:
            return 0.0
        widths = [band.width for band in self.bands(offset_s)]
        if len(widths) == 1:
            return widths[0]
        out, into, k = *widths, self.arterial.k
        if k == 1.0:
            return 2.0 * min(out, into)
        out, into = (min(out, into / k), into) if 0.0 < k < 1.0 else (out, min(into, k * out))
        return out + k * into


def group_of(
    road: Road,
    timings: Sequence[Sequence[SiteTiming]],
    cycle_s: float,
    first: int,
    last: int,
) -> Group:
    """The widest wave from site *first* to *last*; *timings* as in :func:`.arterial_of`."""
    if first == last:
        chosen = max(timings[first], key=lambda each: each.outbound.length_s)
        return Group(first, last, None, (chosen,), (0.0,), (), cycle_s, 0.0)
    clearances = queue_clearances(road, timings, cycle_s)
    relaxed, meaning = arterial_of(road, timings, clearances, cycle_s, first, last)
    wave = widest_wave(relaxed)
    own = tuple(
        timings[first + i][_chosen(relaxed, wave, i, meaning[i])] for i in range(relaxed.signals)
    )
    found = _with_timings(road, own, clearances, cycle_s, first)
    return replace(found, bound=max(found.bound, wave.bound))


def improved(road: Road, timings: Sequence[Sequence[SiteTiming]], group: Group) -> Group:
    """*group* with the orders of stages that give the widest wave, as far as it falls short.

    Orders differ a little in their greens, of which the bound takes the longest. Where there are
    few they are all tried, which proves the bound; of many, those that change a single site.
    """
    if group.arterial is None or group.mean_gap < SMALL_GAP:
        return group
    clearances = queue_clearances(road, timings, group.cycle_s)
    own = [_different(timings[group.first + i]) for i in range(len(group.timings))]

    def wave_of(chosen: Sequence[SiteTiming]) -> Group:
        return _with_timings(road, chosen, clearances, group.cycle_s, group.first)

    if prod(len(site) for site in own) <= COMBINATIONS_MAX:
        every = [wave_of(chosen) for chosen in product(*own)]
        best = max(every, key=lambda each: each.value(each.offset_s))
        return replace(best, bound=min(group.bound, max(each.bound for each in every)))
    best = group
    for i, site in enumerate(own):
        for timing in site:
            found = wave_of((*best.timings[:i], timing, *best.timings[i + 1 :]))
            if found.value(found.offset_s) > best.value(best.offset_s) + SMALL_GAP:
                best = replace(found, bound=group.bound)
    return best


def _different(site: Sequence[SiteTiming]) -> list[SiteTiming]:
    """The timings of a site that differ for the arterial, each with the greens in other places."""
    found: dict[tuple[float, ...], SiteTiming] = {}
    for timing in site:
        between_s = (timing.inbound.start_s - timing.outbound.start_s) % timing.cycle_s
        greens = (timing.outbound.length_s, timing.inbound.length_s, between_s)
        found.setdefault(tuple(round(each, 3) for each in greens), timing)
    return list(found.values())


def _with_timings(
    road: Road,
    own: Sequence[SiteTiming],
    clearances: Sequence[Sequence[float]],
    cycle_s: float,
    first: int,
) -> Group:
    """The widest wave with one timing for each site from *first* on."""
    alone: list[tuple[SiteTiming, ...]] = [()] * first + [(each,) for each in own]
    last = first + len(own) - 1
    exact, _ = arterial_of(road, alone, clearances, cycle_s, first, last)
    wave = widest_wave(exact)
    return Group(
        first,
        last,
        exact,
        tuple(own),
        _stage_starts(wave, own),
        wave.speed_kmh,
        cycle_s,
        wave.bound,
    )


def _chosen(arterial: Arterial, wave: Wave, signal: int, meaning: Sequence[int]) -> int:
    """Which timing the red centres of *signal* in *wave* belong to."""
    if arterial.one_way:
        return meaning[0]
    later_s = wave.offset_s[signal] - wave.offset_inbound_s[signal]
    red_out, red_in = arterial.red_outbound[signal], arterial.red_inbound[signal]
    shift = later_s / wave.cycle_s - 0.5 * red_out + 0.5 * red_in
    choices = arterial.red_centre_choices[signal]
    off = [abs(shift - each - round(shift - each)) for each in choices]
    return meaning[off.index(min(off))]


def _stage_starts(wave: Wave, timings: Sequence[SiteTiming]) -> tuple[float, ...]:
    """When the first stage of each site starts; the greens of *wave* are counted from its first."""
    return tuple(
        (green_s - timing.outbound.start_s) % wave.cycle_s
        for green_s, timing in zip(wave.offset_s, timings, strict=True)
    )
