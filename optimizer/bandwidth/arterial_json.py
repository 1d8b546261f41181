"""An arterial as data of a JSON file; the published schema is ``arterial.schema.json``.

Every key but ``distance_m``, ``red_outbound``, ``cycle_range_s`` and ``speed_range_kmh`` may be
left out or null. Lists may be replaced by one number where that holds everywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from controller.violations import InvalidError, Violation
from optimizer.bandwidth.arterial import Arterial

REQUIRED = ("distance_m", "red_outbound", "cycle_range_s", "speed_range_kmh")
REMARKS = frozenset(
    {"id", "name", "n", "kind", "source", "note", "notes", "order", "reference", "status", "proof"}
)
"""Keys that describe a file and are not looked at, but for ``id``, ``name`` and ``n``."""
BY_SIGNAL = (
    "red_outbound",
    "red_inbound",
    "queue_clearance_outbound",
    "queue_clearance_inbound",
    "left_turn_outbound",
    "left_turn_inbound",
    "red_centre_shift",
)
VOLUMES = {
    "volume_outbound_veh_h": "volume_outbound_veh_per_h",
    "volume_inbound_veh_h": "volume_inbound_veh_per_h",
}
KEYS = frozenset(
    {
        "distance_m",
        "cycle_range_s",
        "speed_range_kmh",
        "max_slowness_change_s_per_m",
        "patterns",
        "k",
        "one_way",
        *BY_SIGNAL,
        *VOLUMES,
    }
)


def schema() -> dict[str, Any]:
    """The JSON Schema of an arterial file."""
    text = (files("optimizer.bandwidth") / "arterial.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def unknown_keys(data: dict[str, Any]) -> list[str]:
    """Keys of *data* that mean nothing here, and may be slips of the pen."""
    return sorted(set(data) - KEYS - REMARKS)


def arterial_from(data: object, where: str = "the arterial") -> Arterial:
    """The arterial in *data*; raises :class:`InvalidError` that names every fault."""
    if not isinstance(data, dict):
        raise InvalidError(
            where, (Violation("form", "file", "an arterial is an object with keys and values"),)
        )
    name = str(data.get("id") or data.get("name") or "")
    label = f"{where} ({name})" if name else where
    faults = list(_missing(data))
    given = {key: value for key, value in data.items() if value is not None}
    read: dict[str, Any] = {}
    if not faults:
        faults = list(_read(given, read))
    if faults:
        raise InvalidError(label, tuple(faults))
    return Arterial(**read, name=label if label != where else where)


def _missing(data: dict[str, Any]) -> Iterator[Violation]:
    for key in REQUIRED:
        if data.get(key) is None:
            yield Violation("missing", key, "this key is needed; greenband wave --schema says more")


def _read(data: dict[str, Any], read: dict[str, Any]) -> Iterator[Violation]:
    """Fill *read* with the fields of an arterial; yields what cannot be read."""
    distances, reds = data["distance_m"], data["red_outbound"]
    if not (isinstance(distances, list) and isinstance(reds, list)):
        yield Violation("form", "distance_m, red_outbound", "both must be lists")
        return
    links, signals = len(distances), len(reds)
    stated = data.get("n", signals)
    if stated != signals:
        yield Violation("length", "n", f"{stated!r}, but red_outbound has {signals} values")
    read["distance_m"] = yield from _numbers("distance_m", distances, links)
    for key in BY_SIGNAL:
        if key in data:
            read[key] = yield from _numbers(key, data[key], signals)
    read.setdefault("red_inbound", read["red_outbound"])
    for key, field in VOLUMES.items():
        if key in data:
            read[field] = yield from _numbers(key, data[key], links)
    if "max_slowness_change_s_per_m" in data:
        key = "max_slowness_change_s_per_m"
        read[key] = yield from _numbers(key, data[key], max(0, links - 1))
    read["cycle_range_s"] = yield from _range("cycle_range_s", data["cycle_range_s"])
    read["speed_range_kmh"] = yield from _speeds(data["speed_range_kmh"], links)
    read["patterns"] = yield from _patterns(data.get("patterns", []), signals)
    if "k" in data:
        (read["k"],) = yield from _numbers("k", data["k"], 1)
    one_way = data.get("one_way", False)
    if not isinstance(one_way, bool):
        yield Violation("form", "one_way", f"{one_way!r} must be true or false")
    read["one_way"] = one_way is True


Reading = Iterator[Violation]


def _numbers(key: str, value: object, count: int) -> Any:  # noqa: ANN401 - a generator's answer
    """Numbers, one for all or a list; yields faults and returns a tuple."""
    values: list[Any] = value if isinstance(value, list) else [value] * count
    for i, each in enumerate(values):
        if isinstance(each, bool) or not isinstance(each, int | float) or math.isnan(each):
            yield Violation("form", f"{key}[{i}]", f"{json.dumps(each)} is not a number")
            return (0.0,) * count
    return tuple(float(each) for each in values)


def _range(key: str, value: object) -> Any:  # noqa: ANN401 - a generator's answer
    """Two numbers, or one for both."""
    numbers = yield from _numbers(key, value, 2)
    if len(numbers) != 2:
        yield Violation("form", key, f"{json.dumps(value)} must be [lowest, highest] or one number")
        return (1.0, 1.0)
    return numbers


def _speeds(value: object, links: int) -> Any:  # noqa: ANN401 - a generator's answer
    """A range for all links, or one for each."""
    if isinstance(value, list) and any(isinstance(each, list) for each in value):
        ranges = []
        for i, each in enumerate(value):
            ranges.append((yield from _range(f"speed_range_kmh[{i}]", each)))
        return tuple(ranges)
    pair = yield from _range("speed_range_kmh", value)
    return (pair,) * links


def _patterns(value: object, signals: int) -> Any:  # noqa: ANN401 - a generator's answer
    """Patterns for each signal, or one list for all; an empty list is none to choose."""
    if not isinstance(value, list):
        yield Violation("form", "patterns", "this must be a list of lists of 1..4")
        return ()
    if not value:
        return ()
    nested = any(isinstance(each, list) or each is None for each in value)
    rows = value if nested else [value] * signals
    patterns = []
    for i, row in enumerate(rows):
        listed = row if isinstance(row, list) else [] if row is None else [row]
        if not all(type(each) is int for each in listed):
            yield Violation("form", f"patterns[{i}]", f"{json.dumps(row)} must be a list of 1..4")
            return ()
        patterns.append(tuple(sorted(set(listed))))
    return tuple(patterns)
