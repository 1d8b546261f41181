"""Announcements of junctions to those of other edges, as JSON in one message a second.

Numbers are carried to the last bit (base64 of little-endian doubles), so that a junction decides
the same whether its neighbour is in the same process or in another town. The form follows the
fields of :class:`~optimizer.announcement.Announcement` by their types; what a newer edge adds is
passed over by an older one.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_type_hints

import numpy as np

from edge.messages import MessageError
from optimizer.announcement import SECONDS_MAX, Announcement, AnnouncementError
from optimizer.delay import Floats

SCHEMA = 1
PER_MESSAGE_MAX = 200
NUMBERS_MAX = 64 * SECONDS_MAX


def encode(announcements: Iterable[Announcement]) -> bytes:
    """One message for all of *announcements*."""
    content = {"schema": SCHEMA, "announcements": [_plain(each) for each in announcements]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def decode(payload: bytes) -> tuple[tuple[Announcement, ...], tuple[str, ...]]:
    """(those that can be read, what is wrong with each of the others).

    Values are not looked at: that is what :func:`optimizer.announcement.checked` is for. Raises
    :class:`~edge.messages.MessageError` if the message as a whole can't be read.
    """
    try:
        content = json.loads(payload)
        rows = content["announcements"] if content["schema"] == SCHEMA else None
    except (ValueError, TypeError, KeyError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) > PER_MESSAGE_MAX:
        raise MessageError("it is no message with announcements")
    read, faults = [], []
    for row in rows:
        try:
            read.append(_announcement(row))
        except AnnouncementError as error:
            faults.append(str(error))
    return tuple(read), tuple(faults)


def _plain(announcement: Announcement) -> dict[str, object]:
    return {name: _WAYS[kind][0](getattr(announcement, name)) for name, kind in _FIELDS.items()}


def _announcement(row: object) -> Announcement:
    if not isinstance(row, dict):
        raise AnnouncementError("an announcement that is no object")
    values = {}
    for name, kind in _FIELDS.items():
        if name in row:
            try:
                values[name] = _WAYS[kind][1](row[name])
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                site = str(row.get("site"))[:40]
                raise AnnouncementError(f"{site}: {name} can't be read") from None
    missing = sorted(_NEEDED - values.keys())
    if missing:
        raise AnnouncementError(f"an announcement without {', '.join(missing)}")
    return Announcement(**values)


def _array(value: Floats) -> dict[str, object]:
    numbers = np.ascontiguousarray(value, dtype="<f8")
    return {"shape": list(numbers.shape), "f8": base64.b64encode(numbers.tobytes()).decode()}


def _read_array(value: Mapping[str, Any]) -> Floats:
    shape = [int(each) for each in value["shape"]]
    numbers = np.frombuffer(base64.b64decode(value["f8"], validate=True), dtype="<f8")
    if numbers.size > NUMBERS_MAX:
        raise ValueError("too many numbers")
    return numbers.reshape(shape).astype(np.float64)


def _read_texts(value: list[object]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("not a list of texts")
    return tuple(str(each) for each in value)


def _same(value: Any) -> Any:  # noqa: ANN401 - its check is the optimizer's
    return value


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _read_whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value


_WAYS: dict[Any, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    str: (_same, _read_text),
    int: (_same, _read_whole),
    Floats: (_array, _read_array),
    tuple[str, ...]: (list, _read_texts),
}
"""For each type of a field: onto the wire, and from it."""
_FIELDS = get_type_hints(Announcement)
_NEEDED = {
    each.name
    for each in dataclasses.fields(Announcement)
    if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
}
_unknown = {name for name, kind in _FIELDS.items() if kind not in _WAYS}
if _unknown:
    raise TypeError(f"there is no way onto the wire for {', '.join(sorted(_unknown))}")
