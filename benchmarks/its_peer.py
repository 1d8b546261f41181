"""The open peer sumoITScontrol 0.1.0 (Riehl et al., SUMO Conference 2026), run as installed.

Its licence is the GPL-3, so it is no part of this package: it is imported here only, from an
installation of its own (``pip install 'greenband[bench]'``), and never changed or copied. Run from
the top of the repository: ``python -m benchmarks.its_peer cologne8 its_flex --seed 1``.

Parameters are those of its README; stages are the shipped green phases. Times are given to it in
seconds, the unit of its maximum green: the README's example passes milliseconds, with which every
green ends at the second look. Queues are what lane area detectors on the last 100 m count. It knows
no all-red, and one yellow for all signals: that of the convention, or the longest shipped.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from xml.sax.saxutils import quoteattr

from sim.controls.base import Control, Prepared, Setup, Step
from sim.controls.programs import GREEN, is_green, shipped_programs, write_programs
from sim.errors import BenchError
from sim.network.net_file import Connection, NetFile, read_net
from sim.network.programs import YELLOW, Phase, ShippedProgram
from sim.scenario import Scenario
from sim.simulation import Simulation

PACKAGE = "sumoITScontrol"
REACH_M = 100.0
CYCLE_S = 120
_CLEARING_MAX_S = 4.0
_MIN_GREEN_S, _MAX_GREEN_S, _RECHECK_S = 5, 50, 5
_SCOOT_PARAMETERS = {
    "adaptation_cycle": 30,
    "adaptation_green": 10,
    "green_thresh": 2,
    "adaptation_offset": 1,
    "offset_thresh": 0.5,
    "min_cycle_length": 50,
    "max_cycle_length": 180,
    "ds_upper_val": 0.925,
    "ds_lower_val": 0.875,
    "travel_time_adjustments": {},
    "intersection_offset_rules": {},
}


def is_installed() -> bool:
    """Whether the peer is there to be run."""
    return importlib.util.find_spec(PACKAGE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One signal as the peer takes it: stage *i* is phase 2 *i*, its yellow the phase after.

    ``lanes`` and ``sensors`` are the approach lanes of every stage within 100 m, and the lane area
    detectors that cover them.
    """

    name: str
    greens: tuple[str, ...]
    greens_s: tuple[float, ...]
    yellows: tuple[str, ...]
    lanes: tuple[tuple[str, ...], ...]
    sensors: tuple[tuple[str, ...], ...]

    @property
    def phases(self) -> list[int]:
        """The phases that are green."""
        return list(range(0, 2 * len(self.greens), 2))

    def by_phase(self, values: Sequence[Sequence[str]]) -> dict[int, list[str]]:
        """*values* of every stage, by its phase."""
        return {phase: list(each) for phase, each in zip(self.phases, values, strict=True)}


Make = Callable[[ModuleType, Sequence[Site], int], Sequence[Any]]
"""Controllers of all sites, from the peer's package, the sites, and the yellow in s."""


def _prepared(make: Make) -> Callable[[Setup], Prepared]:
    def prepare(setup: Setup) -> Prepared:
        if not is_installed():
            raise BenchError(f"{PACKAGE} is not installed: pip install 'greenband[bench]'")
        package = _package()
        net = read_net(setup.scenario.net_file)
        yellow_s = _yellow_s(setup)
        sites = its_sites(net, setup.scenario)
        detectors = setup.folder / "areas.add.xml"
        detectors.write_text(_area_detectors(net, sites), encoding="utf-8")
        stages = setup.folder / "stages.add.xml"
        write_programs(
            [_program(site, yellow_s) for site in sites], "static", "greenband-its", stages
        )

        def attach(simulation: Simulation) -> Step:
            random.seed(1)  # it breaks ties by chance
            controllers = make(package, sites, yellow_s)

            def step() -> None:
                for controller in controllers:
                    controller.execute_control(simulation.time_ms / 1_000)

            return step

        return Prepared(additional=(stages, detectors), attach=attach)

    return prepare


def _package() -> ModuleType:
    """The peer on top of the SUMO that will run in this process, by SUMO's own switch for that.

    The switch works only before libsumo is loaded.
    """
    os.environ["LIBSUMO_AS_TRACI"] = "quiet"
    traci: Any = importlib.import_module("traci")
    traci.tc = importlib.import_module("traci.constants")  # as traci itself has it
    with contextlib.redirect_stdout(None):
        return importlib.import_module(f"{PACKAGE}.control.intersection_management")


