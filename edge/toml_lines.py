"""On which line of a TOML file each key stands; the standard library's reader doesn't say.

The text must have been read without error before: only then is it as simple as it is here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

Path = tuple[str | int, ...]
_KEY = re.compile(r"""\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every table header and every key; elements of ``[[x]]`` are numbered."""
    lines: dict[Path, int] = {(): 1}
    elements: dict[Path, int] = {}
    table: Path = ()
    at = 0
    while at < len(text):
        start = _skip_blank(text, at)
        if start >= len(text):
            break
        line = text.count("\n", 0, start) + 1
        if text[start] == "[":
            table, at = _header(text, start, elements)
            lines.setdefault(table, line)
        else:
            keys, after = _keys(text, start)
            for k in range(1, len(keys) + 1):
                lines.setdefault((*table, *keys[:k]), line)
            at = _value_end(text, after)
    return lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of *path*, or of what it is in."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _skip_blank(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "#":
            at = _line_end(text, at)
        elif text[at].isspace():
            at += 1
        else:
            break
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _keys(text: str, at: int) -> tuple[Path, int]:
    """The dotted key that starts at *at*, and where what follows it begins."""
    keys: list[str] = []
    while (match := _KEY.match(text, at)) is not None:
        quoted = match[0].strip()
        keys.append(_unquoted(quoted))
        at = match.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    return tuple(keys), at


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    value: str = tomllib.loads(f"key = {key}")["key"]
    return value


def _header(text: str, at: int, elements: dict[Path, int]) -> tuple[Path, int]:
    """The table that the header at *at* opens, and the end of its line."""
    is_array = text[at : at + 2] == "[["
    names, _ = _keys(text, at + (2 if is_array else 1))
    path: Path = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in elements:
            path = (*path, elements[path])
    path = (*path, names[-1])
    if is_array:
        elements[path] = elements.get(path, -1) + 1
    if path in elements:
        path = (*path, elements[path])
    return path, _line_end(text, at)


def _value_end(text: str, at: int) -> int:
    """The end of the value behind the equals sign, which may go over several lines."""
    depth = 0
    while at < len(text):
        sign = text[at]
        if sign in "\"'":
            match = _STRING.match(text, at)
            at = len(text) if match is None else match.end()
            continue
        if sign == "#":
            at = _line_end(text, at)
            continue
        if sign == "\n" and depth == 0:
            break
        depth += (sign in "[{") - (sign in "]}")
        at += 1
    return at
