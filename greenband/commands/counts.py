"""``greenband counts``: what the loops of a scenario count, as a CSV file to plan from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.extras import require_sumo
from greenband.failures import UsageError, guarded
from greenband.files import ensure_writable, write_text
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCALE, SCENARIO
from greenband.selection import derive_scenario_network, get_scenario
from greenband.terminal import print_json, say

if TYPE_CHECKING:
    from sim.network import Network
    from sim.planning.counts import Counts
    from sim.run import RunSpec

DAY_S = 86_400.0
DAYS_MAX = 31
FIRST_DAY = "2026-03-02"
"""A Monday."""


@guarded
def counts_command(
    scenario: SCENARIO,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the counts go.", metavar="FILE.csv")
    ] = Path("counts.csv"),
    interval: Annotated[
        int, typer.Option(help="Length of an interval, in seconds.", min=10, max=3600)
    ] = 300,
    control: Annotated[str, typer.Option(help="The control that the signals run.")] = "fixed",
    seed: Annotated[int, typer.Option(help="SUMO's random seed.", min=1)] = 1,
    days: Annotated[
        int,
        typer.Option(help="Days to record, midnight to midnight; 0: the scenario's window.", min=0),
    ] = 0,
    first_day: Annotated[
        str, typer.Option(help="With --days: the first one.", metavar="YYYY-MM-DD")
    ] = FIRST_DAY,
    profile: Annotated[
        Path | None,
        typer.Option(
            help="With --days: how much traffic there is when (CSV: days,time,factor,from).",
            metavar="FILE.csv",
        ),
    ] = None,
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    json_to: JSON_TO = None,
) -> None:
    """Run a scenario and write what its loops count, for greenband plan --counts.

    With --days the scenario's routes are drawn anew for every day, more or less of them by the hour
    and the day of the week; --begin and --end are then seconds of the day.
    """
    if days > DAYS_MAX:
        raise UsageError(f"--days {days}: give at most {DAYS_MAX}")
    if not days and profile is not None:
        raise UsageError("--profile goes with --days")
    first = _date(first_day)
    ensure_writable(output)
    require_sumo()
    from sim.convention import convention as named_convention
    from sim.planning.counts_file import counts_csv
    from sim.planning.counts_run import recorded_counts
    from sim.run import RunSpec

    window = {} if days else {"begin_s": begin, "end_s": end}
    loaded = get_scenario(scenario, routes=routes or [], **window)
    rules = named_convention(convention)
    network = derive_scenario_network(loaded, rules)
    spec = RunSpec(scenario=loaded, control=control, seed=seed, convention=rules, scale=scale)
    if days:
        clock = (begin or 0.0, DAY_S if end is None else end)
        counts = _days(spec, network, interval, (first, days, profile), clock)
    else:
        counts = recorded_counts(spec, network, interval)
    sites = {
        loop.id: (junction.id, junction.intersection.detectors[loop.detector].name)
        for junction in network.junctions
        for loop in junction.loops
    }
    write_text(output, counts_csv(counts, sites))
    say(
        f"counts: {output}, {len(counts.detectors)} detectors, {len(counts.starts_s)} intervals "
        f"of {interval} s"
    )
    if json_to is not None:
        print_json(_document(output, counts), json_to)


def _document(output: Path, counts: Counts) -> dict[str, object]:
    """What was written, and the mean flow of each detector."""
    flows = counts.flows_veh_per_h()
    return {
        "schema": 1,
        "file": str(output),
        "interval_s": counts.interval_s,
        "intervals": len(counts.starts_s),
        "days": [counts.day_name(day) for day in counts.days],
        "flow_veh_per_h": {
            name: round(float(flow), 1) for name, flow in zip(counts.detectors, flows, strict=True)
        },
    }


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--first-day {text}: give a day such as {FIRST_DAY}") from None


def _days(
    spec: RunSpec,
    network: Network,
    interval_s: float,
    wanted: tuple[date, int, Path | None],
    clock_s: tuple[float, float],
) -> Counts:
    from sim.planning.counts_run import joined_days

    begin_s, end_s = clock_s
    if not 0.0 <= begin_s < end_s <= DAY_S:
        raise UsageError(f"--begin {begin_s:g} --end {end_s:g}: give seconds of a day, 0 to 86400")
    return joined_days(list(_recorded(spec, network, interval_s, wanted, clock_s)))


def _recorded(
    spec: RunSpec,
    network: Network,
    interval_s: float,
    wanted: tuple[date, int, Path | None],
    clock_s: tuple[float, float],
) -> Iterator[tuple[int, Counts]]:
    """Every day by its number; each has a seed of its own."""
    from dataclasses import replace

    from sim.planning.counts import EPOCH, WEEKDAYS, weekday
    from sim.planning.counts_run import recorded_counts
    from sim.planning.day_demand import DayMaker, read_profile, town_profile

    first, days, profile = wanted
    factors = town_profile() if profile is None else read_profile(profile)
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        maker = DayMaker(spec.scenario, factors, Path(scratch))
        for k in range(days):
            day = (first - EPOCH).days + k
            seed = spec.seed + k
            made = maker.scenario(weekday(day), *clock_s, seed)
            yield day, recorded_counts(replace(spec, scenario=made, seed=seed), network, interval_s)
            say(f"{WEEKDAYS[weekday(day)]} {k + 1} of {days} recorded")
