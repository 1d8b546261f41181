"""How many people walk across every signalled crossing: counted in a run of SUMO without vehicles.

Routes of people on foot name streets; over which crossing they go, SUMO decides as they walk. So
they walk, alone and at most a few seconds long, and a counter stands at every crossing. Those who
ride, or stop on the way, are counted as far as they walk before; who comes by vehicle, not at all.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.errors import ScenarioError
from sim.network.model import Network
from sim.scenario import time_s
from sim.sumo_home import run_sumo_binary

CLEARING_S = 600.0
"""Whoever sets out last still walks so long."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """What the pedestrian group at position *group* lights at a junction."""

    junction: str
    group: int


def walks_of(
    routes: Path, network: Network, window_s: tuple[float, float], folder: Path
) -> dict[Crossing, float]:
    """People an hour over every signalled crossing that somebody uses.

    *routes*: a file in which everybody has a way; *folder*: for what SUMO reads and writes. Raises
    :class:`ScenarioError` for routes that are not well-formed, :class:`SumoError` if SUMO fails.
    """
    crossings = _crossings(network)
    if not crossings or not _people_alone(routes, folder / "people.rou.xml"):
        return {}
    begin_s, end_s = window_s
    (folder / "counters.add.xml").write_text(
        '<additional><edgeData id="people" file="people.xml" detectPersons="walk" '
        'withInternal="true" excludeEmpty="true"/></additional>',
        encoding="utf-8",
    )
    run_sumo_binary(
        "sumo",
        [
            *("-n", str(network.path), "-r", "people.rou.xml", "-a", "counters.add.xml"),
            *("-b", f"{begin_s:g}", "-e", f"{end_s + CLEARING_S:g}"),
            *("--no-step-log", "--no-warnings", "--ignore-route-errors"),
        ],
        folder,
    )
    per_hour = 3600.0 / (end_s - begin_s)
    walks: dict[Crossing, float] = defaultdict(float)
    for _, edge in ET.iterparse(folder / "people.xml"):
        crossing = crossings.get(edge.get("id", "")) if edge.tag == "edge" else None
        if crossing is not None:
            walks[crossing] += float(edge.get("entered", "0")) * per_hour
    return dict(walks)


def _crossings(network: Network) -> dict[str, Crossing]:
    """The signalled crossings, by the edge that they are."""
    found = {}
    for junction in network.junctions:
        for link in junction.links:
            if link.turn == "crossing" and link.group is not None:
                for edge in (link.from_edge, link.to_edge):
                    if network.edges[edge].function == "crossing":
                        found[edge] = Crossing(junction.id, link.group)
    return found


def _people_alone(routes: Path, target: Path) -> bool:
    """Write the people of *routes*, without the vehicles, to *target*; False if there are none."""
    somebody = False
    with target.open("wb") as file:
        file.write(b"<routes>\n")
        for person in _persons(routes):
            walker = _first_walk(person)
            if walker is not None:
                somebody = True
                file.write(ET.tostring(walker))
        file.write(b"</routes>\n")
    return somebody


def _first_walk(person: ET.Element) -> ET.Element | None:
    """*person* as far as they walk from where they set out, without the stops that they walk to.

    What types, stops and vehicles there are, stands in files that are not read here; none of it
    changes which crossing they take.
    """
    try:
        depart_s = time_s(person.get("depart", "0"))
    except ValueError:  # with a vehicle
        return None
    alone = ET.Element("person", {"id": person.get("id", ""), "depart": f"{depart_s:g}"})
    for stage in person:
        if stage.tag != "walk" or not stage.get("edges"):
            break
        ET.SubElement(alone, "walk", {"edges": stage.get("edges", "")})
    return alone if len(alone) else None


def _persons(routes: Path) -> Iterator[ET.Element]:
    try:
        events = ET.iterparse(routes, events=("start", "end"))
        _, root = next(events)
        depth = 0
        for event, element in events:
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 0:
                if element.tag == "person":
                    yield element
                root.clear()
    except ET.ParseError as error:
        raise ScenarioError(f"{routes.name}: not well-formed XML ({error})") from None
