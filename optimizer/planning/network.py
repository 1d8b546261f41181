"""What a planner is given: sites, the streams that queue at them, and how streams feed each other.

Made from a SUMO network and its demand (:mod:`sim.planning.from_net`) or from a UTDF file
(:mod:`sim.planning.from_utdf`); knows nothing of either. Flows are mean rates over the period that
is planned for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.intersection import Intersection
from controller.plan import TimingPlan

STEP_OFF_PER_H = 36_000.0
"""People who step off together, an hour: so many that nobody is left when the walk ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningSite:
    """One signal controller, and what it runs today.

    ``present`` gives the stage sequence and, for comparison, today's splits and offset.
    ``keep_order``: only this sequence is known to be workable. ``x_m``, ``y_m``: east and north.
    """

    site: Intersection
    present: TimingPlan
    x_m: float
    y_m: float
    keep_order: bool = False

    @property
    def name(self) -> str:
        """The name of the site."""
        return self.site.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Vehicles that come from one upstream stream: its position, and how many of them.

    ``travel_time_s``: between the two stop lines; None takes that of the stream that is fed.
    """

    stream: int
    flow_veh_per_h: float
    travel_time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Vehicles (or people on foot) that queue together at one stop line and leave together.

    ``groups``: the signal groups that release it; it flows while all of them are green.
    ``length_m`` and ``travel_time_s``: from the upstream stop line (or the edge of the network) at
    cruise speed. ``storage_veh``: how many fit between the stop lines; infinite at the edge.
    ``feeds``: what comes from other streams; the rest of ``flow_veh_per_h`` comes evenly.
    ``gives_way_to``: streams that go first while both are green (a permissive turn), and
    ``yielding_share`` how many of its own vehicles wait for them.
    ``approach``, ``turn``: for tables; turn as in :class:`~controller.intersection.Movement`.
    ``is_pedestrian``: the flow is of persons, and all who wait step off when the walk begins
    (:func:`people_on_foot`); a stop costs them nothing more than its delay.
    """

    name: str
    site: int
    groups: tuple[str, ...]
    flow_veh_per_h: float
    saturation_veh_per_h: float
    lanes: int = 1
    length_m: float = 0.0
    travel_time_s: float = 0.0
    storage_veh: float = float("inf")
    feeds: tuple[Feed, ...] = ()
    gives_way_to: tuple[int, ...] = ()
    yielding_share: float = 1.0
    persons_per_veh: float = 1.0
    is_pedestrian: bool = False
    approach: str = ""
    turn: str = "through"


def people_on_foot(at: int, site: Intersection, group: int, persons_per_h: float) -> Stream:
    """Those who walk over what *group* (a position in *site*) lights; *at*: the site's position."""
    name = site.groups[group].name
    return Stream(
        name=f"{site.name} {name}",
        site=at,
        groups=(name,),
        flow_veh_per_h=persons_per_h,
        saturation_veh_per_h=STEP_OFF_PER_H,
        is_pedestrian=True,
        turn="crossing",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningNetwork:
    """Everything that one plan is made for. ``streams[i].site`` is a position in ``sites``.

    How its drivers drive: ``start_loss_s`` of a green, ``end_gain_s`` after it, and how platoons
    spread (:class:`optimizer.profiles.network.SignalNetwork`).
    """

    name: str
    sites: tuple[PlanningSite, ...]
    streams: tuple[Stream, ...]
    period_h: float = 1.0
    start_loss_s: float = 2.0
    end_gain_s: float = 3.0
    dispersion: float = 0.35
    fastest: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Sites that share a cycle; a site may run at half or double of it."""

    name: str
    cycle_s: float
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """One plan for every site, made together. ``plans`` are in the order of the sites."""

    name: str
    zones: tuple[Zone, ...]
    plans: tuple[TimingPlan, ...]
    network: str = ""
    """The scenario or file that it was made for."""
    objective: str = ""
    """What it is best in, in words."""


def scaled(network: PlanningNetwork, factor: float) -> PlanningNetwork:
    """*network* with every flow times *factor*."""
    return replace(
        network,
        streams=tuple(
            replace(
                stream,
                flow_veh_per_h=stream.flow_veh_per_h * factor,
                feeds=tuple(
                    replace(feed, flow_veh_per_h=feed.flow_veh_per_h * factor)
                    for feed in stream.feeds
                ),
            )
            for stream in network.streams
        ),
    )
