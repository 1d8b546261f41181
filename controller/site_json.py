"""An intersection as a JSON file, so that a plan can be checked where there is no network at hand.

The keys are the fields of :class:`controller.intersection.Intersection`, but for the matrices,
which are written by name::

    "intergreen_ms": {"A": {"B": 5000}, "B": {"A": 6000}},
    "yields_to": {"C": ["A"]}

A pair of groups conflicts exactly when it has an intergreen, so conflicts are not written twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from controller.intersection import (
    Detector,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
    bits,
)
from controller.values_json import decode, encode, parse
from controller.violations import InvalidError, Violation

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _SiteFile:
    """The part of a site file that needs no names resolved."""

    name: str
    groups: tuple[SignalGroup, ...]
    stages: tuple[Stage, ...]
    detectors: tuple[Detector, ...] = ()
    movements: tuple[Movement, ...] = ()
    startup_flash_ms: int = 5_000
    startup_red_ms: int = 3_000
    passage_ms: int = 3_000


def to_json(site: Intersection) -> str:
    """*site* as JSON text, ending in a newline."""
    return json.dumps(document(site), indent=2, ensure_ascii=False) + "\n"


def document(site: Intersection) -> dict[str, object]:
    """*site* as the data of its file."""
    names = [group.name for group in site.groups]
    content: dict[str, object] = {"schema": SCHEMA, "name": site.name}
    content["groups"] = [encode(group) for group in site.groups]
    content["intergreen_ms"] = {
        names[i]: {names[j]: site.intergreen_ms[i][j] for j in bits(row)}
        for i, row in enumerate(site.conflicts)
        if row
    }
    content["yields_to"] = {
        names[i]: [names[j] for j in bits(row)] for i, row in enumerate(site.yields_to) if row
    }
    for field in ("stages", "detectors", "movements"):
        content[field] = [encode(each) for each in getattr(site, field)]
    for field in ("startup_flash_ms", "startup_red_ms", "passage_ms"):
        content[field] = getattr(site, field)
    return content


def from_json(text: str) -> Intersection:
    """The site in *text*; raises :class:`InvalidError` naming every fault."""
    content = parse(text, "site file")
    schema = content.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        message = f"schema is {json.dumps(schema)}, this version reads {SCHEMA}"
        raise InvalidError("site file", (Violation("schema", "file", message),))
    intergreens = content.pop("intergreen_ms", None)
    yields_to = content.pop("yields_to", {})
    read = decode(_SiteFile, content, "site file")
    index = {group.name: i for i, group in enumerate(read.groups)}
    matrix = _matrix(intergreens, index)
    return Intersection(
        **{name: getattr(read, name) for name in _SiteFile.__slots__},
        conflicts=_conflicts(intergreens, index),
        intergreen_ms=matrix,
        yields_to=_yield_masks(yields_to, index),
    )


def _matrix(rows: Any, index: dict[str, int]) -> tuple[tuple[int, ...], ...]:  # noqa: ANN401 - JSON
    matrix = [[0] * len(index) for _ in index]
    for ends, row in _named(rows, index, "intergreen_ms"):
        for starts, value in _named(row, index, f"intergreen_ms.{ends}"):
            if type(value) is not int:
                where = f"intergreen_ms.{ends}.{starts}"
                message = f"{json.dumps(value)} is not a whole number"
                raise InvalidError("site file", (Violation("type", where, message),))
            matrix[index[ends]][index[starts]] = value
    return tuple(tuple(row) for row in matrix)


def _conflicts(rows: dict[str, dict[str, int]], index: dict[str, int]) -> tuple[int, ...]:
    masks = [0] * len(index)
    for ends, row in rows.items():
        for starts in row:
            masks[index[ends]] |= 1 << index[starts]
    return tuple(masks)


def _yield_masks(rows: Any, index: dict[str, int]) -> tuple[int, ...]:  # noqa: ANN401 - JSON
    masks = [0] * len(index)
    for yields, names in _named(rows, index, "yields_to"):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            message = f"{json.dumps(names)} is not a list of group names"
            raise InvalidError("site file", (Violation("type", f"yields_to.{yields}", message),))
        for name, _ in _named(dict.fromkeys(names), index, f"yields_to.{yields}"):
            masks[index[yields]] |= 1 << index[name]
    return tuple(masks)


def _named(rows: Any, index: dict[str, int], where: str) -> list[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """The entries of the object at *where*, whose keys must be names of groups."""
    if not isinstance(rows, dict):
        message = f"{json.dumps(rows)} is not an object with names of groups"
        raise InvalidError("site file", (Violation("type", where, message),))
    unknown = [name for name in rows if name not in index]
    if unknown:
        message = f"no group is called {', '.join(unknown)}"
        raise InvalidError("site file", (Violation("groups", where, message),))
    return list(rows.items())
