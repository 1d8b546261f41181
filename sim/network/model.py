"""What is derived from a SUMO network: one :class:`Junction` per traffic light controller.

Glossary
    link        one position in the controller's SUMO state string; several connections may share
                it, then there is one :class:`SignalLink` for each of them.
    approach    the edge that ends at the stop line.
    loop        an E1 induction loop; loop *i* of a junction is detector *i* of its intersection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from controller.intersection import Intersection
from controller.plan import TimingPlan
from sim.convention import Convention
from sim.network.net_file import Edge, Lane, Node, Point
from sim.network.programs import ShippedProgram

Severity = Literal["unsafe", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an engineer should know about a network or a program.

    ``unsafe``: would endanger people if it stood in a street. ``warning``: does not work as it
    looks. ``note``: how something unusual was read.
    """

    severity: Severity
    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class SignalLink:
    """One controlled connection. ``group`` is None where the lamp never changes.

    ``yields_to_groups`` is the mask of the groups whose traffic it must give way to while both
    are lit, ``always_yields`` says that it also gives way to traffic without a signal.
    """

    index: int
    group: int | None
    from_lane: str
    to_lane: str
    from_edge: str
    to_edge: str
    turn: str
    node: str
    via: str = ""
    yields_to_groups: int = 0
    always_yields: bool = False
    idle_letter: str = "r"
    """What SUMO is shown while the group is neither green nor ending."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One induction loop, ``position_m`` from the beginning of its lane.

    ``stop_lanes`` are the lanes at the stop line that its vehicles come to: one for a stop-line
    loop, several for an entry loop or before a fork. ``travel_time_s`` is the free-flow time from
    the loop to the stop line, ``share`` the part of the vehicles there that is expected to come
    to this approach (before anything is learnt).
    """

    id: str
    lane: str
    position_m: float
    detector: int
    approach: str
    stop_lanes: tuple[str, ...]
    travel_time_s: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Button:
    """The push buttons of one crossing: a person waiting on ``walking_areas`` may press."""

    detector: int
    crossing: str
    walking_areas: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Junction:
    """One traffic light controller, which may span several nodes.

    ``keep_order``: only the shipped stages in the shipped order are known to be workable.
    ``stage_labels``: the groups of every stage in words, aligned with ``intersection.stages``.
    """

    id: str
    nodes: tuple[str, ...]
    position: Point
    intersection: Intersection
    links: tuple[SignalLink, ...]
    loops: tuple[Loop, ...]
    buttons: tuple[Button, ...]
    shipped: ShippedProgram
    shipped_plan: TimingPlan
    shipped_greens_s: tuple[tuple[float, float], ...]
    """Shortest and longest green that the program gives each stage; (0, inf) where none."""
    shipped_stages: int
    """The first so many stages are those of the shipped program."""
    keep_order: bool
    stage_labels: tuple[str, ...]
    constant_letters: str
    """The state string with every lamp at rest; its length is that of SUMO's state."""
    findings: tuple[Finding, ...] = ()
    letters: dict[tuple[int, int], str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """State strings by (green, ending) mask, filled as they are asked for."""

    @property
    def stage_greens_s(self) -> dict[str, tuple[float, float]]:
        """By stage, the shortest and the longest green that the shipped program allows."""
        found: dict[str, tuple[float, float]] = {}
        entries = zip(self.shipped_plan.stages, self.shipped_greens_s, strict=True)
        for entry, (least_s, most_s) in entries:
            # A stage that comes twice may be as short as its shorter and as long as its longer one.
            least, most = found.get(entry.stage, (least_s, most_s))
            found[entry.stage] = (min(least, least_s), max(most, most_s))
        return found

    def links_of_group(self, group: int) -> tuple[SignalLink, ...]:
        """The links that the group at position *group* lights."""
        return tuple(link for link in self.links if link.group == group)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network with everything that was derived from it; shapes in metres, x east, y north."""

    path: Path
    name: str
    convention: Convention
    junctions: tuple[Junction, ...]
    lanes: Mapping[str, Lane]
    edges: Mapping[str, Edge]
    nodes: Mapping[str, Node]
    internal_length_m: Mapping[str, float]
    left_hand: bool = False
    findings: tuple[Finding, ...] = ()
    """Of the network as a whole; those of a junction stand with it."""

    def junction(self, junction_id: str) -> Junction:
        """The junction called *junction_id*; raises :class:`KeyError` with the known names."""
        for junction in self.junctions:
            if junction.id == junction_id:
                return junction
        known = ", ".join(junction.id for junction in self.junctions)
        raise KeyError(f"no traffic light {junction_id!r} (the network has {known})")

    def all_findings(self) -> tuple[Finding, ...]:
        """The network's findings, then those of every junction."""
        return self.findings + tuple(f for j in self.junctions for f in j.findings)
