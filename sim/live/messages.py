"""What the centre and the simulated streets tell each other: plain values that can be pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.clock import Instant
from controller.plan import TimingPlan
from edge.centre.values import SiteLive
from edge.corridors.values import Call, CallAnswer, Position, SiteView
from sim.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetsSpec:
    """Which streets to run, how fast, and how long unseen before."""

    scenario: Scenario
    seed: int = 1
    speed: float = 1.0
    warm_up_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """How everything is at *now*."""

    now: Instant
    sites: tuple[SiteLive, ...]
    views: Mapping[str, SiteView]
    positions: Mapping[str, Position]
    """By vehicle, of those that were sent and are driving."""
    arrived: tuple[str, ...]
    """Vehicles that left the streets since the last second."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a cabinet says to a call."""

    site: str
    number: int
    answer: CallAnswer


@dataclass(frozen=True, slots=True)
class Failed:
    """The streets can't go on, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls to be made at cabinets."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Depart:
    """A vehicle sets out along *route*."""

    vehicle: str
    route: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A vehicle goes on along *route*, which begins where it is."""

    vehicle: str
    route: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunOn:
    """A site falls back to *plan* from now on."""

    plan: TimingPlan


FromStreets = Second | Answered | Failed
ToStreets = Calls | Depart | Turn | RunOn