def _yellow_s(setup: Setup) -> int:
    if setup.convention.yellow_s is not None:
        return round(setup.convention.yellow_s)
    phases = [phase for each in shipped_programs(setup.scenario) for phase in each.phases]
    yellows_s = [phase.duration_s for phase in phases if YELLOW & set(phase.state)]
    return round(max(yellows_s, default=3.0))


def its_sites(net: NetFile, scenario: Scenario) -> tuple[Site, ...]:
    """Every signal of *scenario* with a choice: one with a single stage keeps its program."""
    sites = (_site(net, program) for program in shipped_programs(scenario))
    return tuple(site for site in sites if len(site.greens) > 1)


def _site(net: NetFile, program: ShippedProgram) -> Site:
    stages: dict[str, float] = {}
    for phase in program.phases:
        if _is_stage(phase, program):
            stages.setdefault(phase.state, phase.duration_s)
    lanes = {state: _approach_lanes(net, program.controller, state) for state in stages}
    greens = tuple(state for state in stages if not _is_outdone(state, lanes))
    return Site(
        name=program.controller,
        greens=greens,
        greens_s=tuple(stages[state] for state in greens),
        yellows=tuple(_yellow(state) for state in greens),
        lanes=tuple(lanes[state] for state in greens),
        sensors=tuple(tuple(f"area {lane}" for lane in lanes[state]) for state in greens),
    )


