"""Where output goes: results to standard output, everything else to standard error.

Rich leaves out colours and moving lines where the output is no terminal or ``NO_COLOR`` is set.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.files import write_text

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 120
STANDARD_OUTPUT = "-"


def results() -> Console:
    """The console for results."""
    return _console(stderr=False)


def notes() -> Console:
    """The console for progress and remarks."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    fixed = stream.isatty() or "COLUMNS" in os.environ
    width = None if fixed else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False)


def say(message: str) -> None:
    """One remark on standard error, broken by the terminal and not by us."""
    print(message, file=sys.stderr, flush=True)


def plain(said: object) -> str:
    """What came from outside, for the console of results: without a meaning for the terminal."""
    from rich.markup import escape

    return escape("".join(sign if sign.isprintable() else "?" for sign in str(said)))


def print_json(document: object, target: str = STANDARD_OUTPUT, *, compact: bool = False) -> None:
    """Write *document* as JSON to standard output (``-``) or to a file, whole or not at all.

    With *compact*, in one line.
    """
    indent = None if compact else 2
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    if target == STANDARD_OUTPUT:
        print(text, flush=True)
    else:
        write_text(Path(target), text + "\n")
