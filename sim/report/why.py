"""Why the signals did what they did: what decided, junction by junction, and a few examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sim.decisions import DecisionNote
from sim.report import formatting
from sim.report.aggregate import Detail
from sim.report.streets import Streets

EXAMPLES = 3
"""Decisions that are shown of each junction, the rarest reasons first."""


@dataclass(frozen=True, slots=True)
class JunctionReasons:
    """The decisions of one junction; ``shares`` follow the columns of the table."""

    number: int | None
    junction: str
    changes: float
    """Per run."""
    shares: Sequence[float]
    examples: Sequence[tuple[str, str]]
    """(time of day, why)."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """What decided (the columns) and every junction (the rows)."""

    limits: Sequence[str]
    junctions: Sequence[JunctionReasons]


def reasons(streets: Streets, detail: Detail | None) -> Reasons | None:
    """The reasons of a control; None if it gave none."""
    if detail is None or not detail.decisions:
        return None
    counts = Counter(note.limit for note in detail.decisions)
    limits = [limit for limit, _ in counts.most_common()]
    by_junction: dict[str, list[DecisionNote]] = {}
    for note in detail.decisions:
        by_junction.setdefault(note.junction, []).append(note)
    rows = [
        _junction(streets, name, notes, limits, len(detail.seeds))
        for name, notes in by_junction.items()
    ]
    return Reasons(limits, sorted(rows, key=lambda row: (row.number or 0, row.junction)))


def _junction(
    streets: Streets, name: str, notes: Sequence[DecisionNote], limits: Sequence[str], runs: int
) -> JunctionReasons:
    counts = Counter(note.limit for note in notes)
    return JunctionReasons(
        streets.number(name),
        name,
        len(notes) / runs,
        [counts[limit] / len(notes) for limit in limits],
        [(formatting.clock(note.time_s), note.why) for note in _examples(notes, counts)],
    )


def _examples(notes: Sequence[DecisionNote], counts: Counter[str]) -> list[DecisionNote]:
    """Of each limit one from the middle of the run, then the longest stories."""
    middle = notes[len(notes) // 2].time_s
    chosen: list[DecisionNote] = []
    for limit, _ in reversed(counts.most_common()):
        of_limit = [note for note in notes if note.limit == limit]
        chosen.append(min(of_limit, key=lambda note: abs(note.time_s - middle)))
    rest = sorted((n for n in notes if n not in chosen), key=lambda note: -len(note.why))
    return sorted([*chosen, *rest][:EXAMPLES], key=lambda note: note.time_s)
