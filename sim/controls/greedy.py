"""Max-pressure and MaxWave as in RESCO, and longest queue first: greedy every few seconds.

They serve the stage with most to serve. All know the position of every vehicle, so they are bounds
to compare with rather than something a cabinet could run. Two details decide whether they work at
all on real networks:

* A stop-line lane may be a stub of a metre, so lanes are followed upstream by distance.
* A lane shared by several movements counts by the share of them that a stage serves, and a
  permissive green counts half: counted in full, a left-only stage starves the lane's head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sim.controls.base import Prepared, Setup, Step
from sim.controls.programs import GREEN
from sim.convention import Convention
from sim.network.programs import YELLOW
from sim.simulation import Connection, Simulation

_STOPPED_M_PER_S = 0.1
_SHORTEST_GREEN_MS = 2_000
_DEFAULT_YELLOW_S = 3.0
_CLEARING_MAX_S = 4.0
_PERMISSIVE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What makes a stage worth serving: vehicles upstream, perhaps less those downstream."""

    reach_m: float
    stopped_only: bool
    less_beyond: bool


_WAVE = Rule(reach_m=50.0, stopped_only=False, less_beyond=False)
_PRESSURE = Rule(reach_m=200.0, stopped_only=True, less_beyond=True)
_QUEUE = Rule(reach_m=200.0, stopped_only=True, less_beyond=False)

Reach = tuple[tuple[str, float, float], ...]
"""Stretches of lanes: (lane, from position, to position), in metres along the lane."""


def max_wave(decision_s: float) -> Callable[[Setup], Prepared]:
    """Serve the stage with most vehicles within 50 m of the stop line."""
    return _greedy(decision_s, _WAVE)


def max_pressure(decision_s: float) -> Callable[[Setup], Prepared]:
    """Serve the stage with most stopped vehicles upstream less downstream, within 200 m."""
    return _greedy(decision_s, _PRESSURE)


def longest_queue(decision_s: float) -> Callable[[Setup], Prepared]:
    """Serve the stage with most stopped vehicles upstream, within 200 m."""
    return _greedy(decision_s, _QUEUE)


def _greedy(decision_s: float, rule: Rule) -> Callable[[Setup], Prepared]:
    def prepare(setup: Setup) -> Prepared:
        def attach(simulation: Simulation) -> Step:
            return _attach(simulation, setup.convention, decision_s, rule)

        return Prepared(attach=attach)

    return prepare


def _attach(simulation: Simulation, convention: Convention, decision_s: float, rule: Rule) -> Step:
    connection = simulation.connection
    lanes = LaneGraph(connection)
    eye = Eye(connection, stopped_only=rule.stopped_only)
    lights = connection.trafficlight
    signals = []
    for signal in lights.getIDList():
        stages = _shipped_stages(connection, signal, convention)
        if len(stages) > 1:
            views = _stage_views(connection, lanes, signal, stages, rule)
            signals.append(GreedySignal(signal, stages, views, round(decision_s * 1_000)))

    def step() -> None:
        now_ms = simulation.time_ms
        eye.forget()
        for each in signals:
            state = each.step(now_ms, eye)
            if state is not None:
                lights.setRedYellowGreenState(each.signal, state)

    return step


@dataclass(frozen=True, slots=True)
class GreenStage:
    """A shipped green phase, and the yellow and all-red that follow it."""

    state: str
    yellow_ms: int
    all_red_ms: int


def _shipped_stages(
    connection: Connection, signal: str, convention: Convention
) -> tuple[GreenStage, ...]:
    program = connection.trafficlight.getProgram(signal)
    logics = connection.trafficlight.getAllProgramLogics(signal)
    phases = next(logic.phases for logic in logics if logic.programID == program)
    stages: dict[str, GreenStage] = {}
    for k, phase in enumerate(phases):
        if not _is_stage(phase, phases):
            continue
        yellow_s, all_red_s = _following_s(phases, k)
        if convention.yellow_s is not None and convention.all_red_s is not None:
            yellow_s, all_red_s = convention.yellow_s, convention.all_red_s
        stage = GreenStage(phase.state, round(yellow_s * 1_000), round(all_red_s * 1_000))
        stages.setdefault(phase.state, stage)
    return tuple(stages.values())


