"""The ladder that one cabinet steps down when something fails, and up again by itself.

::

    ADAPTIVE      the edge sends a schedule every second
    COORDINATED   the cabinet runs its plan by clock
    ISOLATED      the cabinet runs on its own detectors, by no clock
    FLASH         the cabinet's own last resort; the edge only sees it

Pure: :func:`advance` takes the state, the time and the :class:`Conditions`, and returns the next
state. A rung is out of reach while one of its :class:`Reason` is there. A reason is there at once,
and gone only when nothing has spoken for it for a while (:class:`Patience`), so that the cabinet
does not change its control with every flicker of a link. It always runs on the highest rung within
reach, at a switch point that the cabinet itself chooses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from edge.settings import ControlSettings


class Rung(IntEnum):
    """How a cabinet is controlled, from the last resort up."""

    FLASH = 0
    ISOLATED = 1
    COORDINATED = 2
    ADAPTIVE = 3


class Reason(Enum):
    """Why a rung is out of reach."""

    SWITCHED_OFF = "adaptive control is switched off"
    OPERATOR = "an operator has taken over"
    LINK = "the cabinet does not answer"
    DETECTION = "too few detectors work"
    OPTIMIZER_ERROR = "the optimizer failed"
    OPTIMIZER_LATE = "the optimizer takes too long"
    HUNG = "a second's work with the cabinet did not end"
    POLLED_LATE = "the cabinet is not polled every second"
    OVERLOADED = "the line of the cabinet has too much to carry"
    REFUSED = "the cabinet refuses its schedules"
    CLOCK = "the clock is not to be trusted"
    NO_PLAN = "there is no valid coordinated plan"
    FLASHING = "the cabinet flashes"


BLOCKS: dict[Reason, frozenset[Rung]] = {
    Reason.SWITCHED_OFF: frozenset({Rung.ADAPTIVE}),
    Reason.OPERATOR: frozenset({Rung.ADAPTIVE}),
    Reason.LINK: frozenset({Rung.ADAPTIVE}),
    Reason.DETECTION: frozenset({Rung.ADAPTIVE}),
    Reason.OPTIMIZER_ERROR: frozenset({Rung.ADAPTIVE}),
    Reason.OPTIMIZER_LATE: frozenset({Rung.ADAPTIVE}),
    Reason.HUNG: frozenset({Rung.ADAPTIVE}),
    Reason.POLLED_LATE: frozenset({Rung.ADAPTIVE}),
    Reason.OVERLOADED: frozenset({Rung.ADAPTIVE}),
    Reason.REFUSED: frozenset({Rung.ADAPTIVE}),
    # Schedules run on monotonic time: only what runs by clock suffers when that steps.
    Reason.CLOCK: frozenset({Rung.COORDINATED}),
    Reason.NO_PLAN: frozenset({Rung.COORDINATED}),
    Reason.FLASHING: frozenset({Rung.ADAPTIVE, Rung.COORDINATED, Rung.ISOLATED}),
}
"""Which rungs each reason puts out of reach; flash never is."""


_NEVER = "it has not been reached yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the edge sees of one cabinet, and of itself, in one tick."""

    link_age_ms: int | None
    """Since the cabinet last answered; None if it never has."""
    late_ms: int | None = None
    """How much later than due this poll came after the one before; None in a tick without one."""
    overload: str = ""
    """That the cabinet has to wait for its line, which has too much to carry, in words."""
    hung: str = ""
    """How the last turn was ended that did not end by itself."""
    detection: float = 1.0
    """Part of the detectors that work, 0 to 1."""
    settling: bool = False
    """The cabinet has just been reached: detectors that come now have not flickered."""
    optimizer_ms: int = 0
    """What the last decision took."""
    optimizer_error: str = ""
    refusal: str = ""
    """What the cabinet says of the last schedule, if it did not take it."""
    clock_step_ms: int = 0
    clock_trusted: bool = True
    plan_valid: bool = True
    flashing: bool = False
    operator: bool = False
    adaptive: bool = True
    """Adaptive control is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a condition becomes a reason, and how long it must have been gone to be none."""

    link_silent_ms: int = 3_000
    detection_min: float = 0.25
    detection_margin: float = 0.15
    """Once too few work, so many more must work again."""
    budget_ms: int = 500
    late_poll_ms: int = 500
    late_ticks: int = 3
    """In a row above the budget, or polled late; one slow tick happens to every computer."""
    refusals: int = 3
    """In a row; one order that was garbled on its way is refused too, and the next one is not."""
    clock_step_ms: int = 1_000
    gone_ms: dict[Reason, int] = field(
        default_factory=lambda: {
            Reason.SWITCHED_OFF: 0,
            Reason.OPERATOR: 5_000,
            Reason.LINK: 3_000,
            Reason.DETECTION: 30_000,
            Reason.OPTIMIZER_ERROR: 10_000,
            Reason.OPTIMIZER_LATE: 30_000,
            Reason.HUNG: 10_000,
            Reason.POLLED_LATE: 3_000,
            Reason.OVERLOADED: 60_000,  # there is less to carry while it is one
            Reason.REFUSED: 3_000,
            Reason.CLOCK: 60_000,
            Reason.NO_PLAN: 0,
            Reason.FLASHING: 5_000,
        }
    )

    @classmethod
    def of(cls, settings: ControlSettings) -> Patience:
        """As ``site.toml`` says."""
        return cls(detection_min=settings.detection_min, budget_ms=settings.budget_ms)


