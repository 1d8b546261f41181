"""Bearer tokens: who may do what, until when. Only their SHA-256 is stored.

A token is ``gb_ID_SECRET``. The secret has 256 random bits, so a plain digest of it is enough; the
id is no secret and stands in lists and in the audit.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from enum import Enum

from edge.errors import EdgeError
from greenband.console.database import writing

SECRET_BYTES = 32
_ID_BYTES = 5
_PREFIX = "gb"
DAY_MS = 86_400_000


class Scope(Enum):
    """What a token may be good for."""

    VIEW = "view"
    PLAN_WRITE = "plan:write"
    CORRIDOR_REQUEST = "corridor:request"
    CORRIDOR_CANCEL = "corridor:cancel"
    AUDIT_READ = "audit:read"
    ADMIN = "admin"
    """All of it, and the corridors of every agency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token as it is stored; its secret is not."""

    id: str
    agency: str
    scopes: frozenset[Scope]
    created_utc_ms: int
    expires_utc_ms: int
    revoked_utc_ms: int | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether it is good for *scope*."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def counts_at(self, utc_ms: int) -> bool:
        """Whether it is neither revoked nor over."""
        return self.revoked_utc_ms is None and utc_ms < self.expires_utc_ms

    @property
    def actor(self) -> str:
        """How the audit calls who has it."""
        return f"{self.agency} ({self.id})"


class Tokens:
    """The tokens in the console's file *db*."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def create(
        self, agency: str, scopes: frozenset[Scope], now_utc_ms: int, days: float
    ) -> tuple[Token, str]:
        """A new token and its text, which nobody can see again.

        Raises :class:`~edge.errors.EdgeError` for a name or a duration that makes no sense.
        """
        name = agency.strip()
        if not name or len(name) > 64 or not name.isprintable():
            raise EdgeError("an agency's name has 1 to 64 printable characters")
        if not 0.0 < days <= 3_660.0:
            raise EdgeError(f"a token lasts more than 0 and at most 3660 days, not {days:g}")
        if not scopes:
            raise EdgeError("a token without a scope is good for nothing: give --scope")
        token = Token(
            id=secrets.token_hex(_ID_BYTES),
            agency=name,
            scopes=scopes,
            created_utc_ms=now_utc_ms,
            expires_utc_ms=now_utc_ms + round(days * DAY_MS),
        )
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with writing(self._db):
            self._db.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (
                    *(token.id, name, _digest(secret)),
                    " ".join(sorted(scope.value for scope in scopes)),
                    *(token.created_utc_ms, token.expires_utc_ms),
                ),
            )
        return token, f"{_PREFIX}_{token.id}_{secret}"

    def all(self) -> tuple[Token, ...]:
        """Every token there ever was, the newest first."""
        rows = self._db.execute("SELECT * FROM tokens ORDER BY created_utc_ms DESC, id")
        return tuple(_token(row) for row in rows)

    def revoke(self, token_id: str, now_utc_ms: int) -> Token:
        """End a token now; raises :class:`~edge.errors.EdgeError` if there is none of that id."""
        with writing(self._db):
            self._db.execute(
                "UPDATE tokens SET revoked_utc_ms = coalesce(revoked_utc_ms, ?) WHERE id = ?",
                (now_utc_ms, token_id),
            )
        token = self.find(token_id)
        if token is None:
            raise EdgeError(f"there is no token {token_id!r}: see greenband token list")
        return token

    def find(self, token_id: str) -> Token | None:
        """The token of that id, whether it still counts or not."""
        row = self._db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
        return None if row is None else _token(row)

    def check(self, text: str, now_utc_ms: int) -> Token | None:
        """The token that *text* is, if it counts now; takes as long for a wrong secret."""
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        row = self._db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
        stored = bytes(32) if row is None else bytes(row[2])
        same = hmac.compare_digest(stored, _digest(secret))
        if row is None or not same or prefix != _PREFIX:
            return None
        token = _token(row)
        return token if token.counts_at(now_utc_ms) else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _token(row: tuple[str, str, bytes, str, int, int, int | None]) -> Token:
    token_id, agency, _, scopes, created_ms, expires_ms, revoked_ms = row
    return Token(
        id=token_id,
        agency=agency,
        scopes=frozenset(Scope(each) for each in scopes.split()),
        created_utc_ms=created_ms,
        expires_utc_ms=expires_ms,
        revoked_utc_ms=revoked_ms,
    )
