"""The search for better settings: never worse, within its minimums, repeatable, and good."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.profiles._moves import durations, fit
from optimizer.profiles.cycle import at_cycle, balanced_setting, choose_cycle
from optimizer.profiles.improve import Effort, improve
from optimizer.profiles.model import IMPLEMENTATIONS, evaluate
from optimizer.profiles.network import (
    DELAY,
    DELAY_AND_STOPS,
    Feed,
    GreenTimes,
    Link,
    Node,
    Setting,
    SignalNetwork,
    StageSequence,
    check_setting,
)
from tests.optimizer.profile_networks import one_link, random_network, random_setting

QUICK = Effort(kicks=2)
SEEDS = st.integers(0, 2**32 - 1)


def street(signals=3, *, flow=700.0, minimum=(12.0, 15.0)):
    """A one-way street with side streets."""
    main = (GreenTimes(start_stage=0, start_lag_s=5.0, end_stage=1, end_lag_s=0.0),)
    side = (GreenTimes(start_stage=1, start_lag_s=5.0, end_stage=0, end_lag_s=0.0),)
    links = []
    for node in range(signals):
        feeds = ()
        if node:
            feeds = (Feed(link=2 * node - 2, flow_veh_per_h=0.9 * flow, travel_time_s=25.0),)
        links.append(
            Link(
                name=f"main {node}",
                node=node,
                greens=main,
                saturation_veh_per_h=1800.0,
                flow_veh_per_h=flow,
                uniform_veh_per_h=0.1 * flow if node else 0.0,
                feeds=feeds,
            )
        )
        links.append(
            Link(
                name=f"side {node}",
                node=node,
                greens=side,
                saturation_veh_per_h=1800.0,
                flow_veh_per_h=300.0,
            )
        )
    nodes = tuple(Node(name=f"n{node}", minimum_split_s=minimum) for node in range(signals))
    return SignalNetwork(nodes=nodes, links=tuple(links), steps_per_cycle=60)


def assert_fits(network, setting):
    check_setting(network, setting)
    for position, node in enumerate(network.nodes):
        sequence = node.sequences[setting.sequence(position)]
        starts = np.array([setting.stage_start_s[position][s] for s in sequence.stages])
        lasts = durations(starts, setting.cycle_s * setting.factor(position))
        assert (lasts >= np.array(sequence.minimum_split_s) - 1e-6).all(), node.name
        assert lasts.sum() == pytest.approx(setting.cycle_s * setting.factor(position))


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_never_worse_and_within_the_minimums(seed):
    network = random_network(seed)
    start = random_setting(network, seed)
    move = ("offsets", "splits", "order", "cycles")
    found = improve(network, start, move=move, effort=QUICK)
    assert_fits(network, found.setting)
    assert found.index <= found.index_before + 1e-9
    again = evaluate(network, found.setting, DELAY_AND_STOPS)
    assert found.index == pytest.approx(again.index)


def test_offsets_of_a_short_street_are_as_good_as_trying_all():
    network = street(3)
    start = balanced_setting(network, 60.0)
    best = min(
        evaluate(network, shifted(start, (0.0, a, b)), DELAY_AND_STOPS).index
        for a, b in product(range(0, 60, 2), repeat=2)
    )
    found = improve(network, start, move=("offsets",), effort=Effort(kicks=10))
    assert found.index <= best + 1e-6
    assert found.index < 0.9 * found.index_before


def shifted(setting, by):
    starts = zip(setting.stage_start_s, by, strict=True)
    return replace(
        setting,
        stage_start_s=tuple(
            tuple((time + shift) % setting.cycle_s for time in row) for row, shift in starts
        ),
    )


def test_what_may_not_move_stays():
    network = street(3)
    held = replace(network.nodes[1], may_move_offset=False, may_move_splits=False)
    fixed = replace(network.nodes[2], may_move_splits=False)
    network = replace(network, nodes=(network.nodes[0], held, fixed))
    start = balanced_setting(network, 60.0)
    found = improve(network, start, effort=Effort(kicks=5)).setting
    assert found.stage_start_s[1] == start.stage_start_s[1]
    old, new = (s.stage_start_s[2] for s in (start, found))
    assert (new[1] - new[0]) % 60.0 == pytest.approx((old[1] - old[0]) % 60.0)
    only = improve(network, start, move=("splits",), effort=QUICK).setting
    assert only.stage_start_s[1:] == start.stage_start_s[1:]


def test_the_same_seed_gives_the_same_setting_and_whole_seconds():
    network = random_network(3)
    start = balanced_setting(network, 72.0)
    first, second = (
        improve(network, start, effort=Effort(kicks=5, seed=4)).setting for _ in range(2)
    )
    assert first == second
    for row in first.stage_start_s:
        assert all(time == pytest.approx(round(time), abs=1e-6) for time in row)


def test_kernel_and_reference_find_the_same():
    network = street(2)
    start = balanced_setting(network, 60.0)
    found = {
        name: improve(network, start, move=("splits",), effort=Effort(kicks=0), implementation=name)
        for name in IMPLEMENTATIONS
    }
    assert found["kernel"].index == pytest.approx(found["numpy"].index, rel=1e-9)
    assert found["kernel"].trials == found["numpy"].trials


def test_splits_follow_the_demand():
    network = street(1, flow=1000.0)
    start = Setting(cycle_s=60.0, stage_start_s=((0.0, 20.0),))
    found = improve(network, start, objective=DELAY, effort=QUICK)
    assert not found.evaluation.oversaturated
    assert found.index < 0.5 * found.index_before


def test_a_better_order_is_found():
    """A platoon turns into the street: its stage should follow, so the order matters."""
    greens = {
        stage: GreenTimes(
            start_stage=stage, start_lag_s=4.0, end_stage=(stage + 1) % 3, end_lag_s=0.0
        )
        for stage in range(3)
    }
    reversed_greens = {
        stage: GreenTimes(
            start_stage=stage, start_lag_s=4.0, end_stage=(stage - 1) % 3, end_lag_s=0.0
        )
        for stage in range(3)
    }

    def link(name, node, stage, **more):
        return Link(
            name=name,
            node=node,
            greens=(greens[stage],),
            saturation_veh_per_h=1800.0,
            flow_veh_per_h=400.0,
            other_greens=((reversed_greens[stage],),) if node else (),
            **more,
        )

    feeds = [(Feed(link=source, flow_veh_per_h=400.0, travel_time_s=20.0),) for source in range(3)]
    links = [link(f"in {stage}", 0, stage) for stage in range(3)]
    links += [link(f"out {k}", 1, stage, feeds=feeds[k]) for k, stage in enumerate((0, 2, 1))]
    minimum = (10.0, 10.0, 10.0)
    other = StageSequence(stages=(0, 2, 1), minimum_split_s=minimum)
    network = SignalNetwork(
        nodes=(
            Node(name="up", minimum_split_s=minimum),
            Node(name="down", minimum_split_s=minimum, other_sequences=(other,)),
        ),
        links=tuple(links),
        steps_per_cycle=60,
    )
    start = balanced_setting(network, 60.0)
    held = improve(network, start, move=("offsets", "splits"), effort=Effort(kicks=5))
    free = improve(network, start, effort=Effort(kicks=5))
    assert free.setting.sequences == (0, 1)
    assert free.index < 0.95 * held.index


def test_a_quiet_node_takes_half_the_cycle():
    network = street(2, flow=300.0, minimum=(10.0, 10.0))
    quiet = replace(network.nodes[1], cycle_factors=(0.5, 1.0))
    network = replace(network, nodes=(network.nodes[0], quiet))
    # No coordination to lose: the second node's street comes evenly.
    alone = replace(network.links[2], feeds=(), uniform_veh_per_h=300.0)
    network = replace(network, links=(*network.links[:2], alone, network.links[3]))
    start = balanced_setting(network, 100.0)
    found = improve(network, start, move=("offsets", "splits", "cycles"), effort=QUICK)
    assert found.setting.cycle_factors == (1.0, 0.5)
    assert found.index < found.index_before


def test_a_time_limit_ends_the_search_and_says_so():
    network = random_network(5, nodes=8, links=30)
    start = balanced_setting(network, 72.0)
    ticks = count()
    effort = Effort(kicks=10_000, clock=lambda: float(next(ticks)), time_limit_s=50.0)
    found = improve(network, start, effort=effort)
    assert not found.finished
    assert found.index <= found.index_before
    assert next(ticks) < 70


def test_progress_counts_up_and_the_index_down():
    seen = []
    network = random_network(6)
    improve(
        network, balanced_setting(network, 72.0), effort=Effort(kicks=3), on_progress=seen.append
    )
    assert {each.phase for each in seen} == {"nodes", "groups", "kicks"}
    assert all(0 < each.done <= each.of for each in seen)
    assert seen[-1].index <= seen[0].index


def test_the_cycle_is_chosen_between_lost_time_and_waiting():
    network = street(3, flow=500.0)
    cycles = [40.0, 60.0, 80.0, 120.0, 180.0]
    choice = choose_cycle(network, [20.0, *cycles], effort=QUICK, threads=2)
    assert list(choice.index_by_cycle) == cycles  # 20 s is shorter than the minimums
    assert choice.best.setting.cycle_s < 180.0
    assert choice.best.index == min(choice.index_by_cycle.values())
    assert_fits(network, choice.best.setting)


def test_no_cycle_fits_the_minimums():
    with pytest.raises(ValueError, match="node n0 needs at least 27 s"):
        choose_cycle(street(2), [20.0, 25.0])
    with pytest.raises(ValueError, match="minimums of node n0"):
        balanced_setting(street(2), 25.0)


def test_another_cycle_keeps_what_is_above_the_minimums_in_proportion():
    network = street(2)
    setting = Setting(cycle_s=60.0, stage_start_s=((0.0, 30.0), (20.0, 50.0)))
    scaled = at_cycle(network, setting, 93.0)
    assert_fits(network, scaled)
    assert scaled.stage_start_s[1][0] == pytest.approx(31.0)
    first = (scaled.stage_start_s[0][1] - scaled.stage_start_s[0][0]) % 93.0
    assert first == pytest.approx(12.0 + 18.0 / 33.0 * 66.0, abs=1.0)


@given(
    st.lists(st.floats(0.0, 60.0), min_size=1, max_size=6), st.integers(0, 100), st.integers(0, 9)
)
def test_fitted_durations_add_up(wished, spare, tenths):
    minimum = np.arange(5.0, 5.0 + len(wished))
    cycle = minimum.sum() + spare + tenths / 10.0
    fitted = fit(np.array(wished), minimum, cycle)
    assert fitted.sum() == pytest.approx(cycle)
    assert (fitted >= minimum - 1e-9).all()
    assert fit(np.array(wished), minimum, minimum.sum() - 1.0) is None


BAD_REQUESTS = (
    ({"move": ("offset",)}, "offset is not of offsets, splits"),
    ({"setting": Setting(cycle_s=90.0, stage_start_s=((0.0, 3.0),))}, "lasts 3 s, less than"),
)


@pytest.mark.parametrize(("change", "message"), BAD_REQUESTS)
def test_what_cannot_be_searched_is_refused(change, message):
    network, setting = one_link()
    wanted = {"setting": setting, **change}
    with pytest.raises(ValueError, match=message):
        improve(network, **wanted)


def test_a_limit_needs_a_clock():
    with pytest.raises(ValueError, match="needs a clock"):
        Effort(time_limit_s=3.0)
