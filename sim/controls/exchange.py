"""The announcements of neighbouring junctions, carried between them within the simulation.

They are read a second after they were written, as they would be in the street.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from controller.clock import Instant
from optimizer.links import Link
from optimizer.neighbours import Neighbourhood


class Exchange:
    """Carries what each of *members* announces to those that *links* join it with."""

    def __init__(self, links: Sequence[Link], members: Sequence[Neighbourhood]) -> None:
        by_name = {member.site.name: member for member in members}
        hearers: dict[str, dict[str, None]] = defaultdict(dict)
        for link in links:
            hearers[link.upstream][link.downstream] = None
            hearers[link.downstream][link.upstream] = None
        self._routes = [
            (member, [by_name[name] for name in hearers[member.site.name] if name in by_name])
            for member in members
        ]

    def carry(self, now: Instant) -> None:
        """After all have decided: what each announces goes to its neighbours."""
        for member, hearers in self._routes:
            message = member.announce(now)
            if message is not None:
                for hearer in hearers:
                    hearer.take(message)
