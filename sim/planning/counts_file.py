"""Counts in CSV files: our own format, and any other by the names of its columns.

Our own, one row for each detector and interval::

    time,site,detector,interval_s,count,occupancy_percent
    2026-03-02T07:00:00,market,stop line market_n-market.pocket_1,300,23,11.5

``time`` is when the interval begins: ISO, ``02.03.2026 07:00``, or seconds. ``site``,
``interval_s`` and ``occupancy_percent`` may be missing. Without a column for the detector every
further column is one (the wide form). Rows that can't be right are left out, counted and named
with the first line that they stand in; the rest is an answer still.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from math import isfinite, nan
from pathlib import Path

import numpy as np

from sim.errors import CountsError
from sim.planning.count_places import CountPlaces
from sim.planning.counts import EPOCH, Counts

COLUMNS = ("time", "site", "detector", "interval_s", "count", "occupancy_percent")
MOST_VEH_PER_S = 1.0
"""No lane lets more vehicles pass."""
_NOT_COUNTED = {"", "*", "-", "na", "n/a", "null", "none"}
_EPOCH = datetime(EPOCH.year, EPOCH.month, EPOCH.day)
_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    time_s: float
    dated: bool
    detector: str
    vehicles: float
    occupancy: float
    interval_s: float | None


@dataclass(slots=True)
class _Faults:
    """What is left out, by kind: in how many rows, in which line first, and which names."""

    source: str
    rows: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)
    names: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, kind: str, line: int, name: str = "") -> None:
        self.rows[kind] += 1
        self.first_line.setdefault(kind, line)
        if name:
            self.names[kind].setdefault(name)

    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentence(kind, rows) for kind, rows in self.rows.items())

    def _sentence(self, kind: str, rows: int) -> str:
        names = list(self.names[kind])
        told = ""
        if names:
            more = f" and {len(names) - _NAMED_MAX} others" if len(names) > _NAMED_MAX else ""
            told = f" ({', '.join(names[:_NAMED_MAX])}{more})"
        what = "value" if rows == 1 else "values"
        return (
            f"{self.source}:{self.first_line[kind]}: {rows} {what} left out: {kind}{told}"
            f"{', here first' if rows > 1 else ''}"
        )


def read_counts(
    path: Path, places: CountPlaces, columns: Mapping[str, str] | None = None
) -> Counts:
    """The counts in the file *path* of detectors that *places* knows.

    *columns*: our name of a column to the name that it has there. Raises :class:`CountsError` when
    nothing can be used, and :class:`OSError` when the file can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CountsError(f"{path}: this is not a text file in UTF-8") from None
    return parse_counts(text, places, columns, str(path))


def parse_counts(
    text: str,
    places: CountPlaces,
    columns: Mapping[str, str] | None = None,
    source: str = "counts",
) -> Counts:
    """The counts in *text*; see :func:`read_counts`."""
    faults = _Faults(source)
    table = _Table(text, dict(columns or {}), source, faults)
    rows = list(table.rows(places))
    if not rows:
        raise CountsError(_nothing_left(faults, places, source))
    interval_s = _interval_s(rows, source)
    kept = _on_the_grid(_without_doubles(rows, faults), interval_s, faults)
    return _assembled(kept, interval_s, source, faults)


def _nothing_left(faults: _Faults, places: CountPlaces, source: str) -> str:
    reasons = "; ".join(faults.sentences()) or "it has no rows"
    example = next((f"{site} / {name}" if site else name for site, name in places.by_name), "")
    return (
        f"{source}: nothing in it can be used ({reasons}); detectors are called such as {example}"
    )