def _is_stage(phase: Connection, phases: Connection) -> bool:
    """A green phase; one that only lets another phase's greens clear is none."""
    greens = _greens(phase.state)
    if not greens or YELLOW & set(phase.state):
        return False
    return phase.duration > _CLEARING_MAX_S or not any(greens < _greens(p.state) for p in phases)


def _greens(state: str) -> frozenset[int]:
    return frozenset(i for i, letter in enumerate(state) if letter in GREEN)


def _following_s(phases: Connection, k: int) -> tuple[float, float]:
    """Yellow and all-red between phase *k* and the next stage."""
    yellow_s = all_red_s = 0.0
    for offset in range(1, len(phases)):
        phase = phases[(k + offset) % len(phases)]
        if YELLOW & set(phase.state):
            yellow_s += phase.duration
        elif _is_stage(phase, phases):
            break
        else:
            all_red_s += phase.duration
    return yellow_s or _DEFAULT_YELLOW_S, all_red_s


class LaneGraph:
    """Lanes and how they continue, so that a view can reach past stubs up to the next signal."""

    def __init__(self, connection: Connection) -> None:
        lane = connection.lane
        self.length_m: dict[str, float] = {}
        self.following: dict[str, list[str]] = {}
        self.leading: dict[str, list[str]] = {}
        signalised = _signalised_links(connection)
        for name in lane.getIDList():
            self.length_m[name] = lane.getLength(name)
            if name.startswith(":"):
                continue
            for link in lane.getLinks(name):
                if (name, link[0]) not in signalised:
                    self.following.setdefault(name, []).append(link[0])
                    self.leading.setdefault(link[0], []).append(name)

    def upstream(self, lane: str, reach_m: float) -> Reach:
        """The stretches within *reach_m* upstream of the end of *lane*."""
        return self._stretches(lane, reach_m, self.leading, from_end=True)

    def downstream(self, lane: str, reach_m: float) -> Reach:
        """The stretches within *reach_m* downstream of the start of *lane*."""
        return self._stretches(lane, reach_m, self.following, from_end=False)

    def _stretches(
        self, lane: str, reach_m: float, onward: dict[str, list[str]], *, from_end: bool
    ) -> Reach:
        found: dict[str, tuple[float, float]] = {}
        ahead = [(lane, reach_m)]
        while ahead:
            name, left_m = ahead.pop()
            length = self.length_m[name]
            covered = min(left_m, length)
            if name in found and found[name][1] - found[name][0] >= covered:
                continue
            found[name] = (length - covered, length) if from_end else (0.0, covered)
            if left_m > length:
                ahead += [(other, left_m - length) for other in onward.get(name, ())]
        return tuple((name, low, high) for name, (low, high) in found.items())


def _signalised_links(connection: Connection) -> set[tuple[str, str]]:
    lights = connection.trafficlight
    return {
        (link[0], link[1])
        for signal in lights.getIDList()
        for links in lights.getControlledLinks(signal)
        for link in links
    }


class Eye:
    """Counts vehicles on stretches of lanes; every stretch at most once in a step."""

    def __init__(self, connection: Connection, *, stopped_only: bool) -> None:
        self._lane = connection.lane
        self._vehicle = connection.vehicle
        self._length_m: dict[str, float] = {}
        self._seen: dict[tuple[str, float, float], int] = {}
        self._stopped_only = stopped_only

    def forget(self) -> None:
        """The next step begins."""
        self._seen.clear()

    def count(self, reach: Reach) -> int:
        """Vehicles (stopped ones only, if so made) on *reach*."""
        total = 0
        for stretch in reach:
            if stretch not in self._seen:
                self._seen[stretch] = self._count(*stretch)
            total += self._seen[stretch]
        return total

    def _count(self, lane: str, low: float, high: float) -> int:
        get = self._lane
        stopped = self._stopped_only
        number = (get.getLastStepHaltingNumber if stopped else get.getLastStepVehicleNumber)(lane)
        if not number:
            return 0
        if lane not in self._length_m:
            self._length_m[lane] = get.getLength(lane)
        if low <= 0 and high >= self._length_m[lane]:
            return int(number)
        vehicle = self._vehicle
        return sum(
            low <= vehicle.getLanePosition(name) <= high
            and (not stopped or vehicle.getSpeed(name) < _STOPPED_M_PER_S)
            for name in get.getLastStepVehicleIDs(lane)
        )


