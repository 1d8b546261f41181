"""Sessions of the pages: a cookie for the browser, and a second secret that only a page can send.

They live in memory: after a restart everybody signs in again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

COOKIE = "greenband_session"
SESSION_MS = 12 * 3_600_000
CODE_MS = 600_000
SESSIONS_MAX = 1_000
OF_ONE_TOKEN_MAX = 50
"""Whoever signs in again and again signs out nobody but themselves."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in by which token, until when."""

    token_id: str
    csrf: str
    until_utc_ms: int


class Sessions:
    """All sessions; their secrets are kept as digests only."""

    def __init__(self) -> None:
        self._open: dict[bytes, Session] = {}
        self._codes: dict[bytes, tuple[str, int]] = {}

    def begin(self, token_id: str, now_utc_ms: int) -> str:
        """A new session for the holder of *token_id*; returns the secret for the cookie."""
        self._forget(token_id, now_utc_ms)
        secret = secrets.token_urlsafe(32)
        until_ms = now_utc_ms + SESSION_MS
        self._open[_digest(secret)] = Session(token_id, secrets.token_urlsafe(32), until_ms)
        return secret

    def find(self, secret: str, now_utc_ms: int) -> Session | None:
        """The session of a cookie, while it lasts."""
        session = self._open.get(_digest(secret))
        return session if session is not None and now_utc_ms < session.until_utc_ms else None

    def lasts(self, session: Session, now_utc_ms: int) -> bool:
        """Whether *session* is still open."""
        return now_utc_ms < session.until_utc_ms and session in self._open.values()

    def end(self, secret: str) -> None:
        """Sign out."""
        self._open.pop(_digest(secret), None)

    def invite(self, token_id: str, now_utc_ms: int) -> str:
        """A code that signs in once, within ten minutes."""
        code = secrets.token_urlsafe(24)
        self._codes[_digest(code)] = token_id, now_utc_ms + CODE_MS
        return code

    def accept(self, code: str, now_utc_ms: int) -> str | None:
        """The id of the token that *code* stands for; it is used up."""
        token_id, until_ms = self._codes.pop(_digest(code), ("", 0))
        return token_id if now_utc_ms < until_ms else None

    def _forget(self, token_id: str, now_utc_ms: int) -> None:
        """Make room for one more session of *token_id*."""
        over = [key for key, each in self._open.items() if now_utc_ms >= each.until_utc_ms]
        for key in over:
            del self._open[key]
        own = [key for key, each in self._open.items() if each.token_id == token_id]
        for key in own[: max(0, len(own) - OF_ONE_TOKEN_MAX + 1)]:
            del self._open[key]
        while len(self._open) >= SESSIONS_MAX:
            del self._open[next(iter(self._open))]


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
