"""What is written into the topics: JSON objects with a ``schema`` that grows with their meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from controller.signals import Fault
from edge.outbox import OutMessage

SCHEMA = 1


class MessageError(ValueError):
    """A message that can't be read."""


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One numbered message of an edge, as the centre reads it."""

    edge: str
    boot: int
    seq: int
    after: tuple[int, int] | None
    """(boot, seq) of the one that was sent before it; None if all before it are confirmed."""
    kind: str
    utc_ms: int
    dropped: Mapping[str, int]
    """Messages by kind that never came, as the outbox was full."""
    body: Mapping[str, object]


_LOG_FIELDS = {
    "edge": str,
    "boot": int,
    "seq": int,
    "kind": str,
    "utc_ms": int,
    "dropped": dict,
    "body": dict,
}


def compact(content: Mapping[str, object]) -> bytes:
    """*content* as JSON without spaces."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def status(
    edge: str,
    utc_ms: int,
    cabinets: Mapping[str, Mapping[str, object]],
    alarms: Sequence[Fault],
    dropped: Mapping[str, int],
) -> bytes:
    """Message for ``status``: all *cabinets* by name, each with what the daemon knows of it."""
    return compact(
        {
            "schema": SCHEMA,
            "edge": edge,
            "utc_ms": utc_ms,
            "cabinets": cabinets,
            "alarms": {each.kind: each.message for each in alarms},
            "dropped": dropped,
        }
    )


def answer(edge: str, utc_ms: int, body: Mapping[str, object]) -> bytes:
    """Message for ``answers``: what became of a priority call."""
    return compact({"schema": SCHEMA, "edge": edge, "utc_ms": utc_ms, **body})


def log_message(
    edge: str,
    message: OutMessage,
    after: tuple[int, int] | None,
    dropped: Mapping[str, int],
) -> bytes:
    """Message for ``log``; the body is put in as it was stored."""
    head = compact(
        {
            "schema": SCHEMA,
            "edge": edge,
            "boot": message.boot,
            "seq": message.seq,
            "after": after,
            "kind": message.kind,
            "utc_ms": message.utc_ms,
            "dropped": dropped,
        }
    )
    return head[:-1] + b',"body":' + message.body + b"}"


def read_log_message(payload: bytes) -> LogMessage:
    """The other end of :func:`log_message`; raises :class:`MessageError`."""
    content = read_object(payload)
    for name, kind in _LOG_FIELDS.items():
        if type(content.get(name)) is not kind:
            raise MessageError(f"log message with {name} missing or of the wrong type")
    after = content.get("after")
    if after is not None and not _is_place(after):
        raise MessageError("log message with after of the wrong type")
    fields = {name: content[name] for name in _LOG_FIELDS}
    return LogMessage(**fields, after=None if after is None else (after[0], after[1]))


def _is_place(value: object) -> bool:
    return isinstance(value, list) and [type(each) for each in value] == [int, int]


def received(boot: int, seq: int) -> bytes:
    """Message for ``received``: all up to number *seq* of start *boot* is stored."""
    return compact({"schema": SCHEMA, "boot": boot, "seq": seq})


def read_received(payload: bytes) -> tuple[int, int]:
    """(boot, seq) of a confirmation; raises :class:`MessageError`."""
    content = read_object(payload)
    boot, seq = content.get("boot"), content.get("seq")
    if type(boot) is not int or type(seq) is not int:
        raise MessageError("confirmation without a number")
    return boot, seq


def _finite(text: str) -> float:
    """A number; NaN and infinity, which Python reads and JSON does not know, are none."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is no number")
    return number


def read_object(payload: bytes) -> dict[str, Any]:
    """The object of our schema in *payload*; raises :class:`MessageError`."""
    try:
        content = json.loads(payload, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        raise MessageError("it is not JSON") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise MessageError(f"it is not an object of schema {SCHEMA}")
    return content
