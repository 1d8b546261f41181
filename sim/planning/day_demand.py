"""A day's demand out of an hour's: the routes of a scenario, thinned and thickened by the clock.

How much traffic there is at what time of which day says a profile, as CSV::

    days,time,factor,from
    Mon-Fri,06:00,0.8,
    Mon-Fri,07:00,1.6,west-oak

A factor multiplies the mean demand of the scenario from its time to the next; one with an edge in
``from`` is for the routes that begin there. Vehicles are drawn as a Poisson process.
"""

from __future__ import annotations

import bisect
import csv
import random
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from sim.errors import CountsError, ScenarioError
from sim.planning.counts import WEEKDAYS
from sim.planning.demand import vehicles_of
from sim.planning.routing import routed_demand
from sim.scenario import Scenario

_WEEKDAY = (
    *(0.08, 0.05, 0.05, 0.05, 0.10, 0.30, 0.75, 1.05, 0.95, 0.65, 0.60, 0.65),
    *(0.70, 0.70, 0.75, 0.90, 1.05, 1.10, 0.85, 0.60, 0.40, 0.30, 0.22, 0.14),
)
_SATURDAY = (
    *(0.16, 0.11, 0.08, 0.06, 0.06, 0.10, 0.18, 0.28, 0.42, 0.58, 0.70, 0.75),
    *(0.75, 0.70, 0.65, 0.62, 0.60, 0.58, 0.52, 0.42, 0.32, 0.28, 0.24, 0.20),
)
_SUNDAY = (
    *(0.15, 0.11, 0.08, 0.06, 0.05, 0.06, 0.09, 0.14, 0.22, 0.34, 0.44, 0.48),
    *(0.48, 0.48, 0.50, 0.52, 0.52, 0.50, 0.45, 0.38, 0.28, 0.20, 0.14, 0.10),
)
"""Parts of the peak by hour, as in a town; for those who have no profile of their own."""
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Profile:
    """``factors``: (day of the week from 0, edge or "") to (seconds of the day, factor), sorted."""

    factors: Mapping[tuple[int, str], Sequence[tuple[float, float]]]

    def at(self, weekday: int, clock_s: float, edge: str) -> float:
        """The factor for routes from *edge*; 1 where nothing is said, 0 before the first time."""
        own = self.factors.get((weekday, edge)) or self.factors.get((weekday, ""))
        if own is None:
            return 1.0
        at = bisect.bisect_right(own, (clock_s, float("inf"))) - 1
        return own[at][1] if at >= 0 else 0.0


def town_profile() -> Profile:
    """Peaks in the morning and the evening from Monday to Friday, one at noon on other days."""
    hours = dict.fromkeys(range(5), _WEEKDAY) | {5: _SATURDAY, 6: _SUNDAY}
    return Profile(
        {(day, ""): [(h * _HOUR_S, f) for h, f in enumerate(own)] for day, own in hours.items()}
    )