@dataclass(frozen=True, slots=True)
class StageView:
    """What speaks for and against one stage: weighted stretches upstream and downstream."""

    waiting: tuple[tuple[float, Reach], ...]
    beyond: tuple[tuple[float, Reach], ...]

    def score(self, eye: Eye) -> float:
        """How much serving the stage now is worth."""
        gain = sum(weight * eye.count(reach) for weight, reach in self.waiting)
        return gain - sum(weight * eye.count(reach) for weight, reach in self.beyond)


def _stage_views(
    connection: Connection,
    lanes: LaneGraph,
    signal: str,
    stages: tuple[GreenStage, ...],
    rule: Rule,
) -> tuple[StageView, ...]:
    controlled = connection.trafficlight.getControlledLinks(signal)
    links = [
        (index, link[0], link[1])
        for index, alternatives in enumerate(controlled)
        for link in alternatives
        if not link[0].startswith(":")  # crossings and walking areas carry no vehicles
    ]
    per_lane: dict[str, int] = {}
    for _, source, _ in links:
        per_lane[source] = per_lane.get(source, 0) + 1
    views = []
    for stage in stages:
        waiting: dict[str, float] = {}
        beyond: dict[str, float] = {}
        for index, source, target in links:
            weight = {"G": 1.0, "g": _PERMISSIVE_WEIGHT}.get(stage.state[index], 0.0)
            if weight:
                share = weight / per_lane[source]
                waiting[source] = waiting.get(source, 0.0) + share
                beyond[target] = max(beyond.get(target, 0.0), share)
        views.append(
            StageView(
                tuple((w, lanes.upstream(lane, rule.reach_m)) for lane, w in waiting.items()),
                tuple((w, lanes.downstream(lane, rule.reach_m)) for lane, w in beyond.items())
                if rule.less_beyond
                else (),
            )
        )
    return tuple(views)


@dataclass(slots=True)
class GreedySignal:
    """One signal under a greedy rule. A change's yellow and all-red are part of the step."""

    signal: str
    stages: tuple[GreenStage, ...]
    views: tuple[StageView, ...]
    decision_ms: int
    current: int = 0
    _decide_at_ms: int | None = None
    _upcoming: list[tuple[int, str]] = field(default_factory=list)

    def step(self, now_ms: int, eye: Eye) -> str | None:
        """The state to show from now on, None for no change."""
        shown = None
        if self._decide_at_ms is None:
            self._decide_at_ms = now_ms
            shown = self.stages[0].state
        if now_ms >= self._decide_at_ms:
            self._decide(now_ms, eye)
        while self._upcoming and self._upcoming[0][0] <= now_ms:
            shown = self._upcoming.pop(0)[1]
        return shown

    def _decide(self, now_ms: int, eye: Eye) -> None:
        scores = [view.score(eye) for view in self.views]
        best = max(range(len(scores)), key=lambda k: (scores[k], k == self.current))
        self._decide_at_ms = now_ms + self.decision_ms
        if best == self.current:
            return
        old, new = self.stages[self.current], self.stages[best]
        green_at_ms = now_ms + old.yellow_ms + old.all_red_ms
        self._upcoming = [
            (now_ms, _ending(old.state, new.state, "y")),
            (now_ms + old.yellow_ms, _ending(old.state, new.state, "r")),
            (green_at_ms, new.state),
        ]
        self._decide_at_ms = max(self._decide_at_ms, green_at_ms + _SHORTEST_GREEN_MS)
        self.current = best


def _ending(old: str, new: str, ends_as: str) -> str:
    """Links green in both stay as they were, those that end show *ends_as*, others stay red."""
    return "".join(
        (a if b in GREEN else ends_as) if a in GREEN else ("r" if b in GREEN else b)
        for a, b in zip(old, new, strict=True)
    )
