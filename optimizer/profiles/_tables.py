"""A network as the arrays that the models run on, and a setting likewise.

Flows are in veh/s, indices are ``numpy.intp``, and lists of lists are a pointer array and a flat
one: the feeds of link *l* are ``feed_ptr[l] .. feed_ptr[l + 1]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from optimizer.profiles.network import Feed, GreenTimes, Link, Setting, SignalNetwork

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

UNSIGNALISED = -1
NO_RULE = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The arrays of a network; l links, n nodes, the rest as their pointers say.

    ``feed_share``: vehicles that arrive per vehicle that the upstream link discharges.
    ``give_way_maximum``: negative where a link does not yield. ``green_row[l] + sequence`` is the
    row of ``green_ptr``. ``order``: links, downstream after upstream as far as the network has no
    loops; ``position`` is its inverse. ``fed`` and ``yielding``: who depends on a link.
    ``at_node``: its links in that order.
    """

    link_node: Indices
    saturation: Floats
    flow: Floats
    even: Floats
    storage: Floats
    delay_weight: Floats
    stop_weight: Floats
    feed_ptr: Indices
    feed_link: Indices
    feed_share: Floats
    feed_travel_s: Floats
    give_way_maximum: Floats
    give_way_only_green: Indices
    opposing_ptr: Indices
    opposing_link: Indices
    opposing_slope: Floats
    green_row: Indices
    green_ptr: Indices
    green_stages: Indices
    green_lags_s: Floats
    order: Indices
    position: Indices
    fed_ptr: Indices
    fed_link: Indices
    yielding_ptr: Indices
    yielding_link: Indices
    at_node_ptr: Indices
    at_node_link: Indices
    start_displacement_s: float
    end_displacement_s: float
    dispersion: float
    fastest: float
    period_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A setting as arrays: ``starts`` (n, s), padded; ``sequences`` (n,); ``cycles_s`` (n,).

    ``period_s`` is a whole multiple of every node's cycle; ``steps`` divide it.
    """

    period_s: float
    steps: int
    common_cycle_s: float
    starts: Floats
    sequences: Indices
    cycles_s: Floats


def tables_of(network: SignalNetwork) -> Tables:
    """The arrays of *network*."""
    links = network.links
    order = _order(links)
    position = np.empty(len(links), dtype=np.intp)
    position[order] = np.arange(len(links))
    feeds = [_shares(link, links) for link in links]
    rules = [link.give_way for link in links]
    greens = [(link.greens, *link.other_greens) for link in links]
    rows = [row for every in greens for row in every]
    feed_ptr, feed_link = _lists([[feed.link for feed in row] for row in feeds])
    opposing_ptr, opposing_link = _lists([rule.links if rule else () for rule in rules])
    fed_ptr, fed_link = _lists(_inverse(feed_ptr, feed_link, len(links)))
    yielding_ptr, yielding_link = _lists(_inverse(opposing_ptr, opposing_link, len(links)))
    at_node: list[list[int]] = [[] for _ in network.nodes]
    for link in order:
        node = links[link].node
        if node is not None:
            at_node[node].append(int(link))
    at_node_ptr, at_node_link = _lists(at_node)
    green_ptr, _ = _lists([range(len(row)) for row in rows])
    flat = [green for row in rows for green in row]
    return Tables(
        link_node=_indices(UNSIGNALISED if x.node is None else x.node for x in links),
        saturation=_floats(x.saturation_veh_per_h / 3600.0 for x in links),
        flow=_floats(x.flow_veh_per_h / 3600.0 for x in links),
        even=_floats(_even(x) / 3600.0 for x in links),
        storage=_floats(x.storage_veh for x in links),
        delay_weight=_floats(x.delay_weight for x in links),
        stop_weight=_floats(x.stop_weight for x in links),
        feed_ptr=feed_ptr,
        feed_link=feed_link,
        feed_share=_floats(feed.flow_veh_per_h for row in feeds for feed in row),
        feed_travel_s=_floats(feed.travel_time_s for row in feeds for feed in row),
        give_way_maximum=_floats(r.maximum_veh_per_h / 3600.0 if r else NO_RULE for r in rules),
        give_way_only_green=_indices(bool(r and r.only_while_green) for r in rules),
        opposing_ptr=opposing_ptr,
        opposing_link=opposing_link,
        opposing_slope=_floats(slope for r in rules if r for slope in r.slopes),
        green_row=_indices(np.cumsum([0, *(len(every) for every in greens)])[:-1]),
        green_ptr=green_ptr,
        green_stages=_stages(flat),
        green_lags_s=_lags(flat),
        order=order,
        position=position,
        fed_ptr=fed_ptr,
        fed_link=fed_link,
        yielding_ptr=yielding_ptr,
        yielding_link=yielding_link,
        at_node_ptr=at_node_ptr,
        at_node_link=at_node_link,
        start_displacement_s=network.start_displacement_s,
        end_displacement_s=network.end_displacement_s,
        dispersion=network.dispersion,
        fastest=network.fastest,
        period_h=network.period_h,
    )


def timing_of(network: SignalNetwork, setting: Setting) -> Timing:
    """The arrays of *setting*, with room for any cycle factor that a node may take."""
    nodes = range(len(network.nodes))
    allowed = [factor for node in network.nodes for factor in node.cycle_factors]
    longest = max([1.0, *allowed, *map(setting.factor, nodes)])
    width = max((node.stages for node in network.nodes), default=1)
    starts = np.zeros((len(network.nodes), width))
    for node, times in enumerate(setting.stage_start_s):
        starts[node, : len(times)] = times
    return Timing(
        period_s=setting.cycle_s * longest,
        steps=int(network.steps_per_cycle * longest),
        common_cycle_s=setting.cycle_s,
        starts=starts,
        sequences=_indices(map(setting.sequence, nodes)),
        cycles_s=_floats(setting.cycle_s * setting.factor(node) for node in nodes),
    )


def _even(link: Link) -> float:
    """What arrives evenly, scaled so that it and the feeds make the link's flow."""
    given = link.uniform_veh_per_h + sum(feed.flow_veh_per_h for feed in link.feeds)
    if given <= 0.0:
        return link.flow_veh_per_h
    return link.uniform_veh_per_h * link.flow_veh_per_h / given


