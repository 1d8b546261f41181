"""Where the detectors of a count lie: our own loops by their names, others by a SUMO file.

A detector of a site may be called by the id of its loop (``market/0``), or by its name
(``stop line market_n-market.pocket_1``) with the site in a column of its own.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.errors import CountsError
from sim.network.model import Network

_LOOPS = {"inductionLoop", "e1Detector"}


@dataclass(frozen=True, slots=True)
class CountPlace:
    """A detector: its id, its lane, and how far it lies from the beginning of the lane."""

    id: str
    lane: str
    position_m: float


@dataclass(frozen=True, slots=True)
class CountPlaces:
    """The detectors that counts may name. ``by_name``: (site, name) to place; site may be ""."""

    by_name: Mapping[tuple[str, str], CountPlace]

    def find(self, site: str, name: str) -> CountPlace | None:
        """The place of detector *name* (of *site*, if the counts say so)."""
        return self.by_name.get((site, name)) or self.by_name.get(("", name))

    def by_id(self) -> dict[str, CountPlace]:
        """Every place once."""
        return {place.id: place for place in self.by_name.values()}


def own_places(network: Network) -> CountPlaces:
    """The loops that are derived for *network*."""
    found: dict[tuple[str, str], CountPlace] = {}
    names = Counter(
        junction.intersection.detectors[loop.detector].name
        for junction in network.junctions
        for loop in junction.loops
    )
    for junction in network.junctions:
        for loop in junction.loops:
            place = CountPlace(loop.id, loop.lane, loop.position_m)
            name = junction.intersection.detectors[loop.detector].name
            found["", loop.id] = found[junction.id, loop.id] = place
            found[junction.id, name] = place
            if names[name] == 1:
                found["", name] = place
    return CountPlaces(found)


def places_in_file(path: Path, network: Network) -> CountPlaces:
    """The ``inductionLoop`` or ``e1Detector`` elements of the SUMO file *path*.

    Raises :class:`CountsError` for a file that has none, or a lane that *network* does not have.
    """
    try:
        elements = [each for each in ET.parse(path).getroot().iter() if each.tag in _LOOPS]
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise CountsError(f"{path}: not well-formed XML ({error})") from None
    if not elements:
        raise CountsError(f"{path}: there is no inductionLoop in it, so no place of a detector")
    found: dict[tuple[str, str], CountPlace] = {}
    for element in elements:
        name, lane = element.get("id", ""), element.get("lane", "")
        if lane not in network.lanes:
            raise CountsError(f"{path}: detector {name!r} lies on {lane!r}, no lane of the network")
        try:
            position_m = float(element.get("pos", ""))
        except ValueError:
            raise CountsError(f"{path}: detector {name!r} has no number as its pos") from None
        if position_m < 0.0:
            position_m += network.lanes[lane].length_m
        found["", name] = CountPlace(name, lane, position_m)
    return CountPlaces(found)
