"""Answers that were given, by the key that came with the question: asked again, answered again.

A line that breaks after a request was carried out must not open a second corridor.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3

from greenband.console.database import writing
from greenband.console.problems import ProblemError

KEPT_MS = 86_400_000
KEY_MAX = 128


class Answers:
    """The answers in the console's file *db*, each for a day."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._under_way: set[tuple[str, str]] = set()

    def begin(self, agency: str, key: str, body: bytes, now_utc_ms: int) -> str | None:
        """The answer that was given to this question; None: it is new, and now under way.

        Raises :class:`ProblemError` for a key that came with another question.
        """
        if not 0 < len(key) <= KEY_MAX or not key.isprintable():
            raise ProblemError(
                400,
                "no-idempotency-key",
                "Send an Idempotency-Key of 1 to 128 printable characters, a new one for every new "
                "request and the same one when you repeat it.",
            )
        asked = hashlib.sha256(body).digest()
        row = self._db.execute(
            "SELECT asked, answer FROM answers WHERE agency = ? AND key = ? AND utc_ms > ?",
            (agency, key, now_utc_ms - KEPT_MS),
        ).fetchone()
        if row is not None and bytes(row[0]) != asked:
            raise ProblemError(
                409,
                "key-reused",
                "This Idempotency-Key came with another request before: send a new key.",
            )
        if row is not None:
            return str(row[1])
        if (agency, key) in self._under_way:
            raise ProblemError(
                409,
                "under-way",
                "The same request is being carried out: wait a second, then repeat it.",
            )
        self._under_way.add((agency, key))
        return None

    def keep(self, agency: str, key: str, body: bytes, answer: object, now_utc_ms: int) -> None:
        """Remember the *answer* to a question that was begun."""
        text = json.dumps(answer, ensure_ascii=False)
        with writing(self._db):
            self._db.execute("DELETE FROM answers WHERE utc_ms <= ?", (now_utc_ms - KEPT_MS,))
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                (agency, key, hashlib.sha256(body).digest(), text, now_utc_ms),
            )

    def leave(self, agency: str, key: str) -> None:
        """It is not under way any more, whatever came of it."""
        self._under_way.discard((agency, key))
