"""What a centre knows of its sites, as plain values: what stands there, and how it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.intersection import Intersection
from controller.plan import TimingPlan
from edge.corridors.streets import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What stays the same at a site; *position* in metres, x east, y north."""

    name: str
    label: str
    """What people call it; the name where nobody does."""
    position: Point
    intersection: Intersection
    stage_labels: Mapping[str, str] = field(default_factory=dict)
    """The stages in words: who is green."""
    lane_streets: Mapping[str, str] = field(default_factory=dict)
    """By lane of the estimate the street that it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLive:
    """One lane in front of a stop line. ``queue_veh`` None: no detector there works."""

    lane: str
    queue_veh: float | None
    confidence: float
    """0..1: how far the estimate is to be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLive:
    """One site as it was last heard of, at ``utc_ms``."""

    site: str
    utc_ms: int
    reachable: bool
    stage: str | None = None
    """None while it changes, or while nothing is known."""
    green_ms: int = 0
    aspects: tuple[str, ...] = ()
    """``green``, ``ending``, ``red`` or ``flash`` of every group, in the order of the site."""
    mode: str = "unknown"
    command: str = "unknown"
    """Whose word the cabinet runs on: plan, schedule, priority, operator."""
    rung: str = "unknown"
    """How far up the ladder: adaptive, coordinated, isolated, flash."""
    rung_why: str = ""
    """What keeps it from a higher rung; empty on the highest."""
    decision: str = ""
    """What the control did last, and why, in one line."""
    limit: str = ""
    lanes: tuple[LaneLive, ...] = ()
    detection: float | None = None
    """Share of the lanes of which a detector works."""
    faults: tuple[str, ...] = ()
    plan: str = ""
    """Name of the plan in force, and of the one that it falls back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """One plan that a site has had, has, or will have."""

    site: str
    sequence_no: int
    plan: TimingPlan
    state: str
    """``in force``, ``waiting``, ``earlier`` or ``refused``."""
    sent_utc_ms: int
    by: str
    why: str = ""
    """The reason that was given for it, or that the cabinet gave for refusing it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A vehicle that corridors may be opened for."""

    name: str
    label: str
    role: str
    level: int
    street: str = ""
    """Where it stands or was last heard of; empty where nobody knows."""
