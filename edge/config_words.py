"""What pydantic found, in the words of the one who wrote the file, with what to do about it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from edge.toml_lines import Path

_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "path_type": "a path in quotes",
    "is_instance_of": "a path in quotes",
    "tuple_type": 'a list, such as ["a", "b"]',
    "dict_type": "a table",
    "model_type": "a table",
}
_IN_JSON = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "dataclass_exact_type": "an object",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def faults(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Path, str]]:
    """For each fault the path within the table, and the sentence."""
    found = error.errors()
    misspelt = {
        _nearest(str(each["loc"][-1]), tuple(model.model_fields))
        for each in found
        if each["type"] == "extra_forbidden"
    }
    for each in found:
        path = tuple(part for part in each["loc"] if isinstance(part, str | int))
        if each["type"] == "missing" and path[-1] in misspelt:
            continue  # it is there, under another name: one fault, not two
        yield path, _sentence(each["type"], each, model, path)


def first_in_json(error: ValidationError, what: str) -> str:
    """The first fault of *what*, a JSON document, in a sentence."""
    fault = error.errors(include_url=False)[0]
    kind = fault["type"]
    where = ".".join(map(str, fault["loc"])) or what
    if kind == "json_invalid":
        return f"{where}: it is not JSON"
    if kind == "missing":
        return f"{where} is missing"
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"{where} is not known"
    shown = _shown(fault["input"])
    if kind in _IN_JSON:
        return f"{where}: {shown} is not {_IN_JSON[kind]}"
    return f"{where}: {shown} can't be used"


def unknown_key(name: str, known: Sequence[str]) -> str:
    """What to say about a key that means nothing."""
    near = _nearest(name, known)
    advice = f'did you mean "{near}"?' if near else f"known here: {', '.join(known)}"
    return f'unknown key "{name}": {advice}'


def _nearest(name: str, known: Sequence[str]) -> str | None:
    close = difflib.get_close_matches(name, known, n=1)
    return close[0] if close else None


def _sentence(kind: str, fault: Any, model: type[BaseModel], path: Path) -> str:  # noqa: ANN401
    context = fault.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), tuple(model.model_fields))
    if kind == "missing":
        return _missing(str(path[-1]), model)
    if kind == "value_error":
        return str(context["error"])
    return _shown(fault["input"]) + _wrong_value(kind, context)


def _wrong_value(kind: str, context: Any) -> str:  # noqa: ANN401 - pydantic's
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f" is out of range: it has to be {words} {context[key]:g}"
    if kind == "literal_error":
        return f" is not one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return ": use letters, digits, and - _ . between them, 64 at most"
    if kind == "string_too_short":
        return " is empty: write something"
    if kind == "string_too_long":
        return f" is too long: it has to have {context['max_length']} characters at most"
    return f" is not {_KINDS[kind]}" if kind in _KINDS else " can't be used here"


def _missing(name: str, model: type[BaseModel]) -> str:
    field = model.model_fields.get(name)
    examples = None if field is None else field.examples
    if not examples:
        return f'"{name}" is missing'
    return f'"{name}" is missing: add {name} = {json.dumps(examples[0])}, as it fits'


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
