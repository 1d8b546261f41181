"""What one running console works with: a centre, its own file, and what it has seen meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path

import structlog

from greenband.console.answers import Answers
from greenband.console.audit_book import AuditBook
from greenband.console.centre import Centre
from greenband.console.corridor_watch import CorridorWatch
from greenband.console.database import FILE, open_database
from greenband.console.history import History
from greenband.console.limits import Kind, Limits, Rate
from greenband.console.lines import Line, longest_line
from greenband.console.previews import Previews
from greenband.console.sessions import Sessions
from greenband.console.tokens import Tokens

WAIT_FOR_FILE_MS = 200
"""So long the console, and every corridor with it, may stand still for another writer."""
AGAIN_MS = 1_000
UNWRITTEN_MAX = 10_000
_log = structlog.get_logger("greenband.console")

Entry = tuple[int, str, str, str, Mapping[str, object] | None]
"""UTC in ms, actor, action, subject, detail."""


class Hub:
    """Everything that requests share; made once, used from one event loop."""

    def __init__(
        self, centre: Centre, folder: Path, rates: Mapping[Kind, Rate] | None = None
    ) -> None:
        self.centre = centre
        self.db: sqlite3.Connection = open_database(folder / FILE)
        self.db.execute(f"PRAGMA busy_timeout = {WAIT_FOR_FILE_MS}")
        self.tokens = Tokens(self.db)
        self.audit = AuditBook(self.db)
        self.answers = Answers(self.db)
        self.sessions = Sessions()
        self.limits = Limits(dict(rates or {}))
        self.previews = Previews()
        self.history = History()
        self.watch = CorridorWatch(self.note)
        self.streams: Counter[str] = Counter()
        """How many event streams each agency listens to now."""
        self.stopping = False
        """The server is about to end: streams end before it."""
        self.audit_fault = ""
        """Why the last entry could not be written; empty if it was."""
        self._unwritten: deque[Entry] = deque(maxlen=UNWRITTEN_MAX)
        self._write_again_ms = 0
        self._main_line: asyncio.Task[Line | None] | None = None

    async def run(self) -> None:
        """Follow the centre until cancelled: what was green when, what every junction answered."""
        while True:
            try:
                self.look()
            except Exception:  # what can't be followed now must not end the following
                _log.exception("the centre could not be followed")
            await self.centre.changed()

    async def main_line(self) -> Line | None:
        """The line with the most signals; looked for once, beside the event loop."""
        if self._main_line is None:
            search = asyncio.to_thread(longest_line, self.centre.streets)
            self._main_line = asyncio.create_task(search, name="longest line")
        return await asyncio.shield(self._main_line)

    def look(self) -> None:
        """Take down what there is to see now."""
        centre = self.centre
        self.history.look(centre.now_utc_ms(), centre.sites, centre.live, centre.corridors)
        self.watch.look(centre.corridors)
        self._write()

    def note(
        self, actor: str, action: str, subject: str, detail: Mapping[str, object] | None = None
    ) -> None:
        """Write into the audit, by the clock of this computer.

        A disk that can't be written keeps nobody from a corridor: it is logged, the health says so,
        and what is to be written waits until it can be.
        """
        if len(self._unwritten) == UNWRITTEN_MAX:
            _log.error("an entry of the audit is lost", entry=self._unwritten[0])
        self._unwritten.append((self.utc_ms(), actor, action, subject, detail))
        self._write()

    def _write(self) -> None:
        """What waits for the audit, in its order; what can't be written is tried a second later."""
        if self.audit_fault and self.mono_ms() < self._write_again_ms:
            return
        try:
            while self._unwritten:
                self.audit.note(*self._unwritten[0])
                self._unwritten.popleft()
        except sqlite3.Error as error:
            self._write_again_ms = self.mono_ms() + AGAIN_MS
            if not self.audit_fault:
                _log.error("audit not written", action=self._unwritten[0][2], why=str(error))
            self.audit_fault = f"the audit can't be written ({error})"
        else:
            self.audit_fault = ""

    def keep_answer(self, agency: str, key: str, body: bytes, answer: object) -> None:
        """Remember what was answered; a disk that is full must not undo what was done."""
        try:
            self.answers.keep(agency, key, body, answer, self.utc_ms())
        except sqlite3.Error as error:
            _log.error("answer not kept", agency=agency, why=str(error))

    @staticmethod
    def utc_ms() -> int:
        """The clock of this computer: what tokens, sessions and the audit go by."""
        return time.time_ns() // 1_000_000

    @staticmethod
    def mono_ms() -> int:
        """For intervals."""
        return time.monotonic_ns() // 1_000_000

    def close(self) -> None:
        """Let go of the file."""
        self._write_again_ms = 0
        self._write()
        for entry in self._unwritten:
            _log.error("an entry of the audit is lost", entry=entry)
        self.db.close()
