"""The decisions of a run, as it takes them: lines for a reader, or JSON lines for a program."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.failures import UsageError
from greenband.files import write_text

if TYPE_CHECKING:
    from sim.decisions import DecisionNote
    from sim.network import Network

JSON_LINES = ".jsonl"


def as_line(note: DecisionNote) -> str:
    """``25203 s  junction  why``."""
    return f"{note.time_s:g} s  {note.junction}  {note.why}"


def as_json_line(note: DecisionNote) -> str:
    """The same as one JSON object."""
    return json.dumps(asdict(note), ensure_ascii=False, allow_nan=False)


class DecisionPrinter:
    """Prints each decision at once, or collects them for the file *to*."""

    def __init__(self, to: Path | None, *, json_lines: bool) -> None:
        self._to = to
        in_json = to.suffix == JSON_LINES if to is not None else json_lines
        self._format = as_json_line if in_json else as_line
        self._lines: list[str] = []

    def __call__(self, note: DecisionNote) -> None:
        """Take one decision."""
        line = self._format(note)
        if self._to is None:
            print(line, flush=True)
        else:
            self._lines.append(line)

    def finish(self) -> None:
        """Write the file, if there is one; the whole of it or nothing."""
        if self._to is not None:
            write_text(self._to, "".join(f"{line}\n" for line in self._lines))


def require_explained(control: str, junction: str, network: Network) -> None:
    """Raise :class:`UsageError` if *control* gives no reasons, or there is no such *junction*."""
    from sim.controls import CONTROLS, find_control
    from sim.decisions import EVERY_JUNCTION

    if not find_control(control).explains:
        able = ", ".join(name for name, each in CONTROLS.items() if each.explains)
        raise UsageError(f"--explain: {control} gives no reasons; these do: {able}")
    known = [each.id for each in network.junctions]
    if junction != EVERY_JUNCTION and junction not in known:
        raise UsageError(
            f"--explain {junction}: there is no such junction with lights, only {', '.join(known)}"
        )
