"""Which settings of the adaptive control are best on scenarios that they were not chosen on.

Run from the top of the repository::

    python -m benchmarks.trials --try horizon_s=40,60,80 --try search.beam=2,4,8

Each value is tried alone against the defaults (``--grid``: every combination), on the scenarios
of RESCO and on generated cities, with seeds that nothing is measured with. Finished runs are kept,
keyed by the code and the settings; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.matrix import (
    INTERRUPTED,
    chosen_scenarios,
    interrupt,
    make,
    scales_of,
    seeds_of,
    to_stderr,
    write,
)
from benchmarks.record.code_version import code_of
from benchmarks.record.plan import Matrix
from benchmarks.record.store import Store
from benchmarks.towns.kinds import KINDS, build
from benchmarks.tuning.settings import DEFAULT, candidates, defaults, where
from benchmarks.tuning.tables import report
from sim.convention import convention
from sim.errors import BenchError
from sim.scenario import Scenario, load_scenario

MEASURING_SEEDS = range(1, 21)
"""Those of ``benchmarks/RESULTS.md``: who tunes on what is measured fools himself."""


def _parser() -> argparse.ArgumentParser:
    settings = ", ".join(f"{name} ({value})" for name, value in defaults().items())
    kinds = ", ".join(kind.name for kind in KINDS)
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog=f"Settings, with their defaults: {settings}. The eight networks alone, with "
        "3 seeds and one convention, take about 10 min for each candidate on two cores.",
    )
    add = parser.add_argument
    add("--try", action="append", required=True, dest="tries", metavar="NAME=VALUE,VALUE")
    add("--grid", action="store_true", help="every combination, not one setting at a time")
    add("--scenarios", default="all", help="names or paths with commas between, all or none")
    add("--cities", default="all", help=f"generated ones, all, none or some of {kinds}")
    add("--city-seeds", default="1", help="draw streets and trips")
    add("--folder", type=Path, default=Path("out/trials/cities"), help="where cities are kept")
    add("--seeds", default="101-103", help="such as 101-103; not 1-20, which measure")
    add("--conventions", default="field")
    add("--scales", default="1", help="factors of the demand, such as 0.5,1,2")
    add("--workers", type=int, default=2)
    add("--store", type=Path, default=Path("out/trials/runs"), help="where finished runs are kept")
    add("--budget", type=float, metavar="MINUTES", help="start no run after this long")
    add("--report", nargs="?", const="-", metavar="FILE", help="tables instead of runs")
    parser.set_defaults(retry=False)
    return parser


def development_seeds(text: str) -> tuple[int, ...]:
    """The seeds of *text*; raises :class:`BenchError` for those that are measured with."""
    seeds = seeds_of(text)
    taken = [seed for seed in seeds if seed in MEASURING_SEEDS]
    if taken:
        raise BenchError(
            f"seeds {', '.join(map(str, taken))} are for measuring: choose settings on others, "
            f"such as 101-103, not on {MEASURING_SEEDS[0]}-{MEASURING_SEEDS[-1]}"
        )
    return seeds


def cities(names: str, seeds: Sequence[int], folder: Path) -> list[Scenario]:
    """The generated cities called *names*, written into *folder* unless they are there already."""
    known = {kind.name: kind for kind in KINDS}
    wanted = {"all": list(known), "none": []}.get(names, names.split(","))
    for name in wanted:
        if name not in known:
            raise BenchError(
                f"unknown kind of city {name!r}: choose from all, none, {', '.join(known)}"
            )
    version = code_of(["benchmarks.towns.kinds"])[:8]
    found = []
    for name in dict.fromkeys(wanted):
        for seed in seeds:
            home = (folder / f"{name}-{seed}-{version}").resolve()
            config = home / f"{name}.sumocfg"  # the last file that is written
            if not config.exists():
                config = build(known[name], home, seed)
            found.append(replace(load_scenario(str(config)), name=f"{name}-{seed}"))
    return found


def _matrix(options: argparse.Namespace) -> Matrix:
    labels = (DEFAULT, *candidates(options.tries, grid=options.grid))
    if len(labels) == 1:
        raise BenchError("nothing to try: every value given is the default")
    seeds = development_seeds(options.seeds)
    named = [] if options.scenarios == "none" else options.scenarios.split(",")
    grown = cities(options.cities, seeds_of(options.city_seeds), options.folder)
    return Matrix(
        scenarios=[*chosen_scenarios(named), *grown],
        controls={label: where(label) for label in labels},
        seeds=seeds,
        conventions=[convention(name) for name in options.conventions.split(",")],
        scales=scales_of(options.scales),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs and the tables; returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    store = Store(options.store)
    try:
        matrix = _matrix(options)
        code = make(matrix, store, options) if options.report is None else 0
        write(report(matrix, store), options.report or "-")
    except BenchError as error:
        to_stderr(f"trials: {error}")
        return 1
    except KeyboardInterrupt:
        to_stderr("stopped: finished runs are kept, the same command goes on")
        return INTERRUPTED
    for path in store.unreadable:
        to_stderr(f"{path} could not be read and was not used")
    return code


if __name__ == "__main__":
    sys.exit(main())
