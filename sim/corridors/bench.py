"""Emergency vehicles with and without corridors: the same seeds, the same vehicles, one table.

Three runs a seed: the vehicles alone with every signal green, which is what nobody can beat; our
adaptive control; and the same control with a corridor for each vehicle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.violations import InvalidError
from sim.compare import Progress, run_all
from sim.convention import FIELD, Convention
from sim.corridors.streets_from_net import streets_from_net
from sim.corridors.trips import emergency_trips
from sim.corridors.values import EmergencyPlan, EmergencyResult, EmergencyRide
from sim.errors import BenchError
from sim.metrics import mean
from sim.network import derive_network
from sim.results import RunResult
from sim.run import RunSpec
from sim.scenario import Scenario
from sim.simulation import sumo_version

FREE = "sim.corridors.all_green:ALL_GREEN"
WITHOUT = "adaptive"
WITH = "sim.corridors.wiring:ADAPTIVE_CORRIDORS"
NAMES = {FREE: "alone, all green", WITHOUT: "adaptive", WITH: "adaptive with corridors"}
ALONE_S = 400.0
"""Between two vehicles that shall not see each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One vehicle in one seed: alone, without and with its corridor."""

    seed: int
    free: EmergencyRide
    without: EmergencyRide
    with_: EmergencyRide

    @property
    def is_complete(self) -> bool:
        """Whether it arrived in every run."""
        return None not in {self.free.travel_s, self.without.travel_s, self.with_.travel_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """One seed of the bench."""

    seed: int
    pairs: tuple[Pair, ...]
    without: EmergencyResult
    with_: EmergencyResult
    jammed: tuple[str, ...] = ()
    """Runs in which vehicles locked each other for good, as SUMO's do on any network at times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorridorBench:
    """All seeds of one scenario."""

    scenario: str
    convention: str
    sumo: str
    vehicles: int
    gps_lost: bool
    crossing: bool
    seeds: tuple[SeedResult, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every vehicle of every seed that arrived in every run."""
        return tuple(pair for seed in self.seeds for pair in seed.pairs if pair.is_complete)


def _silent(progress: Progress) -> None:
    """Tell nobody."""


def bench(  # noqa: PLR0913 - what the command offers, most of it by name
    scenario: Scenario,
    seeds: Sequence[int],
    vehicles: int,
    convention: Convention = FIELD,
    *,
    gps_lost: bool = False,
    crossing: bool = False,
    workers: int = 2,
    on_progress: Callable[[Progress], None] = _silent,
) -> CorridorBench:
    """Send *vehicles* emergency vehicles in each of *seeds*.

    Raises :class:`BenchError` for no seeds or vehicles, a network without a way over signals, and
    whatever a run raises.
    """
    if not seeds or vehicles < 1:
        raise BenchError("nothing to measure: give at least one seed and one vehicle")
    network = derive_network(
        scenario.net_file, scenario.additional_files, convention, scenario.begin_s
    )
    streets = streets_from_net(network)
    ordered = tuple(dict.fromkeys(seeds))
    specs = []
    for seed in ordered:
        trips = emergency_trips(scenario, streets, vehicles, seed, crossing=crossing)
        plan = EmergencyPlan(trips=trips, gps_lost=gps_lost, seed=seed)
        common = RunSpec(
            scenario=scenario, control=WITHOUT, seed=seed, convention=convention, emergency=plan
        )
        specs += [alone(common), common, replace(common, control=WITH)]
    outcomes = run_all(
        specs, workers, lambda each: on_progress(replace(each, control=NAMES[each.control]))
    )
    for outcome in outcomes.values():
        if isinstance(outcome, (BenchError, InvalidError)):
            raise outcome
    return CorridorBench(
        scenario=scenario.name,
        convention=convention.name,
        sumo=sumo_version(),
        vehicles=vehicles,
        gps_lost=gps_lost,
        crossing=crossing,
        seeds=tuple(_seed_result(seed, outcomes) for seed in ordered),
    )


def alone(spec: RunSpec) -> RunSpec:
    """*spec* without anybody else: every vehicle by itself, all signals green."""
    scenario, plan = spec.scenario, spec.emergency
    if plan is None:
        raise BenchError(f"{spec}: it has no emergency vehicles")
    trips = tuple(
        replace(trip, depart_s=scenario.begin_s + k * ALONE_S) for k, trip in enumerate(plan.trips)
    )
    end_s = scenario.begin_s + len(trips) * ALONE_S
    return replace(
        spec,
        scenario=replace(scenario, route_files=(), end_s=end_s),
        control=FREE,
        emergency=replace(plan, trips=trips),
    )


def _seed_result(seed: int, outcomes: Mapping[tuple[str, int], object]) -> SeedResult:
    found = {control: _emergency(outcomes[control, seed]) for control in (FREE, WITHOUT, WITH)}
    jammed = [NAMES[each] for each in (WITHOUT, WITH) if _run(outcomes[each, seed]).jammed]
    rides = zip(*(found[control].rides for control in (FREE, WITHOUT, WITH)), strict=True)
    return SeedResult(
        seed=seed,
        pairs=tuple(
            Pair(seed=seed, free=free, without=without, with_=with_)
            for free, without, with_ in rides
        ),
        without=found[WITHOUT],
        with_=found[WITH],
        jammed=tuple(jammed),
    )


def _run(outcome: object) -> RunResult:
    assert isinstance(outcome, RunResult)
    return outcome


def _emergency(outcome: object) -> EmergencyResult:
    emergency = _run(outcome).emergency
    assert emergency is not None
    return emergency


@dataclass(frozen=True, slots=True, kw_only=True)
class RideFigures:
    """Means over vehicles: in seconds, and stops for each junction passed."""

    travel_s: float
    signal_delay_s: float
    """Travel time beyond that of the vehicle alone with every signal green."""
    stops: float
    stops_per_junction: float
    others_delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The whole bench in figures."""

    vehicles: int
    arrived: int
    """In all three runs; means are over these."""
    junctions: int
    """Junctions passed by them."""
    free_s: float
    without: RideFigures
    with_: RideFigures
    recoveries: int
    within_3_cycles: float
    """Part of the junctions that were held."""
    mean_cycles: float
    most_cycles: float | None
    longest_wait_cycles: float
    held_s: float
    """Mean over junctions that were held."""
    violations: int
    closed: int
    """Corridors that ended as they should."""


def figures_of(bench: CorridorBench) -> Figures:
    """The figures of *bench*."""
    pairs = bench.pairs
    results = [seed.with_ for seed in bench.seeds]
    recoveries = [each for result in results for each in result.recoveries]
    cycles = [each.cycles for each in recoveries if each.cycles is not None]
    burdens = [each for result in results for each in result.burdens]
    states = [state for result in results for state in result.states]
    return Figures(
        vehicles=sum(len(seed.pairs) for seed in bench.seeds),
        arrived=len(pairs),
        junctions=sum(len(pair.with_.lines) for pair in pairs),
        free_s=mean([pair.free.travel_s or 0.0 for pair in pairs]),
        without=_ride_figures(
            [(pair.without, pair.free) for pair in pairs], [seed.without for seed in bench.seeds]
        ),
        with_=_ride_figures([(pair.with_, pair.free) for pair in pairs], results),
        recoveries=len(recoveries),
        within_3_cycles=sum(each <= 3.0 for each in cycles) / max(len(recoveries), 1),
        mean_cycles=mean(cycles),
        most_cycles=max(cycles, default=0.0) if len(cycles) == len(recoveries) else None,
        longest_wait_cycles=max((each.longest_wait_cycles for each in burdens), default=0.0),
        held_s=sum(each.held_s for each in burdens) / max(len(recoveries), 1),
        violations=sum(each.violations for each in burdens),
        closed=states.count("closed"),
    )


def _ride_figures(
    rides: Sequence[tuple[EmergencyRide, EmergencyRide]], results: Sequence[EmergencyResult]
) -> RideFigures:
    travel = [ride.travel_s or 0.0 for ride, _ in rides]
    delay = [(ride.travel_s or 0.0) - (free.travel_s or 0.0) for ride, free in rides]
    stops = sum(ride.stops for ride, _ in rides)
    passed = sum(len(ride.lines) for ride, _ in rides)
    return RideFigures(
        travel_s=mean(travel),
        signal_delay_s=mean(delay),
        stops=stops / max(len(rides), 1),
        stops_per_junction=stops / max(passed, 1),
        others_delay_s=mean([result.others_delay_s for result in results]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JunctionFigures:
    """One junction: means over the emergency vehicles that came through."""

    site: str
    vehicles: int
    without_delay_s: float
    with_delay_s: float
    without_stops: float
    with_stops: float
    mean_cycles: float | None
    """Back in step after so many cycles; None where it was never held, or not within the limit."""


def junction_figures(bench: CorridorBench) -> tuple[JunctionFigures, ...]:
    """A row for each junction that emergency vehicles came through, the busiest first."""
    delays: dict[str, list[tuple[float, float, int, int]]] = {}
    for pair in bench.pairs:
        for row in _rows(pair):
            delays.setdefault(row[0], []).append(row[1:])
    cycles: dict[str, list[float]] = {}
    for seed in bench.seeds:
        for each in seed.with_.recoveries:
            if each.cycles is not None:
                cycles.setdefault(each.site, []).append(each.cycles)
    found = [
        JunctionFigures(
            site=site,
            vehicles=len(rows),
            without_delay_s=mean([row[0] for row in rows]),
            with_delay_s=mean([row[1] for row in rows]),
            without_stops=mean([float(row[2]) for row in rows]),
            with_stops=mean([float(row[3]) for row in rows]),
            mean_cycles=mean(cycles[site]) if site in cycles else None,
        )
        for site, rows in delays.items()
    ]
    return tuple(sorted(found, key=lambda row: (-row.vehicles, row.site)))


def _rows(pair: Pair) -> list[tuple[str, float, float, int, int]]:
    """(site, delay without, delay with, stops without, stops with) at each stop line."""
    rows = []
    before = [pair.free.trip.depart_s, pair.without.trip.depart_s, pair.with_.trip.depart_s]
    lines = zip(pair.free.lines, pair.without.lines, pair.with_.lines, strict=False)
    for free, without, with_ in lines:
        taken = [
            line.at_s - start_s
            for line, start_s in zip((free, without, with_), before, strict=True)
        ]
        rows.append(
            (free.site, taken[1] - taken[0], taken[2] - taken[0], without.stops, with_.stops)
        )
        before = [free.at_s, without.at_s, with_.at_s]
    return rows
