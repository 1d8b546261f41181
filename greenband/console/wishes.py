"""What callers send about corridors, and what is made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edge.centre.values import Vehicle
from edge.corridors.errors import CorridorError
from edge.corridors.streets import Point, Street, Streets
from edge.corridors.values import Position, Wish

AHEAD_MS_MAX = 2_000
LATE_MS_MAX = 30_000
NEAR_M = 150.0
DURATION_S_MAX = 3_600.0
UTC_MS_MAX = 2**53
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)
Name = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(max_length=500)]


class Place(BaseModel):
    """A place on the map; the nearest street within 150 m is meant."""

    model_config = _STRICT
    x_m: float
    y_m: float


class WishIn(BaseModel):
    """Who wants to go where: from a street or place to another, or along a chain of streets."""

    model_config = _STRICT
    vehicle: Name
    origin: Name | Place | None = Field(None, alias="from")
    destination: Name | Place | None = Field(None, alias="to")
    route: Annotated[list[Name], Field(max_length=2_000)] = []
    level: Annotated[int, Field(ge=0, le=14)] | None = None
    """At most that of the vehicle, which is also what is taken if none is given."""
    reason: Reason = ""
    max_duration_s: Annotated[float, Field(ge=30.0, le=DURATION_S_MAX)] = 900.0


class OpenIn(BaseModel):
    """Open the corridor of a preview, or one that is described at once."""

    model_config = _STRICT
    preview_id: Name | None = None
    wish: WishIn | None = None
    reason: Reason = ""


class PositionIn(BaseModel):
    """Where a vehicle is: on a street so many metres from its beginning, or at a place."""

    model_config = _STRICT
    street: Name | None = None
    at_m: Annotated[float, Field(ge=0.0)] | None = None
    x_m: float | None = None
    y_m: float | None = None
    speed_m_per_s: Annotated[float, Field(ge=0.0, le=90.0)]
    utc_ms: Annotated[int, Field(ge=0, le=UTC_MS_MAX)] | None = None
    """When that was; left out: now."""


class RerouteIn(BaseModel):
    """Another destination, or another chain of streets."""

    model_config = _STRICT
    destination: Name | Place | None = Field(None, alias="to")
    route: Annotated[list[Name], Field(max_length=2_000)] = []


def wish_of(asked: WishIn, vehicles: Mapping[str, Vehicle], streets: Streets) -> Wish:
    """The wish in *asked*; raises :class:`CorridorError`."""
    vehicle = vehicles.get(asked.vehicle)
    if vehicle is None:
        raise CorridorError(
            "unknown-vehicle",
            f"There is no vehicle {asked.vehicle!r} on the list: check its call sign, or have "
            "traffic management add it.",
        )
    level = vehicle.level if asked.level is None else asked.level
    if level > vehicle.level:
        raise CorridorError(
            "bad-wish",
            f"{vehicle.name} may ask at level {vehicle.level} at most, not {level}: leave level "
            "out, or have traffic management raise it.",
        )
    route = tuple(asked.route)
    origin = route[0] if route else street_at(asked.origin or vehicle.street, streets, "from")
    return Wish(
        vehicle=vehicle.name,
        role=vehicle.role,
        level=level,
        origin=origin,
        destination=route[-1] if route else street_at(asked.destination, streets, "to"),
        route=route,
        reason=asked.reason,
        max_duration_s=asked.max_duration_s,
    )


def street_at(asked: str | Place | None, streets: Streets, where: str) -> str:
    """The street that is meant by a name or a place; raises :class:`CorridorError`."""
    if not asked:
        raise CorridorError("bad-wish", f"{where} is missing: name a street or a place on the map.")
    if isinstance(asked, str):
        if asked not in streets.streets:
            raise CorridorError(
                "unknown-street",
                f"There is no street {asked!r} on the map: choose one of the list, or click on "
                "the map.",
            )
        return asked
    street, _, away_m = nearest(streets, (asked.x_m, asked.y_m))
    if away_m > NEAR_M:
        raise CorridorError(
            "unknown-street",
            f"The nearest street is {away_m:.0f} m away: choose a place on a street.",
        )
    return street.name


def position_of(asked: PositionIn, streets: Streets, now_utc_ms: int) -> Position:
    """The position in *asked*; raises :class:`CorridorError`."""
    utc_ms = now_utc_ms if asked.utc_ms is None else asked.utc_ms
    ahead_ms = utc_ms - now_utc_ms
    if ahead_ms > AHEAD_MS_MAX or ahead_ms < -LATE_MS_MAX:
        off = f"{abs(ahead_ms) / 1_000:.0f} s {'ahead' if ahead_ms > 0 else 'behind'}"
        raise CorridorError(
            "clock-skew",
            f"The position is dated {off}: set the vehicle's clock (NTP or GPS), or leave utc_ms "
            "out.",
        )
    if asked.street is not None:
        street, at_m = asked.street, asked.at_m or 0.0
    elif asked.x_m is not None and asked.y_m is not None:
        found, at_m, away_m = nearest(streets, (asked.x_m, asked.y_m))
        if away_m > NEAR_M:
            raise CorridorError(
                "bad-position",
                f"The nearest street is {away_m:.0f} m away: is the vehicle on this map?",
            )
        street = found.name
    else:
        raise CorridorError("bad-position", "Send street and at_m, or x_m and y_m.")
    return Position(street=street, at_m=at_m, speed_m_per_s=asked.speed_m_per_s, utc_ms=utc_ms)


def nearest(streets: Streets, point: Point) -> tuple[Street, float, float]:
    """(street, metres along it, metres away from it) of the street next to *point*."""
    best: tuple[Street, float, float] | None = None
    for street in streets.streets.values():
        if not street.open_to_emergency:
            continue
        at_m, away_m = along(street.shape, point)
        if best is None or away_m < best[2]:
            best = street, at_m, away_m
    if best is None:
        raise CorridorError("unknown-street", "The map has no street that is open.")
    return best


def along(shape: tuple[Point, ...], point: Point) -> tuple[float, float]:
    """(metres along a line, metres away from it) of its place next to *point*."""
    best = 0.0, math.dist(shape[0], point)
    before_m = 0.0
    for (x0, y0), (x1, y1) in pairwise(shape):
        length_m = math.dist((x0, y0), (x1, y1))
        if length_m > 0.0:
            part = ((point[0] - x0) * (x1 - x0) + (point[1] - y0) * (y1 - y0)) / length_m**2
            part = min(1.0, max(0.0, part))
            foot = x0 + (x1 - x0) * part, y0 + (y1 - y0) * part
            away_m = math.dist(foot, point)
            if away_m < best[1]:
                best = before_m + part * length_m, away_m
        before_m += length_m
    return best