def _is_outdone(state: str, lanes: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether another stage serves the same lanes and more of their movements.

    The peer counts whole lanes: it would hold a left-turn stage for a queue of through traffic.
    """
    return any(_lit(state) < _lit(other) and lanes[state] == lanes[other] for other in lanes)


def _is_stage(phase: Phase, program: ShippedProgram) -> bool:
    """A green phase; a short one that only lets another one's greens clear is none."""
    if not is_green(phase):
        return False
    greens = _lit(phase.state)
    covered = any(greens < _lit(other.state) for other in program.phases)
    return phase.duration_s > _CLEARING_MAX_S or not covered


def _lit(state: str) -> frozenset[int]:
    return frozenset(i for i, letter in enumerate(state) if letter in GREEN)


def _yellow(state: str) -> str:
    return "".join("y" if letter in GREEN else letter for letter in state)


def _approach_lanes(net: NetFile, signal: str, state: str) -> tuple[str, ...]:
    """Lanes within 100 m upstream of the links that are green in *state*, across stubs."""
    lit = _lit(state)
    ahead = [
        (c.from_lane, REACH_M)
        for c in net.connections
        if c.tl == signal and lit & set(c.link_indices) and c.from_lane in net.lanes
    ]
    found: dict[str, float] = {}
    while ahead:
        lane, left_m = ahead.pop()
        if found.get(lane, 0.0) >= left_m or not net.lanes[lane].motorised:
            continue
        found[lane] = left_m
        beyond_m = left_m - net.lanes[lane].length_m
        if beyond_m > 0:
            ahead += [(c.from_lane, beyond_m) for c in net.into.get(lane, ()) if _leads(c)]
    return tuple(sorted(found))


def _leads(connection: Connection) -> bool:
    """Whether traffic comes this way; nobody counts on those who turn round."""
    return not connection.tl and connection.direction != "t"


def _area_detectors(net: NetFile, sites: Sequence[Site]) -> str:
    """An E2 on the last 100 m of every lane that a stage looks at."""
    lanes = sorted({lane for site in sites for stage in site.lanes for lane in stage})
    rows = [
        f"    <laneAreaDetector id={quoteattr(f'area {lane}')} lane={quoteattr(lane)} "
        f'pos="{max(0.0, net.lanes[lane].length_m - REACH_M):.2f}" '
        f'endPos="{net.lanes[lane].length_m:.2f}" friendlyPos="true" period="3600" file="NUL"/>'
        for lane in lanes
    ]
    return "\n".join(["<additional>", *rows, "</additional>\n"])


def _program(site: Site, yellow_s: int) -> ShippedProgram:
    """All stages with their yellows; the peer holds and leaves them as it likes."""
    phases: list[Phase] = []
    for green, yellow in zip(site.greens, site.yellows, strict=True):
        phases.append(Phase(_MAX_GREEN_S, green, _MAX_GREEN_S, _MAX_GREEN_S))
        phases.append(Phase(yellow_s, yellow, yellow_s, yellow_s))
    return ShippedProgram(site.name, "greenband-its", "static", 0.0, tuple(phases))


def _intersection(site: Site, *, sensors: bool) -> Any:  # noqa: ANN401 - the peer has no types
    return importlib.import_module(PACKAGE).Intersection(
        tl_id=site.name,
        phases=site.phases,
        links=site.by_phase(site.lanes),
        sensors=site.by_phase(site.sensors) if sensors else None,
        green_states=list(site.greens),
        yellow_states=list(site.yellows),
    )


def _max_pressure(kind: str) -> Make:
    def make(package: ModuleType, sites: Sequence[Site], yellow_s: int) -> Sequence[Any]:
        parameters = {
            "T_A": _RECHECK_S,
            "T_L": yellow_s,
            "G_T_MIN": _MIN_GREEN_S,
            "G_T_MAX": _MAX_GREEN_S,
            "measurement_period": 1,
            "cycle_duration": CYCLE_S,
        }
        controller = getattr(package, kind)
        return [controller(parameters, _intersection(site, sensors=True)) for site in sites]

    return make


def _scoot(package: ModuleType, sites: Sequence[Site], yellow_s: int) -> Sequence[Any]:
    """One group of all signals; as it wants two districts for offsets, its offsets stay 0."""
    names = [site.name for site in sites]
    group = importlib.import_module(PACKAGE).IntersectionGroup(
        intersections=[_intersection(site, sensors=False) for site in sites],
        districts={"front": names, "back": names},
        critical_district_order={"front": names, "back": names},
        connection_between_intersections={},
    )
    group._init_lane_lengths()  # its README has users call this once
    greens = {site.name: _initial_greens(site, yellow_s) for site in sites}
    parameters = {**_SCOOT_PARAMETERS, "measurement_period": 1}
    return [package.ScootScats(parameters, group, greens, initial_cycle_length=CYCLE_S)]


def _initial_greens(site: Site, yellow_s: int) -> list[int]:
    """The shipped greens, stretched to the cycle that the peer starts with."""
    room_s = CYCLE_S - yellow_s * len(site.greens)
    return [max(_MIN_GREEN_S, round(g * room_s / sum(site.greens_s))) for g in site.greens_s]


_SEES = "every vehicle on the approach lanes within 100 m"
FLEX = Control(
    name="its_flex",
    sees=_SEES,
    summary="sumoITScontrol 0.1.0, flexible max-pressure",
    prepare=_prepared(_max_pressure("MaxPressure_Flex")),
)
FIX = Control(
    name="its_fix",
    sees=_SEES,
    summary="sumoITScontrol 0.1.0, max-pressure splits of a 120 s cycle",
    prepare=_prepared(_max_pressure("MaxPressure_Fix")),
)
SCOOT = Control(
    name="its_scoot",
    sees=_SEES,
    summary="sumoITScontrol 0.1.0, its SCOOT/SCATS: little like either in a street",
    prepare=_prepared(_scoot),
)
ITS_CONTROLS: Mapping[str, str] = {
    "its_flex": "benchmarks.its_peer:FLEX",
    "its_fix": "benchmarks.its_peer:FIX",
    "its_scoot": "benchmarks.its_peer:SCOOT",
}
"""Where the bench finds each of these peers; see :func:`sim.controls.find_control`."""


def main() -> None:
    """Run one of the peers once and print its figures."""
    from sim.catalogue import fetch_scenario
    from sim.convention import CONVENTIONS, convention
    from sim.run import RunSpec, run_once
    from sim.scenario import load_scenario

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario")
    parser.add_argument("control", choices=ITS_CONTROLS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--convention", choices=CONVENTIONS, default="resco")
    chosen = parser.parse_args()
    fetch_scenario(chosen.scenario)
    spec = RunSpec(
        scenario=load_scenario(chosen.scenario),
        control=ITS_CONTROLS[chosen.control],
        seed=chosen.seed,
        convention=convention(chosen.convention),
    )
    run = run_once(spec)
    print(f"{spec}: {run.delay_s:.1f} s delay, {run.finished} of {run.scheduled} trips finished")


if __name__ == "__main__":
    main()
