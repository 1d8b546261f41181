"""A small crossroads for the example tests: two vehicle axes and the crossing of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from controller.clock import Instant
from controller.intersection import (
    Detector,
    DetectorRole,
    GroupKind,
    Intersection,
    SignalGroup,
    Stage,
    conflict_masks,
)
from controller.plan import CheckedPlan, PlanStage, TimingPlan, Transition, check_plan
from controller.signals import Inputs

NS, EW, WALK_NS, WALK_EW = range(4)
LOOP_NS, LOOP_EW, BUTTON_NS, BUTTON_EW = (1 << d for d in range(4))
UTC_MS = 1_700_000_040_000
"""A multiple of 60 s, the cycle of the plans here."""
CYCLE_MS = 60_000


def crossroads(**changes: object) -> Intersection:
    """Minimum green 5 s, yellow 3 s, intergreen 5 s; walk 5 s, clearance 8 s, then 2 s buffer."""
    groups = (
        SignalGroup(name="NS"),
        SignalGroup(name="EW"),
        SignalGroup(name="walk NS", kind=GroupKind.PEDESTRIAN, min_green_ms=5_000, ending_ms=8_000),
        SignalGroup(name="walk EW", kind=GroupKind.PEDESTRIAN, min_green_ms=5_000, ending_ms=8_000),
    )
    conflicts = conflict_masks(4, [(NS, EW), (NS, WALK_EW), (EW, WALK_NS), (WALK_NS, WALK_EW)])
    settings: dict[str, object] = {
        "name": "crossroads",
        "groups": groups,
        "conflicts": conflicts,
        "intergreen_ms": tuple(
            tuple(groups[i].ending_ms + 2_000 if conflicts[i] >> j & 1 else 0 for j in range(4))
            for i in range(4)
        ),
        "stages": (
            Stage(name="A", groups=("NS", "walk NS")),
            Stage(name="B", groups=("EW", "walk EW")),
        ),
        "detectors": (
            Detector(name="loop NS", role=DetectorRole.STOP_LINE, groups=("NS",)),
            Detector(name="loop EW", role=DetectorRole.STOP_LINE, groups=("EW",)),
            Detector(name="button NS", role=DetectorRole.PUSH_BUTTON, groups=("walk NS",)),
            Detector(name="button EW", role=DetectorRole.PUSH_BUTTON, groups=("walk EW",)),
        ),
        "startup_flash_ms": 0,
        "startup_red_ms": 2_000,
    }
    return Intersection(**(settings | changes))  # type: ignore[arg-type]


def plan(
    site: Intersection,
    *,
    offset_ms: int | None = 0,
    splits_ms: tuple[int, int] = (35_000, 25_000),
    transition: Transition = Transition.SHORTWAY,
    sequence_no: int = 1,
    side: dict[str, bool] | None = None,
    main: dict[str, bool] | None = None,
) -> CheckedPlan:
    """A plan of stage A (``main``) and stage B (``side``)."""
    return check_plan(
        TimingPlan(
            site=site.name,
            name=f"plan {sequence_no}",
            cycle_ms=sum(splits_ms),
            offset_ms=offset_ms,
            transition=transition,
            sequence_no=sequence_no,
            stages=(
                PlanStage(stage="A", split_ms=splits_ms[0], **(main or {})),
                PlanStage(stage="B", split_ms=splits_ms[1], **(side or {})),
            ),
        ),
        site,
    )


def ticks(
    duration_s: float,
    inputs: Callable[[float], Inputs] | Inputs,
    *,
    tick_ms: int = 100,
    utc_ms: int = UTC_MS,
    begin: Instant | None = None,
) -> Iterator[tuple[Instant, Inputs]]:
    """Steps for *duration_s*; *inputs* may depend on the seconds since the first."""
    first = begin if begin is not None else Instant(0, utc_ms)
    for k in range(int(duration_s * 1_000) // tick_ms):
        now = first.after(k * tick_ms)
        yield now, inputs if isinstance(inputs, Inputs) else inputs(k * tick_ms / 1_000)
