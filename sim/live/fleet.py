"""The emergency vehicles of a demonstration, and where each of them stands."""

from __future__ import annotations

from collections.abc import Mapping

from edge.centre.values import Vehicle
from edge.corridors.streets import Streets

_ROSTER = (
    ("ambulance-1", "Ambulance 1", "ambulance", 12),
    ("doctor-1", "Emergency doctor 1", "ambulance", 12),
    ("ambulance-2", "Ambulance 2", "ambulance", 12),
    ("engine-3", "Fire engine 3", "fire", 10),
    ("police-7", "Police 7", "police", 6),
)


def fleet_of(streets: Streets) -> Mapping[str, Vehicle]:
    """Five vehicles, each on another street by which the map is entered."""
    entered = {turn.to_street for turns in streets.turns.values() for turn in turns}
    open_streets = [name for name, each in streets.streets.items() if each.open_to_emergency]
    starts = [name for name in open_streets if name not in entered and streets.turns.get(name)]
    places = sorted(starts or open_streets, key=lambda name: _rank(streets, name))
    return {
        name: Vehicle(
            name=name, label=label, role=role, level=level, street=places[k % len(places)]
        )
        for k, (name, label, role, level) in enumerate(_ROSTER)
    }


def _rank(streets: Streets, name: str) -> tuple[float, str]:
    """Broad and fast streets first."""
    street = streets.streets[name]
    return -street.lanes * street.speed_m_per_s, name
