"""A time-space diagram as data: greens at every signal of a line, and the way of a vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.corridors.values import Corridor
from greenband.console.hub import Hub
from greenband.console.lines import Line, Stop, distance_m, greens, group_indices

Document = dict[str, Any]


def line_document(hub: Hub, line: Line, minutes: float, corridor: Corridor | None) -> Document:
    """The last *minutes* along *line*; with the vehicle and the plans of *corridor*."""
    now_ms = hub.centre.now_utc_ms()
    from_ms = now_ms - round(minutes * 60_000)
    return {
        "now_utc_ms": now_ms,
        "from_utc_ms": from_ms,
        "until_utc_ms": now_ms + (120_000 if corridor else 0),
        "length_m": round(line.length_m, 1),
        "from": hub.centre.streets.streets[line.route[0]].label,
        "to": hub.centre.streets.streets[line.route[-1]].label,
        "stops": [_stop(hub, stop, from_ms, now_ms) for stop in line.stops],
        "vehicle": None if corridor is None else _vehicle(hub, corridor, from_ms, line.length_m),
    }


def _stop(hub: Hub, stop: Stop, from_ms: int, now_ms: int) -> Document:
    facts = hub.centre.sites.get(stop.site)
    document: Document = {
        "site": stop.site,
        "label": facts.label if facts else stop.site,
        "at_m": round(stop.at_m, 1),
        "seen_from_utc_ms": now_ms,
        "greens": [],
        "back_greens": [],
    }
    if facts is None:
        return document
    positions = {group.name: i for i, group in enumerate(facts.intersection.groups)}
    shown = hub.history.of(stop.site).shown
    document["seen_from_utc_ms"] = max(from_ms, shown[0].utc_ms if shown else now_ms)
    changes = [(each.utc_ms, each.aspects) for each in shown]
    for key, groups in (("greens", stop.groups), ("back_greens", stop.back_groups)):
        indices = group_indices(groups, positions)
        document[key] = _clipped(greens(changes, indices, now_ms), from_ms)
    return document


def _clipped(spans: Sequence[tuple[int, int]], from_ms: int) -> list[list[int]]:
    return [[max(begin, from_ms), end] for begin, end in spans if end > from_ms]


def _vehicle(hub: Hub, corridor: Corridor, from_ms: int, length_m: float) -> Document:
    streets = hub.centre.streets
    way = []
    for position in hub.history.ways.get(corridor.id, ()):
        at_m = distance_m(corridor.route, position, streets)
        if at_m is not None and position.utc_ms >= from_ms:
            way.append([position.utc_ms, round(at_m, 1)])
    ahead = [
        [each.eta_utc_ms, round(each.distance_m, 1)]
        for each in corridor.passages
        if each.eta_utc_ms is not None and each.passed_utc_ms is None
    ]
    if corridor.eta_utc_ms is not None and not corridor.state.is_over:
        ahead.append([corridor.eta_utc_ms, round(length_m, 1)])
    return {"name": corridor.wish.vehicle, "way": way, "expected": ahead}
