"""A small arterial of our own, generated with netconvert, for tests and for use without a network.

Six signals along Main Street, 210 to 520 m apart, with side streets, left-turn pockets, one T
junction, and crossings with pedestrians at three of them. Built from plain XML written here; the
same text always gives the same scenario.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sim.sumo_home import run_sumo_binary

HORIZON_S = 3600
_POCKET_M = 70
_SIDE_M = 260
_MAIN_SPEED_M_PER_S = 13.89
_SIDE_SPEED_M_PER_S = 11.11
_PROFILE = ((0, 900, 0.7), (900, 2400, 1.15), (2400, 3600, 0.8))
"""(from, to, factor): a peak in the middle of the hour."""
_WALKERS_PER_HOUR = 90


@dataclass(frozen=True, slots=True)
class _Site:
    """One signal of the arterial: its place, its side streets and the traffic on them (veh/h)."""

    name: str
    x_m: int
    north_veh_h: int
    south_veh_h: int
    crossings: bool = False


_SITES = (
    _Site("oak", 400, 140, 170),
    _Site("station", 680, 240, 220, crossings=True),
    _Site("mill", 890, 120, 0),  # a T junction
    _Site("market", 1230, 200, 270, crossings=True),
    _Site("school", 1490, 100, 130, crossings=True),
    _Site("ring", 2010, 340, 310),
)
_SITE_NAMES = tuple(site.name for site in _SITES)
_EAST_X_M = 2400
_EASTBOUND_VEH_H = 760
_WESTBOUND_VEH_H = 600


def build_arterial(folder: Path) -> Path:
    """Write the scenario into *folder* and return its ``.sumocfg``.

    Raises :class:`sim.errors.SumoError` without SUMO, :class:`OSError` if *folder* cannot be
    written.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "arterial.nod.xml": _nodes(),
        "arterial.edg.xml": _edges(),
        "arterial.con.xml": _connections(),
        "arterial.rou.xml": _demand(),
    }
    for name, lines in plain.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    run_sumo_binary(
        "netconvert",
        [
            *("-n", "arterial.nod.xml", "-e", "arterial.edg.xml", "-x", "arterial.con.xml"),
            *("-o", "arterial.net.xml", "--no-turnarounds", "--tls.cycle.time", "90"),
            *("--tls.yellow.time", "3", "--tls.allred.time", "1", "--tls.left-green.time", "8"),
            *("--tls.crossing-min.time", "7", "--tls.crossing-clearance.time", "16"),
            "--no-warnings",
        ],
        folder,
    )
    config = folder / "arterial.sumocfg"
    config.write_text("\n".join(_configuration()) + "\n", encoding="utf-8")
    return config


def _nodes() -> Iterator[str]:
    yield "<nodes>"
    for name, (x, y) in _places().items():
        kind = ' type="traffic_light"' if name in _SITE_NAMES else ""
        yield f'    <node id="{name}" x="{x}" y="{y}"{kind}/>'
    for start, end, has_pocket in _streets():
        if has_pocket:
            place = _pocket_place(start, end)
            yield f'    <node id="{_pocket(start, end)}" x="{place[0]:g}" y="{place[1]:g}"/>'
    yield "</nodes>"


def _places() -> dict[str, tuple[int, int]]:
    """Coordinates of every signal and of every end of a street."""
    places = {"west": (0, 0), "east": (_EAST_X_M, 0)}
    for site in _SITES:
        places[site.name] = (site.x_m, 0)
        for arm, y in _arms(site):
            places[f"{site.name}_{arm}"] = (site.x_m, y)
    return places


def _arms(site: _Site) -> Iterator[tuple[str, int]]:
    if site.north_veh_h:
        yield "n", _SIDE_M
    if site.south_veh_h:
        yield "s", -_SIDE_M


def _streets() -> Iterator[tuple[str, str, bool]]:
    """(from, to, whether a left-turn pocket opens before its end) of all streets."""
    stops = ["west", *_SITE_NAMES, "east"]
    for west, east in pairwise(stops):
        yield west, east, _has_arm(east, "n")
        yield east, west, _has_arm(west, "s")
    for site in _SITES:
        for arm, _ in _arms(site):
            yield f"{site.name}_{arm}", site.name, True
            yield site.name, f"{site.name}_{arm}", False


def _has_arm(name: str, arm: str) -> bool:
    return any(site.name == name and arm in dict(_arms(site)) for site in _SITES)


def _pocket(start: str, end: str) -> str:
    return f"{start}-{end}.pocket"


def _pocket_place(start: str, end: str) -> tuple[float, float]:
    (x0, y0), (x1, y1) = _places()[start], _places()[end]
    part = _POCKET_M / (abs(x1 - x0) + abs(y1 - y0))
    return x1 + (x0 - x1) * part, y1 + (y0 - y1) * part


def _last_edge(start: str, end: str) -> str:
    """The edge with which the street from *start* to *end* reaches *end*."""
    has_pocket = any(street == (start, end, True) for street in _streets())
    return _pocket(start, end) if has_pocket else f"{start}-{end}"


