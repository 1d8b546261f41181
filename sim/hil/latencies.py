"""How long things took: in lock-step by the bench's own clock, in real time by the analysers."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.detection import SiteReadings
from sim.hil.analyser import ORDER, POLL, Exchange
from sim.hil.results import Latency

_NS_PER_MS = 1e6


@dataclass(slots=True)
class StepTimes:
    """What each part of a step took, in ms."""

    detectors: list[float] = field(default_factory=list)
    edge: list[float] = field(default_factory=list)
    cabinets: list[float] = field(default_factory=list)
    street: list[float] = field(default_factory=list)

    def latencies(self) -> tuple[Latency, ...]:
        """All four as figures."""
        return (
            Latency.of("detectors of all cabinets fed", self.detectors),
            Latency.of("edge: polled, decided, sent to all cabinets", self.edge),
            Latency.of("step of all cabinets", self.cabinets),
            Latency.of("step of SUMO", self.street),
        )


class Changes:
    """When something changed at the detectors of each junction, in ns of the machine's clock."""

    def __init__(self) -> None:
        self._last: dict[str, SiteReadings] = {}
        self._at_ns: dict[str, list[int]] = defaultdict(list)

    def note(self, junction: str, readings: SiteReadings, at_ns: int) -> None:
        """*readings* have been on the cabinet's inputs since *at_ns*."""
        last = self._last.get(junction)
        moved = any(readings.entered) or any(readings.left)
        if moved or (last is not None and last.occupied != readings.occupied):
            self._at_ns[junction].append(at_ns)
        self._last[junction] = readings

    def latencies(self, exchanges: Sequence[Exchange]) -> tuple[Latency, ...]:
        """From each change to the schedule that was decided on it, as the analysers saw it."""
        polls, orders = _by_junction(exchanges, POLL), _by_junction(exchanges, ORDER)
        whole, after_poll = [], []
        for junction, changes in self._at_ns.items():
            for changed_ns in changes:
                poll = _first_after(polls[junction], changed_ns)
                order = None if poll is None else _first_after(orders[junction], poll.answered_ns)
                if poll is not None and order is not None:
                    whole.append((order.answered_ns - changed_ns) / _NS_PER_MS)
                    after_poll.append((order.answered_ns - poll.asked_ns) / _NS_PER_MS)
        return (
            Latency.of("detector change until schedule committed", whole),
            Latency.of("poll begun until schedule committed", after_poll),
            Latency.of("round trip of a poll", _round_trips(exchanges, POLL)),
            Latency.of("round trip of a schedule", _round_trips(exchanges, ORDER)),
        )


def _by_junction(exchanges: Sequence[Exchange], kind: str) -> dict[str, list[Exchange]]:
    found: dict[str, list[Exchange]] = defaultdict(list)
    for each in exchanges:
        if each.kind == kind:
            found[each.junction].append(each)
    return found


def _first_after(exchanges: Sequence[Exchange], at_ns: int) -> Exchange | None:
    place = bisect_left(exchanges, at_ns, key=lambda each: each.asked_ns)
    return exchanges[place] if place < len(exchanges) else None


def _round_trips(exchanges: Sequence[Exchange], kind: str) -> list[float]:
    return [(e.answered_ns - e.asked_ns) / _NS_PER_MS for e in exchanges if e.kind == kind]
