"""The SUMO additional file with the loops of a network."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from sim.network.model import Network

NEVER_S = 1_000_000
"""Aggregation period: longer than any run, because the bench reads the loops itself."""


def loop_additional(network: Network) -> str:
    """XML of one ``inductionLoop`` per loop of *network*; ids are unique, nothing is written."""
    lines = ["<additional>"]
    lines += [
        f"    <inductionLoop id={quoteattr(loop.id)} lane={quoteattr(loop.lane)} "
        f'pos="{loop.position_m:g}" period="{NEVER_S}" file="NUL" friendlyPos="true"/>'
        for junction in network.junctions
        for loop in junction.loops
    ]
    return "\n".join([*lines, "</additional>\n"])
