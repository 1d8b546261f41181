"""An arterial as the bandwidth solver takes it: reds, speeds, queues and volumes along a chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.bandwidth.arterial import CHOICES_MAX, KMH_PER_M_PER_S, Arterial
from optimizer.planning.arterial_greens import SiteTiming, Window
from optimizer.planning.chain import Chain, Way
from optimizer.planning.network import PlanningNetwork

SPEED_RANGE = (0.88, 0.97)
"""Of the speed limit: at which a wave may travel. Platoons drive a little below the limit, and
a wave that is faster than they are leaves them behind."""
CLEARANCE_MAX = 0.4
"""Of the shortest green: by no more is a band advanced for a queue."""
SAME_SHIFT = 0.002
"""Orders whose red centres differ by less than this share of the cycle are one choice."""
RATIO_MIN = 0.1
"""A direction with less than this part of the other's traffic still counts so much."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Traffic along one way. All tuples by site or link of the chain."""

    through_veh_per_h: tuple[float, ...]
    """(n) on the lanes of the way at each site."""
    queue_veh_per_h: tuple[float, ...]
    """(n) of them, what comes neither with the wave nor through the signal before: it turned in."""
    saturation_veh_per_h: tuple[float, ...]
    """(n) of these lanes."""


@dataclass(frozen=True, slots=True)
class Road:
    """A chain with its traffic. ``ratio``: of the inbound to the outbound band."""

    chain: Chain
    directions: tuple[Direction, ...]
    ratio: float
    start_loss_s: float

    @property
    def ways(self) -> tuple[Way, ...]:
        """Outbound and, where there is one, inbound."""
        chain = self.chain
        return (chain.outbound,) if chain.inbound is None else (chain.outbound, chain.inbound)

    @property
    def link_volumes_veh_per_h(self) -> tuple[tuple[float, ...], ...]:
        """(directions, n - 1) traffic of each link, as it comes to the site at its end."""
        first, *second = (direction.through_veh_per_h for direction in self.directions)
        return (first[1:], *(volumes[:-1] for volumes in second))


def road_of(
    network: PlanningNetwork, chain: Chain, at: Mapping[str, int], ratio: float | None
) -> Road:
    """*chain* with the flows of *network*; *ratio* None weighs the directions by volume.

    *at*: the positions of the sites by name.
    """
    ways = [chain.outbound] + ([] if chain.inbound is None else [chain.inbound])
    sites = [at[name] for name in chain.sites]
    directions = tuple(
        _direction(network, way, sites, reverse=k == 1) for k, way in enumerate(ways)
    )
    road = Road(chain, directions, 1.0, network.start_loss_s)
    if ratio is None:
        ratio = _ratio_by_volume(road)
    return Road(chain, directions, ratio, network.start_loss_s)


def _ratio_by_volume(road: Road) -> float:
    volumes = [sum(each) for each in road.link_volumes_veh_per_h]
    if len(volumes) == 1 or not any(volumes):
        return 1.0
    outbound, inbound = (max(each, RATIO_MIN * max(volumes)) for each in volumes)
    return inbound / outbound


def _direction(
    network: PlanningNetwork, way: Way, sites: Sequence[int], *, reverse: bool
) -> Direction:
    lanes = [_lanes_of(network, way, k, site) for k, site in enumerate(sites)]
    order = range(len(sites) - 1, -1, -1) if reverse else range(len(sites))
    before: set[int] = set()
    queue = [0.0] * len(sites)
    for k in order:
        queue[k] = sum(_turned_in(network, stream, before) for stream in lanes[k])
        before = set(lanes[k])
    flows = [[network.streams[stream].flow_veh_per_h for stream in own] for own in lanes]
    full = [[network.streams[stream].saturation_veh_per_h for stream in own] for own in lanes]
    return Direction(
        through_veh_per_h=tuple(sum(own) for own in flows),
        queue_veh_per_h=tuple(queue),
        saturation_veh_per_h=tuple(sum(own) for own in full),
    )


def _lanes_of(network: PlanningNetwork, way: Way, k: int, site: int) -> tuple[int, ...]:
    """The streams on the way's approach to its *k*-th site that go on along it."""
    groups = set(way.groups[k])
    return tuple(
        at
        for at, stream in enumerate(network.streams)
        if stream.site == site
        and stream.approach == way.approaches[k]
        and groups & set(stream.groups)
    )


def _turned_in(network: PlanningNetwork, stream: int, before: set[int]) -> float:
    """veh/h of *stream* that come from another signal's side street."""
    return sum(
        feed.flow_veh_per_h
        for feed in network.streams[stream].feeds
        if before and feed.stream not in before
    )


