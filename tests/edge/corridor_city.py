"""A small town for the desk's tests: a street with junctions J1 to J4, and side streets.

::

        n1      n2      n3      n4
        |       |       |       |
    w--J1--m1--J2--m2--J3--m3--J4--e
        |       |       |       |
        s1      s2      s3      s4

Eastward streets are ``w``, ``m1``, ``m2``, ``m3``, ``e``; southward ones ``n1``.. into the
junction and ``s1``.. out of it. At each junction stage ``A`` serves the main street and ``B`` the
side street. From ``s2`` a lane without signals, ``back``, leads round to ``m3``. The map has
the other direction of ``w``, too: ``w-back``, from which no turn leads on.
"""

from __future__ import annotations

import itertools

from controller.clock import Instant
from controller.intersection import Intersection, SignalGroup, Stage, conflict_masks
from edge.corridors.desk import CorridorDesk
from edge.corridors.streets import Street, Streets, Turn
from edge.corridors.values import (
    Answer,
    Call,
    CallAnswer,
    Corridor,
    PassageState,
    Position,
    SiteView,
    Wish,
)
from firmware_bridge.codes import PriorityState
from firmware_bridge.priority import PriorityCalls

LENGTH_M = 300.0
SPEED_M_PER_S = 15.0
MAIN = ("w", "m1", "m2", "m3", "e")
SITES = ("J1", "J2", "J3", "J4")
ENDS = {
    **{
        name: (west, east)
        for name, west, east in zip(MAIN, ("W", *SITES), (*SITES, "E"), strict=True)
    },
    **{f"n{k}": (f"N{k}", f"J{k}") for k in range(1, 5)},
    **{f"s{k}": (f"J{k}", f"S{k}") for k in range(1, 5)},
    "back": ("S2", "J3"),
    "w-back": ("J1", "W"),
}


def street(name: str, length_m: float = LENGTH_M, **values: object) -> Street:
    return Street(
        name=name,
        label=f"{name} street",
        from_node=ENDS[name][0],
        to_node=ENDS[name][1],
        length_m=length_m,
        speed_m_per_s=SPEED_M_PER_S,
        lanes=1,
        shape=((0.0, 0.0), (length_m, 0.0)),
        **values,  # type: ignore[arg-type]
    )


def site(name: str) -> Intersection:
    groups = (SignalGroup(name="main"), SignalGroup(name="side"))
    return Intersection(
        name=name,
        groups=groups,
        conflicts=conflict_masks(2, [(0, 1)]),
        intergreen_ms=((0, 5_000), (5_000, 0)),
        stages=(Stage(name="A", groups=("main",)), Stage(name="B", groups=("side",))),
    )


def town() -> Streets:
    turns: dict[str, list[Turn]] = {name: [] for name in ENDS}
    for k in range(1, 5):
        place, west, east = f"J{k}", MAIN[k - 1], MAIN[k]
        for start, to, stage, group, lane in (
            (west, east, "A", "main", 0),
            (f"n{k}", f"s{k}", "B", "side", 1),
            (west, f"s{k}", "A", "main", 0),
            (f"n{k}", east, "B", "side", 1),
        ):
            turns[start].append(
                Turn(
                    from_street=start,
                    to_street=to,
                    crossing_m=15.0,
                    site=place,
                    groups=(group,),
                    stages=(stage,),
                    lanes=(lane,),
                )
            )
    turns["s2"].append(Turn(from_street="s2", to_street="back", crossing_m=5.0))
    turns["back"].append(Turn(from_street="back", to_street="m3", crossing_m=5.0))
    return Streets(
        name="town",
        streets={name: street(name) for name in ENDS},
        turns={name: tuple(found) for name, found in turns.items()},
    )


