"""Programs that the bench starts, looks after, and ends, come what may."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sim.hil.errors import HilError

START_S = 60.0
"""A computer that is busy with other things needs its time to start a program."""
END_S = 5.0
_LOOK_S = 0.05
_ROOT = Path(__file__).resolve().parents[2]
_SAID_LINES = 3


class Program:
    """``python -m *words*``, with what it prints in the file *log*."""

    def __init__(self, name: str, words: Sequence[str], log: Path, *, talks: bool = False) -> None:
        self.name = name
        self.log = log
        self.words = tuple(words)
        self._talks = talks
        self._child: subprocess.Popen[bytes] | None = None
        self._begin = 0

    def start(self) -> None:
        """Start it, once more if it has ended."""
        self._begin = self.log.stat().st_size if self.log.exists() else 0
        command = (sys.executable, "-m", *self.words)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "sim.hil.leash", str(os.getpid()), *command],
                stdin=subprocess.PIPE if self._talks else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C comes to us, and we end it
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Its process number."""
        assert self._child is not None
        return self._child.pid

    def send(self, line: str) -> None:
        """Write *line* to its standard input."""
        assert self._child is not None and self._child.stdin is not None
        self._child.stdin.write(line.encode() + b"\n")
        self._child.stdin.flush()

    async def line(self, pattern: str) -> re.Match[str]:
        """The first line since its start that *pattern* is found in."""
        end_s = time.monotonic() + START_S
        while True:
            ended = not self.running
            found = re.search(pattern, self._said(), re.MULTILINE)
            if found:
                return found
            if ended:
                raise HilError(f"{self.name} has ended: {self.last_words()}")
            if time.monotonic() > end_s:
                raise HilError(f"{self.name} is not ready after {START_S:g} s: {self.last_words()}")
            await asyncio.sleep(_LOOK_S)

    def require(self) -> None:
        """Raise :class:`HilError` with its last words if it has ended by itself."""
        if not self.running:
            raise HilError(f"{self.name} has ended: {self.last_words()}")

    def last_words(self) -> str:
        """The last that it printed."""
        lines = [line.strip() for line in self._said().splitlines() if line.strip()]
        return " / ".join(lines[-_SAID_LINES:]) or "it said nothing"

    def freeze(self) -> None:
        """Stop it where it stands."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """See that it has ended; whoever was asked gets a while for it."""
        try:
            self._wait()
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: int) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _wait(self) -> None:
        if self._child is not None:
            if self._child.stdin is not None:
                self._child.stdin.close()
            self._child.wait(END_S)

    def _said(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")


class Programs:
    """All programs of a run; a context manager that ends every one of them."""

    def __init__(self) -> None:
        self._all: list[Program] = []

    def add(self, program: Program) -> Program:
        """Start *program*, and end it with the others."""
        self._all.append(program)
        program.start()
        return program

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_: object) -> None:
        # The last first: the daemon before the cabinets that it would miss, and those before wires.
        for program in reversed(self._all):
            program.thaw()
            program.stop()
        for program in reversed(self._all):
            program.end()


def _environment() -> dict[str, str]:
    """The rooms are imported from where ours were, whatever the working folder."""
    others = os.environ.get("PYTHONPATH")
    path = f"{_ROOT}{os.pathsep}{others}" if others else str(_ROOT)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
