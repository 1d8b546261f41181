"""A configuration file on the command line: every error of it with its line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from edge.errors import ConfigError
from greenband.failures import UnsafeError
from greenband.terminal import print_json, say

Config = TypeVar("Config")


def checked(path: Path, load: Callable[[Path], Config], *, as_json: bool = False) -> Config:
    """What *load* makes of *path*; tells its errors and raises :class:`UnsafeError` if any."""
    try:
        return load(path)
    except ConfigError as error:
        if as_json:
            problems = [asdict(each) for each in error.problems]
            print_json({"schema": 1, "file": error.path, "valid": False, "errors": problems})
        else:
            for line in error.lines():
                print(line, file=sys.stderr)
            say(f"{path}: {number(len(error.problems), 'error')}")
        raise UnsafeError from None


def number(count: int, what: str) -> str:
    """``1 site``, ``2 sites``."""
    return f"{count} {what}{'' if count == 1 else 's'}"
