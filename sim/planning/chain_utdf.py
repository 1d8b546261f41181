"""The signals of an arterial of a UTDF file, in driving order, with the links between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.planning.chain import Chain
from sim.planning.chain_search import Passage, Street, Streets
from sim.plans.from_utdf import street_to
from sim.plans.utdf import Utdf
from sim.plans.utdf_site import UtdfSite, site_of_node

NO_TIME_S = 0.1
"""A link without a time still takes a moment."""


def chain_of_utdf(utdf: Utdf, names: Sequence[str]) -> Chain:
    """The chain of signals along *names*: sites in driving order, the two ends, or a street's name.

    Sites are called as in plans; a node's number does as well. Lengths are between nodes. Raises
    :class:`~sim.errors.ScenarioError` for what is not connected, and
    :class:`~sim.errors.PlanFileError` for what the file does not say.
    """
    sites = tuple(site_of_node(utdf, node) for node in utdf.signals())
    name_of = {site.node.id: site.site.name for site in sites}
    streets = Streets(
        where=utdf.source,
        places={site.site.name: (site.node.x_m, site.node.y_m) for site in sites},
        streets=tuple(_streets(utdf, sites, name_of)),
        passages=dict(_passages(utdf, sites)),
    )
    by_number = {str(node): name for node, name in name_of.items()}
    known = set(name_of.values())
    return streets.chain(
        [name if name in known else by_number.get(name.strip(), name) for name in names]
    )


def _streets(utdf: Utdf, sites: Sequence[UtdfSite], name_of: dict[int, str]) -> Iterator[Street]:
    for site in sites:
        for direction in dict.fromkeys(movement.direction for movement in site.movements):
            upstream, hop, length_m, time_s = street_to(utdf, sites, site.node, direction)
            if upstream is None:
                continue
            cell = utdf.links.get(site.node.id, {}).get("name", {}).get(direction)
            called = "" if cell is None else cell.text.strip().casefold()
            yield Street(
                upstream=name_of[upstream],
                exit=str(hop),
                downstream=site.site.name,
                approach=direction,
                length_m=max(length_m, 1.0),
                free_s=max(time_s, NO_TIME_S),
                names=frozenset([called] if called else []),
            )


def _passages(
    utdf: Utdf, sites: Sequence[UtdfSite]
) -> Iterator[tuple[tuple[str, str, str], Passage]]:
    for site in sites:
        goes_to = utdf.lanes[site.node.id].get("dest node", {})
        for movement in site.movements:
            where = f"Dest Node of node {site.node.id}, {movement.column}"
            to = utdf.number(where, goes_to.get(movement.column))
            if to:
                key = (site.site.name, movement.direction, str(round(to)))
                yield key, Passage(turn=movement.turn, groups=(movement.column,))
