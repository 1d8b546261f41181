"""The street map of corridors from a SUMO network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from controller.intersection import Intersection
from edge.corridors.streets import Street, Streets, Turn
from optimizer.corridor.changes import Lanes, hindrance, walks
from optimizer.corridor.lanes import lanes_of_turn
from optimizer.traffic.layout import layout_of
from sim.network import Junction, Network
from sim.network.model import SignalLink
from sim.network.net_file import Connection, Edge, read_net


def streets_from_net(network: Network) -> Streets:
    """All roads of *network* that an ambulance or a car may use, and the signals between them.

    Raises :class:`sim.errors.NetworkError` if the network file can't be read any more.
    """
    net = read_net(network.path)
    roads = {edge.id: edge for edge in network.edges.values() if _is_road(network, edge)}
    connections: dict[tuple[str, str], list[Connection]] = defaultdict(list)
    for connection in net.connections:
        if connection.from_edge in roads and connection.to_edge in roads:
            connections[connection.from_edge, connection.to_edge].append(connection)
    junctions = {junction.id: _Signals(junction) for junction in network.junctions}
    turns: dict[str, list[Turn]] = defaultdict(list)
    for (start, to), found in connections.items():
        turns[start].append(_turn(network, junctions, start, to, found))
    return Streets(
        name=network.name,
        streets={name: _street(network, edge) for name, edge in roads.items()},
        turns={name: tuple(found) for name, found in turns.items()},
    )


def _is_road(network: Network, edge: Edge) -> bool:
    return not edge.function and any(network.lanes[lane].motorised for lane in edge.lanes)


def _street(network: Network, edge: Edge) -> Street:
    lanes = [network.lanes[lane] for lane in edge.lanes if network.lanes[lane].motorised]
    middle = lanes[len(lanes) // 2]
    return Street(
        name=edge.id,
        label=edge.name or edge.id,
        from_node=edge.from_node,
        to_node=edge.to_node,
        length_m=max(lane.length_m for lane in lanes),
        speed_m_per_s=max(lane.speed_m_per_s for lane in lanes),
        lanes=len(lanes),
        shape=middle.shape,
        open_to_emergency=any(lane.emergency for lane in lanes),
    )


class _Signals:
    """What of a junction its turns need."""

    def __init__(self, junction: Junction) -> None:
        self.site = junction.intersection
        self.layout = layout_of(self.site).lanes
        self.lanes = {lane.name: k for k, lane in enumerate(self.layout)}
        self.links: dict[tuple[str, str], list[SignalLink]] = defaultdict(list)
        for link in junction.links:
            if link.group is not None:
                self.links[link.from_edge, link.to_edge].append(link)


def _turn(
    network: Network,
    junctions: dict[str, _Signals],
    start: str,
    to: str,
    connections: Sequence[Connection],
) -> Turn:
    crossing_m = max(network.internal_length_m.get(each.via, 0.0) for each in connections)
    signals = junctions.get(next((each.tl for each in connections if each.tl), ""))
    links = signals.links.get((start, to), []) if signals is not None else []
    if signals is None or not links:
        return Turn(from_street=start, to_street=to, crossing_m=crossing_m)
    site = signals.site
    names = tuple(dict.fromkeys(site.groups[link.group or 0].name for link in links))
    lanes = {signals.lanes[link.from_lane] for link in links if link.from_lane in signals.lanes}
    stages = stages_for(site, names, lanes_of_turn(signals.layout, sorted(lanes)))
    return Turn(
        from_street=start,
        to_street=to,
        crossing_m=crossing_m,
        site=site.name,
        groups=names,
        stages=stages,
        lanes=tuple(sorted(lanes)),
    )


def stages_for(
    site: Intersection, groups: tuple[str, ...], lanes: Lanes = ((), ())
) -> tuple[str, ...]:
    """The stages of *site* that let a turn by any of *groups* go, the best for a corridor first.

    Those that show most of the groups; of these, where it is least hindered by vehicles (*lanes* as
    :func:`optimizer.corridor.changes.hindrance` has them), then by pedestrians; then those that
    serve most.
    """
    wanted = site.mask(groups)
    shown = {name: (mask & wanted).bit_count() for name, mask in site.mask_of_stage.items()}
    most = max(shown.values(), default=0)
    fit = [name for name, count in shown.items() if count == most > 0]

    def rank(name: str) -> tuple[int, int, int]:
        served = site.mask_of_stage[name].bit_count()
        return hindrance(site, groups, lanes, name), walks(site, groups, name), -served

    return tuple(sorted(fit, key=rank))
