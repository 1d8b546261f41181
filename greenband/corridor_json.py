"""A corridor bench as JSON: the stable interface of ``corridor bench --json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from greenband.version import greenband_version

if TYPE_CHECKING:
    from sim.corridors.bench import CorridorBench, Pair
    from sim.corridors.values import EmergencyRide

SCHEMA = 1


def bench_document(bench: CorridorBench) -> dict[str, Any]:
    """Everything that was measured; times in seconds, ``null`` where a vehicle did not arrive."""
    from sim.corridors.bench import figures_of, junction_figures

    figures = asdict(figures_of(bench))
    figures["with"] = figures.pop("with_")
    return {
        "schema": SCHEMA,
        "greenband": greenband_version(),
        "sumo": bench.sumo,
        "scenario": bench.scenario,
        "convention": bench.convention,
        "vehicles_per_seed": bench.vehicles,
        "gps_lost": bench.gps_lost,
        "crossing": bench.crossing,
        "seeds": [seed.seed for seed in bench.seeds],
        "figures": figures,
        "junctions": [asdict(row) for row in junction_figures(bench)],
        "rides": [_ride(pair) for seed in bench.seeds for pair in seed.pairs],
        "others": [
            {
                "seed": seed.seed,
                "vehicles": seed.with_.others,
                "jammed": list(seed.jammed),
                "without_delay_s": seed.without.others_delay_s,
                "with_delay_s": seed.with_.others_delay_s,
            }
            for seed in bench.seeds
        ],
        "recoveries": [
            {"seed": seed.seed, **asdict(each)}
            for seed in bench.seeds
            for each in seed.with_.recoveries
        ],
    }


def _ride(pair: Pair) -> dict[str, Any]:
    trip = pair.with_.trip
    return {
        "seed": pair.seed,
        "vehicle": trip.name,
        "depart_s": trip.depart_s,
        "route": list(trip.route),
        "alone": _of(pair.free),
        "without": _of(pair.without),
        "with": _of(pair.with_),
    }


def _of(ride: EmergencyRide) -> dict[str, Any]:
    return {"travel_s": ride.travel_s, "stops": ride.stops, "junctions": len(ride.lines)}