def _edges() -> Iterator[str]:
    yield "<edges>"
    for start, end, has_pocket in _streets():
        is_main = "_" not in start + end
        lanes = 2 if is_main else 1
        speed = _MAIN_SPEED_M_PER_S if is_main else _SIDE_SPEED_M_PER_S
        about = f'priority="{3 if is_main else 1}" speed="{speed}" sidewalkWidth="2.5"'
        middle = _pocket(start, end) if has_pocket else end
        pieces = [(f"{start}-{end}", start, middle, lanes)]
        if has_pocket:
            pieces.append((middle, middle, end, lanes + 1))
        for edge, tail, head, n in pieces:
            yield f'    <edge id="{edge}" from="{tail}" to="{head}" numLanes="{n}" {about}/>'
    yield "</edges>"


def _connections() -> Iterator[str]:
    """The crossings, and the widening before pockets; netconvert guesses the turns."""
    yield "<connections>"
    stops = ["west", *_SITE_NAMES, "east"]
    for start, end, has_pocket in _streets():
        if has_pocket:
            lanes = 2 if "_" not in start + end else 1
            for lane in range(1, lanes + 2):  # lane 0 is the sidewalk
                yield (
                    f'    <connection from="{start}-{end}" to="{_pocket(start, end)}" '
                    f'fromLane="{min(lane, lanes)}" toLane="{lane}"/>'
                )
    for k, site in enumerate(_SITES, start=1):
        if site.crossings:
            ends = [stops[k - 1], stops[k + 1], *(f"{site.name}_{arm}" for arm, _ in _arms(site))]
            for other in ends:
                pair = f"{_last_edge(other, site.name)} {site.name}-{other}"
                yield f'    <crossing node="{site.name}" edges="{pair}" priority="true"/>'
    yield "</connections>"


def _demand() -> Iterator[str]:
    yield "<routes>"
    yield '    <vType id="car" length="4.5" maxSpeed="50" speedFactor="normc(1,0.1,0.7,1.3)"/>'
    yield '    <vType id="lorry" vClass="truck" length="10" accel="1.2" maxSpeed="25"/>'
    yield '    <vTypeDistribution id="mix" vTypes="car lorry" probabilities="0.95 0.05"/>'
    for site in _SITES:  # SUMO wants departures in order, so those who walk all hour come first
        if site.crossings:
            yield from _walkers(site)
    for begin, end, factor in _PROFILE:
        for name, start, finish, veh_h in _flows():
            yield (
                f'    <flow id="{name}.{begin}" type="mix" from="{start}" to="{finish}" '
                f'begin="{begin}" end="{end}" vehsPerHour="{veh_h * factor:.0f}" '
                'departLane="best" departSpeed="max"/>'
            )
    yield "</routes>"


def _flows() -> Iterator[tuple[str, str, str, float]]:
    """(name, from, to, veh/h): through traffic, and from every side street to both ends."""
    first, last = _SITE_NAMES[0], _SITE_NAMES[-1]
    yield "eastbound", f"west-{first}", f"{last}-east", _EASTBOUND_VEH_H * 0.6
    yield "westbound", f"east-{last}", f"{first}-west", _WESTBOUND_VEH_H * 0.6
    for site in _SITES:
        arms = [f"{site.name}_{arm}" for arm, _ in _arms(site)]
        leaving = 0.4 / len(_SITES) / len(arms)
        for outer in arms:
            veh_h = site.north_veh_h if outer.endswith("_n") else site.south_veh_h
            inbound, outbound = f"{outer}-{site.name}", f"{site.name}-{outer}"
            yield f"{outer}.east", inbound, f"{last}-east", veh_h * 0.35
            yield f"{outer}.west", inbound, f"{first}-west", veh_h * 0.25
            yield f"west.{outer}", f"west-{first}", outbound, _EASTBOUND_VEH_H * leaving
            yield f"east.{outer}", f"east-{last}", outbound, _WESTBOUND_VEH_H * leaving
            for opposite in arms:
                if opposite != outer:
                    yield f"{outer}.across", inbound, f"{site.name}-{opposite}", veh_h * 0.4


def _walkers(site: _Site) -> Iterator[str]:
    """People who walk from one side street across the site to the other, and along Main Street."""
    north, south = f"{site.name}_n", f"{site.name}_s"
    period_s = HORIZON_S / _WALKERS_PER_HOUR
    for name, start, finish in (
        ("south", f"{north}-{site.name}", f"{site.name}-{south}"),
        ("north", f"{south}-{site.name}", f"{site.name}-{north}"),
    ):
        yield (
            f'    <personFlow id="{site.name}.{name}" begin="0" end="{HORIZON_S}" '
            f'period="{period_s:g}">'
        )
        yield f'        <walk from="{start}" to="{finish}"/>'
        yield "    </personFlow>"


def _configuration() -> Iterator[str]:
    yield "<configuration>"
    yield '    <net-file value="arterial.net.xml"/>'
    yield '    <route-files value="arterial.rou.xml"/>'
    yield '    <begin value="0"/>'
    yield f'    <end value="{HORIZON_S}"/>'
    yield "</configuration>"
