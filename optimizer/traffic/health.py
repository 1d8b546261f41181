"""Which detectors can be believed: every reading is checked before it becomes traffic.

Faults of one reading (missing, negative, not a number, more than a lane can pass) put that reading
aside. Faults that need time are judged against the other loops of the same lane, because a quiet
night and a dead loop look the same from one loop alone:

    stuck on      occupied for long while others of its lane counted many vehicles
    silent        nobody, while others of its lane counted far more than usual between two of its
                  own
    chattering    more vehicles than a lane can pass, for a while

Such a detector stays out until it behaves: released, counting again, or slow again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.detection import SiteReadings
from controller.intersection import DetectorRole, Intersection
from controller.signals import Fault
from optimizer.flows import count_fault
from optimizer.traffic.layout import Layout

STUCK_ON_S = 120.0
STUCK_ON_ALONE_S = 900.0
"""Where no other loop can tell."""
STUCK_ON_VEHICLES = 15.0
UNCERTAIN_PATIENCE = 4.0
"""A queue may stand on an entry loop of one lane while the others of its approach go on."""
SILENT_VEHICLES = 20.0
SILENT_UNCERTAIN_VEHICLES = 50.0
"""For a loop whose vehicles may come to several lanes, or leave before."""
RETURN_PULSES = 3
CHATTER_VEH_PER_S = 1.0
CHATTER_OVER_VEH_PER_S = 0.6
CHATTER_TAU_S = 20.0
REVIEW_STEPS = 10
"""Each detector is reviewed once in so many steps."""
RELEASED_S = 5.0
KNOWN_VEHICLES = 20.0
"""After so many it is known which part of its partners' vehicles a detector counts."""
BALANCE_MAX = 6
"""More vehicles on one loop than this were miscounted."""

WRONG_JUNCTION = "wrong junction"
MISSING = "missing detector"
STUCK_ON = "stuck on"
SILENT = "silent"
CHATTERING = "chattering"
OUT_OF_ORDER = "counts out of order"

Counts = NDArray[np.int32]


@dataclass(slots=True)
class _Watch:
    """What one detector did lately."""

    partners: tuple[int, ...]
    role: DetectorRole
    certain: bool
    """All of its vehicles come to one lane."""
    at_rest: bool = False
    """Nothing on it and nothing wrong with it: a quiet reading needs no look."""
    at_work: bool = False
    """The same with somebody on it: another reading of them needs no look."""
    inside: int = 0
    """Vehicles that came and have not left."""
    on_since_s: float | None = None
    partners_at_on: float = 0.0
    pulses: float = 0.0
    """Vehicles counted while it was believed."""
    partners_at_pulse: float = 0.0
    usual_own: float = 0.0
    usual_partners: float = 0.0
    per_s: float = 0.0
    per_s_at_s: float = 0.0
    fault: str | None = None
    pulses_since_fault: int = 0
    reading_fault: str | None = None


