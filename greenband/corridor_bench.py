"""What ``corridor bench`` and ``compare --corridor`` share: run it, hand over results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from greenband.bench import cores
from greenband.extras import require_report, require_sumo
from greenband.files import ensure_writable
from greenband.progress import watching
from greenband.selection import get_scenario, parse_seeds
from greenband.terminal import STANDARD_OUTPUT, print_json, say

VEHICLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """A corridor bench as the user asked for it; ``json_to`` is a file, ``-``, or None."""

    scenario: str
    seeds: str
    vehicles: int = VEHICLES
    gps_lost: bool = False
    crossing: bool = False
    convention: str = "field"
    begin_s: float | None = None
    end_s: float | None = None
    routes: tuple[Path, ...] = ()
    workers: int | None = None
    json_to: str | None = None
    report: Path | None = None


def carry_out_bench(request: BenchRequest) -> None:
    """Run it, print the tables, and write what *request* asks for."""
    require_sumo()
    from sim.convention import convention
    from sim.corridors.bench import bench

    seeds = parse_seeds(request.seeds)
    rules = convention(request.convention)
    if request.report is not None:
        require_report()
    for path in (request.report, request.json_to):
        if path is not None and path != STANDARD_OUTPUT:
            ensure_writable(Path(path))
    scenario = get_scenario(
        request.scenario, begin_s=request.begin_s, end_s=request.end_s, routes=request.routes
    )
    with watching(3 * len(seeds)) as on_progress:
        measured = bench(
            scenario,
            seeds,
            request.vehicles,
            rules,
            gps_lost=request.gps_lost,
            crossing=request.crossing,
            workers=request.workers or cores(),
            on_progress=on_progress,
        )
    if request.json_to != STANDARD_OUTPUT:
        from greenband.corridor_table import print_bench

        print_bench(measured)
    if request.json_to is not None:
        from greenband.corridor_json import bench_document

        print_json(bench_document(measured), request.json_to)
    if request.report is not None:
        from sim.corridors.page import write_page

        write_page(measured, request.report)
        say(f"report: {request.report}")