@dataclass(frozen=True, slots=True)
class Standing:
    """A reason that counts: since when, when something last spoke for it, and its details."""

    reason: Reason
    since_ms: int
    seen_ms: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason.value} ({self.detail})" if self.detail else self.reason.value


@dataclass(frozen=True, slots=True)
class LadderState:
    """The rung of one cabinet, since when, and every reason that counts."""

    rung: Rung
    since_ms: int
    now_ms: int
    reasons: tuple[Standing, ...] = ()
    late_ticks: int = 0
    late_polls: int = 0
    refusals: int = 0

    @property
    def why(self) -> str:
        """What keeps the cabinet from a higher rung, in words; empty on the highest."""
        blocking = (
            each for each in self.reasons if any(r > self.rung for r in BLOCKS[each.reason])
        )
        return "; ".join(map(str, blocking))


@dataclass(frozen=True, slots=True)
class StepDown:
    """A change of rung, down or up, to be logged and reported."""

    before: Rung
    after: Rung
    at_ms: int
    why: str


def start(now_ms: int) -> LadderState:
    """A cabinet of which nothing is known yet runs its plan by clock."""
    unknown = Standing(Reason.LINK, now_ms, now_ms, _NEVER)
    return LadderState(Rung.COORDINATED, now_ms, now_ms, (unknown,))


def advance(
    state: LadderState, now_ms: int, seen: Conditions, patience: Patience
) -> tuple[LadderState, StepDown | None]:
    """The state at *now_ms* (monotonic), and the change of rung if there is one.

    Raises :class:`ValueError` if time goes back.
    """
    if now_ms < state.now_ms:
        raise ValueError(f"time went back from {state.now_ms} to {now_ms} ms")
    late_ticks = state.late_ticks + 1 if seen.optimizer_ms > patience.budget_ms else 0
    standing = {each.reason: each for each in state.reasons}
    late_polls = _late_polls(state, seen, patience)
    detection_lost = Reason.DETECTION in standing and not seen.settling
    refusals = _refusals(state, seen)
    spoken = dict(_reasons(seen, patience, late_ticks, late_polls, detection_lost))
    if seen.refusal and refusals >= patience.refusals:
        spoken[Reason.REFUSED] = seen.refusal
    for reason, detail in spoken.items():
        before, seen_ms = standing.get(reason), now_ms
        if reason is Reason.DETECTION and seen.settling:
            seen_ms -= patience.gone_ms[reason]
        if before is not None:
            seen_ms = max(seen_ms, before.seen_ms)
        since_ms = now_ms if before is None else before.since_ms
        standing[reason] = Standing(reason, since_ms, seen_ms, detail)
    kept = tuple(
        each
        for reason, each in standing.items()
        if reason in spoken or now_ms - each.seen_ms < patience.gone_ms[reason]
    )
    rung = _highest(kept)
    changed = rung != state.rung
    since_ms = now_ms if changed else state.since_ms
    after = LadderState(rung, since_ms, now_ms, kept, late_ticks, late_polls, refusals)
    if not changed:
        return after, None
    return after, StepDown(state.rung, rung, now_ms, after.why or _gone(state))


