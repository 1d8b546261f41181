"""Networks of generated towns: streets drawn at random by netgenerate, or laid out here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

from sim.sumo_home import run_sumo_binary

_SIGNALS = (
    *("--tls.yellow.time", "3", "--tls.allred.time", "1", "--tls.cycle.time", "90"),
    *("--tls.left-green.time", "8", "--no-turnarounds.except-deadend", "--no-warnings"),
)
_DIVIDED_M = 32.0
"""Between the carriageways of a divided road."""
_POCKET_M = 50.0


@dataclass(frozen=True, slots=True)
class Street:
    """One direction of a street. ``pocket_m``: the last metres have a lane more, on the left."""

    start: str
    end: str
    lanes: int
    speed_m_per_s: float = 13.89
    pocket_m: float = 0.0
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A node. ``signal``: the controller that it belongs to, empty for none."""

    name: str
    x_m: float
    y_m: float
    signal: str = ""


def random_streets(folder: Path, name: str, seed: int, options: Sequence[str]) -> None:
    """Write ``name.net.xml`` with netgenerate's random streets; *options* say what they are."""
    chosen = ["--rand", "--seed", str(seed), *options, *_SIGNALS, "-o", f"{name}.net.xml"]
    run_sumo_binary("netgenerate", chosen, folder)


def laid_out(folder: Path, name: str, places: Iterable[Place], streets: Iterable[Street]) -> None:
    """Write ``name.net.xml`` of these places and streets."""
    nodes, edges = f"{name}.nod.xml", f"{name}.edg.xml"
    (folder / nodes).write_text("\n".join(_nodes(places)) + "\n", encoding="utf-8")
    (folder / edges).write_text("\n".join(_edges(streets)) + "\n", encoding="utf-8")
    chosen = ["-n", nodes, "-e", edges, *_SIGNALS, "-o", f"{name}.net.xml"]
    run_sumo_binary("netconvert", chosen, folder)


def _nodes(places: Iterable[Place]) -> Iterator[str]:
    yield "<nodes>"
    for place in places:
        kind = f' type="traffic_light" tl="{place.signal}"' if place.signal else ""
        yield f'    <node id="{place.name}" x="{place.x_m:g}" y="{place.y_m:g}"{kind}/>'
    yield "</nodes>"


def _edges(streets: Iterable[Street]) -> Iterator[str]:
    yield "<edges>"
    for street in streets:
        lanes = street.lanes + bool(street.pocket_m)
        start = (
            f'    <edge id="{street.start}-{street.end}" from="{street.start}" to="{street.end}" '
            f'numLanes="{lanes}" speed="{street.speed_m_per_s:g}" priority="{street.priority}"'
        )
        if street.pocket_m:
            through = " ".join(str(k) for k in range(street.lanes))
            every = f"{through} {street.lanes}"
            splits = (
                f'<split pos="0" lanes="{through}"/>'
                f'<split pos="-{street.pocket_m:g}" lanes="{every}"/>'
            )
            yield f"{start}>{splits}</edge>"
        else:
            yield f"{start}/>"
    yield "</edges>"


def both_ways(start: str, end: str, lanes: int, speed_m_per_s: float = 13.89) -> list[Street]:
    """The two directions of a street."""
    return [Street(start, end, lanes, speed_m_per_s), Street(end, start, lanes, speed_m_per_s)]


def grid(
    xs_m: Sequence[float], ys_m: Sequence[float], wide: Sequence[int], entry_m: float
) -> tuple[list[Place], list[Street]]:
    """Streets along *xs_m* and *ys_m* with a signal at every crossing.

    Streets whose number is in *wide* have two lanes a direction, others one. Each ends *entry_m*
    outside the town.
    """
    places = [
        Place(f"c{i}_{j}", x, y, f"c{i}_{j}")
        for (i, x), (j, y) in product(enumerate(xs_m), enumerate(ys_m))
    ]
    streets: list[Street] = []
    for i, x in enumerate(xs_m):
        line = [f"s{i}", *(f"c{i}_{j}" for j in range(len(ys_m))), f"n{i}"]
        places += [Place(f"s{i}", x, ys_m[0] - entry_m), Place(f"n{i}", x, ys_m[-1] + entry_m)]
        streets += _along(line, 2 if i in wide else 1)
    for j, y in enumerate(ys_m):
        line = [f"w{j}", *(f"c{i}_{j}" for i in range(len(xs_m))), f"e{j}"]
        places += [Place(f"w{j}", xs_m[0] - entry_m, y), Place(f"e{j}", xs_m[-1] + entry_m, y)]
        streets += _along(line, 2 if j in wide else 1)
    return places, streets


