"""Turning flows for a SUMO network out of a UTDF file."""

from __future__ import annotations

from sim.network.model import Network
from sim.plans.utdf import Utdf
from sim.plans.utdf_lanes import approaches


def turns_of_utdf(utdf: Utdf, network: Network) -> dict[tuple[str, str, str], float]:
    """Flow (veh/h) by junction, edge that it comes from and edge that it goes to.

    A node is the signal whose name its DESCRIPTION is. A movement without a volume (empty or ``*``)
    is left out, not taken for zero; where several movements share a column each gets its part.
    Raises :class:`~sim.errors.PlanFileError` with the line for what is no number.
    """
    known = {junction.id: junction for junction in network.junctions}
    turns: dict[tuple[str, str, str], float] = {}
    for node in utdf.signals():
        junction = known.get(node.description.strip())
        if junction is None:
            continue
        volumes = utdf.lanes.get(node.id, {}).get("volume", {})
        for approach in approaches(junction, network):
            for column in approach.columns:
                name = f"{approach.direction}{column.turn}"
                volume = utdf.number(f"Volume of node {node.id}, {name}", volumes.get(name))
                if volume is None:
                    continue
                for to_edge in column.to_edges:
                    turns[junction.id, approach.edge, to_edge] = volume / len(column.to_edges)
    return turns
