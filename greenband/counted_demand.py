"""Counts on the command line: the options that name them, and the demand that they amount to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError
from greenband.selection import get_network
from greenband.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.planning.network import PlanningNetwork
    from sim.network import Network
    from sim.planning.count_places import CountPlaces
    from sim.planning.counts import Counts
    from sim.planning.turning import TurningEstimate
    from sim.plans.utdf import Utdf

COUNTS = Annotated[
    Path | None,
    typer.Option(help="Plan for these counts, not for routes.", metavar="FILE.csv"),
]
COUNTS_COLUMNS = Annotated[
    str | None,
    typer.Option(
        help="What the columns of the counts are called.",
        metavar="time=NAME,detector=NAME,count=NAME",
    ),
]
DETECTORS = Annotated[
    Path | None,
    typer.Option(
        help="Where the counting detectors lie, if they are not our loops: a SUMO file of "
        "inductionLoop.",
        metavar="FILE.add.xml",
    ),
]
NET = Annotated[
    str | None,
    typer.Option(help="The network or scenario, if the file named first is counts.", metavar="NET"),
]
_REMARKS_MAX = 12


def parse_columns(text: str | None) -> dict[str, str]:
    """``"time=Zeit,count=q"`` as a dictionary; raises :class:`UsageError`."""
    columns: dict[str, str] = {}
    for part in (text or "").split(","):
        ours, equals, theirs = part.partition("=")
        if part and not (equals and ours.strip() and theirs.strip()):
            raise UsageError(
                f"--counts-columns {text}: give pairs such as time=Zeit,detector=Sensor,count=q"
            )
        if part:
            columns[ours.strip()] = theirs.strip()
    return columns


def load_counts(
    spec: str, counts: Path, columns: str | None, detectors: Path | None, convention: str
) -> tuple[Network, Counts, CountPlaces]:
    """The network *spec*, the counts in the file *counts*, and where its detectors lie."""
    from sim.planning.count_places import own_places, places_in_file
    from sim.planning.counts_file import read_counts

    named = parse_columns(columns)
    network = get_network(spec, convention)
    places = own_places(network) if detectors is None else places_in_file(detectors, network)
    read = read_counts(counts, places, named)
    remark(read.remarks)
    return network, read, places


def planning_from_counts(
    spec: str,
    counts: Path,
    given: tuple[str | None, Path | None, str],
    window: tuple[float | None, float | None],
    scale: float,
) -> PlanningNetwork:
    """What is planned for; *given*: columns, detectors, convention; *window*: begin, end."""
    from sim.errors import CountsError
    from sim.planning.from_net import planning_network
    from sim.planning.turning import estimated_turns

    network, read, places = load_counts(spec, counts, *given)
    chosen = read.within(*window)
    if not len(chosen.starts_s):
        first, last = read.starts_s[0], read.starts_s[-1] + read.interval_s
        raise CountsError(
            f"{counts}: there are no counts between --begin and --end, only from {first:g} to "
            f"{last:g} s"
            if not read.is_dated
            else f"{counts}: there are no counts between --begin and --end (seconds of the day)"
        )
    estimate = estimated_turns(network, chosen, places)
    remark(estimate.remarks)
    say(
        f"{counts}: {len(chosen.detectors)} detectors, {len(chosen.starts_s)} intervals of "
        f"{chosen.interval_s:g} s; {described(estimate)}"
    )
    return planning_network(network, estimate.demand.scaled(scale))


def described(estimate: TurningEstimate) -> str:
    """How many turns were estimated, and how well."""
    turns = estimate.demand.turns
    error = sum(estimate.deviation.get(turn, 0.0) for turn in turns) / max(sum(turns.values()), 1.0)
    return f"{len(turns)} turns estimated, ±{error:.0%} in the mean"


def utdf_with_counts(utdf: Utdf, counts: Path, begin_s: float | None, end_s: float | None) -> Utdf:
    """*utdf* with the mean volumes of the UTDF volume file *counts* between the times of day."""
    from dataclasses import replace

    from sim.errors import CountsError
    from sim.plans.utdf import Cell
    from sim.plans.utdf_counts import read_turning_counts, volumes_veh_per_h

    begin_min = 0 if begin_s is None else round(begin_s / 60.0)
    end_min = 24 * 60 if end_s is None else round(end_s / 60.0)
    volumes = volumes_veh_per_h(read_turning_counts(counts), begin_min, end_min)
    lanes = {}
    for node, rows in utdf.lanes.items():
        own = {column: Cell(f"{flow:g}", 0) for (at, column), flow in volumes.items() if at == node}
        lanes[node] = {**rows, "volume": {**rows.get("volume", {}), **own}}
    known = sum(1 for node, _ in volumes if node in utdf.lanes)
    if not known:
        raise CountsError(f"{counts}: it counts no node of the UTDF file in this time")
    say(f"{counts}: {known} movements counted")
    return replace(utdf, lanes=lanes)


def remark(sentences: Sequence[str]) -> None:
    """Say *sentences*, the first of them if there are many."""
    for sentence in sentences[:_REMARKS_MAX]:
        say(sentence)
    if len(sentences) > _REMARKS_MAX:
        say(f"… and {len(sentences) - _REMARKS_MAX} more remarks")
