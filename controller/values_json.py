"""Strict JSON for immutable values: what is missing, unknown, of the wrong type or NaN is named.

:func:`decode` builds a frozen dataclass from parsed JSON by the types of its fields, and reports
every fault with the place where it is, so that an engineer mends a file once. Nothing is guessed or
converted: ``"60000"`` is not a number and ``true`` is not one either.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from controller.violations import InvalidError, Violation

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


class _FaultsError(Exception):
    """One or more faults on the way to a value."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__()
        self.violations = violations


def parse(text: str, what: str) -> dict[str, Any]:
    """The JSON object in *text*; raises :class:`InvalidError` about *what* if it is none.

    NaN and infinities, which Python's reader would accept, and repeated keys are refused.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidError(what, (Violation("json", place, error.msg),)) from None
    except _FaultsError as fault:
        raise InvalidError(what, fault.violations) from None
    except (RecursionError, ValueError):
        message = "it is nested too deeply, or has a number that is too long"
        raise InvalidError(what, (Violation("json", "file", message),)) from None
    if not isinstance(value, dict):
        raise InvalidError(what, (Violation("json", "file", "it is not a JSON object"),))
    return value


def decode(cls: type[T], value: object, what: str) -> T:
    """A *cls* (a dataclass) from parsed JSON; raises :class:`InvalidError` naming every fault."""
    try:
        decoded: T = _decode(cls, value, "")
    except _FaultsError as fault:
        raise InvalidError(what, fault.violations) from None
    return decoded


def encode(value: DataclassInstance) -> dict[str, object]:
    """Plain JSON data (dicts, lists, numbers, strings) for a dataclass; defaults are left out."""
    return {
        field.name: _encode(content)
        for field in dataclasses.fields(value)
        if field.init and (content := getattr(value, field.name)) != field.default
    }


def _encode(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return encode(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    return value


def _refuse_constant(name: str) -> object:
    raise _FaultsError((Violation("number", "file", f"{name} is not a number that can be used"),))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise _FaultsError((Violation("json", "file", f"key {', '.join(twice)} is given twice"),))
    return found


def _decode(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401 - driven by field types
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if get_origin(kind) is tuple:
        return _decode_tuple(get_args(kind)[0], value, where)
    if isinstance(kind, types.UnionType):
        options = [option for option in get_args(kind) if option is not type(None)]
        return None if value is None else _decode(options[0], value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, value, where)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        message = f"{_shown(value)} is not {_NAMES[kind]}"
        raise _FaultsError((Violation("type", where, message),))
    return value


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _decode_dataclass(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401 - as above
    if not isinstance(value, dict):
        raise _FaultsError(
            (Violation("type", where or "file", f"{_shown(value)} is not an object"),)
        )
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    faults = list(_key_faults(fields, value, where))
    decoded = {}
    for name in fields.keys() & value.keys():
        try:
            decoded[name] = _decode(hints[name], value[name], f"{where}.{name}".lstrip("."))
        except _FaultsError as fault:
            faults.extend(fault.violations)
    if faults:
        raise _FaultsError(tuple(sorted(faults, key=lambda fault: fault.where)))
    return kind(**decoded)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of the fields; found out once, as it takes longer than all the rest."""
    return get_type_hints(kind)


def _key_faults(
    fields: dict[str, dataclasses.Field[Any]], value: dict[str, Any], where: str
) -> Iterator[Violation]:
    for name in sorted(value.keys() - fields.keys()):
        known = ", ".join(fields)
        yield Violation("key", where or "file", f"unknown key {name!r} (known: {known})")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            yield Violation("key", where or "file", f"{name!r} is missing")


def _decode_tuple(kind: Any, value: object, where: str) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    if not isinstance(value, list):
        raise _FaultsError((Violation("type", where, f"{_shown(value)} is not a list"),))
    items: list[Any] = []
    faults: list[Violation] = []
    for i, item in enumerate(value):
        try:
            items.append(_decode(kind, item, f"{where}[{i}]"))
        except _FaultsError as fault:
            faults.extend(fault.violations)
    if faults:
        raise _FaultsError(tuple(faults))
    return tuple(items)


def _decode_enum(kind: type[Enum], value: object, where: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        message = f"{_shown(value)} is not one of: {known}"
        raise _FaultsError((Violation("value", where, message),)) from None


def _shown(value: object) -> str:
    """*value* as it stands in the file, cut to a length that fits a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
