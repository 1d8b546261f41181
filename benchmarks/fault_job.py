"""What a run of the fault campaign is to do: which faults, when, where, and for how long."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from sim.hil.faults import EVERYWHERE, Fault, FaultKind

WARM_UP_S = 12
_IN_LOCKSTEP = frozenset(
    {
        *(FaultKind.MISSING, FaultKind.STUCK_ON, FaultKind.STUCK_OFF, FaultKind.CHATTER),
        FaultKind.CLOCK,
    }
)
"""Faults whose time is that of the simulation; time-outs and programs take real time."""
_LASTS_S: Mapping[FaultKind, tuple[int, int]] = {
    FaultKind.KILL: (1, 5),
    FaultKind.DAEMON: (1, 6),
    FaultKind.MISSING: (4, 20),
}
_LASTS_OTHERS_S = (2, 10)
_SETTLES_S = {FaultKind.KILL: 24, FaultKind.MISSING: 40, FaultKind.DAEMON: 14}
_SETTLES_OTHERS_S = 10
_SPREAD_S = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be run: *kind* at random moments drawn by *seed* and *number*."""

    kind: str
    number: int
    scenario: str
    seed: int = 1
    link: str = "tcp"
    broker: str = "mosquitto"
    seconds: int = 360

    @property
    def fault_kind(self) -> FaultKind:
        """The kind as what it is."""
        return FaultKind(self.kind)

    @property
    def speed(self) -> str:
        """Real time where time-outs and programs take some."""
        return "lockstep" if self.fault_kind in _IN_LOCKSTEP else "1"

    def faults(self, junctions: Sequence[str]) -> tuple[Fault, ...]:
        """The faults of the run, at random moments, so far apart that each can be judged."""
        rng = random.Random(f"{self.seed} {self.kind} {self.number}")
        kind = self.fault_kind
        together = kind in EVERYWHERE or (kind is FaultKind.CLOCK and self.number % 2 == 1)
        places: Sequence[str | None] = (None,) if together else junctions
        found = [fault for place in places for fault in self._at(place, rng)]
        return tuple(sorted(found, key=lambda fault: fault.at_s))

    def _at(self, junction: str | None, rng: random.Random) -> Iterator[Fault]:
        kind = self.fault_kind
        settles_s = _SETTLES_S.get(kind, _SETTLES_OTHERS_S)
        at_s = WARM_UP_S + rng.randint(0, settles_s)
        while True:
            for_s = rng.randint(*_LASTS_S.get(kind, _LASTS_OTHERS_S))
            if at_s + for_s + settles_s > self.seconds:
                return
            yield Fault(kind, at_s, for_s, junction)
            at_s += for_s + settles_s + rng.randint(0, _SPREAD_S)


def job_text(job: Job) -> str:
    """*job* as the file that :mod:`benchmarks.fault_run` reads."""
    return json.dumps(asdict(job))