def _shares(link: Link, links: Sequence[Link]) -> list[Feed]:
    """The feeds of *link* with a share of the upstream link's flow in place of a flow."""
    given = link.uniform_veh_per_h + sum(feed.flow_veh_per_h for feed in link.feeds)
    scale = link.flow_veh_per_h / given if given > 0.0 else 0.0
    return [
        Feed(
            link=feed.link,
            flow_veh_per_h=feed.flow_veh_per_h * scale / links[feed.link].flow_veh_per_h,
            travel_time_s=feed.travel_time_s,
        )
        for feed in link.feeds
        if feed.flow_veh_per_h > 0.0
    ]


def _order(links: Sequence[Link]) -> Indices:
    """Upstream and opposing links first; a loop is cut where the fewest are still missing."""
    waits_for: list[set[int]] = []
    for position, link in enumerate(links):
        before = {feed.link for feed in link.feeds if feed.flow_veh_per_h > 0.0}
        before |= set(link.give_way.links) if link.give_way else set()
        waits_for.append(before - {position})
    needed_by: list[list[int]] = [[] for _ in links]
    for position, before in enumerate(waits_for):
        for other in before:
            needed_by[other].append(position)
    missing = [len(before) for before in waits_for]
    heap = [(count, position) for position, count in enumerate(missing)]
    heapify(heap)
    done = [False] * len(links)
    order = []
    while heap:
        count, position = heappop(heap)
        if done[position] or count != missing[position]:
            continue
        done[position] = True
        order.append(position)
        for other in needed_by[position]:
            missing[other] -= 1
            if not done[other]:
                heappush(heap, (missing[other], other))
    return _indices(order)


def _inverse(pointers: Indices, targets: Indices, count: int) -> list[list[int]]:
    """Who lists each target."""
    found: list[list[int]] = [[] for _ in range(count)]
    for source in range(count):
        for target in targets[pointers[source] : pointers[source + 1]]:
            if source not in found[target]:
                found[target].append(source)
    return found


def _lists(rows: Sequence[Sequence[int]]) -> tuple[Indices, Indices]:
    pointers = _indices(np.cumsum([0, *map(len, rows)]))
    return pointers, _indices(value for row in rows for value in row)


def _stages(greens: Sequence[GreenTimes]) -> Indices:
    pairs = [(green.start_stage, green.end_stage) for green in greens]
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _lags(greens: Sequence[GreenTimes]) -> Floats:
    pairs = [(green.start_lag_s, green.end_lag_s) for green in greens]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _floats(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)


def _indices(values: Iterable[int]) -> Indices:
    return np.fromiter(values, dtype=np.intp)
