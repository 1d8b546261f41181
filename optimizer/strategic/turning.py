"""How the vehicles of every lane spread over the exits, from counts alone.

A loop sees a lane, not a turn. What is usual for a turn is taken first, and then moved until the
exits get what the loops of the next sites count behind them, and every lane keeps its own count
(iterative proportional fitting: Furness, Traffic Engineering and Control 7, 1965). An exit that
leads to a street which others feed too, or where nobody counts, stays as it comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.strategic.streets import LaneGroup, Street, Streets

ROUNDS = 12
CORRECTION_MAX = 3.0
"""Who parks, or comes out of a yard, is no turn: an exit is moved by this factor at most."""
Exit = tuple[int, str]
Flows = Mapping[tuple[int, str], float]


def turning_flows(
    streets: Streets, lane_flow: Sequence[Mapping[int, float]]
) -> list[dict[str, float]]:
    """veh/h of each lane group to each exit.

    *lane_flow*: by site, veh/h of its lanes by position.
    """
    cells = [_usual(group, lane_flow[group.site]) for group in streets.groups]
    wanted = _counted_behind(streets, lane_flow)
    before = {key: flow for key, flow in _by_exit(streets, cells).items() if flow > 0.0}
    for _ in range(ROUNDS):
        by_exit = _by_exit(streets, cells)
        for group, own in zip(streets.groups, cells, strict=True):
            for lane, turn in own:
                key = (group.site, turn)
                if key in wanted and by_exit[key] > 0.0:
                    most = before.get(key, 0.0)
                    aim = min(max(wanted[key], most / CORRECTION_MAX), most * CORRECTION_MAX)
                    own[lane, turn] *= aim / by_exit[key]
            _keep_lanes(own, lane_flow[group.site])
    return [_summed(own) for own in cells]


Cells = dict[tuple[int, str], float]
"""veh/h by (lane, exit) of one lane group."""


def _usual(group: LaneGroup, flow: Mapping[int, float]) -> Cells:
    own: Cells = defaultdict(float)
    for turn in group.turns:
        for lane in turn.lanes:
            # A lane that one of several belongs to a turn takes its part of it.
            own[lane, turn.exit] += turn.usual / len(turn.lanes)
    own = dict(own)
    _keep_lanes(own, flow)
    return own


def _keep_lanes(own: Cells, flow: Mapping[int, float]) -> None:
    """Scale every lane of *own* to what was counted on it."""
    sums: dict[int, float] = defaultdict(float)
    for (lane, _), value in own.items():
        sums[lane] += value
    for lane, exit_ in own:
        own[lane, exit_] *= flow.get(lane, 0.0) / sums[lane] if sums[lane] > 0.0 else 0.0


def _counted_behind(
    streets: Streets, lane_flow: Sequence[Mapping[int, float]]
) -> dict[Exit, float]:
    """What comes out of each exit, where the loops behind it say so."""
    feeders: dict[Exit, set[Exit]] = defaultdict(set)
    ways: dict[Exit, list[Street]] = defaultdict(list)
    for street in streets.streets:
        feeders[street.downstream, street.approach].add((street.upstream, street.exit))
        ways[street.upstream, street.exit].append(street)
    came: dict[Exit, float] = defaultdict(float)
    for group in streets.groups:
        for lane in group.lanes:
            came[group.site, group.approach] += lane_flow[group.site].get(lane, 0.0)
    found = {}
    for key, own in ways.items():
        alone = all(len(feeders[street.downstream, street.approach]) == 1 for street in own)
        share = sum(street.share for street in own)
        if alone and share > 0.5:
            found[key] = sum(came[street.downstream, street.approach] for street in own) / share
    return found


def _by_exit(streets: Streets, cells: Sequence[Cells]) -> dict[Exit, float]:
    found: dict[Exit, float] = defaultdict(float)
    for group, own in zip(streets.groups, cells, strict=True):
        for (_, exit_), value in own.items():
            found[group.site, exit_] += value
    return found


def _summed(own: Cells) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for (_, exit_), value in own.items():
        found[exit_] += value
    return dict(found)
