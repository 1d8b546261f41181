"""How far the outbox has been sent and confirmed, on one line to the broker."""

from __future__ import annotations

from collections import deque

from edge.outbox import OutMessage

WINDOW = 50
"""Messages on their way at a time."""


class OutboxWindow:
    """Which messages are on their way, and from where to go on."""

    def __init__(self) -> None:
        self.sent = 0
        """Number of the last message that was sent."""
        self.unconfirmed: deque[tuple[int, int]] = deque()
        """(boot, seq) of those on their way."""
        self.before: tuple[int, int] | None = None
        """(boot, seq) of the last that was sent, if it followed on from a confirmed one."""
        self._confirmed = 0
        self._boot = 0

    @property
    def room(self) -> int:
        """How many more may be on their way."""
        return WINDOW - len(self.unconfirmed)

    def follow(self, boot: int) -> None:
        """A database that was opened anew may have begun to count anew."""
        if boot != self._boot:
            self._boot, self._confirmed = boot, 0
            self.start_over()

    def start_over(self) -> None:
        """Go on from the first unconfirmed message."""
        self.sent = self._confirmed
        self.before = None
        self.unconfirmed.clear()

    def note_sent(self, message: OutMessage) -> None:
        """*message* is on its way."""
        self.before = (message.boot, message.seq)
        self.unconfirmed.append(self.before)
        self.sent = message.seq

    def confirm(self, boot: int, seq: int) -> bool:
        """All up to here has arrived; False for a number that is not on its way."""
        if (boot, seq) not in self.unconfirmed:
            return False
        while self.unconfirmed.popleft() != (boot, seq):
            pass
        self._confirmed = seq
        return True