def read_profile(path: Path) -> Profile:
    """The profile in the file *path*; raises :class:`CountsError` naming the line."""
    factors: dict[tuple[int, str], list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        needed = {"days", "time", "factor"}
        if not needed <= set(reader.fieldnames or ()):
            raise CountsError(f"{path}:1: it needs the columns days, time and factor")
        for row in reader:
            place = f"{path}:{reader.line_num}"
            entry = (_clock_s(row["time"], place), _factor(row["factor"], place))
            for day in _days(row["days"], place):
                factors.setdefault((day, (row.get("from") or "").strip()), []).append(entry)
    if not factors:
        raise CountsError(f"{path}: it has no rows")
    return Profile({key: sorted(own) for key, own in factors.items()})


def _days(text: str, place: str) -> Iterator[int]:
    names = [name.strip().capitalize()[:3] for name in (text or "").split("-")]
    if not all(name in WEEKDAYS for name in names) or len(names) > 2:
        raise CountsError(f"{place}: days {text!r}: give Mon, or Mon-Fri")
    first, last = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
    if last < first:
        raise CountsError(f"{place}: days {text!r}: {names[-1]} comes before {names[0]}")
    yield from range(first, last + 1)


def _clock_s(text: str, place: str) -> float:
    hours, _, minutes = (text or "").strip().partition(":")
    if not (hours.isdecimal() and (minutes or "0").isdecimal() and int(hours) < 24):
        raise CountsError(f"{place}: time {text!r} is no time of day such as 07:30")
    return int(hours) * _HOUR_S + int(minutes or 0) * 60.0


def _factor(text: str, place: str) -> float:
    try:
        factor = float(text)
    except (TypeError, ValueError):
        factor = -1.0
    if not 0.0 <= factor <= 100.0:
        raise CountsError(f"{place}: factor {text!r} is no number from 0 to 100")
    return factor


@dataclass(frozen=True, slots=True)
class _Template:
    """Vehicles of one kind: how many depart in a second in the mean, and what SUMO is told."""

    per_s: float
    first_edge: str
    attributes: Mapping[str, str]
    route: str


class DayMaker:
    """Makes scenarios of whole days from the routes of one."""

    def __init__(self, scenario: Scenario, profile: Profile, folder: Path) -> None:
        self._scenario, self._profile, self._folder = scenario, profile, folder
        root = ET.parse(routed_demand(scenario, folder)).getroot()
        self._types = [
            ET.tostring(each, encoding="unicode")
            for each in root
            if each.tag in {"vType", "vTypeDistribution"}
        ]
        window_s = scenario.end_s - scenario.begin_s
        self._templates = [
            template
            for element in root
            if element.tag in {"vehicle", "flow"}
            for template in _templates(element, window_s)
        ]
        if not self._templates:
            raise ScenarioError(f"{scenario.name}: there are no vehicles to make a day from")

    def scenario(self, weekday: int, begin_s: float, end_s: float, seed: int) -> Scenario:
        """The day's traffic from *begin_s* to *end_s* (seconds after midnight)."""
        path = self._folder / f"day_{weekday}_{seed}.rou.xml"
        departures = sorted(self._departures(weekday, begin_s, end_s, random.Random(seed)))
        with path.open("w", encoding="utf-8") as file:
            file.write("<routes>\n")
            file.writelines(self._types)
            for number, (depart_s, k) in enumerate(departures):
                template = self._templates[k]
                words = "".join(f" {key}={quoteattr(v)}" for key, v in template.attributes.items())
                file.write(
                    f'<vehicle id="{number}" depart="{depart_s:.1f}"{words}>'
                    f"<route edges={quoteattr(template.route)}/></vehicle>\n"
                )
            file.write("</routes>\n")
        return replace(self._scenario, route_files=(path,), begin_s=begin_s, end_s=end_s)

    def _departures(
        self, weekday: int, begin_s: float, end_s: float, chance: random.Random
    ) -> Iterator[tuple[float, int]]:
        """(time, template), a quarter of an hour at a time."""
        for k, template in enumerate(self._templates):
            at_s = begin_s
            while at_s < end_s:
                lasts_s = min(900.0, end_s - at_s)
                rate = template.per_s * self._profile.at(weekday, at_s, template.first_edge)
                elapsed_s = chance.expovariate(rate) if rate > 0.0 else lasts_s
                while elapsed_s < lasts_s:
                    yield at_s + elapsed_s, k
                    elapsed_s += chance.expovariate(rate)
                at_s += lasts_s


def _templates(element: ET.Element, window_s: float) -> Iterator[_Template]:
    routes = list(element.iter("route"))
    total = sum(float(route.get("probability", "1")) for route in routes)
    kept = {
        key: element.get(key, "")
        for key in ("type", "departLane", "departSpeed", "departPos")
        if element.get(key)
    }
    for route in routes:
        share = float(route.get("probability", "1")) / total
        edges = route.get("edges", "")
        yield _Template(vehicles_of(element) * share / window_s, edges.split(" ")[0], kept, edges)
