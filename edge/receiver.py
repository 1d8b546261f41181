"""The other end of ``log``: what a centre does with the messages of its edges.

It takes them in order, knows those that come twice, counts those that were dropped, and says what
to confirm. A confirmation counts for everything before it, so a message that follows on one which
never came is not taken: the edge sends again from there. Confirm only what is stored: the edge
forgets it then.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge import messages
from edge.messages import LogMessage


@dataclass(slots=True)
class _Edge:
    boot: int
    seq: int
    missing: int = 0


class LogReceiver:
    """Keeps count of the logs of any number of edges."""

    def __init__(self) -> None:
        self._edges: dict[str, _Edge] = {}

    def take(self, payload: bytes) -> tuple[LogMessage | None, bytes | None]:
        """(the message, what to publish once it is stored).

        No message: it was here before, or comes too early. Nothing to publish: it comes too early.
        Raises :class:`~edge.messages.MessageError`.
        """
        message = messages.read_log_message(payload)
        place = (message.boot, message.seq)
        known = self._edges.get(message.edge)
        last = (0, 0) if known is None else (known.boot, known.seq)
        if place <= last:
            return None, messages.received(*place)
        if message.after is not None and message.after > last:
            return None, None
        if known is None:
            self._edges[message.edge] = _Edge(*place)
        else:
            # Numbers that were left out had no room in the outbox. A later start may count on from
            # before the last one, after a power cut.
            known.missing += max(0, message.seq - known.seq - 1)
            known.boot, known.seq = place
        return message, messages.received(*place)

    def missing(self, edge: str) -> int:
        """Messages of *edge* that never came; the edge says how many of each kind it dropped."""
        known = self._edges.get(edge)
        return 0 if known is None else known.missing