def ambulance(vehicle: str = "RTW 1", route: tuple[str, ...] = MAIN, **values: object) -> Wish:
    given = {"role": "ambulance", "level": 10, "max_duration_s": 600.0, **values}
    return Wish(
        vehicle=vehicle,
        origin=route[0],
        destination=route[-1],
        route=route,
        **given,  # type: ignore[arg-type]
    )


class Town:
    """A desk, the cabinets that it calls, and a clock; every call is kept in ``sent``."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.streets = town()
        self.sites = {name: site(name) for name in SITES}
        self.desk = CorridorDesk(self.streets, lambda: f"c{next(numbers)}", self.sites)
        self.cabinets = {name: PriorityCalls() for name in SITES}
        self.stages = dict.fromkeys(SITES, "B")
        self.queue_veh = dict.fromkeys(SITES, (0.0, 0.0))
        self.unreachable: set[str] = set()
        self.refusing: set[str] = set()
        self.deaf: set[str] = set()
        """Sites that are seen, and hear no call."""
        self.ms = 1_000_000
        self.sent: list[tuple[int, Call]] = []

    @property
    def now(self) -> Instant:
        return Instant(self.ms, self.ms + 5_000_000)

    def second(self, *, seen: bool = True) -> None:
        """One second: cabinets seen, the desk's turn, its calls answered."""
        self.ms += 1_000
        for name, calls in self.cabinets.items():
            calls.pass_time(self.ms)
            if calls.active is not None:
                self.stages[name] = "AB"[calls.active.stage]
            if seen:
                self.desk.see(self.now, name, self.view(name))
        for call in self.desk.turn(self.now):
            self.sent.append((self.ms, call))
            self.take(call)

    def view(self, name: str) -> SiteView:
        return SiteView(
            stage=self.stages[name],
            green_ms=10_000,
            queue_veh=self.queue_veh[name],
            reachable=name not in self.unreachable,
            in_step=self.cabinets[name].active is None,
        )

    def take(self, call: Call) -> None:
        if call.site in self.unreachable | self.deaf:
            return
        if call.site in self.refusing:
            said = CallAnswer(Answer.REFUSED, "police panel")
        else:
            said = self.answer(call)
        self.desk.hear(self.now, call.site, call.number, said)

    def answer(self, call: Call) -> CallAnswer:
        calls = self.cabinets[call.site]
        calls.take(call.number, call.level, "AB".index(call.stage), call.ttl_ms, self.ms)
        known = next((each for each in calls.all if each.call == call.number), None)
        if known is None:
            return CallAnswer(Answer.ACKNOWLEDGED)
        served = known.state is PriorityState.ACTIVATED
        return CallAnswer(Answer.ACTIVATED if served else Answer.QUEUED)

    def position(self, place: str, at_m: float, speed: float = SPEED_M_PER_S) -> Position:
        utc_ms = self.now.utc_ms
        return Position(street=place, at_m=at_m, speed_m_per_s=speed, utc_ms=utc_ms)

    def drive(
        self, corridor: str, route: tuple[str, ...], to_m: float, from_m: float = 0.0
    ) -> None:
        """Drive freely along *route*, a report a second, until *to_m* from its beginning."""
        at_m = from_m
        while at_m < to_m and not self.desk.corridor(corridor).state.is_over:
            k = min(int(at_m // LENGTH_M), len(route) - 1)
            self.desk.report(self.now, corridor, self.position(route[k], at_m - k * LENGTH_M))
            self.second()
            at_m += SPEED_M_PER_S

    def states(self, corridor: Corridor | str) -> list[PassageState]:
        name = corridor if isinstance(corridor, str) else corridor.id
        return [passage.state for passage in self.desk.corridor(name).passages]

    def calls(self, place: str, corridor: str = "") -> list[tuple[int, Call]]:
        """What was sent to *place*, without questions."""
        made = {call.number for _, call in self.sent if call.ttl_ms}
        return [
            (ms, call)
            for ms, call in self.sent
            if call.site == place
            and call.number in made
            and (not corridor or call.corridor == corridor)
        ]