class _Table:
    """The cells of a file, whatever its columns are called."""

    def __init__(self, text: str, columns: dict[str, str], source: str, faults: _Faults) -> None:
        self._source, self._faults = source, faults
        lines = text.splitlines()
        head = lines[0] if lines else ""
        self._delimiter = max(";\t,", key=lambda each: (head.count(each), each == ","))
        self._reader = csv.reader(lines, delimiter=self._delimiter)
        self._header = [cell.strip() for cell in next(self._reader, [])]
        self._at = self._positions(columns)
        taken = set(self._at.values())
        self._wide = (
            {}
            if "detector" in self._at
            else {k: name for k, name in enumerate(self._header) if k not in taken and name}
        )

    def _positions(self, columns: dict[str, str]) -> dict[str, int]:
        for ours, theirs in columns.items():
            if ours not in COLUMNS:
                raise CountsError(f"there is no column {ours!r}: choose from {', '.join(COLUMNS)}")
            if theirs not in self._header:
                raise CountsError(
                    f"{self._source}:1: there is no column {theirs!r}, only "
                    f"{', '.join(self._header) or 'an empty line'}"
                )
        at = {
            name: self._header.index(columns.get(name, name))
            for name in COLUMNS
            if columns.get(name, name) in self._header
        }
        needed = ("time", "count") if "detector" in at else ("time",)
        missing = [name for name in needed if name not in at]
        if missing:
            raise CountsError(
                f"{self._source}:1: no column {' and no column '.join(missing)} in "
                f"{', '.join(self._header) or 'an empty line'}: say what it is called, such as "
                f"--counts-columns {missing[0]}=NAME"
            )
        return at

    def rows(self, places: CountPlaces) -> Iterator[_Row]:
        """Every value that makes sense by itself."""
        for found in self._reader:
            if not any(cell.strip() for cell in found):
                continue
            line = self._reader.line_num
            cells = [*found, *[""] * (len(self._header) - len(found))]
            when = _time(self._cell(cells, "time"))
            if when is None:
                self._faults.add("no time that can be read", line, self._cell(cells, "time"))
                continue
            for site, name, value in self._values(cells):
                row = self._row(cells, line, when, places, (site, name, value))
                if row is not None:
                    yield row

    def _cell(self, cells: Sequence[str], column: str) -> str:
        return cells[self._at[column]].strip() if column in self._at else ""

    def _values(self, cells: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        site = self._cell(cells, "site")
        if not self._wide:
            yield site, self._cell(cells, "detector"), self._cell(cells, "count")
            return
        for k, name in self._wide.items():
            yield site, name, cells[k].strip()

    def _row(
        self,
        cells: Sequence[str],
        line: int,
        when: tuple[float, bool],
        places: CountPlaces,
        value: tuple[str, str, str],
    ) -> _Row | None:
        site, name, text = value
        place = places.find(site, name)
        if place is None:
            self._faults.add("an unknown detector", line, f"{site} / {name}" if site else name)
            return None
        if text.lower() in _NOT_COUNTED:
            self._faults.add("not counted", line, place.id)
            return None
        vehicles = self._number(text)
        if not isfinite(vehicles):
            self._faults.add("a count that is no number", line, text)
            return None
        interval_s = self._number(self._cell(cells, "interval_s") or "nan")
        if vehicles < 0.0:
            self._faults.add("a negative count", line, place.id)
            return None
        if isfinite(interval_s) and vehicles > interval_s * MOST_VEH_PER_S:
            self._faults.add("more vehicles than a lane lets pass", line, place.id)
            return None
        share = self._number(self._cell(cells, "occupancy_percent") or "nan") / 100.0
        return _Row(
            line,
            *when,
            place.id,
            vehicles,
            share if 0.0 <= share <= 1.0 else nan,
            interval_s if isfinite(interval_s) and interval_s > 0.0 else None,
        )

    def _number(self, text: str) -> float:
        if self._delimiter == ";":
            text = text.replace(",", ".")
        try:
            return float(text)
        except ValueError:
            return nan


@lru_cache(maxsize=4096)
def _time(text: str) -> tuple[float, bool] | None:
    """Seconds, and whether they are those of a date; a zone is dropped, the clock is kept."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text), False
    european = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})[ T]+(\d.*)", text)
    if european:
        day, month, year, clock = european.groups()
        text = f"{year}-{month:>02}-{day:>02}T{clock:>05}"
    try:
        when = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
    return (when - _EPOCH).total_seconds(), True


def _interval_s(rows: Sequence[_Row], source: str) -> float:
    """What most rows say, or the most common step from one time to the next."""
    said = Counter(row.interval_s for row in rows if row.interval_s is not None)
    if said:
        return float(said.most_common(1)[0][0] or 0.0)
    times = sorted({row.time_s for row in rows})
    steps = Counter(round(b - a, 3) for a, b in pairwise(times))
    if not steps:
        raise CountsError(
            f"{source}: all rows are of one time, so the length of the interval is unknown: add a "
            "column interval_s"
        )
    return float(steps.most_common(1)[0][0])


def _without_doubles(rows: Sequence[_Row], faults: _Faults) -> list[_Row]:
    """Each interval of a detector once; where two rows disagree, neither is believed."""
    dated = Counter(row.dated for row in rows).most_common(1)[0][0]
    seen: dict[tuple[str, float], _Row] = {}
    contradicted: set[tuple[str, float]] = set()
    newest: dict[str, float] = {}
    for row in rows:
        if row.dated != dated:
            faults.add("a time of another kind than the others", row.line)
            continue
        key = (row.detector, row.time_s)
        if key in seen:
            kind = "a row that is there twice"
            if row.vehicles != seen[key].vehicles:
                kind = "two rows of one interval that disagree, both"
                contradicted.add(key)
            if newest[row.detector] > row.time_s:
                kind += " (the clock stepped back)"
            faults.add(kind, row.line, row.detector)
        else:
            seen[key] = row
        newest[row.detector] = row.time_s
    return [row for key, row in seen.items() if key not in contradicted]


def _on_the_grid(rows: Sequence[_Row], interval_s: float, faults: _Faults) -> list[_Row]:
    """Only rows that begin when most do and last as long; others are of a clock that stepped."""
    if not rows:
        return []
    phase = Counter(round(row.time_s % interval_s, 3) for row in rows).most_common(1)[0][0]
    kept = []
    for row in rows:
        if row.interval_s not in {None, interval_s}:
            faults.add(f"an interval other than {interval_s:g} s", row.line)
        elif abs(row.time_s % interval_s - phase) > 0.5:
            faults.add("a time between two intervals (the clock stepped)", row.line)
        elif row.vehicles > interval_s * MOST_VEH_PER_S:
            faults.add("more vehicles than a lane lets pass", row.line, row.detector)
        else:
            kept.append(row)
    return kept


def _assembled(rows: Sequence[_Row], interval_s: float, source: str, faults: _Faults) -> Counts:
    if not rows:
        raise CountsError(f"{source}: nothing in it can be used: {'; '.join(faults.sentences())}")
    times = sorted({row.time_s for row in rows})
    detectors = tuple(sorted({row.detector for row in rows}))
    row_of = {time_s: k for k, time_s in enumerate(times)}
    column_of = {name: k for k, name in enumerate(detectors)}
    vehicles = np.full((len(times), len(detectors)), nan)
    occupancy = np.full_like(vehicles, nan)
    for row in rows:
        vehicles[row_of[row.time_s], column_of[row.detector]] = row.vehicles
        occupancy[row_of[row.time_s], column_of[row.detector]] = row.occupancy
    counts = Counts(
        source=source,
        interval_s=interval_s,
        starts_s=np.asarray(times),
        detectors=detectors,
        vehicles=vehicles,
        occupancy=occupancy,
        is_dated=rows[0].dated,
        remarks=faults.sentences(),
    )
    gaps = tuple(_gaps(counts))
    return Counts(
        **{name: getattr(counts, name) for name in Counts.__slots__ if name != "remarks"},
        remarks=counts.remarks + gaps,
    )


def _gaps(counts: Counts) -> Iterator[str]:
    """In sentences: intervals of a day that nobody counted, and detectors that missed some."""
    for day in counts.days:
        times = counts.starts_s[counts.starts_s // 86_400.0 == day]
        lost = round((times[-1] - times[0]) / counts.interval_s) + 1 - len(times)
        if lost > 0:
            step = np.diff(times)
            after_s = times[int(np.argmax(step > counts.interval_s * 1.5))] % 86_400.0
            yield (
                f"{counts.source}: {lost} intervals of {counts.day_name(day)} are missing for all "
                f"detectors, the first after {_clock(after_s)}"
            )
    missing = np.isnan(counts.vehicles).sum(axis=0)
    some = [k for k in np.argsort(-missing) if missing[k]]
    if some:
        worst = some[0]
        yield (
            f"{counts.source}: {len(some)} of {len(counts.detectors)} detectors miss intervals, "
            f"most of all {counts.detectors[worst]} ({missing[worst]} of {len(counts.starts_s)})"
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02}:{int(seconds % 3600 // 60):02}"


def counts_csv(counts: Counts, sites: Mapping[str, tuple[str, str]]) -> str:
    """*counts* in our own format; *sites*: detector id to (site, name of the detector)."""
    lines = [",".join(COLUMNS)]
    for k, start_s in enumerate(counts.starts_s):
        when = _written_time(float(start_s), dated=counts.is_dated)
        for column, detector in enumerate(counts.detectors):
            vehicles = counts.vehicles[k, column]
            if not isfinite(vehicles):
                continue
            site, name = sites.get(detector, ("", detector))
            busy = counts.occupancy[k, column]
            percent = f"{100.0 * busy:.1f}" if isfinite(busy) else ""
            cells = (when, site, name, f"{counts.interval_s:g}", f"{vehicles:g}", percent)
            lines.append(",".join(_quoted(cell) for cell in cells))
    return "\n".join([*lines, ""])


def _written_time(start_s: float, *, dated: bool) -> str:
    if not dated:
        return f"{start_s:g}" if start_s < 1e5 else f"{start_s:.0f}"
    day, seconds = divmod(start_s, 86_400.0)
    when = datetime.fromordinal(EPOCH.toordinal() + int(day))
    return f"{when.date().isoformat()}T{_clock(seconds)}:{int(seconds % 60):02}"


def _quoted(cell: str) -> str:
    return f'"{cell}"' if set(cell) & {",", '"', "\n"} else cell
