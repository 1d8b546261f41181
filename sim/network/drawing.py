"""Drawings of what was derived: one junction with its stages, and the whole network.

Groups are told apart by number and by colour, so that the drawings can be read in grey print.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from controller.intersection import DetectorRole, Intersection
from sim.network.map_drawing import (
    MAP_SIZE,
    View,
    clipped,
    colour_of,
    junction_map,
    loop_mark,
    reach_m,
    slug,
    way_of,
)
from sim.network.model import Junction, Network
from sim.network.net_file import Point
from sim.network.svg import (
    GREY,
    INK,
    PALETTE,
    PAPER,
    ROAD,
    arrow,
    badge,
    box,
    document,
    line,
    polygon,
    text,
)

_WIDTH = 1000.0
_MARGIN = 24.0
_STAGE = 146.0
_CELL = 20.0
_CONFLICT = "#3e4c59"


def junction_svg(junction: Junction, network: Network) -> str:
    """One junction: map with loops, groups, stages, and conflicts with their intergreens."""
    site = junction.intersection
    per_row = int((_WIDTH - 2 * _MARGIN) // (_STAGE + 10))
    stages_at = _MARGIN + 34 + max(MAP_SIZE, 190 + 19.0 * len(site.groups)) + 56
    rows = math.ceil(len(site.stages) / per_row)
    matrix_at = stages_at + rows * (_STAGE + 30) + 40
    height = matrix_at + 60 + _CELL * (len(site.groups) + 1) + _MARGIN
    body = [
        text((_MARGIN, _MARGIN + 12), junction.id, size=18, bold=True),
        *junction_map(junction, network, (_MARGIN, _MARGIN + 34)),
        *_legend(junction, (_MARGIN + MAP_SIZE + 30, _MARGIN + 46)),
        text((_MARGIN, stages_at - 14), _stages_title(junction), size=14, bold=True),
        *_stages(junction, network, (_MARGIN, stages_at), per_row),
        text(
            (_MARGIN, matrix_at),
            "Intergreens in seconds, row ends before column starts; "
            "hollow: may be green together, the row gives way to the column",
            size=13,
            bold=True,
        ),
        *_matrix(site, (_MARGIN, matrix_at + 16)),
    ]
    return document(_WIDTH, height, body, f"Junction {junction.id}")


def _stages_title(junction: Junction) -> str:
    extra = len(junction.intersection.stages) - junction.shipped_stages
    more = f", x: {extra} more without conflict" if extra else ""
    return f"Stages: {junction.shipped_stages} of the shipped program{more}; dashed gives way"


def _legend(junction: Junction, at: Point) -> Iterator[str]:
    site = junction.intersection
    x, y = at
    yield text((x, y), "Signal groups", size=14, bold=True)
    for g, group in enumerate(site.groups):
        y += 19
        yield badge((x + 8, y - 4), str(g + 1), colour_of(g), size=7.5)
        times = f"min {group.min_green_ms / 1000:g} s, {_ending(group.is_pedestrian)} "
        yield text((x + 24, y), group.name)
        yield text((x + 170, y), f"{times}{group.ending_ms / 1000:g} s", size=11, colour=_CONFLICT)
    y += 40
    yield text((x, y), "Detectors", size=14, bold=True)
    for role in (DetectorRole.STOP_LINE, DetectorRole.ADVANCE, DetectorRole.ENTRY):
        found = [d.distance_m for d in site.detectors if d.role is role]
        if found:
            y += 20
            yield loop_mark((x + 8, y - 4), role)
            reach = (
                f"{min(found):.0f}"
                if max(found) - min(found) < 1
                else (f"{min(found):.0f} to {max(found):.0f}")
            )
            yield text((x + 24, y), f"{len(found)} {role.value}, {reach} m upstream")
    if junction.buttons:
        y += 20
        yield text((x + 24, y), f"{len(junction.buttons)} crossings with push buttons")
    y += 34
    plan = junction.shipped_plan
    yield text((x, y), "Shipped program", size=14, bold=True)
    y += 19
    order = " ".join(entry.stage for entry in plan.stages)
    yield text((x, y), f"cycle {plan.cycle_ms / 1000:g} s, stages {order}"[:62])


def _ending(is_pedestrian: bool) -> str:
    return "clearance" if is_pedestrian else "yellow"


def _stages(junction: Junction, network: Network, at: Point, per_row: int) -> Iterator[str]:
    site = junction.intersection
    reach = reach_m(junction, network, 3.0)
    for k, stage in enumerate(site.stages):
        corner = (at[0] + k % per_row * (_STAGE + 10), at[1] + k // per_row * (_STAGE + 30))
        view = View(junction.position, reach, corner, _STAGE)
        mask = site.stage_masks[k]
        body = [
            polygon(view.shape(network.nodes[node].shape), "#eef1f4")
            for node in junction.nodes
            if len(network.nodes[node].shape) > 2
        ]
        body += _stage_arrows(junction, network, view, mask)
        name = f"stage-{slug(junction.id)}-{k}"
        yield from clipped(view, corner, _STAGE, name, body)
        yield text((corner[0] + 6, corner[1] + 16), stage.name, bold=True, size=13)


def _stage_arrows(junction: Junction, network: Network, view: View, mask: int) -> Iterator[str]:
    drawn = set()
    for link in junction.links:
        key = (link.from_edge, link.to_edge, link.from_lane)
        if link.group is None or key in drawn:
            continue
        drawn.add(key)
        shape = view.shape(way_of(link, network))
        lit = bool(mask >> link.group & 1)
        if link.turn == "crossing":
            if lit:
                yield line(shape, colour_of(link.group), 5, dashes="3 2")
        elif lit:
            gives_way = link.always_yields or bool(link.yields_to_groups & mask)
            yield arrow(shape, colour_of(link.group), 1.9, dashes="5 3" if gives_way else "")


def _matrix(site: Intersection, at: Point) -> Iterator[str]:
    x0, y0 = at[0] + 130, at[1] + _CELL
    n = len(site.groups)
    for j in range(n):
        yield badge((x0 + (j + 0.5) * _CELL, y0 - 9), str(j + 1), colour_of(j), size=7.5)
    for i in range(n):
        y = y0 + i * _CELL
        yield text((x0 - 24, y + 14), site.groups[i].name, size=11, anchor="end")
        yield badge((x0 - 11, y + 10), str(i + 1), colour_of(i), size=7.5)
        for j in range(n):
            yield _cell(site, i, j, (x0 + j * _CELL, y))


def _cell(site: Intersection, i: int, j: int, corner: Point) -> str:
    middle = (corner[0] + _CELL / 2, corner[1] + _CELL / 2 + 4)
    if i == j:
        return box(corner, _CELL, _CELL, ROAD, stroke=PAPER)
    if site.conflicts[i] >> j & 1:
        seconds = f"{site.intergreen_ms[i][j] / 1000:g}"
        return box(corner, _CELL, _CELL, _CONFLICT, stroke=PAPER) + text(
            middle, seconds, size=10 if len(seconds) < 3 else 8, anchor="middle", colour=PAPER
        )
    frame = box(corner, _CELL, _CELL, "#f5f7fa", stroke=PAPER)
    if site.yields_to[i] >> j & 1:
        frame += (
            f"<circle cx='{middle[0]:.1f}' cy='{middle[1] - 4:.1f}' r='4.5' fill='none' "
            f"stroke='{INK}' stroke-width='1.4'/>"
        )
    return frame


def network_svg(network: Network, width: float = 900.0) -> str:
    """The whole network with its traffic lights and their ids."""
    roads = [
        lane
        for edge in network.edges.values()
        if not edge.function
        for lane in (network.lanes[lane_id] for lane_id in edge.lanes)
        if lane.motorised
    ]
    points = [point for lane in roads for point in lane.shape]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    span_x, span_y = max(max(xs) - min(xs), 1.0), max(max(ys) - min(ys), 1.0)
    scale = (width - 2 * _MARGIN) / max(span_x, span_y)
    height = span_y * scale + 2 * _MARGIN + 24

    def place(point: Point) -> Point:
        return (
            _MARGIN + (point[0] - min(xs)) * scale,
            _MARGIN + 24 + (max(ys) - point[1]) * scale,
        )

    body = [
        text(
            (_MARGIN, _MARGIN),
            f"{network.name}: {len(network.junctions)} traffic lights",
            size=15,
            bold=True,
        )
    ]
    body += [
        line([place(p) for p in lane.shape], GREY, max(1.2, lane.width_m * scale)) for lane in roads
    ]
    for k, junction in enumerate(network.junctions):
        x, y = place(junction.position)
        body.append(badge((x, y), str(k + 1), PALETTE[1 if junction.keep_order else 0], size=9))
    if any(junction.keep_order for junction in network.junctions):
        body.append(
            text(
                (_MARGIN, _MARGIN + 16),
                "orange: one controller for several nodes, in its shipped stage order",
                size=11,
            )
        )
    body += _index(network, (_MARGIN, height + 6))
    return document(
        width,
        height + 26 + 16 * math.ceil(len(network.junctions) / 2),
        body,
        f"Network {network.name}",
    )


def _index(network: Network, at: Point) -> Iterator[str]:
    """The junctions' ids by their numbers on the map, in two columns."""
    for k, junction in enumerate(network.junctions):
        name = junction.id if len(junction.id) < 56 else f"{junction.id[:53]}..."
        yield text((at[0] + k % 2 * 430, at[1] + k // 2 * 16), f"{k + 1}  {name}", size=11)