def _along(line: Sequence[str], lanes: int) -> list[Street]:
    return [street for a, b in pairwise(line) for street in both_ways(a, b, lanes)]


def divided_roads(
    xs_m: Sequence[float], ys_m: Sequence[float], entry_m: float
) -> tuple[list[Place], list[Street]]:
    """Divided roads along *xs_m* and *ys_m*: every crossing is four nodes under one signal.

    Halfway between two crossings of a road along x, a one-lane street crosses both carriageways:
    two nodes under one signal.
    """
    half = _DIVIDED_M / 2
    places: list[Place] = []
    streets: list[Street] = []
    rows: dict[tuple[int, str], list[Place]] = {}
    columns: dict[tuple[int, str], list[Place]] = {}
    for (i, x), (j, y) in product(enumerate(xs_m), enumerate(ys_m)):
        for side_x, side_y in product("we", "sn"):
            dx = -half if side_x == "w" else half
            dy = -half if side_y == "s" else half
            place = Place(f"c{i}_{j}{side_y}{side_x}", x + dx, y + dy, f"c{i}_{j}")
            rows.setdefault((j, side_y), []).append(place)
            columns.setdefault((i, side_x), []).append(place)
    for (i, (x0, x1)), (j, y) in product(enumerate(pairwise(xs_m)), enumerate(ys_m)):
        x = (x0 + x1) / 2
        pair = [
            Place(f"m{i}_{j}{s}", x, y + (half if s == "n" else -half), f"m{i}_{j}") for s in "sn"
        ]
        for place, side in zip(pair, "sn", strict=True):
            rows[j, side].append(place)
        ends = [Place(f"m{i}_{j}a", x, y - 120), Place(f"m{i}_{j}b", x, y + 120)]
        places += ends
        streets += _along([ends[0].name, pair[0].name, pair[1].name, ends[1].name], 1)
    for (j, side), row in rows.items():
        eastbound = side == "s"  # traffic keeps to the right
        y = ys_m[j] + (half if side == "n" else -half)
        ends = [
            Place(f"w{j}{side}", xs_m[0] - entry_m, y),
            Place(f"e{j}{side}", xs_m[-1] + entry_m, y),
        ]
        line = sorted([*row, *ends], key=lambda place: place.x_m)
        places += line
        streets += _one_way(line if eastbound else line[::-1])
    for (i, side), column in columns.items():
        northbound = side == "e"
        x = xs_m[i] + (half if side == "e" else -half)
        ends = [
            Place(f"s{i}{side}", x, ys_m[0] - entry_m),
            Place(f"n{i}{side}", x, ys_m[-1] + entry_m),
        ]
        line = sorted([*column, *ends], key=lambda place: place.y_m)
        places += ends
        streets += _one_way(line if northbound else line[::-1])
    return places, streets


def _one_way(line: Sequence[Place]) -> list[Street]:
    """A carriageway of two lanes, three inside a crossing and for the last metres before it."""
    streets = []
    for a, b in pairwise(line):
        if a.signal and a.signal == b.signal:
            streets.append(Street(a.name, b.name, 3))
        else:
            pocket_m = _POCKET_M if b.signal.startswith("c") else 0.0
            streets.append(Street(a.name, b.name, 2, pocket_m=pocket_m))
    return streets


def arterial(
    xs_m: Sequence[float], side_m: float, pocket_m: float
) -> tuple[list[Place], list[Street]]:
    """A main street with two lanes a direction and a signal at each of *xs_m*.

    Side streets of one lane cross it there; every approach has a left-turn pocket of *pocket_m*.
    """
    crossings = [Place(f"c{i}", x, 0, f"c{i}") for i, x in enumerate(xs_m)]
    main = [Place("w", xs_m[0] - 400, 0), *crossings, Place("e", xs_m[-1] + 400, 0)]
    ends = [Place(f"{side}{i}", x, y) for i, x in enumerate(xs_m) for side, y in _sides(side_m)]
    streets = []
    for line in (main, main[::-1]):
        for a, b in pairwise(line):
            streets.append(Street(a.name, b.name, 2, pocket_m=pocket_m if b.signal else 0.0))
    for end in ends:
        crossing = f"c{end.name[1:]}"
        streets.append(Street(end.name, crossing, 1, 11.11, pocket_m))
        streets.append(Street(crossing, end.name, 1, 11.11))
    return [*main, *ends], streets


def _sides(side_m: float) -> tuple[tuple[str, float], ...]:
    return ("n", side_m), ("s", -side_m)