def _late_polls(before: LadderState, seen: Conditions, patience: Patience) -> int:
    """How many polls in a row came late; ticks without a poll say nothing of that."""
    if seen.late_ms is None:
        return before.late_polls
    return before.late_polls + 1 if seen.late_ms > patience.late_poll_ms else 0


def _refusals(before: LadderState, seen: Conditions) -> int:
    """How many orders in a row were refused; ticks without a poll say nothing of that."""
    if seen.refusal:
        return before.refusals + 1
    return before.refusals if seen.late_ms is None else 0


def _reasons(
    seen: Conditions, patience: Patience, late_ticks: int, late_polls: int, detection_lost: bool
) -> Iterator[tuple[Reason, str]]:
    """What speaks against a rung now, with details."""
    yield from _of_the_link(seen, patience, late_polls)
    yield from _of_the_cabinet(seen)
    margin = patience.detection_margin if detection_lost else 0.0
    needed = min(1.0, patience.detection_min + margin)
    if not seen.detection >= needed:  # not: for NaN
        yield Reason.DETECTION, f"{seen.detection:.0%}"
    if seen.optimizer_error:
        yield Reason.OPTIMIZER_ERROR, seen.optimizer_error
    if late_ticks >= patience.late_ticks:
        yield Reason.OPTIMIZER_LATE, f"{seen.optimizer_ms} ms"
    if abs(seen.clock_step_ms) > patience.clock_step_ms:
        yield Reason.CLOCK, f"it stepped by {seen.clock_step_ms / 1_000:+.1f} s"
    elif not seen.clock_trusted:
        yield Reason.CLOCK, "it is not synchronised"


def _of_the_link(
    seen: Conditions, patience: Patience, late_polls: int
) -> Iterator[tuple[Reason, str]]:
    silent_ms = seen.link_age_ms
    if silent_ms is None:
        yield Reason.LINK, _NEVER
    elif silent_ms > patience.link_silent_ms:
        silent_s = f"for {silent_ms / 1_000:.0f} s"
        if seen.overload:
            yield Reason.OVERLOADED, f"not polled {silent_s}: {seen.overload}"
        else:
            yield Reason.LINK, f"silent {silent_s}"
    if seen.hung:
        yield Reason.HUNG, seen.hung
    if seen.late_ms is not None and late_polls >= patience.late_ticks:
        every = f"every {1 + seen.late_ms / 1_000:.1f} s"
        if seen.overload:
            yield Reason.OVERLOADED, f"polled {every}: {seen.overload}"
        else:
            yield Reason.POLLED_LATE, every


def _of_the_cabinet(seen: Conditions) -> Iterator[tuple[Reason, str]]:
    if not seen.adaptive:
        yield Reason.SWITCHED_OFF, ""
    if seen.operator:
        yield Reason.OPERATOR, ""
    if not seen.plan_valid:
        yield Reason.NO_PLAN, ""
    if seen.flashing:
        yield Reason.FLASHING, ""


def _highest(reasons: tuple[Standing, ...]) -> Rung:
    blocked = frozenset().union(*(BLOCKS[each.reason] for each in reasons))
    return next(rung for rung in sorted(Rung, reverse=True) if rung not in blocked)


def _gone(before: LadderState) -> str:
    if any(each.detail == _NEVER for each in before.reasons):
        return "it has been reached"
    return f"no longer: {before.why}"
