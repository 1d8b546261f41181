"""UTDF, the combined CSV file that Synchro, Vistro, Aimsun and Visum exchange, as plain values.

A file is a row of sections: ``[Name]``, a title, a header, records, a blank line. Rows may be
padded with commas. A number may be written ``*12`` (somebody has overridden it), ``*`` alone means
that there is none. A later ``[Timeplans]``, after ``[Phases]``, has the last word on offsets: on
import the start times in ``[Phases]`` would otherwise change them.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sim.errors import PlanFileError

FEET_M = 0.3048
MPH_M_PER_S = 0.44704
KMH_M_PER_S = 1 / 3.6
SIGNAL, EXTERNAL = 0, 1
"""Types of nodes."""
_NEEDED = {
    "Network": "units and defaults",
    "Nodes": "the intersections",
    "Lanes": "the lane groups and their phases",
    "Timeplans": "cycle and offset",
    "Phases": "splits and the order of phases",
}


class Cell(NamedTuple):
    """One value as it stands in the file, and in which line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class UtdfNode:
    """One node; x and y in metres, *description* is free text."""

    id: int
    type: int
    x_m: float
    y_m: float
    description: str
    line: int


Records = Mapping[str, Mapping[str, Cell]]
"""By record name, the values by column."""


@dataclass(frozen=True, slots=True)
class Utdf:
    """The content of one file; names of records are in lower case, columns as in the header.

    ``links``, ``lanes`` and ``phases`` are by node; columns of ``timeplans`` are just ``DATA``.
    """

    source: str
    metric: bool
    settings: Mapping[str, Cell]
    nodes: Mapping[int, UtdfNode]
    links: Mapping[int, Records]
    lanes: Mapping[int, Records]
    timeplans: Mapping[int, Records]
    phases: Mapping[int, Records]
    own: Mapping[int, Records]
    """Our own section, which other programs skip; node 0 is the network."""

    @property
    def unit_m(self) -> float:
        """Metres in one of the file's units of length."""
        return 1.0 if self.metric else FEET_M

    @property
    def unit_m_per_s(self) -> float:
        """Metres per second in one of the file's units of speed."""
        return KMH_M_PER_S if self.metric else MPH_M_PER_S

    def signals(self) -> tuple[UtdfNode, ...]:
        """The nodes with a signal of their own, in file order."""
        return tuple(
            node
            for node in self.nodes.values()
            if node.type == SIGNAL and node.id in self.timeplans and node.id in self.phases
        )

    def number(self, where: str, cell: Cell | None) -> float | None:
        """The number in *cell* (overridden or not), None where there is none.

        Raises :class:`PlanFileError` with *where* and the line for anything else.
        """
        text = "" if cell is None else cell.text.strip().removeprefix("*").strip()
        if cell is None or not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.fault(cell.line, f"{where}: {cell.text!r} is not a number, correct it")
        return value

    def needed(self, where: str, cell: Cell | None, node: UtdfNode) -> float:
        """The number in *cell*; raises :class:`PlanFileError` where there is none."""
        value = self.number(where, cell)
        if value is None:
            line = node.line if cell is None else cell.line
            has = "is missing" if cell is None else f"is {cell.text!r}"
            raise self.fault(
                line, f"{where} {has}, and nothing else in the file says it: give it a number"
            )
        return value

    def fault(self, line: int, message: str) -> PlanFileError:
        """The error that *message* is, at *line*."""
        return PlanFileError(f"{self.source}, line {line}: {message}")


@dataclass(slots=True)
class _Section:
    """One section as it stands in the file; those of one name are put together."""

    line: int
    header: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def read_utdf(path: Path) -> Utdf:
    """Read the combined file at *path*; raises :class:`PlanFileError` and :class:`OSError`."""
    return parse_utdf(read_utdf_text(path), str(path))


