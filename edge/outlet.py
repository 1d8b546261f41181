"""Lines of output from a program that must not wait for whoever reads them.

A pipe that nobody reads is full after 64 KiB, and whoever prints then waits without end. Here a
thread of its own does the waiting; lines that it cannot keep are counted, and missed by nobody but
the reader.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

STDOUT, STDERR = 1, 2
WAITING_MAX = 2_000
"""Lines that wait for the reader; older ones stay, newer ones are left out."""
LAST_WORDS_S = 1.0
"""At the end, what still waits has this long."""


def _in_words(lines: int) -> str:
    return f"({lines} lines are left out here: nobody read them)"


class Outlet:
    """Writes lines to the descriptor *file* from a thread.

    *missed*: the line that stands for so many that were left out.
    """

    def __init__(self, file: int = STDOUT, missed: Callable[[int], str] = _in_words) -> None:
        self._file = file
        self._missed = missed
        self._lines: deque[str] = deque()
        self._left_out = 0
        self._closed = False
        self._changed = Condition()
        self._writer = Thread(target=self._write_all, name="output", daemon=True)
        self._writer.start()

    def print(self, line: str) -> None:
        """Have *line* printed when there is room; returns at once."""
        with self._changed:
            if len(self._lines) >= WAITING_MAX:
                self._left_out += 1
                return
            if self._left_out:
                self._lines.append(self._missed(self._left_out))
                self._left_out = 0
            self._lines.append(line)
            self._changed.notify()

    def close(self) -> None:
        """Give what still waits a moment."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._writer.join(LAST_WORDS_S)

    def _write_all(self) -> None:
        while (line := self._next()) is not None:
            self._write(line.encode() + b"\n")

    def _next(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closed)
            return self._lines.popleft() if self._lines else None

    def _write(self, data: bytes) -> None:
        """Not by ``sys.stdout``: the interpreter would wait at its end for a lock held here."""
        while data:
            try:
                data = data[os.write(self._file, data) :]
            except OSError:
                return  # a full disk, or nobody who listens any more, is no reason to stop
