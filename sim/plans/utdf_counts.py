"""UTDF's volume file: turning movement counts by quarter of an hour or by hour.

::

    Turning Movement Count
    15 Minute Counts
    DATE,TIME,INTID,NBL,NBT,NBR,SBL,SBT,SBR,EBL,EBT,EBR,WBL,WBT,WBR
    10/11/2025,="0715",6,0,11,5,22,8,7,2,43,*,1,49,*

A time is ``715``, ``0715`` or ``="0715"``; ``*`` or nothing means not counted, which is not zero.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.errors import PlanFileError
from sim.plans.utdf import read_utdf_text

_FIXED = {"DATE", "TIME", "INTID"}


@dataclass(frozen=True, slots=True)
class TurningCount:
    """One row: vehicles by column (such as EBT) at a node; what was not counted is left out.

    ``minute`` is when the interval begins, in minutes after midnight.
    """

    date: str
    minute: int
    node: int
    interval_min: int
    vehicles: Mapping[str, float]


def read_turning_counts(path: Path) -> tuple[TurningCount, ...]:
    """The rows of the volume file at *path*; raises :class:`PlanFileError` and :class:`OSError`."""
    return parse_turning_counts(read_utdf_text(path), str(path))


def parse_turning_counts(text: str, source: str = "UTDF") -> tuple[TurningCount, ...]:
    """The rows of *text*; raises :class:`PlanFileError` naming the line and what to do."""
    rows = list(_rows(text))
    head = next((k for k, (_, row) in enumerate(rows) if "INTID" in row), None)
    interval = next(
        (int(found[1]) for _, row in rows if (found := re.match(r"(\d+) Minute Counts", row[0]))),
        None,
    )
    if head is None or not set(rows[head][1]) >= _FIXED or interval is None:
        raise PlanFileError(
            f"{source}: not a UTDF volume file: it needs a line such as '15 Minute Counts' and the "
            "header DATE,TIME,INTID,NBL,..."
        )
    header = rows[head][1]
    return tuple(_count(line, row, header, interval, source) for line, row in rows[head + 1 :])


def volumes_veh_per_h(
    counts: Iterable[TurningCount], begin_min: int = 0, end_min: int = 24 * 60
) -> dict[tuple[int, str], float]:
    """Mean flow by node and column over the intervals that begin from *begin_min* to *end_min*.

    Minutes after midnight, of all dates together. A movement that was never counted is left out.
    """
    vehicles: dict[tuple[int, str], float] = defaultdict(float)
    minutes: dict[tuple[int, str], int] = defaultdict(int)
    for count in counts:
        if begin_min <= count.minute < end_min:
            for column, number in count.vehicles.items():
                vehicles[count.node, column] += number
                minutes[count.node, column] += count.interval_min
    return {key: 60.0 * vehicles[key] / minutes[key] for key in vehicles}


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.splitlines(keepends=True))
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


def _count(
    line: int, row: Sequence[str], header: Sequence[str], interval: int, source: str
) -> TurningCount:
    values = dict(zip(header, row, strict=False))
    clock = values.get("TIME", "").removeprefix("=").strip('"').replace(":", "")
    node = values.get("INTID", "")
    if not clock.isdecimal() or not (int(clock) < 2400 and int(clock) % 100 < 60):
        raise PlanFileError(
            f"{source}, line {line}: TIME {values.get('TIME')!r} is no time of day such as 0715"
        )
    if not node.isdecimal():
        raise PlanFileError(f"{source}, line {line}: INTID {node!r} is not a whole number")
    vehicles = {}
    for column, text in values.items():
        if column in _FIXED or not column or text in {"", "*"}:
            continue
        number = text.removeprefix("*")
        if not re.fullmatch(r"\d+(\.\d+)?", number):
            raise PlanFileError(
                f"{source}, line {line}: {column} of node {node} is {text!r}: give a number of "
                "vehicles, or * where nobody counted"
            )
        vehicles[column] = float(number)
    return TurningCount(
        date=values.get("DATE", ""),
        minute=int(clock) // 100 * 60 + int(clock) % 100,
        node=int(node),
        interval_min=interval,
        vehicles=vehicles,
    )