class DetectorHealth:
    """Follows all detectors of one site."""

    def __init__(self, site: Intersection, layout: Layout) -> None:
        self._site = site
        self._watches = [
            _Watch(partners, detector.role, bool(detector.lane))
            for detector, partners in zip(site.detectors, _partners(site, layout), strict=True)
        ]
        self._loops = [
            d for d, x in enumerate(site.detectors) if x.role is not DetectorRole.PUSH_BUTTON
        ]
        self._range = range(len(site.detectors))
        self._wrong: str | None = None
        self._counts = np.zeros((3, len(site.detectors)), dtype=np.int32)
        self._unknown: set[int] = set()
        self._suspect: set[int] = set()
        """Detectors that may have a fault now."""
        self._turn = 0
        self.changes = 0
        """How often another set of detectors could be believed than before."""

    def check(self, now_s: float, dt_s: float, readings: SiteReadings) -> Counts:
        """(entered, left, occupied) by detector, -1 for what cannot be believed.

        The array is used again by the next call.
        """
        counts = self._counts
        n = len(self._watches)
        self._wrong = None
        unknown: set[int] = set()
        if any(len(column) != n for column in readings):
            lengths = "/".join(str(len(column)) for column in readings)
            self._wrong = f"{lengths} readings for the {n} detectors of {self._site.name}"
            unknown.update(self._loops)
        else:
            counts.fill(0)
            self._take(now_s, dt_s, readings, unknown)
            self._suspect = set(unknown)
            self._review_some(now_s)
        for d in unknown:
            counts[:, d] = -1
        if unknown != self._unknown:
            self._unknown = unknown
            self.changes += 1
        return counts

    def _take(self, now_s: float, dt_s: float, readings: SiteReadings, unknown: set[int]) -> None:
        counts, watches = self._counts, self._watches
        for d, entered, left, present in zip(self._range, *readings, strict=True):
            watch = watches[d]
            if entered == 0 and left == 0 and present is False and watch.at_rest:
                continue
            if watch.role is DetectorRole.PUSH_BUTTON:
                continue
            if entered == 0 and left == 0 and present is True and watch.at_work:
                counts[2, d] = 1
                continue
            watch.reading_fault = _reading_fault(entered, left, present, dt_s)
            if watch.reading_fault is None:
                came, gone = int(entered or 0), int(left or 0)
                if came or gone:
                    self._count(watch, now_s, came, gone)
                self._note_presence(watch, now_s, bool(present))
                counts[0, d], counts[1, d], counts[2, d] = came, gone, bool(present)
            else:
                watch.on_since_s = None
            if watch.reading_fault is not None or watch.fault is not None:
                unknown.add(d)
            well = watch.reading_fault is None and watch.fault is None
            watch.at_rest = well and not present
            watch.at_work = well and present is True

    def _review_some(self, now_s: float) -> None:
        """A tenth of the detectors, so that no step takes longer than the others."""
        self._turn = (self._turn + 1) % REVIEW_STEPS
        for d in self._loops[self._turn :: REVIEW_STEPS]:
            watch = self._watches[d]
            self._review(watch, now_s)
            if watch.fault is not None:
                watch.at_rest = watch.at_work = False
                self._suspect.add(d)

    def _count(self, watch: _Watch, now_s: float, entered: int, left: int) -> None:
        watch.inside += entered - left
        if watch.inside < 0 or watch.inside > BALANCE_MAX:
            watch.reading_fault = OUT_OF_ORDER
            watch.inside = 0
        if not entered:
            return
        watch.per_s *= math.exp((watch.per_s_at_s - now_s) / CHATTER_TAU_S)
        watch.per_s += entered / CHATTER_TAU_S
        watch.per_s_at_s = now_s
        if watch.fault is not None:
            watch.pulses_since_fault += entered
            return
        watch.pulses += entered
        seen = self._seen_by(watch.partners)
        watch.usual_own += entered
        watch.usual_partners += seen - watch.partners_at_pulse
        watch.partners_at_pulse = seen
        if watch.usual_own > 500.0:
            watch.usual_own /= 2.0
            watch.usual_partners /= 2.0

    def _seen_by(self, detectors: tuple[int, ...]) -> float:
        seen = 0.0
        for d in detectors:
            seen += self._watches[d].pulses
        return seen

    def _note_presence(self, watch: _Watch, now_s: float, present: bool) -> None:
        if not present:
            watch.on_since_s = None
        elif watch.on_since_s is None:
            watch.on_since_s = now_s
            watch.partners_at_on = self._seen_by(watch.partners)

    def _review(self, watch: _Watch, now_s: float) -> None:
        on_s = 0.0 if watch.on_since_s is None else now_s - watch.on_since_s
        fault = watch.fault
        if fault is None:
            watch.fault = self._found(watch, now_s, on_s)
            watch.pulses_since_fault = 0
            return
        per_s = watch.per_s * math.exp((watch.per_s_at_s - now_s) / CHATTER_TAU_S)
        if (
            (fault == STUCK_ON and on_s < RELEASED_S)
            or (fault == SILENT and watch.pulses_since_fault >= RETURN_PULSES)
            or (fault == CHATTERING and per_s < CHATTER_OVER_VEH_PER_S)
        ):
            watch.fault = None
            watch.partners_at_pulse = self._seen_by(watch.partners)

    def _found(self, watch: _Watch, now_s: float, on_s: float) -> str | None:
        per_s = watch.per_s
        if per_s > CHATTER_VEH_PER_S or now_s < watch.per_s_at_s:
            per_s *= math.exp((watch.per_s_at_s - now_s) / CHATTER_TAU_S)
        if per_s > CHATTER_VEH_PER_S:
            # What it made up until now must not speak against its partners.
            watch.pulses -= per_s * CHATTER_TAU_S
            return CHATTERING
        seen = self._seen_by(watch.partners)
        patience = 1.0 if watch.certain else UNCERTAIN_PATIENCE
        if (
            on_s >= patience * STUCK_ON_S
            and seen - watch.partners_at_on >= patience * STUCK_ON_VEHICLES
        ):
            return STUCK_ON
        if on_s >= STUCK_ON_ALONE_S:
            return STUCK_ON
        if on_s > 0.0 or seen - watch.partners_at_pulse < SILENT_VEHICLES:
            return None
        limit = SILENT_VEHICLES if watch.certain else SILENT_UNCERTAIN_VEHICLES
        return SILENT if self._missed(watch, seen) >= limit else None

    @staticmethod
    def _missed(watch: _Watch, seen: float) -> float:
        """Vehicles that it should have counted since its last one."""
        if watch.usual_own < KNOWN_VEHICLES:
            # Nobody may ever drive there; on the very lane of the stop line that is less likely.
            return (seen - watch.partners_at_pulse) / 3.0 if watch.certain else 0.0
        ratio = watch.usual_own / max(watch.usual_partners, 1.0)
        return (seen - watch.partners_at_pulse) * min(ratio, 1.0)

    def faults(self) -> tuple[Fault, ...]:
        """What is wrong now, by detector."""
        if self._wrong is not None:
            return (Fault(WRONG_JUNCTION, f"{self._wrong}: not used"),)
        found = []
        for d in sorted(self._suspect):
            kind = self._watches[d].reading_fault or self._watches[d].fault
            if kind is not None:
                name = self._site.detectors[d].name
                found.append(Fault(kind, f"detector {name}: {kind}, not used"))
        return tuple(found)


def _reading_fault(
    entered: float | None, left: float | None, present: bool | None, dt_s: float
) -> str | None:
    if entered is None or left is None or present is None:
        return MISSING
    return count_fault(entered, dt_s) or count_fault(left, dt_s)


def _partners(site: Intersection, layout: Layout) -> list[tuple[int, ...]]:
    """Per detector, the others that see the same vehicles."""
    partners: list[tuple[int, ...]] = [() for _ in site.detectors]
    for lane in layout.lanes:
        for d in lane.stop:
            partners[d] = lane.advance
        for d in lane.advance:
            partners[d] = lane.stop
    for source in layout.sources:
        partners[source.detector] = tuple(
            d for k in source.lanes for d in layout.lanes[k].stop or layout.lanes[k].advance
        )
    return partners
