"""Which turn the vehicles of a turn make at the next signal, if all of a street behave alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.delay import Floats
from sim.planning.demand import Turn

LEAST_SHARE = 0.002
"""A smaller part of a turn's vehicles is not followed any farther."""
STEPS_MAX = 60


def chains_of(
    ways: Sequence[tuple[str, str, str]], flows: Floats
) -> dict[tuple[Turn, Turn], float]:
    """(turn, next turn) to veh/h, in proportion to what leaves every edge by which way.

    *ways*: (from edge, to edge, junction or ""), with *flows* of the same length. Where more come
    onto an edge than leave it, the rest end their trip there.
    """
    out: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    came: dict[str, float] = defaultdict(float)
    for (edge, to_edge, junction), flow in zip(ways, flows, strict=True):
        out[edge][to_edge, junction] += float(flow)
        came[to_edge] += float(flow)
    leaving = {edge: max(sum(each.values()), came[edge]) for edge, each in out.items()}
    followed: dict[str, dict[Turn, float]] = {}
    chains: dict[tuple[Turn, Turn], float] = defaultdict(float)
    for edge, each in list(out.items()):
        for (to_edge, junction), flow in each.items():
            if junction and flow > 0.0:
                if to_edge not in followed:
                    followed[to_edge] = _next_turns(to_edge, out, leaving)
                for turn, share in followed[to_edge].items():
                    # Nobody drives round the block: the same junction follows only within it.
                    if turn.junction != junction or turn.from_edge == to_edge:
                        chains[Turn(junction, edge, to_edge), turn] += flow * share
    return dict(chains)


def _next_turns(
    edge: str,
    out: Mapping[str, Mapping[tuple[str, str], float]],
    leaving: Mapping[str, float],
) -> dict[Turn, float]:
    """The share of the vehicles on *edge* that makes each turn next."""
    found: dict[Turn, float] = defaultdict(float)
    front = {edge: 1.0}
    for _ in range(STEPS_MAX):
        following: dict[str, float] = defaultdict(float)
        for here, share in front.items():
            total = leaving.get(here, 0.0)
            if total <= 0.0 or share < LEAST_SHARE:
                continue
            for (to_edge, junction), flow in out[here].items():
                if junction:
                    found[Turn(junction, here, to_edge)] += share * flow / total
                else:
                    following[to_edge] += share * flow / total
        if not following:
            break
        front = following
    return found
