"""Plans for the sites beside an arterial: on their own, and joined to the arterial's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from optimizer.planning.maker import MadePlan
from optimizer.planning.network import PlanningNetwork, Stream


def without(network: PlanningNetwork, sites: Collection[str]) -> PlanningNetwork:
    """*network* without *sites* (names); what came from them to others now comes evenly."""
    kept = [k for k, planned in enumerate(network.sites) if planned.name not in sites]
    streams = [k for k, stream in enumerate(network.streams) if stream.site in set(kept)]
    site_of = {old: new for new, old in enumerate(kept)}
    stream_of = {old: new for new, old in enumerate(streams)}

    def moved(stream: Stream) -> Stream:
        return replace(
            stream,
            site=site_of[stream.site],
            feeds=tuple(
                replace(feed, stream=stream_of[feed.stream])
                for feed in stream.feeds
                if feed.stream in stream_of
            ),
            gives_way_to=tuple(stream_of[at] for at in stream.gives_way_to if at in stream_of),
        )

    return replace(
        network,
        sites=tuple(network.sites[k] for k in kept),
        streams=tuple(moved(network.streams[k]) for k in streams),
    )


def joined(network: PlanningNetwork, first: MadePlan, second: MadePlan) -> MadePlan:
    """The plan *first* of some sites of *network* with *second*, made for :func:`without` them.

    Zones are numbered on; plans and predictions are in the order of *network*.
    """
    own = {plan.site for plan in first.plan.plans}
    others = [
        k for k, stream in enumerate(network.streams) if network.sites[stream.site].name not in own
    ]
    zones = [*first.plan.zones, *second.plan.zones]
    plan_of = {plan.site: plan for plan in (*first.plan.plans, *second.plan.plans)}
    predictions = [
        *first.predictions,
        *(replace(each, stream=others[each.stream]) for each in second.predictions),
    ]
    return MadePlan(
        plan=replace(
            first.plan,
            zones=tuple(replace(zone, name=str(n)) for n, zone in enumerate(zones, 1)),
            plans=tuple(plan_of[planned.name] for planned in network.sites),
            objective=f"{first.plan.objective}; beside it {second.plan.objective}",
        ),
        predictions=tuple(sorted(predictions, key=lambda each: each.stream)),
        notes=first.notes + second.notes,
        shortcomings=first.shortcomings + second.shortcomings,
        index_by_cycle=first.index_by_cycle + second.index_by_cycle,
    )
