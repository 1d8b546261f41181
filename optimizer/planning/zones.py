"""Which sites belong together: those that platoons travel between.

Two sites are *coupled* by the vehicles that go from one to the other while they are still a
platoon. Sites without a strong coupling to each other may each have the cycle that suits them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.planning.network import PlanningNetwork

HALVED_AFTER_S = 30.0
"""A street that takes so long halves the worth of its platoons; twice as long leaves a third."""
WEAK_VEH_PER_H = 60.0
"""Couplings below this are cut without a trial."""

Pair = tuple[int, int]
Couplings = Mapping[Pair, float]
"""veh/h by (site, site), the lower position first."""


def couplings_of(network: PlanningNetwork) -> dict[Pair, float]:
    """How strongly each pair of neighbours is coupled, both directions together."""
    found: dict[Pair, float] = defaultdict(float)
    for stream in network.streams:
        for feed in stream.feeds:
            upstream = network.streams[feed.stream].site
            if upstream == stream.site:
                continue
            travel_s = stream.travel_time_s if feed.travel_time_s is None else feed.travel_time_s
            pair = (min(upstream, stream.site), max(upstream, stream.site))
            found[pair] += feed.flow_veh_per_h / (1.0 + travel_s / HALVED_AFTER_S)
    return dict(found)


def coupled_zones(
    sites: Sequence[int], couplings: Couplings, weak_veh_per_h: float = WEAK_VEH_PER_H
) -> tuple[tuple[int, ...], ...]:
    """*sites* in groups that hang together by couplings that are not weak, each ascending."""
    zone_of = {site: {site} for site in sites}
    for (one, other), strength in couplings.items():
        if strength < weak_veh_per_h or one not in zone_of or other not in zone_of:
            continue
        if zone_of[one] is not zone_of[other]:
            _join(zone_of, one, other)
    return tuple(dict.fromkeys(tuple(sorted(zone)) for zone in zone_of.values()))


def weakest_cut(zone: Sequence[int], couplings: Couplings) -> tuple[tuple[int, ...], ...] | None:
    """*zone* in two parts, cut at the weakest of the couplings that hold it together.

    Those are the strongest ones that reach every site (a spanning tree). None for a single site.
    """
    if len(zone) < 2:
        return None
    inside = set(zone)
    own = sorted(
        (pair for pair in couplings if inside.issuperset(pair)), key=lambda pair: -couplings[pair]
    )
    tree: list[Pair] = []
    part_of = {site: {site} for site in zone}
    for one, other in own:
        if part_of[one] is not part_of[other]:
            tree.append((one, other))
            _join(part_of, one, other)
    parts = coupled_zones(zone, dict.fromkeys(tree[:-1], 1.0), 0.0)
    return parts if len(parts) == 2 else None


def _join(part_of: dict[int, set[int]], one: int, other: int) -> None:
    """Make the parts of two sites one, the smaller joining the greater."""
    kept, gone = part_of[one], part_of[other]
    if len(kept) < len(gone):
        kept, gone = gone, kept
    kept |= gone
    for site in gone:
        part_of[site] = kept
