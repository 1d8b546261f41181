"""The topics of one edge, all below ``greenband/v1/EDGE/``.

======================  =========  ====  =======================================================
topic                   from       QoS
======================  =========  ====  =======================================================
``state``               edge       1     retained: online, or offline as its last will
``status``              edge       0     all cabinets, once a second; only the newest counts
``log``                 edge       1     counts, events, audit, replies; numbered, until confirmed
``answers``             edge       1     what a cabinet does with a priority call; not repeated
``neighbours``          edge       0     what its junctions announce to those of other edges
``received``            centre     1     up to which number of ``log`` all is stored
``orders/SITE/KIND``    centre     1     signed plan, bounds or priority call; plans are retained
======================  =========  ====  =======================================================

An edge writes its own and reads its own orders, and it reads ``neighbours`` of the edges around it:
that is all the broker has to allow it. Signs that mean something in a topic are percent-encoded in
the name of a site.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

ROOT = "greenband/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of the edge called *edge*."""

    edge: str

    @property
    def state(self) -> str:
        """Whether the edge is there."""
        return self._of("state")

    @property
    def status(self) -> str:
        """How all its cabinets are."""
        return self._of("status")

    @property
    def log(self) -> str:
        """What the centre has to know, numbered."""
        return self._of("log")

    @property
    def answers(self) -> str:
        """What becomes of priority calls."""
        return self._of("answers")

    @property
    def neighbours(self) -> str:
        """What its junctions announce."""
        return self._of("neighbours")

    @property
    def received(self) -> str:
        """What the centre has stored of the log."""
        return self._of("received")

    @property
    def orders(self) -> str:
        """Filter for all orders."""
        return self._of("orders/+/+")

    def order(self, site: str, kind: str) -> str:
        """Where orders of one *kind* for one *site* go."""
        return self._of(f"orders/{quote(site, safe='')}/{kind}")

    def _of(self, name: str) -> str:
        return f"{ROOT}/{self.edge}/{name}"
