"""What a plan is expected to do to every stream, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.plan import TimingPlan, check_plan, minimum_splits_ms
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.timing import SLACK_S, SitePlan
from optimizer.profiles.model import LinkResult

LEVELS_S = (("A", 10.0), ("B", 20.0), ("C", 35.0), ("D", 55.0), ("E", 80.0))
"""Level of service by control delay of signals (HCM 2010, exhibit 18-4)."""
WALKING_LEVELS_S = (("A", 10.0), ("B", 20.0), ("C", 30.0), ("D", 40.0), ("E", 60.0))
"""The same for people on foot, who are impatient from 30 s on (HCM 2000, exhibit 18-9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPrediction:
    """What is expected of the stream at position *stream*.

    ``flow_veh_per_h`` is what reaches it: less than its demand below a bottleneck.
    ``queue_veh``: how far back it stands at its longest in the mean cycle. Of people on foot,
    flow and queue are persons.
    """

    stream: int
    flow_veh_per_h: float
    capacity_veh_per_h: float
    saturation: float
    delay_s: float
    stops_per_veh: float
    queue_veh: float
    is_pedestrian: bool = False

    @property
    def level_of_service(self) -> str:
        """A to F; F as well for more demand than capacity."""
        if self.saturation > 1.0:
            return "F"
        levels = WALKING_LEVELS_S if self.is_pedestrian else LEVELS_S
        return next((letter for letter, most in levels if self.delay_s <= most), "F")

    @property
    def delay_veh(self) -> float:
        """Mean number of those who wait: hours of delay in an hour."""
        return self.delay_s * self.flow_veh_per_h / 3600.0


def prediction(network: PlanningNetwork, stream: int, result: LinkResult) -> StreamPrediction:
    """*result* of the stream at position *stream* of *network*, as it is told."""
    flow = result.flow_veh_per_h
    return StreamPrediction(
        stream=stream,
        flow_veh_per_h=flow,
        capacity_veh_per_h=result.capacity_veh_per_h,
        saturation=result.saturation,
        delay_s=result.delay_s_per_veh,
        stops_per_veh=result.stops_per_h / flow if flow > 0.0 else 0.0,
        queue_veh=result.queue_veh,
        is_pedestrian=network.streams[stream].is_pedestrian,
    )


def shortcomings(
    network: PlanningNetwork, predictions: Sequence[StreamPrediction]
) -> Iterator[str]:
    """In sentences: streams over capacity, and queues that are longer than their streets."""
    over = [each for each in predictions if each.saturation > 1.0]
    for each in sorted(over, key=lambda each: -each.saturation):
        stream = network.streams[each.stream]
        unserved = each.flow_veh_per_h - each.capacity_veh_per_h
        yield (
            f"{stream.name} is over capacity: {each.flow_veh_per_h:.0f} veh/h come and "
            f"{each.capacity_veh_per_h:.0f} can leave ({each.saturation:.0%}); "
            f"{unserved * network.period_h:.0f} vehicles wait at the end of the period"
        )
    for each in predictions:
        stream = network.streams[each.stream]
        if each.queue_veh > stream.storage_veh:
            yield (
                f"{stream.name}: a queue of {each.queue_veh:.0f} vehicles is expected, "
                f"{stream.storage_veh:.0f} fit between the stop lines"
            )


def without_slack(plan: TimingPlan, site_plan: SitePlan, slack_s: float = SLACK_S) -> list[str]:
    """Says that a site could not catch up when it is late. *site_plan* has the order of *plan*."""
    spare_s = plan.cycle_ms / 1000 - slack_s
    if all(sum(layout.minimums_s) <= spare_s for layout in site_plan.layouts()):
        return []
    site = site_plan.planned.site
    minimums_ms = minimum_splits_ms(site, check_plan(plan, site).masks)
    if sum(minimums_ms) <= 1000 * spare_s:
        return []
    return [
        f"{plan.site} needs all of its cycle of {plan.cycle_ms / 1000:g} s for its minimum times: "
        "once behind its offset it stays behind"
    ]
