"""Two edges of one name: told apart, and one of them stays off the broker.

Every running edge has an identity of its own, which its ``state`` carries. Who comes asks first
("asking", not retained): an edge of the same name that is there answers by saying "online" once
more, and then the newcomer stays away, sounds an alarm that names both, and asks again later. An
edge that was killed is still "online" at the broker but doesn't answer. Should two have come at
the same moment, the one that began later goes.

Nobody is ever thrown out: each connects under a name that only it has, and what they disagree on
is who speaks, not who is connected.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from edge import messages
from edge.messages import MessageError

ALARM = "two edges"
_UTC_MS_MAX = 10**13


@dataclass(frozen=True, slots=True)
class Instance:
    """One running edge."""

    id: str
    host: str
    pid: int
    since_utc_ms: int

    @classmethod
    def here(cls) -> Instance:
        """A new one, in this process."""
        now_ms = time.time_ns() // 1_000_000
        return cls(secrets.token_hex(4), socket.gethostname(), os.getpid(), now_ms)

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since_utc_ms / 1_000))
        return f"{self.id} on {self.host} (process {self.pid}, since {since})"

    def is_older_than(self, other: Instance) -> bool:
        """Whether it goes before *other*."""
        return (self.since_utc_ms, self.id) < (other.since_utc_ms, other.id)


class Word(Enum):
    """What an edge says of itself."""

    ASKING = "asking"
    ONLINE = "online"
    OFFLINE = "offline"


class RivalError(Exception):
    """There is another edge of this name, and it was here first."""

    def __init__(self, rival: Instance) -> None:
        self.rival = rival
        super().__init__(str(rival))


class Question:
    """Whether another edge of our name is there.

    What comes before our own words come back is what the broker remembers; what comes after them
    is an answer.
    """

    def __init__(self, me: Instance) -> None:
        self._me = me
        self._last = Word.OFFLINE
        self.is_heard = False
        """Whether our own question came back, as it does where we may read our state."""
        self.before: Instance | None = None
        """Who spoke last in our name."""

    def is_settled_by(self, word: Word | None, who: Instance | None, *, retained: bool) -> bool:
        """Whether, after this message, nobody is there; raises :class:`RivalError` for who is."""
        if who == self._me:
            self.is_heard |= word is Word.ASKING
        elif who is not None and word in (Word.ONLINE, Word.OFFLINE):
            if word is Word.ONLINE and self.is_heard and not retained:
                raise RivalError(who)
            self._last, self.before = word, who
        return self.is_heard and self._last is Word.OFFLINE


def state(edge: str, word: Word, version: str, me: Instance) -> bytes:
    """Message for ``state``."""
    instance = {name: getattr(me, name) for name in Instance.__slots__}
    content = {"edge": edge, "state": word.value, "version": version, "instance": instance}
    return messages.compact({"schema": messages.SCHEMA, **content})


def read_state(payload: bytes) -> tuple[Word, Instance | None]:
    """The other end of :func:`state`; no instance where an earlier version wrote it.

    Raises :class:`~edge.messages.MessageError`.
    """
    content = messages.read_object(payload)
    try:
        word = Word(content.get("state"))
    except ValueError:
        raise MessageError("it says no state") from None
    return word, _instance(content.get("instance"))


def warning(edge: str, me: Instance, rival: Instance, *, stays: bool) -> str:
    """The alarm: who they are, what becomes of this one, and what to do."""
    mine = "keeps the broker" if stays else "stays off the broker and controls on"
    return (
        f"two edges are called {edge}: this one, {me}, {mine}; the other is {rival}: "
        "give one of them another name, or stop it"
    )


def _instance(value: object) -> Instance | None:
    if not isinstance(value, Mapping):
        return None
    fields: dict[str, Any] = {name: value.get(name) for name in Instance.__slots__}
    kinds = {"id": str, "host": str, "pid": int, "since_utc_ms": int}
    if any(type(fields[name]) is not kind for name, kind in kinds.items()):
        return None
    if not 0 <= fields["since_utc_ms"] < _UTC_MS_MAX:
        return None
    fields["host"] = fields["host"][:64]
    fields["id"] = fields["id"][:16]
    return Instance(**fields)
