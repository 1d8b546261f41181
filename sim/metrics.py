"""From SUMO's own trip output to the figures of a run.

Definitions are those of :class:`sim.results.RunResult`. Trips that never got into the network
count: without them, the control that blocks its entries best would look best.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sim.errors import SumoError

_MG_PER_G = 1_000.0


@dataclass(frozen=True, slots=True)
class Trip:
    """One scheduled vehicle trip. ``inserted``: it got into the network. Times in seconds."""

    vehicle: str
    scheduled_s: float
    inserted: bool
    finished: bool
    time_loss_s: float
    depart_delay_s: float
    waiting_s: float
    stops: int
    co2_g: float

    @property
    def delay_s(self) -> float:
        """Time loss and the wait to get into the network."""
        return self.time_loss_s + self.depart_delay_s


@dataclass(slots=True)
class Trips:
    """All scheduled trips of one run, and the time loss of each person's walks."""

    vehicles: list[Trip] = field(default_factory=list)
    walks_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a run that come from its trips; see :class:`sim.results.RunResult`."""

    scheduled: int
    finished: int
    undeparted: int
    delay_s: float
    time_loss_s: float
    depart_delay_s: float
    waiting_s: float
    stops: float
    p95_time_loss_s: float
    p95_waiting_s: float
    max_waiting_s: float
    co2_g_per_trip: float
    pedestrians: int
    pedestrian_delay_s: float | None
    max_pedestrian_delay_s: float | None


def read_trips(path: Path, end_s: float) -> Trips:
    """Read a tripinfo file that ends at *end_s*; raises :class:`SumoError` if it is incomplete."""
    trips = Trips()
    try:
        for element in _finished_elements(path):
            if element.tag == "tripinfo":
                trip = _trip(element, end_s)
                if trip.scheduled_s < end_s:
                    trips.vehicles.append(trip)
            elif element.tag == "personinfo":
                walks = [walk for walk in element.iter("walk") if walk.get("timeLoss")]
                if walks:
                    trips.walks_s.append(sum(_number(walk, "timeLoss") for walk in walks))
    except (ET.ParseError, FileNotFoundError):
        raise SumoError(
            f"SUMO's trip output is incomplete: is the disk of {path.parent.parent} full?"
        ) from None
    return trips


def _finished_elements(path: Path) -> Iterator[ET.Element]:
    depth = 0
    for event, element in ET.iterparse(path, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if event == "end" and depth == 1:
            yield element
            element.clear()


def _number(element: ET.Element, name: str) -> float:
    return float(element.get(name) or 0.0)


def _trip(element: ET.Element, end_s: float) -> Trip:
    inserted = _number(element, "depart") >= 0
    depart_s = _number(element, "depart") if inserted else end_s
    depart_delay_s = max(0.0, _number(element, "departDelay"))
    emissions = element.find("emissions")
    co2_mg = _number(emissions, "CO2_abs") if emissions is not None else 0.0
    return Trip(
        vehicle=element.get("id", ""),
        scheduled_s=depart_s - depart_delay_s,
        inserted=inserted,
        finished=_number(element, "arrival") >= 0 and not element.get("vaporized"),
        time_loss_s=_number(element, "timeLoss"),
        depart_delay_s=depart_delay_s,
        waiting_s=_number(element, "waitingTime"),
        stops=int(_number(element, "waitingCount")),
        co2_g=co2_mg / _MG_PER_G,
    )


def figures(trips: Trips) -> Figures:
    """The figures of a run; raises :class:`SumoError` when no trip was scheduled in its window."""
    every = trips.vehicles
    if not every:
        raise SumoError("no vehicle was scheduled in the window: check the begin and end times")
    inserted = [trip for trip in every if trip.inserted]
    waiting = [trip.waiting_s for trip in inserted]
    losses = [trip.time_loss_s for trip in inserted]
    return Figures(
        scheduled=len(every),
        finished=sum(trip.finished for trip in every),
        undeparted=len(every) - len(inserted),
        delay_s=mean([trip.delay_s for trip in every]),
        time_loss_s=mean(losses),
        depart_delay_s=mean([trip.depart_delay_s for trip in every]),
        waiting_s=mean(waiting),
        stops=mean([trip.stops for trip in inserted]),
        p95_time_loss_s=percentile(losses, 95),
        p95_waiting_s=percentile(waiting, 95),
        max_waiting_s=max(waiting, default=0.0),
        co2_g_per_trip=mean([trip.co2_g for trip in inserted]),
        pedestrians=len(trips.walks_s),
        pedestrian_delay_s=mean(trips.walks_s) if trips.walks_s else None,
        max_pedestrian_delay_s=max(trips.walks_s, default=None),
    )


def mean(values: Sequence[float]) -> float:
    """The mean, 0 for no values."""
    return math.fsum(values) / len(values) if values else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile with linear interpolation between order statistics, 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def read_incidents(path: Path) -> tuple[int, int]:
    """(collisions, teleports) of a run, from SUMO's statistics file."""
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, FileNotFoundError):
        raise SumoError(
            f"SUMO's statistics are incomplete: is the disk of {path.parent.parent} full?"
        ) from None
    counts = {each.tag: each for each in root}
    return (
        int(counts["safety"].get("collisions", "0")),
        int(counts["teleports"].get("total", "0")),
    )


def delay_by_departure(trips: Trips, bin_s: float) -> tuple[tuple[float, float, int], ...]:
    """(start of the bin, mean delay, trips) by scheduled departure, empty bins left out."""
    bins: dict[float, list[float]] = {}
    for trip in trips.vehicles:
        bins.setdefault(math.floor(trip.scheduled_s / bin_s) * bin_s, []).append(trip.delay_s)
    return tuple((start, mean(delays), len(delays)) for start, delays in sorted(bins.items()))