def read_utdf_text(path: Path) -> str:
    """The text of the file at *path*; raises :class:`OSError`."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")  # as Synchro writes names on Windows


def parse_utdf(text: str, source: str = "UTDF") -> Utdf:
    """What *text* says; raises :class:`PlanFileError` naming the line and what to do."""
    sections = _sections(text, source)
    if not sections:
        raise PlanFileError(
            f"{source}: not a UTDF combined file (it has no [Network] section); export the "
            "combined CSV of UTDF version 8"
        )
    for name, what in _NEEDED.items():
        if name not in sections:
            last = max(section.line for section in sections.values())
            raise PlanFileError(
                f"{source}: there is no [{name}] section with {what} (the last one begins in line "
                f"{last}): export the file with all sections"
            )
    settings = {
        row.get("RECORDNAME", "").strip().lower(): Cell(row.get("DATA", ""), line)
        for line, row in sections["Network"].rows
    }
    metric = _is_metric(settings, source)
    unit_m = 1.0 if metric else FEET_M
    empty = _Section(0)
    return Utdf(
        source=source,
        metric=metric,
        settings=settings,
        nodes={node.id: node for node in _nodes(sections["Nodes"], unit_m, source)},
        links=_records(sections.get("Links", empty), source),
        lanes=_records(sections["Lanes"], source),
        timeplans=_records(sections["Timeplans"], source),
        phases=_records(sections["Phases"], source),
        own=_records(sections.get("Greenband", empty), source),
    )


def _sections(text: str, source: str) -> dict[str, _Section]:
    found: dict[str, _Section] = {}
    current: _Section | None = None
    awaits_header = False
    reader = csv.reader(text.splitlines(keepends=True))
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            first = cells[0]
            if first.startswith("[") and first.endswith("]"):
                current = found.setdefault(first[1:-1].strip().title(), _Section(reader.line_num))
                awaits_header = True
            elif current is not None and awaits_header:
                # The title stands before the header, which alone names columns.
                if any(cell.upper() in {"RECORDNAME", "INTID"} for cell in cells):
                    current.header = [cell.strip() for cell in cells]
                    awaits_header = False
            elif current is not None:
                current.rows.append(
                    (reader.line_num, dict(zip(current.header, cells, strict=False)))
                )
    except csv.Error as error:
        raise PlanFileError(
            f"{source}, line {reader.line_num}: not readable CSV ({error})"
        ) from None
    for name, section in found.items():
        if not section.header:
            raise PlanFileError(
                f"{source}, line {section.line}: section [{name}] has no header row (RECORDNAME or "
                "INTID): the file is cut off or damaged, export it again"
            )
    return found


def _is_metric(settings: Mapping[str, Cell], source: str) -> bool:
    cell = settings.get("metric")
    value = "" if cell is None else cell.text.strip().removeprefix("*")
    if value not in {"0", "1"}:
        place = "" if cell is None else f", line {cell.line}"
        raise PlanFileError(
            f"{source}{place}: Metric in [Network] is {value or 'missing'}, so lengths and speeds "
            "have no unit: write Metric,0 for feet and mph or Metric,1 for metres and km/h"
        )
    return value == "1"


def _nodes(section: _Section, unit_m: float, source: str) -> Iterator[UtdfNode]:
    for line, row in section.rows:
        yield UtdfNode(
            id=_whole(row.get("INTID", ""), "INTID", line, source),
            type=_whole(row.get("TYPE", "") or "0", "TYPE", line, source),
            x_m=_coordinate(row, "X", line, source) * unit_m,
            y_m=_coordinate(row, "Y", line, source) * unit_m,
            description=row.get("DESCRIPTION", ""),
            line=line,
        )


def _whole(text: str, what: str, line: int, source: str) -> int:
    digits = text.removeprefix("*").strip()
    if not digits.isdecimal():
        raise PlanFileError(
            f"{source}, line {line}: {what} {text!r} is not a whole number, correct it"
        )
    return int(digits)


def _coordinate(row: Mapping[str, str], what: str, line: int, source: str) -> float:
    try:
        value = float(row.get(what, "").removeprefix("*") or "0")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PlanFileError(
            f"{source}, line {line}: {what} {row.get(what)!r} of a node is not a number, correct it"
        )
    return value


def _records(section: _Section, source: str) -> dict[int, dict[str, dict[str, Cell]]]:
    found: dict[int, dict[str, dict[str, Cell]]] = defaultdict(dict)
    for line, row in section.rows:
        node = _whole(row.get("INTID", ""), "INTID", line, source)
        name = row.get("RECORDNAME", "").lower()
        found[node].setdefault(name, {}).update(
            {
                column: Cell(text, line)
                for column, text in row.items()
                if column not in {"RECORDNAME", "INTID"} and column
            }
        )
    return dict(found)
