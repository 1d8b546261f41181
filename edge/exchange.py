"""The announcements of neighbouring junctions, carried between them within one process.

They are read a second after they were written, by those in this process as by those elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from controller.clock import Instant
from optimizer.announcement import Announcement
from optimizer.links import Link
from optimizer.neighbours import Neighbourhood


class Exchange:
    """Carries what each of *members* announces to those that *links* join it with."""

    def __init__(self, links: Sequence[Link], members: Sequence[Neighbourhood]) -> None:
        self._members = {member.site.name: member for member in members}
        hearers: dict[str, dict[str, None]] = defaultdict(dict)
        for link in links:
            hearers[link.upstream][link.downstream] = None
            hearers[link.downstream][link.upstream] = None
        self._hearers = {name: tuple(hearers[name]) for name in self._members}

    def put(self, member: Neighbourhood) -> None:
        """*member* takes the place of the one of its name."""
        self._members[member.site.name] = member

    def carry(self, now: Instant, silent: Collection[str] = ()) -> list[Announcement]:
        """After all have decided: what each announces goes to its neighbours.

        Nothing is heard of those who are *silent*: what they knew is no longer true. Returns what
        junctions of other processes have to hear.
        """
        abroad = []
        for name, member in self._members.items():
            message = None if name in silent else member.announce(now)
            if message is None:
                continue
            for hearer in self._hearers[name]:
                if hearer in self._members:
                    self._members[hearer].take(message)
            if any(hearer not in self._members for hearer in self._hearers[name]):
                abroad.append(message)
        return abroad

    def receive(self, now: Instant, message: Announcement) -> None:
        """Give a *message* from another process to those whom it concerns; they check it."""
        for name, hearers in self._hearers.items():
            if message.site in hearers:
                self._members[name].receive(now, message)
