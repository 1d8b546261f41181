"""Stages or phases in rings and barriers, many intersections side by side.

A *part* is what one ring serves between two barriers. The times of all rings between two barriers
agree, and add up to the cycle. One ring without barriers is a sequence of stages.

Times that agree stay so under two kinds of exchange: between two phases of a part, and between two
barrier groups, where every ring gives from one of its phases and gains in one of its phases. Every
direction that keeps them agreeing is a sum of such exchanges, so where none of them helps, the
Karush-Kuhn-Tucker conditions hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.delay import Floats

SPARE_MIN = 1e-9
"""A stage with less green than this (s) above its minimum, left by rounding, has none to give."""
Bools = NDArray[np.bool_]


class Exchange(NamedTuple):
    """For every row a direction (n, s) of -1, 0 and 1, and what a second along it saves."""

    direction: Floats
    gap: Floats
    """(n,) vehicles per second; 0 or less where nothing can be gained."""
    spare_s: Floats
    """(n,) how far along it a phase reaches its minimum."""


@dataclass(frozen=True)
class Structure:
    """Who is in which part: ``member`` (n, barriers, rings, s). ``minimum_s``: (n, s)."""

    member: Bools
    minimum_s: Floats

    @classmethod
    def of(
        cls,
        ring: NDArray[np.int64],
        barrier: NDArray[np.int64],
        is_real: Bools,
        minimum_s: Floats,
    ) -> Structure:
        """From the ring and the barrier group of every phase, each (n, s)."""
        rings = np.arange(int(np.where(is_real, ring, 0).max()) + 1)
        barriers = np.arange(int(np.where(is_real, barrier, 0).max()) + 1)
        in_ring = ring[:, None, None, :] == rings[:, None]
        in_barrier = barrier[:, None, None, :] == barriers[:, None, None]
        member = in_ring & in_barrier & is_real[:, None, None, :]
        return cls(member, np.where(is_real, minimum_s, 0.0))

    def rows(self, chosen: NDArray[np.intp]) -> Structure:
        """That of some of the intersections."""
        return Structure(self.member[chosen], self.minimum_s[chosen])

    def parts_present(self) -> Bools:
        """(n, barriers, rings) whether a part has any phase."""
        present: Bools = np.any(self.member, axis=3)
        return present

    def part_sums(self, values: Floats) -> Floats:
        """(n, barriers, rings) sums of *values* (n, s) over every part."""
        sums: Floats = np.einsum("nbrs,ns->nbr", self.member, values)
        return sums

    def barrier_minimums_s(self) -> Floats:
        """(n, barriers) the shortest time of every barrier group."""
        shortest: Floats = self.part_sums(self.minimum_s).max(axis=2)
        return shortest

    def shared_out(self, lengths_s: Floats, weights: Floats) -> Floats:
        """(n, s) times with barrier groups of *lengths_s*, beyond the minimums by *weights*."""
        beyond = np.maximum(lengths_s[:, :, None] - self.part_sums(self.minimum_s), 0.0)
        sums = self.part_sums(weights)
        even = 1.0 / np.maximum(self.member.sum(axis=3), 1)
        rate = beyond / np.where(sums > 0.0, sums, 1.0)
        by_weight = np.einsum("nbrs,nbr->ns", self.member, rate * (sums > 0.0)) * weights
        evenly = np.einsum("nbrs,nbr->ns", self.member, beyond * even * (sums <= 0.0))
        times: Floats = self.minimum_s + by_weight + evenly
        return times

    def first_times_s(self, needs: Floats, spare_s: Floats) -> Floats:
        """(n, s) spare time by need: barrier groups by their neediest ring, then within parts."""
        of_barrier = self.part_sums(needs).max(axis=2)
        counts = self.member.sum(axis=3).max(axis=2)
        none = of_barrier.sum(axis=1, keepdims=True) <= 0.0
        weights = np.where(none, counts, of_barrier)
        shares = weights / weights.sum(axis=1, keepdims=True)
        return self.shared_out(self.barrier_minimums_s() + shares * spare_s[:, None], needs)

    def stretched_s(self, times_s: Floats, before_s: Floats, spare_s: Floats) -> Floats:
        """(n, s) *times_s*, which have *before_s* above the minimums, with *spare_s* instead."""
        shortest = self.barrier_minimums_s()
        lengths = self.part_sums(times_s).max(axis=2)
        longer = shortest + (lengths - shortest) * (spare_s / before_s)[:, None]
        return self.shared_out(longer, np.maximum(times_s - self.minimum_s, 0.0))

    def best_exchange(self, marginal: Floats, times_s: Floats) -> Exchange:
        """The exchange that saves most per second, by the *marginal* worth (n, s) of time."""
        n = len(marginal)
        present = self.parts_present()
        spare = times_s - self.minimum_s
        gains = np.where(self.member, marginal[:, None, None, :], np.inf)
        may_give = self.member & (spare > SPARE_MIN)[:, None, None, :]
        gives = np.where(may_give, marginal[:, None, None, :], -np.inf)
        gain, give = gains.argmin(axis=3), gives.argmax(axis=3)
        gain_worth, give_worth = gains.min(axis=3), gives.max(axis=3)
        within = np.where(present, give_worth, -np.inf) - np.where(present, gain_worth, 0.0)
        part = within.reshape(n, -1).argmax(axis=1)
        within_gap = within.reshape(n, -1).max(axis=1)
        across = self._across(present, gain_worth, give_worth)
        pair = across.reshape(n, -1).argmax(axis=1)
        across_gap = across.reshape(n, -1).max(axis=1)
        crosses = across_gap > within_gap
        direction = np.zeros_like(marginal)
        rings = present.shape[2]
        for r in range(rings):
            own = ~crosses & (part % rings == r)
            giving = np.where(crosses, pair // across.shape[1], part // rings)
            gaining = np.where(crosses, pair % across.shape[1], part // rings)
            at = np.arange(n)
            gives_here = (own | crosses) & present[at, giving, r]
            gains_here = (own | crosses) & present[at, gaining, r]
            direction[at, give[at, giving, r]] -= gives_here
            direction[at, gain[at, gaining, r]] += gains_here
        spare_s = np.where(direction < 0.0, spare, np.inf).min(axis=1)
        gap = np.maximum(np.where(crosses, across_gap, within_gap), 0.0)
        return Exchange(direction, gap, np.where(np.isfinite(spare_s), spare_s, 0.0))

    def _across(self, present: Bools, gain_worth: Floats, give_worth: Floats) -> Floats:
        """(n, barriers, barriers) what a second from one barrier group saves in another."""
        exists = present.any(axis=2)
        give = np.where(present, give_worth, 0.0).sum(axis=2)
        gain = np.where(present, gain_worth, 0.0).sum(axis=2)
        give = np.where(exists, give, -np.inf)
        gain = np.where(exists, gain, np.inf)
        across = give[:, :, None] - gain[:, None, :]
        barriers = across.shape[1]
        across[:, np.arange(barriers), np.arange(barriers)] = -np.inf
        return across

    def least_worth(self, marginal: Floats, spare_s: Floats) -> Floats:
        """(n,) the least ``sum(marginal x time)`` of any times with *spare_s* to share out."""
        present = self.parts_present()
        gains = np.where(self.member, marginal[:, None, None, :], np.inf).min(axis=3)
        gains = np.where(present, gains, 0.0)
        shortest = self.barrier_minimums_s()
        slack = np.where(present, shortest[:, :, None] - self.part_sums(self.minimum_s), 0.0)
        base = (marginal * self.minimum_s).sum(axis=1) + (slack * gains).sum(axis=(1, 2))
        best = np.where(present.any(axis=2), gains.sum(axis=2), np.inf).min(axis=1)
        least: Floats = base + best * spare_s
        return least
