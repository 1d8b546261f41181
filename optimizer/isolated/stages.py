"""A site of a planning network as a signal of its own: its stages in, a timing plan out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np

from controller.intersection import bits
from controller.plan import PlanStage, TimingPlan, check_plan
from optimizer.isolated.signal import LaneGroup, Phase, Signal, Window
from optimizer.isolated.solve import Goal, Timing, best_timing, least_cost_veh
from optimizer.planning.maker import Keep
from optimizer.planning.network import PlanningNetwork, Stream
from optimizer.planning.sequences import ALWAYS, Layout, combinations_of, orders_of
from optimizer.planning.stages import NEW_STAGES_GAIN
from optimizer.planning.timing import positions_of
from optimizer.profiles.network import GreenTimes

SCREENED = 6
"""So many of the cycles tell which stages are worth a closer look."""


def lane_groups_of(
    network: PlanningNetwork, own: Sequence[int], windows: Sequence[tuple[Window, ...]]
) -> tuple[LaneGroup, ...]:
    """The streams at the positions *own*, each with its windows, as lane groups of one signal."""
    place = {stream: at for at, stream in enumerate(own)}
    return tuple(
        LaneGroup(
            name=stream.name,
            flow_veh_per_h=stream.flow_veh_per_h,
            saturation_veh_per_h=stream.saturation_veh_per_h,
            windows=each,
            rivals=tuple(place[rival] for rival in stream.gives_way_to if rival in place),
            yielding_share=stream.yielding_share,
            lanes=stream.lanes,
        )
        for stream, each in zip((network.streams[at] for at in own), windows, strict=True)
    )


def streams_alone(network: PlanningNetwork, at: int) -> tuple[int, ...]:
    """The streams of the site at position *at* that have demand and are no people on foot."""
    return tuple(
        k
        for k, stream in enumerate(network.streams)
        if stream.site == at and stream.flow_veh_per_h > 0.0 and not stream.is_pedestrian
    )


def stage_signal(network: PlanningNetwork, at: int, order: tuple[int, ...]) -> Signal:
    """The site at position *at* with the stages *order* (positions), each a phase of one ring."""
    site = network.sites[at].site
    layout = Layout(site, order)
    own = streams_alone(network, at)
    windows = [_windows(layout, network.streams[stream]) for stream in own]
    names = [site.stages[stage].name for stage in order]
    return Signal(
        name=site.name,
        phases=tuple(
            Phase(name=name, minimum_s=minimum_s)
            for name, minimum_s in zip(names, _minimums_s(layout), strict=True)
        ),
        groups=lane_groups_of(network, own, windows),
        period_h=network.period_h,
        start_loss_s=network.start_loss_s,
        end_gain_s=network.end_gain_s,
        label=", ".join(names),
    )


def best_stage_timing(
    network: PlanningNetwork,
    at: int,
    cycles_s: Sequence[float],
    goal: Goal,
    keep: Keep,
    allowed: Callable[[tuple[int, ...]], bool] = lambda _: True,
) -> tuple[Timing, tuple[int, ...]]:
    """The best timing of the site at position *at*, and its stages (positions) in their order.

    Other sets of stages than the present one have to be *allowed*. Raises
    :class:`~optimizer.isolated.solve.CycleError` if every cycle is too short.
    """
    planned = network.sites[at]
    present = positions_of(planned)
    sets: tuple[tuple[int, ...], ...] = (present,)
    if keep is not Keep.STAGES:
        others = combinations_of(planned.site, present, keep_order=planned.keep_order)[1:]
        sets = (present, *(own for own in others if allowed(own)))
    stages = _cheapest(network, at, sets, cycles_s, goal)
    if keep is Keep.NOTHING and not planned.keep_order:
        stages = _cheapest(network, at, orders_of(planned.site, stages), cycles_s, goal)
    return best_timing([stage_signal(network, at, stages)], cycles_s, goal), stages


def stage_plan(
    network: PlanningNetwork, at: int, stages: tuple[int, ...], timing: Timing, name: str
) -> TimingPlan:
    """*timing* as the isolated plan of its site.

    Stages of the timing begin with the change to them, those of a plan with their green.
    """
    site = network.sites[at].site
    changes = Layout(site, stages).interstages_ms
    count = len(stages)
    plan = TimingPlan(
        site=site.name,
        name=name,
        cycle_ms=round(timing.cycle_s * 1000),
        stages=tuple(
            PlanStage(
                stage=site.stages[stage].name,
                split_ms=round(split * 1000) - changes[k] + changes[(k + 1) % count],
            )
            for k, (stage, split) in enumerate(zip(stages, timing.splits_s, strict=True))
        ),
    )
    check_plan(plan, site)
    return plan


def _cheapest(
    network: PlanningNetwork,
    at: int,
    ways: Sequence[tuple[int, ...]],
    cycles_s: Sequence[float],
    goal: Goal,
) -> tuple[int, ...]:
    """The cheapest of *ways* at a few of the cycles, the first one if in doubt."""
    if len(ways) == 1:
        return ways[0]
    few = sorted({cycles_s[round(k)] for k in np.linspace(0, len(cycles_s) - 1, SCREENED)})
    costs = [least_cost_veh(stage_signal(network, at, way), few, goal) for way in ways]
    costs[0] *= 1.0 - NEW_STAGES_GAIN
    return ways[int(np.argmin(costs))]


def _minimums_s(layout: Layout) -> tuple[float, ...]:
    """Of every stage; long enough for clearances that outlast it to hold nobody up."""
    site, masks, count = layout.site, layout.masks, len(layout.stages)
    found = list(layout.minimums_s)
    for k in range(count):
        for i, lead_ms in site.leads_ms(masks[k - 1], masks[k]):
            for ahead in range(1, count - 1):
                last, after = (k + ahead - 1) % count, (k + ahead) % count
                if masks[last] >> i & 1:
                    break
                starting = bits(masks[after] & ~masks[last] & ~masks[k - 1])
                clear_ms = max((site.intergreen_ms[i][j] for j in starting), default=0)
                changes_ms = layout.interstages_ms[k] - layout.interstages_ms[after]
                needed_s = ceil((changes_ms - lead_ms + clear_ms) / 1000)
                between_s = sum(found[(k + step) % count] for step in range(ahead))
                found[last] += max(0.0, needed_s - between_s)
    return tuple(found)


def _windows(layout: Layout, stream: Stream) -> tuple[Window, ...]:
    mask = layout.site.mask(stream.groups)
    return tuple(_window(layout, green) for green in layout.greens(mask))


def _window(layout: Layout, green: GreenTimes) -> Window:
    count = len(layout.stages)
    if green == ALWAYS:
        return Window(phases=tuple(range(count)))
    length = (green.end_stage - green.start_stage) % count or count
    return Window(
        phases=tuple((green.start_stage + k) % count for k in range(length)),
        start_lag_s=green.start_lag_s,
        end_lag_s=green.end_lag_s,
    )
