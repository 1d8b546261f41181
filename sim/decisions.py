"""What a control says about its decisions: one note for each that changes something.

A run writes its notes into a file of its scratch folder as it goes (a JSON object per line), and
whoever started it follows that file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TextIO, runtime_checkable

EVERY_JUNCTION = "all"


@dataclass(frozen=True, slots=True)
class DecisionNote:
    """One decision that changed something."""

    time_s: float
    """In seconds of the simulation."""
    junction: str
    limit: str
    """What decided, in a word or two: ``less delay``, or the limit that bound."""
    why: str


Tell = Callable[[DecisionNote], None]


@runtime_checkable
class Explains(Protocol):
    """A control that can say why."""

    def explain_to(self, tell: Tell) -> None:
        """Call *tell* with every decision that changes something, from now on."""


class Journal:
    """Takes the notes of a run: those of junction *wanted* (or ``all``) into *path*, line by line.

    With *keep* it keeps every note.
    """

    def __init__(self, path: Path, wanted: str | None, *, keep: bool) -> None:
        self._wanted = wanted
        self._keep = keep
        self.kept: list[DecisionNote] = []
        self._file: TextIO | None = (
            path.open("w", encoding="utf-8", buffering=1) if wanted else None
        )

    def tell(self, note: DecisionNote) -> None:
        """Take one note."""
        if self._keep:
            self.kept.append(note)
        if self._file is not None and self._wanted in (EVERY_JUNCTION, note.junction):
            self._file.write(json.dumps(asdict(note), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """No more notes."""
        if self._file is not None:
            self._file.close()


class Follower:
    """Reads the notes that a run has written to *path* since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def look(self) -> Iterator[DecisionNote]:
        """The new notes; a line that is still being written waits for the next look."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            yield DecisionNote(**json.loads(line))
