"""A chain of signals along a street: what a green wave is made for and a time-space diagram draws.

Plain values, made from a SUMO network (:mod:`sim.planning.chain`) or from a UTDF file
(:mod:`sim.planning.chain_utdf`). *Outbound* is the direction in which the sites are numbered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class WayEdge:
    """One edge on a way, ``begins_m`` after the way's first stop line (before it: negative)."""

    id: str
    begins_m: float
    length_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One direction of a chain of *n* sites.

    Its tuples are in the order of the chain's sites and links, also inbound, where it is driven
    from the last site to the first; only ``edges`` are in driving order.
    """

    approaches: tuple[str, ...]
    """(n) where it comes from at each site: an edge, or an approach of UTDF such as EB."""
    exits: tuple[str, ...]
    """(n) where it goes to from each site: an edge, or a node of UTDF; may be empty at the end."""
    groups: tuple[tuple[str, ...], ...]
    """(n) the signal groups that are all green when it may go on; none where no lamp stops it."""
    turns: tuple[str, ...]
    """(n) what it does at each site: through, or left or right where the chain bends."""
    length_m: tuple[float, ...]
    """(n - 1) from stop line to stop line."""
    free_s: tuple[float, ...]
    """(n - 1) the same at the speed limit."""
    edges: tuple[WayEdge, ...] = ()
    """All edges in driving order, from the first approach to the last exit; none for UTDF."""

    @property
    def speed_m_per_s(self) -> tuple[float, ...]:
        """(n - 1) mean speed limit from stop line to stop line."""
        return tuple(m / s for m, s in zip(self.length_m, self.free_s, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Signals in a row along a street, and its ways; ``inbound`` is None on a one-way street."""

    name: str
    sites: tuple[str, ...]
    outbound: Way
    inbound: Way | None

    @property
    def length_m(self) -> tuple[float, ...]:
        """(n - 1) from site to site: the mean of both ways."""
        if self.inbound is None:
            return self.outbound.length_m
        both = zip(self.outbound.length_m, self.inbound.length_m, strict=True)
        return tuple(0.5 * (out + into) for out, into in both)

    @property
    def distances_m(self) -> tuple[float, ...]:
        """(n) from the first site."""
        return tuple(accumulate(self.length_m, initial=0.0))

    def place_m(self, edge: str, position_m: float, *, inbound: bool = False) -> float | None:
        """Where on the axis of :attr:`distances_m` a vehicle is, *position_m* along *edge*.

        Every stop line is at the distance of its site, and what lies between them in proportion.
        None for an edge that is not on the way.
        """
        way = self.inbound if inbound else self.outbound
        found = [each for each in way.edges if each.id == edge] if way else []
        if way is None or not found:
            return None
        along_m = found[0].begins_m + position_m
        lengths = way.length_m[::-1] if inbound else way.length_m
        total_m = self.distances_m[-1]
        places = [total_m - d for d in self.distances_m[::-1]] if inbound else self.distances_m
        driven_m = _interpolated(along_m, list(accumulate(lengths, initial=0.0)), places)
        return total_m - driven_m if inbound else driven_m


def _interpolated(x: float, xs: list[float], ys: tuple[float, ...] | list[float]) -> float:
    """The *ys* at *x* between *xs*; outside of them metre by metre."""
    if x <= xs[0]:
        return ys[0] + x - xs[0]
    for (x0, x1), (y0, y1) in zip(pairwise(xs), pairwise(ys), strict=True):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return ys[-1] + x - xs[-1]
