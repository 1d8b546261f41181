"""The street map of corridors as a JSON file, one street and one turn to a line.

The keys are the fields of :class:`edge.corridors.streets.Street` and
:class:`~edge.corridors.streets.Turn`::

    {"schema": 1, "name": "city", "streets": [{"name": "a", …}], "turns": [{"from_street": "a", …}]}

Turns out of one street keep their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.intersection import Intersection
from controller.values_json import decode, encode, parse
from controller.violations import InvalidError, Violation
from edge.corridors.streets import Street, Streets, Turn
from optimizer.traffic.layout import layout_of

SCHEMA = 1
_WHAT = "street map"


@dataclass(frozen=True, slots=True, kw_only=True)
class _StreetsFile:
    name: str
    streets: tuple[Street, ...]
    turns: tuple[Turn, ...]


def to_json(streets: Streets) -> str:
    """*streets* as JSON text."""
    turns = (turn for each in streets.turns.values() for turn in each)
    return (
        f'{{"schema": {SCHEMA}, "name": {_line(streets.name)},\n'
        f'"streets": [\n{_lines(map(encode, streets.streets.values()))}\n],\n'
        f'"turns": [\n{_lines(map(encode, turns))}\n]}}\n'
    )


def _lines(rows: Iterable[object]) -> str:
    return ",\n".join(map(_line, rows))


def _line(row: object) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> Streets:
    """The map in *text*; raises :class:`InvalidError` naming every fault."""
    content = parse(text, _WHAT)
    schema = content.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        message = f"schema is {json.dumps(schema)}, this version reads {SCHEMA}"
        raise InvalidError(_WHAT, (Violation("schema", "file", message),))
    read = decode(_StreetsFile, content, _WHAT)
    faults = (*_street_faults(read.streets), *_turn_faults(read))
    if faults:
        raise InvalidError(_WHAT, faults)
    turns: dict[str, tuple[Turn, ...]] = {}
    for turn in read.turns:
        turns[turn.from_street] = (*turns.get(turn.from_street, ()), turn)
    return Streets(name=read.name, streets={each.name: each for each in read.streets}, turns=turns)


def _street_faults(streets: tuple[Street, ...]) -> Iterator[Violation]:
    known: set[str] = set()
    for k, each in enumerate(streets):
        where = f"streets[{k}]"
        if not each.name or each.name in known:
            message = f"the name {each.name!r} is empty, or there a second time"
            yield Violation("name", where, message)
        known.add(each.name)
        if each.length_m <= 0.0 or each.speed_m_per_s <= 0.0 or each.lanes < 1:
            message = "length_m and speed_m_per_s have to be above 0, and lanes at least 1"
            yield Violation("range", where, message)
        if len(each.shape) < 2 or any(len(point) != 2 for point in each.shape):
            message = "shape has to be a list of two points or more, each as [x, y]"
            yield Violation("shape", where, message)


def _turn_faults(read: _StreetsFile) -> Iterator[Violation]:
    streets = {each.name for each in read.streets}
    known: set[tuple[str, str]] = set()
    for k, turn in enumerate(read.turns):
        where = f"turns[{k}]"
        ends = turn.from_street, turn.to_street
        for missing in sorted({*ends} - streets):
            yield Violation("street", where, f"there is no street {missing!r}")
        if ends in known:
            yield Violation("twice", where, "the same turn is there already")
        known.add(ends)
        if turn.crossing_m < 0.0:
            yield Violation("range", where, "crossing_m is below 0")


def site_faults(streets: Streets, sites: Mapping[str, Intersection]) -> Iterator[str]:
    """In a sentence each, what the turns at signals need and *sites* do not have."""
    unknown: set[str] = set()
    for each in streets.turns.values():
        for turn in each:
            site = sites.get(turn.site)
            if site is not None:
                yield from _missing_at(turn, site)
            elif turn.site:
                unknown.add(turn.site)
    for name in sorted(unknown):
        yield f"it has signals at {name!r}, for which there is no [[site]]: add it"


def _missing_at(turn: Turn, site: Intersection) -> Iterator[str]:
    way = f"from {turn.from_street} to {turn.to_street}"
    for name in turn.groups:
        if name not in {group.name for group in site.groups}:
            yield f"{way}: there is no group {name!r} at {site.name}"
    for name in turn.stages:
        if name not in site.mask_of_stage:
            yield f"{way}: there is no stage {name!r} at {site.name}"
    lanes = len(layout_of(site).lanes)
    if any(not 0 <= lane < lanes for lane in turn.lanes):
        yield f"{way}: {site.name} has lanes 0 to {lanes - 1} only"


def lane_streets(streets: Streets, site: Intersection) -> dict[str, str]:
    """By lane of the estimate of *site*, the street at whose end it is."""
    names = [lane.name for lane in layout_of(site).lanes]
    return {
        names[lane]: turn.from_street
        for each in streets.turns.values()
        for turn in each
        if turn.site == site.name
        for lane in turn.lanes
    }
