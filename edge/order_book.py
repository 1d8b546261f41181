"""Plans and bounds that hold for a time: of each site and kind the one in force, and those to come.

An order takes the place of the one before it when its time has come, and not before. A later number
goes before an earlier one always: what begins ends whatever has a lower number, in force or still
waiting. So a centre numbers the orders of a day as they are to follow each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.errors import OrderRefusedError
from edge.orders import Order

WAITING_MAX = 16
"""For each site and kind: who sends more than that, sends them too early."""
Key = tuple[str, str]


@dataclass(slots=True)
class _Shelf:
    """What is held for one site and kind."""

    in_force: Order | None = None
    waiting: list[Order] = field(default_factory=list)
    """By number."""


class OrderBook:
    """Holds orders; who carries them out is told by :meth:`due` when their time has come."""

    def __init__(self) -> None:
        self._shelves: dict[Key, _Shelf] = {}

    def holds(self, site: str, kind: str) -> bool:
        """Whether anything is in force or to come."""
        return (site, kind) in self._shelves

    def in_force(self, site: str, kind: str) -> Order | None:
        """The order that counts now."""
        shelf = self._shelves.get((site, kind))
        return None if shelf is None else shelf.in_force

    def waiting(self, site: str, kind: str) -> tuple[Order, ...]:
        """Those to come, by number."""
        shelf = self._shelves.get((site, kind))
        return () if shelf is None else tuple(shelf.waiting)

    def all(self) -> Iterator[tuple[Order, bool]]:
        """Every order, and whether it has begun; may be called from any thread."""
        for shelf in tuple(self._shelves.values()):
            if (begun := shelf.in_force) is not None:
                yield begun, True
            for order in tuple(shelf.waiting):
                yield order, False

    def wait(self, order: Order) -> None:
        """Hold *order* until its time; raises :class:`OrderRefusedError` where too many wait."""
        shelf = self._shelves.setdefault(_key(order), _Shelf())
        if len(shelf.waiting) >= WAITING_MAX:
            raise OrderRefusedError("queue", f"{WAITING_MAX} orders of its kind wait already")
        shelf.waiting = sorted([*shelf.waiting, order], key=_number)

    def begin(self, order: Order) -> tuple[Order, ...]:
        """*order* is in force from now on; those that waited, and never will be, in its favour."""
        shelf = self._shelves.setdefault(_key(order), _Shelf())
        outdone = tuple(each for each in shelf.waiting if _number(each) < _number(order))
        shelf.waiting = [each for each in shelf.waiting if _number(each) > _number(order)]
        shelf.in_force = order
        return outdone

    def due(self, now_utc_ms: int) -> tuple[Order, ...]:
        """Those whose time has come: of each site and kind the one with the latest number."""
        due = []
        for shelf in self._shelves.values():
            begun = [each for each in shelf.waiting if each.begins_utc_ms <= now_utc_ms]
            due += begun[-1:]
        return tuple(due)

    def drop(self, order: Order) -> None:
        """*order* is not to be held any more."""
        key = _key(order)
        shelf = self._shelves.get(key)
        if shelf is None:
            return
        shelf.waiting = [each for each in shelf.waiting if each is not order]
        if shelf.in_force is order:
            shelf.in_force = None
        if shelf.in_force is None and not shelf.waiting:
            del self._shelves[key]

    def over(self, now_utc_ms: int) -> tuple[Order, ...]:
        """Those in force whose time has passed."""
        held = (shelf.in_force for shelf in self._shelves.values())
        return tuple(each for each in held if each is not None and each.ends_utc_ms <= now_utc_ms)


def _key(order: Order) -> Key:
    return order.claim.site, order.claim.kind


def _number(order: Order) -> int:
    return order.claim.sequence_no
