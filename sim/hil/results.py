"""What a run of the bench has found: the documented interface of ``hil --json``.

Times of latencies in milliseconds, all others in seconds; seconds of the run count from its begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.hil.faults import Fault
from sim.hil.street import StreetRecord
from sim.hil.trace_check import Violation
from sim.metrics import percentile

SCHEMA = 1
BEHIND = "the street behind the clock"
"""The latency by which the street was driven late in real time."""
BEHIND_MAX_MS = 500.0
"""With more the lamps of a second are no longer those that it was driven by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long something took, over *count* of them, in ms."""

    name: str
    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, name: str, values_ms: Sequence[float]) -> Latency:
        """From the single values; all zero without any."""
        return cls(
            name=name,
            count=len(values_ms),
            p50_ms=percentile(values_ms, 50),
            p99_ms=percentile(values_ms, 99),
            max_ms=max(values_ms, default=0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One fault at one junction, and how it came back.

    ``left_s``: for how long the cabinet was not under a schedule of the edge, fault included.
    ``back_s``: from the end of the fault until it took a new one; None if it never did.
    ``standing`` and ``reference_standing``: vehicles that stood on its approaches on average, from
    the fault's begin until a while after it was back, with and without the fault.
    """

    fault: Fault
    junction: str
    left_s: float
    back_s: float | None
    standing: float
    reference_standing: float

    @property
    def traffic(self) -> float:
        """By how many vehicles the queues were longer on average."""
        return self.standing - self.reference_standing


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCheck:
    """The lamps of all cabinets against the rules and against the reference run.

    ``differs_at_s`` is the first second in which a junction showed something else than in the
    reference run; None if none did.
    """

    looks: int
    unseen_share: float
    violations: tuple[Violation, ...]
    differs_at_s: int | None
    differs_where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HilResult:
    """One run of the bench beside its reference."""

    scenario: str
    convention: str
    sumo: str
    speed: str
    lockstep: bool
    link: str
    broker: str
    seed: int
    scale: float
    begin_s: float
    end_s: float
    junctions: tuple[str, ...]
    foreign: tuple[str, ...]
    run: StreetRecord
    reference: StreetRecord
    wall_s: float
    """Of the simulated window alone, without starting and ending the programs."""
    adaptive_share: float | None
    """Part of the time of all cabinets that were watched that they ran schedules of the edge; None
    if there was none: on a serial line nobody but the edge can ask."""
    trace: TraceCheck
    latencies: tuple[Latency, ...]
    faults: tuple[Fault, ...] = ()
    """All that was broken on purpose; ``recoveries`` are of the cabinets that were watched."""
    recoveries: tuple[Recovery, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether lamps and mean delay are those of the reference, exactly."""
        same = self.run.result.delay_s == self.reference.result.delay_s
        return same and self.trace.differs_at_s is None

    @property
    def unwatched(self) -> tuple[tuple[Fault, str], ...]:
        """Each fault with each junction that it hit while nobody watched the cabinet there."""
        seen = {(each.fault, each.junction) for each in self.recoveries}
        hit = (
            (fault, name)
            for fault in self.faults
            for name in (self.junctions if fault.junction is None else (fault.junction,))
        )
        return tuple(pair for pair in hit if pair not in seen)

    @property
    def behind_ms(self) -> float:
        """In real time, how far the street was behind the clock at its worst; else 0."""
        return max((each.max_ms for each in self.latencies if each.name == BEHIND), default=0.0)

    @property
    def delay_change(self) -> float:
        """Relative change of the mean delay against the reference."""
        before_s = self.reference.result.delay_s
        return self.run.result.delay_s / before_s - 1 if before_s else 0.0