def arterial_of(
    road: Road,
    timings: Sequence[Sequence[SiteTiming]],
    clearances: Sequence[Sequence[float]],
    cycle_s: float,
    first: int,
    last: int,
) -> tuple[Arterial, tuple[tuple[int, ...], ...]]:
    """Sites *first* to *last* (included) at *cycle_s*, and which timing each choice stands for.

    *timings*: of every site of the chain, one for each order that it may run; *clearances*: see
    :func:`queue_clearances`. Where they differ in
    their reds, the shortest ones stand for all of them: no wave is wider than that of this
    arterial, and with one timing for each site the arterial is exact.
    """
    own, links = timings[first : last + 1], slice(first, last)
    choices = [_choices(site, cycle_s) for site in own]
    two_way = len(road.directions) == 2
    red_out = tuple(min(1.0 - each.outbound.length_s / cycle_s for each in s) for s in own)
    red_in = tuple(min(1.0 - each.inbound.length_s / cycle_s for each in s) for s in own)
    arterial = Arterial(
        name=road.chain.name,
        distance_m=road.chain.length_m[links],
        red_outbound=red_out,
        red_inbound=red_in if two_way else red_out,
        cycle_range_s=(cycle_s, cycle_s),
        speed_range_kmh=tuple(_speed_range(road, link) for link in range(first, last)),
        queue_clearance_outbound=tuple(clearances[0][first : last + 1]),
        queue_clearance_inbound=tuple(clearances[1][first : last + 1]) if two_way else (),
        red_centre_choices=tuple(tuple(site) for site in choices),
        k=road.ratio,
        one_way=not two_way,
        volume_outbound_veh_per_h=road.link_volumes_veh_per_h[0][links],
        volume_inbound_veh_per_h=road.link_volumes_veh_per_h[1][links] if two_way else (),
    )
    return arterial, tuple(tuple(site.values()) for site in choices)


def _choices(site: Sequence[SiteTiming], cycle_s: float) -> dict[float, int]:
    """Distinct shifts between the red centres, each with the timing that has most green."""
    found: dict[float, int] = {}
    ranked = sorted(range(len(site)), key=lambda k: (-_green_s(site[k]), k))
    for k in ranked:
        shift = red_centre_shift(site[k], cycle_s)
        if all(abs(_wrapped(shift - other)) >= SAME_SHIFT for other in found):
            found[shift] = k
    if len(found) <= CHOICES_MAX:
        return found
    # Those that lie widest apart leave the solver most freedom.
    by_shift = sorted(found)
    step = (len(by_shift) - 1) / (CHOICES_MAX - 1)
    kept = dict.fromkeys(by_shift[round(step * n)] for n in range(CHOICES_MAX))
    return {shift: found[shift] for shift in kept}


def _green_s(timing: SiteTiming) -> float:
    return round(timing.outbound.length_s + timing.inbound.length_s, 6)


def red_centre_shift(timing: SiteTiming, cycle_s: float) -> float:
    """From the centre of the inbound red to that of the outbound red, in cycles."""
    centres = [
        green.start_s - 0.5 * (cycle_s - green.length_s)
        for green in (timing.outbound, timing.inbound)
    ]
    return _wrapped((centres[0] - centres[1]) / cycle_s)


def _wrapped(cycles: float) -> float:
    return cycles - round(cycles)


def queue_clearances(
    road: Road, timings: Sequence[Sequence[SiteTiming]], cycle_s: float
) -> tuple[tuple[float, ...], ...]:
    """(directions, n) by how much the band is to be early for those who turned in, in cycles.

    They come while the arterial is red, and wait. The mean over the orders of stages counts.
    """
    found = []
    for way in range(len(road.directions)):
        greens = [[_green(timing, way).length_s for timing in site] for site in timings]
        found.append(
            tuple(
                _clearance(road, way, site, sum(own) / len(own), cycle_s)
                for site, own in enumerate(greens)
            )
        )
    return tuple(found)


def _green(timing: SiteTiming, way: int) -> Window:
    return timing.inbound if way else timing.outbound


def _clearance(road: Road, way: int, site: int, green_s: float, cycle_s: float) -> float:
    direction = road.directions[way]
    if direction.saturation_veh_per_h[site] <= 0.0:
        return 0.0
    queue = direction.queue_veh_per_h[site] * (cycle_s - green_s) / 3600.0
    needed_s = queue * 3600.0 / direction.saturation_veh_per_h[site]
    needed_s += road.start_loss_s * min(1.0, queue)
    return min(needed_s, CLEARANCE_MAX * green_s) / cycle_s


def _speed_range(road: Road, link: int) -> tuple[float, float]:
    limit = min(way.speed_m_per_s[link] for way in road.ways) * KMH_PER_M_PER_S
    slow, fast = SPEED_RANGE
    return max(1.0, slow * limit), max(1.0, fast * limit)
