"""Looks at a run that ended with vehicles locked, and says who stands at the head of them and why.

The bench finds a control under watch as ``benchmarks.jam_watch:CONTROL``: it does what CONTROL
does, and in the last second of the run tells a note for each group of standing vehicles. Looking
changes nothing, so the run is the one that was measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from sim.controls import Control, Setup, Step, find_control
from sim.controls.base import Prepared
from sim.decisions import DecisionNote
from sim.simulation import Connection, Simulation
from sim.worker import JAMMED_S

JAM = "jam"
_STANDING_S = 60.0
_NEAR_M = 15.0
"""Who stands closer than this behind another, or to a stop line, waits for it."""


def where(control: str) -> str:
    """The name under which the bench finds *control* under watch."""
    return f"{__name__}:{control}"


def __getattr__(name: str) -> Control:
    """A control under watch as an attribute of this module: how a run's process finds it."""
    if name.startswith("__"):
        raise AttributeError(name)
    return watched(name)


@cache
def watched(name: str) -> Control:
    """The control called *name* under watch."""
    control = find_control(name)

    def prepare(setup: Setup) -> Prepared:
        prepared = control.prepare(replace(setup, tell=None))
        last_ms = round((setup.scenario.end_s - setup.scenario.step_s) * 1_000)

        def attach(simulation: Simulation) -> Step:
            step = prepared.attach(simulation)
            lights = Lights(simulation.connection)

            def watch() -> None:
                if step is not None:
                    step()
                lights.look(simulation.time_ms / 1_000)
                if setup.tell is not None and simulation.time_ms >= last_ms:
                    for note in look(simulation, lights):
                        setup.tell(note)

            return watch

        return replace(prepared, attach=attach)

    return replace(control, prepare=prepare)


class Lights:
    """When each link of each signal was green last."""

    def __init__(self, connection: Connection) -> None:
        self._lights = connection.trafficlight
        self._signals: tuple[str, ...] = tuple(self._lights.getIDList())
        self._green_s: dict[tuple[str, int], float] = {}

    def look(self, now_s: float) -> None:
        """Note what is green now."""
        for signal in self._signals:
            for link, letter in enumerate(self._lights.getRedYellowGreenState(signal)):
                if letter in "Gg":
                    self._green_s[signal, link] = now_s

    def green_s(self, signal: str, link: int) -> float | None:
        """The last second in which *link* was green, None if it never was."""
        return self._green_s.get((signal, link))


@dataclass(slots=True)
class _Queue:
    """Standing vehicles that wait for the same one: who is locked among them."""

    locked: list[str] = field(default_factory=list)
    ring: bool = False


def look(simulation: Simulation, lights: Lights) -> Iterator[DecisionNote]:
    """A note for each group of locked vehicles, the largest first."""
    connection = simulation.connection
    now_s = simulation.time_ms / 1_000
    vehicle = connection.vehicle
    queues: dict[str, _Queue] = defaultdict(_Queue)
    limit_s = JAMMED_S - 1  # the last second of the run is still to come
    for name in vehicle.getIDList():
        if vehicle.getWaitingTime(name) >= limit_s and not vehicle.isStopped(name):
            head, ring = _head(connection, name)
            queues[head].locked.append(name)
            queues[head].ring |= ring
    for head, queue in sorted(queues.items(), key=lambda item: -len(item[1].locked)):
        text = f"{_place(connection, head)}: {'; '.join(_causes(connection, lights, head, now_s))}"
        if queue.ring:
            text = f"vehicles stand in a ring, one of them {text}"
        others = len(queue.locked) - (head in queue.locked)
        yield DecisionNote(now_s, vehicle.getLaneID(head), JAM, f"{text}; {others} behind it")


def _head(connection: Connection, name: str) -> tuple[str, bool]:
    """Who *name* waits for in the end, and whether that chain closes on itself."""
    chain = [name]
    while ahead := _waits_for(connection, chain[-1]):
        if ahead in chain:
            ring = chain[chain.index(ahead) :]
            return max((connection.vehicle.getWaitingTime(each), each) for each in ring)[1], True
        chain.append(ahead)
    return chain[-1], False


def _waits_for(connection: Connection, name: str) -> str | None:
    """Who stands before *name*: in its lane, or in its exit; None for who heads a queue."""
    vehicle = connection.vehicle
    found = vehicle.getLeader(name, _NEAR_M)
    ahead = str(found[0]) if found else ""
    if ahead and found[1] <= _NEAR_M and vehicle.getWaitingTime(ahead) >= _STANDING_S:
        return ahead
    if _lanes_to_go(vehicle, name):
        return None
    for lane, _, _ in _next_link(vehicle, name):
        return _in_exit(connection, name, lane)
    return None


