"""Between sites and the network model: sequences and streams in, timing plans out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from controller.plan import PlanStage, TimingPlan
from optimizer.planning.gaps import discharge_veh_per_h
from optimizer.planning.network import PlanningNetwork, PlanningSite, Stream
from optimizer.planning.sequences import ALWAYS, Layout
from optimizer.profiles.network import (
    Feed,
    GiveWay,
    GreenTimes,
    Link,
    Node,
    Setting,
    SignalNetwork,
    StageSequence,
)

HALF_CYCLE = (1.0, 0.5)
SLACK_S = 2.0
"""A cycle leaves so much above the minimums of a site, if it may: without, a site that is late once
stays late."""


@dataclass(frozen=True)
class SitePlan:
    """A site and the sequences that it may run: stages by position, the first has them all."""

    planned: PlanningSite
    orders: tuple[tuple[int, ...], ...]

    def layouts(self) -> tuple[Layout, ...]:
        """Each sequence, laid out; once, since its minimum times take a while to work out."""
        return self._layouts

    @cached_property
    def _layouts(self) -> tuple[Layout, ...]:
        return tuple(Layout(self.planned.site, order) for order in self.orders)


def signal_network(
    network: PlanningNetwork,
    sites: Mapping[int, SitePlan],
    zone: Sequence[int],
    *,
    half_cycles: bool = False,
    slack_s: float = 0.0,
    by_site: Mapping[int, Sequence[int]] | None = None,
) -> tuple[SignalNetwork, tuple[int, ...]]:
    """The model of the sites at the positions *zone*, and the position of the stream of each link.

    *sites*: by position. What comes from outside of the zone arrives evenly. Streams
    without demand are left out. *slack_s*: what a site's cycle leaves above its minimums, so that
    it can catch up when it is late. *by_site* spares the look through all streams.
    """
    node_of = {site: node for node, site in enumerate(zone)}
    at_site = streams_by_site(network) if by_site is None else by_site
    streams = tuple(
        at
        for at in sorted(at for site in zone for at in at_site.get(site, ()))
        if network.streams[at].flow_veh_per_h > 0.0
    )
    link_of = {stream: link for link, stream in enumerate(streams)}
    layouts = {site: sites[site].layouts() for site in zone}
    links = tuple(
        _link(network, network.streams[at], layouts[network.streams[at].site], node_of, link_of)
        for at in streams
    )
    nodes = tuple(_node(sites[site], layouts[site], half_cycles, slack_s) for site in zone)
    return (
        SignalNetwork(
            nodes=nodes,
            links=links,
            period_h=network.period_h,
            start_displacement_s=network.start_loss_s,
            end_displacement_s=network.end_gain_s,
            dispersion=network.dispersion,
            fastest=network.fastest,
        ),
        streams,
    )


def streams_by_site(network: PlanningNetwork) -> dict[int, list[int]]:
    """The positions of the streams of every site."""
    found: dict[int, list[int]] = {}
    for at, stream in enumerate(network.streams):
        found.setdefault(stream.site, []).append(at)
    return found


def _node(site: SitePlan, layouts: Sequence[Layout], half_cycles: bool, slack_s: float) -> Node:
    first = layouts[0]
    place = {stage: k for k, stage in enumerate(first.stages)}
    others = tuple(
        StageSequence(
            stages=tuple(place[stage] for stage in layout.stages),
            minimum_split_s=layout.minimums_s,
        )
        for layout in layouts[1:]
    )
    return Node(
        name=site.planned.name,
        minimum_split_s=first.minimums_s,
        other_sequences=others,
        cycle_factors=HALF_CYCLE if half_cycles else (1.0,),
        slack_s=slack_s,
    )


def _link(
    network: PlanningNetwork,
    stream: Stream,
    layouts: Sequence[Layout],
    node_of: dict[int, int],
    link_of: dict[int, int],
) -> Link:
    groups = layouts[0].site.mask(stream.groups)
    place = {stage: k for k, stage in enumerate(layouts[0].stages)}
    greens = [_numbered(layout, groups, place) for layout in layouts]
    if stream.is_pedestrian:
        greens = [tuple(_as_lit(green, network) for green in own) for own in greens]
    feeds = tuple(
        Feed(
            link=link_of[feed.stream],
            flow_veh_per_h=feed.flow_veh_per_h,
            travel_time_s=stream.travel_time_s
            if feed.travel_time_s is None
            else feed.travel_time_s,
        )
        for feed in stream.feeds
        if feed.stream in link_of
    )
    fed = sum(feed.flow_veh_per_h for feed in feeds)
    return Link(
        name=stream.name,
        node=node_of[stream.site],
        greens=greens[0],
        other_greens=tuple(greens[1:]),
        saturation_veh_per_h=stream.saturation_veh_per_h,
        flow_veh_per_h=stream.flow_veh_per_h,
        uniform_veh_per_h=max(stream.flow_veh_per_h - fed, 0.0),
        feeds=feeds,
        give_way=_give_way(network, stream, link_of),
        storage_veh=stream.storage_veh,
        delay_weight=stream.persons_per_veh,
        stop_weight=0.0 if stream.is_pedestrian else stream.persons_per_veh,
    )


def _as_lit(green: GreenTimes, network: PlanningNetwork) -> GreenTimes:
    """*green* without what drivers lose at its start and gain at its end.

    People step off at once, and not any more when the walk has ended.
    """
    if green == ALWAYS:
        return green
    return replace(
        green,
        start_lag_s=green.start_lag_s - network.start_loss_s,
        end_lag_s=green.end_lag_s - network.end_gain_s,
    )


def _numbered(layout: Layout, groups: int, place: dict[int, int]) -> tuple[GreenTimes, ...]:
    """The greens of *groups*, their stages as the node numbers them."""
    return tuple(
        replace(
            green,
            start_stage=place[layout.stages[green.start_stage]],
            end_stage=place[layout.stages[green.end_stage]],
        )
        for green in layout.greens(groups)
    )


def _give_way(network: PlanningNetwork, stream: Stream, link_of: dict[int, int]) -> GiveWay | None:
    """A straight line through what gaps allow at no and at full opposing flow."""
    rivals = [at for at in stream.gives_way_to if at in link_of]
    if not rivals or stream.yielding_share <= 0.0:
        return None
    most = opposed_veh_per_h(stream, 0.0)
    slopes = []
    for at in rivals:
        full = network.streams[at].saturation_veh_per_h
        slopes.append((most - opposed_veh_per_h(stream, full)) / full)
    return GiveWay(
        links=tuple(link_of[at] for at in rivals),
        slopes=tuple(slopes),
        maximum_veh_per_h=most,
    )


def opposed_veh_per_h(stream: Stream, opposing_veh_per_h: float) -> float:
    """What *stream* discharges through the gaps of so much opposing traffic."""
    return discharge_veh_per_h(
        opposing_veh_per_h, stream.saturation_veh_per_h, stream.lanes, stream.yielding_share
    )


def timing_plan(site: SitePlan, setting: Setting, node: int, name: str) -> TimingPlan:
    """The plan of *site*, which is *node* of the network that *setting* is for."""
    cycle_ms = round(setting.cycle_s * setting.factor(node) * 1000)
    layout = site.layouts()[setting.sequence(node)]
    place = {stage: k for k, stage in enumerate(site.orders[0])}
    starts = setting.stage_start_s[node]
    greens_ms = [
        round(starts[place[stage]] * 1000) + change
        for stage, change in zip(layout.stages, layout.interstages_ms, strict=True)
    ]
    count = len(greens_ms)
    splits_ms = [(greens_ms[(k + 1) % count] - greens_ms[k]) % cycle_ms for k in range(count)]
    if count == 1:
        splits_ms = [cycle_ms]
    return TimingPlan(
        site=site.planned.name,
        name=name,
        cycle_ms=cycle_ms,
        offset_ms=greens_ms[0] % cycle_ms,
        stages=tuple(
            PlanStage(stage=layout.site.stages[stage].name, split_ms=split)
            for stage, split in zip(layout.stages, splits_ms, strict=True)
        ),
    )


def positions_of(planned: PlanningSite) -> tuple[int, ...]:
    """The stages of the present sequence, as positions among those of the site."""
    return tuple(planned.site.stage_index(entry.stage) for entry in planned.present.stages)
