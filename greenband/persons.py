"""Persons in a plan: how many sit in the vehicles and how many walk, as the user says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError

if TYPE_CHECKING:
    from optimizer.planning.network import PlanningNetwork

PERSONS_MAX = 500.0
OCCUPANCY = Annotated[
    str | None,
    typer.Option(
        help="Persons in a vehicle, by its class in SUMO; what a vehicle's personNumber says goes "
        "before. Without both, one.",
        metavar="bus=20,passenger=1.3",
    ),
]
WALKERS = Annotated[
    float | None,
    typer.Option(
        help="People an hour at every crossing of which nothing is known.", metavar="PERSONS_PER_H"
    ),
]


def parse_occupancy(text: str | None) -> dict[str, float]:
    """``"bus=20,passenger=1.3"`` as a dictionary; raises :class:`UsageError`."""
    found: dict[str, float] = {}
    for part in (text or "").split(","):
        kind, _, number = part.partition("=")
        if not part.strip():
            continue
        try:
            persons = float(number)
        except ValueError:
            persons = 0.0
        if not kind.strip() or not 1.0 <= persons <= PERSONS_MAX:
            raise UsageError(
                f"--occupancy {text}: give pairs such as bus=20,passenger=1.3, each of at least "
                "one person: somebody drives"
            )
        found[kind.strip()] = persons
    return found


def crossings_used(count: int) -> str:
    """What to add to a line about the demand; nothing where nobody is known to walk."""
    return f", {count} crossing{'' if count == 1 else 's'} with people on foot" if count else ""


def with_walkers(planning: PlanningNetwork, persons_per_h: float | None) -> PlanningNetwork:
    """*planning* with so many people on foot at every crossing of which nothing is known."""
    from optimizer.planning.network import people_on_foot

    if persons_per_h is None:
        return planning
    if not 0.0 <= persons_per_h < float("inf"):
        raise UsageError(f"--walkers {persons_per_h:g}: give a number of 0 or more")
    known = {(each.site, each.groups[0]) for each in planning.streams if each.is_pedestrian}
    assumed = tuple(
        people_on_foot(at, planned.site, position, persons_per_h)
        for at, planned in enumerate(planning.sites)
        for position, group in enumerate(planned.site.groups)
        if group.is_pedestrian and (at, group.name) not in known
    )
    return replace(planning, streams=(*planning.streams, *assumed))