def _place(connection: Connection, name: str) -> str:
    vehicle = connection.vehicle
    lane = vehicle.getLaneID(name)
    length_m = connection.lane.getLength(lane)
    return (
        f"{name} on lane {lane} at {vehicle.getLanePosition(name):.0f} of {length_m:.1f} m, still "
        f"for {vehicle.getWaitingTime(name):.0f} s"
    )


def _causes(connection: Connection, lights: Lights, name: str, now_s: float) -> Iterator[str]:
    causes = [
        *_wrong_lane(connection, name),
        *_signal(connection, lights, name, now_s),
        *_way_ahead(connection, name),
        *_inside(connection, name),
    ]
    yield from causes or ["nothing in its way was found"]


def _wrong_lane(connection: Connection, name: str) -> Iterator[str]:
    """Who must change lanes and is beside somebody who must change the other way."""
    vehicle = connection.vehicle
    offset = _lanes_to_go(vehicle, name)
    if not offset:
        return
    edge, index = vehicle.getRoadID(name), vehicle.getLaneIndex(name)
    target = f"{edge}_{index + (1 if offset > 0 else -1)}"
    side = "left" if offset > 0 else "right"
    beside = [
        other
        for other in connection.lane.getLastStepVehicleIDs(target)
        if vehicle.getWaitingTime(other) >= _STANDING_S
        and abs(vehicle.getLanePosition(other) - vehicle.getLanePosition(name)) < _NEAR_M
    ]
    swaps = [other for other in beside if _lanes_to_go(vehicle, other) * offset < 0]
    signal = any(signalled for signalled in _signals(vehicle, name))
    yield (
        f"must change to the lane on its {side} to follow its route, "
        f"{'before a signal' if signal else 'on an edge without a signal'}"
    )
    if swaps:
        yield f"{swaps[0]} stands there and must change the other way: the two block each other"
    elif beside:
        yield f"{beside[0]} stands there"


def _lanes_to_go(vehicle: Connection, name: str) -> int:
    own = vehicle.getLaneID(name)
    offsets = [int(lane[3]) for lane in vehicle.getBestLanes(name) if lane[0] == own]
    return offsets[0] if offsets else 0


def _signals(vehicle: Connection, name: str) -> list[tuple[str, int, str]]:
    """(signal, link, letter) of the stop line that *name* stands at."""
    return [
        (str(signal), int(link), str(letter))
        for signal, link, distance_m, letter in vehicle.getNextTLS(name)
        if distance_m < _NEAR_M
    ]


def _signal(connection: Connection, lights: Lights, name: str, now_s: float) -> Iterator[str]:
    for signal, link, letter in _signals(connection.vehicle, name):
        green_s = lights.green_s(signal, link)
        ago = "never yet" if green_s is None else f"last {now_s - green_s:.0f} s ago"
        state = "is green" if letter in "Gg" else f"shows {letter!r}, green {ago}"
        yield f"link {link} of signal {signal} {state}"


def _way_ahead(connection: Connection, name: str) -> Iterator[str]:
    """Whether somebody stands in the exit, or has the right of way."""
    for lane, is_open, has_foe in _next_link(connection.vehicle, name):
        standing = _in_exit(connection, name, lane)
        if standing is not None:
            yield f"its exit {lane} is full ({standing} stands in it)"
        elif not is_open and has_foe:
            yield f"has to give way on its way to {lane}"


def _inside(connection: Connection, name: str) -> Iterator[str]:
    """Who stands in the middle of a junction, and how many others do."""
    lane = connection.vehicle.getLaneID(name)
    if not lane.startswith(":"):
        return
    junction = lane.rsplit("_", 2)[0]
    within = [each for each in connection.lane.getIDList() if each.rsplit("_", 2)[0] == junction]
    standing = [
        other
        for each in within
        for other in connection.lane.getLastStepVehicleIDs(each)
        if other != name and connection.vehicle.getWaitingTime(other) >= _STANDING_S
    ]
    yield f"stands inside junction {junction[1:]}, where {len(standing)} others stand"


def _next_link(vehicle: Connection, name: str) -> list[tuple[str, bool, bool]]:
    """(lane behind it, whether it is open, whether somebody else uses it): the link ahead."""
    rows = list(vehicle.getNextLinks(name))[:1]
    return [(str(row[0]), bool(row[2]), bool(row[3])) for row in rows]


def _in_exit(connection: Connection, name: str, lane: str) -> str | None:
    """Who stands at the beginning of *lane*, so that *name* has no room there."""
    vehicle = connection.vehicle
    standing = [
        str(other)
        for other in connection.lane.getLastStepVehicleIDs(lane)
        if other != name
        and vehicle.getWaitingTime(other) >= _STANDING_S
        and vehicle.getLanePosition(other) < _NEAR_M
    ]
    return min(standing, key=vehicle.getLanePosition, default=None)
