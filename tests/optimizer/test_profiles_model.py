"""The cyclic-flow-profile model: worked by hand, kernel against reference, laws that must hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.profiles._tables import timing_of
from optimizer.profiles.model import IMPLEMENTATIONS, evaluate, new_model
from optimizer.profiles.network import (
    DELAY,
    DELAY_AND_STOPS,
    Feed,
    GiveWay,
    GreenTimes,
    Link,
    Node,
    Objective,
    Setting,
    SignalNetwork,
)
from tests.optimizer.profile_networks import one_link, random_network, random_setting

SEEDS = st.integers(0, 2**32 - 1)
EACH = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def test_the_kernel_runs_here():
    assert list(IMPLEMENTATIONS) == ["kernel", "numpy"]


def test_the_reference_serves_where_the_kernel_is_not_wanted():
    code = "from optimizer.profiles import model; print(model.IMPLEMENTATION)"
    environment = {**os.environ, "GREENBAND_NO_EXT": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "numpy"


@EACH
def test_even_arrivals_worked_by_hand(implementation):
    network, setting = one_link()
    link = evaluate(network, setting, implementation=implementation).links[0]
    # 600 veh/h over 60 s of red make 10 veh, which 1800 - 600 veh/h clear in 30 s: the green ends
    # as the queue does. The area is 10 x 90 / 2 veh-s in 90 s.
    assert link.capacity_veh_per_h == pytest.approx(600.0)
    assert link.saturation == pytest.approx(1.0)
    assert link.uniform_delay_veh == pytest.approx(5.0)
    assert link.random_delay_veh == pytest.approx(sqrt(4.0 * 600.0) / 4.0)
    assert link.queue_veh == pytest.approx(15.0 + link.random_delay_veh)
    half, setting = one_link(flow=300.0)
    link = evaluate(half, setting, implementation=implementation).links[0]
    # 5 veh, cleared in 12 s at 1500 veh/h; 1 veh more has joined by then.
    assert link.uniform_delay_veh == pytest.approx(5.0 * 72.0 / 2.0 / 90.0)
    assert link.queue_veh - link.random_delay_veh == pytest.approx(6.0)


@EACH
def test_a_green_that_starts_and_ends_within_steps_is_exact(implementation):
    whole, setting = one_link(flow=300.0, steps=90)
    coarse, _ = one_link(flow=300.0, steps=40)
    shifted = replace(setting, stage_start_s=((13.7, 43.7),))
    exact = evaluate(whole, setting, implementation=implementation)
    for network in (whole, coarse):
        found = evaluate(network, shifted, implementation=implementation)
        assert found.delay_veh == pytest.approx(exact.delay_veh, rel=1e-9)


@EACH
def test_over_capacity_the_queue_grows_through_two_cycles(implementation):
    # 1200 pcu/h with green from 52 to 74 s of 90 at 4500: 1100 pcu/h. Worked by hand from an empty
    # queue: 5.33 at the end of the first cycle, then 22.67, 2.5 and 7.83.
    network, _ = one_link(flow=1200.0, saturation=4500.0, steps=90)
    setting = Setting(cycle_s=90.0, stage_start_s=((52.0, 74.0),))
    link = evaluate(network, setting, implementation=implementation).links[0]
    area = (16 / 3 + 68 / 3) / 2 * 52 + (68 / 3 + 2.5) / 2 * 22 + (2.5 + 2.5 + 16 / 3) / 2 * 16
    assert link.uniform_delay_veh == pytest.approx(area / 90.0, rel=1e-6)
    assert link.saturation == pytest.approx(12.0 / 11.0)
    assert link.random_delay_veh == pytest.approx((sqrt(100.0**2 + 4800.0) + 100.0) / 4.0)


@EACH
def test_what_is_over_capacity_does_not_arrive_downstream(implementation):
    network, setting = one_link(flow=1200.0, saturation=1800.0)
    feed = Feed(link=0, flow_veh_per_h=1200.0, travel_time_s=20.0)
    second = replace(network.links[0], name="b", node=None, greens=(), feeds=(feed,))
    both = replace(network, links=(network.links[0], second))
    found = evaluate(both, setting, implementation=implementation).links
    assert found[0].capacity_veh_per_h == pytest.approx(600.0)
    assert found[1].flow_veh_per_h == pytest.approx(600.0)


@EACH
def test_dispersion_spreads_as_robertson_says(implementation):
    network, setting = one_link(flow=300.0)
    feed = Feed(link=0, flow_veh_per_h=300.0, travel_time_s=20.0)
    second = replace(network.links[0], name="b", node=None, greens=(), feeds=(feed,))
    both = replace(network, links=(network.links[0], second))
    model = new_model(both, DELAY, implementation)
    model.load(timing_of(both, setting), tolerance=0.0, updates_max=1000)
    arrivals, outflow = np.asarray(model.arrivals)[1], np.asarray(model.outflow)[0]
    smoothing = 1.0 / (1.0 + 0.35 * 16.0)
    delayed = np.roll(outflow, 16)
    assert arrivals == pytest.approx(
        smoothing * delayed + (1.0 - smoothing) * np.roll(arrivals, 1), abs=1e-12
    )


@EACH
def test_an_opposed_turn_gets_what_is_left(implementation):
    network, setting = one_link(flow=300.0, saturation=1800.0)
    rule = GiveWay(links=(0,), slopes=(0.5,), maximum_veh_per_h=1000.0)
    turn = replace(network.links[0], name="turn", saturation_veh_per_h=1500.0, give_way=rule)
    longer = (GreenTimes(start_stage=0, start_lag_s=0.0, end_stage=1, end_lag_s=10.0),)
    both = replace(network, links=(network.links[0], replace(turn, greens=longer)))
    link = evaluate(both, setting, implementation=implementation).links[1]
    # 30 s against 7.5 veh that come in them (300 veh/h x 90 s), then 10 s free.
    expected = 1000.0 * 30.0 / 90.0 - 0.5 * 300.0 + 1500.0 * 10.0 / 90.0
    assert link.capacity_veh_per_h == pytest.approx(expected)
    always = replace(turn, greens=longer, give_way=replace(rule, only_while_green=False))
    both = replace(network, links=(network.links[0], always))
    link = evaluate(both, setting, implementation=implementation).links[1]
    assert link.capacity_veh_per_h == pytest.approx((1000.0 * 40.0 / 90.0) - 0.5 * 300.0)


@EACH
def test_a_link_without_a_signal_or_always_green_has_no_uniform_delay(implementation):
    network, setting = one_link()
    free = replace(network.links[0], node=None, greens=())
    every = (GreenTimes(start_stage=0, start_lag_s=3.0, end_stage=0, end_lag_s=3.0),)
    for link in (free, replace(network.links[0], greens=every)):
        found = evaluate(
            replace(network, links=(link,)), setting, implementation=implementation
        ).links[0]
        assert found.uniform_delay_veh == pytest.approx(0.0, abs=1e-12)
        assert found.capacity_veh_per_h == pytest.approx(1800.0)


@EACH
def test_a_green_eaten_up_by_its_lags_is_no_green(implementation):
    network, setting = one_link()
    lost = (GreenTimes(start_stage=0, start_lag_s=35.0, end_stage=1, end_lag_s=0.0),)
    network = replace(network, links=(replace(network.links[0], greens=lost),))
    link = evaluate(network, setting, implementation=implementation).links[0]
    assert link.capacity_veh_per_h == 0.0
    assert link.saturation == inf
    assert np.isfinite(link.delay_veh)


@EACH
def test_half_the_cycle_is_two_greens_in_the_common_one(implementation):
    network, _ = one_link(flow=300.0, steps=180)
    network = replace(network, nodes=(replace(network.nodes[0], cycle_factors=(0.5, 1.0, 2.0)),))
    short = evaluate(
        network, Setting(cycle_s=45.0, stage_start_s=((0.0, 15.0),)), implementation=implementation
    )
    half = evaluate(
        network,
        Setting(cycle_s=90.0, stage_start_s=((0.0, 15.0),), cycle_factors=(0.5,)),
        implementation=implementation,
    )
    assert half.delay_veh == pytest.approx(short.delay_veh)
    assert half.stops_per_h == pytest.approx(short.stops_per_h, rel=1e-3)
    whole = Setting(cycle_s=90.0, stage_start_s=((0.0, 30.0),))
    double = replace(whole, cycle_s=45.0, cycle_factors=(2.0,))
    assert evaluate(network, double, implementation=implementation).delay_veh == pytest.approx(
        evaluate(network, whole, implementation=implementation).delay_veh
    )


@EACH
def test_index_weights_and_spillback(implementation):
    network, setting = one_link()
    plain = evaluate(network, setting, implementation=implementation).links[0]
    heavy = replace(network.links[0], delay_weight=3.0, stop_weight=2.0, storage_veh=10.0)
    objective = Objective(delay=0.5, stop_s=36.0, spillback=7.0)
    found = evaluate(replace(network, links=(heavy,)), setting, objective, implementation)
    beyond = (plain.queue_veh - 10.0) / 10.0
    expected = 1.5 * plain.delay_veh + 0.02 * plain.stops_per_h + 7.0 * beyond**2
    assert found.index == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_kernel_equals_reference(seed):
    network = random_network(seed, steps=20 + seed % 17)
    setting = random_setting(network, seed + 1)
    found = {name: evaluate(network, setting, DELAY_AND_STOPS, name) for name in IMPLEMENTATIONS}
    for kernel, reference in zip(found["kernel"].links, found["numpy"].links, strict=True):
        for name in LINK_VALUES:
            assert getattr(kernel, name) == pytest.approx(
                getattr(reference, name), rel=1e-6, abs=1e-6
            ), (kernel.name, name)


LINK_VALUES = (
    "flow_veh_per_h",
    "capacity_veh_per_h",
    "uniform_delay_veh",
    "random_delay_veh",
    "stops_per_h",
    "queue_veh",
    "index",
)


@EACH
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_incremental_equals_full(implementation, seed):
    """A chain of changes, with trials between them, ends where a fresh evaluation does."""
    rng = np.random.default_rng(seed)
    network = random_network(seed, steps=24)
    timing = timing_of(network, random_setting(network, seed + 1))
    model = new_model(network, DELAY_AND_STOPS, implementation)
    exact = {"tolerance": 1e-10, "updates_max": 10_000}
    total = model.load(timing, **exact)
    starts = timing.starts.copy()
    for _ in range(4):
        node = rng.integers(len(network.nodes), size=1).astype(np.intp)
        moved = np.mod(starts[node] + rng.integers(1, 70, (3, 1, 1)), 72.0)
        orders = np.zeros((3, 1), dtype=np.intp)
        cycles = np.full((3, 1), 72.0)
        changes = np.empty(3)
        model.try_changes(node, moved, orders, cycles, changes, **exact)
        kept = model.commit(node, moved[1], orders[1], cycles[1], **exact)
        assert kept == pytest.approx(changes[1], abs=1e-6)
        starts[node] = moved[1]
        total += kept
    fresh = new_model(network, DELAY_AND_STOPS, implementation)
    full = fresh.load(replace_starts(timing, starts), **exact)
    assert total == pytest.approx(full, rel=1e-6, abs=1e-6)
    assert np.asarray(model.outflow) == pytest.approx(np.asarray(fresh.outflow), abs=1e-6)


def replace_starts(timing, starts):
    return replace(timing, starts=starts)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_vehicles_are_conserved(seed):
    """Below capacity everything leaves; above, no more than the capacity; never more than came."""
    network = random_network(seed, load=0.6)
    model = new_model(network, DELAY, stops=True)
    model.load(
        timing_of(network, random_setting(network, seed)), tolerance=1e-10, updates_max=10_000
    )
    left = np.asarray(model.outflow).mean(axis=1) * 3600.0
    flow, capacity = np.asarray(model.results)[:, 0], np.asarray(model.results)[:, 1]
    assert (left <= capacity + 1e-6).all()
    below = flow < capacity - 1e-6
    assert left[below] == pytest.approx(flow[below], abs=1e-4)
    # One cycle more than came: what had gathered in the cycle before.
    assert (left <= 2.0 * flow + 1e-6).all()
    inflow = np.zeros(len(network.links))
    for position, link in enumerate(network.links):
        given_flow = link.uniform_veh_per_h + sum(feed.flow_veh_per_h for feed in link.feeds)
        scale = link.flow_veh_per_h / given_flow if given_flow else 0.0
        inflow[position] = scale * link.uniform_veh_per_h if given_flow else link.flow_veh_per_h
        for feed in link.feeds:
            share = feed.flow_veh_per_h / network.links[feed.link].flow_veh_per_h
            inflow[position] += scale * share * left[feed.link]
    assert flow == pytest.approx(inflow, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.floats(50.0, 1500.0), st.floats(0.0, 300.0), st.floats(10.0, 70.0))
def test_more_flow_or_less_green_never_helps(flow, more, green_s):
    base = evaluate(*one_link(flow=flow, green_s=green_s)).links[0]
    fuller = evaluate(*one_link(flow=flow + more, green_s=green_s)).links[0]
    longer = evaluate(*one_link(flow=flow, green_s=green_s + 5.0)).links[0]
    for name in ("uniform_delay_veh", "random_delay_veh", "stops_per_h", "queue_veh"):
        assert getattr(fuller, name) >= getattr(base, name) - 1e-9, name
    for name in ("random_delay_veh", "saturation"):
        assert getattr(longer, name) <= getattr(base, name) + 1e-9, name
    if base.saturation < 1.0:
        assert longer.uniform_delay_veh <= base.uniform_delay_veh + 1e-9


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 71))
def test_shifting_every_node_by_whole_steps_changes_nothing_below_capacity(seed, by):
    network = random_network(seed, load=0.25, steps=72)
    setting = random_setting(network, seed)
    found = evaluate(network, setting)
    if found.oversaturated:
        return
    starts = tuple(tuple((t + by) % 72.0 for t in row) for row in setting.stage_start_s)
    moved = evaluate(network, replace(setting, stage_start_s=starts))
    assert moved.index == pytest.approx(found.index, rel=1e-5)


def test_a_good_offset_beats_a_bad_one():
    greens = (GreenTimes(start_stage=0, start_lag_s=0.0, end_stage=1, end_lag_s=0.0),)
    feed = Feed(link=0, flow_veh_per_h=700.0, travel_time_s=30.0)
    first = Link(name="a", node=0, greens=greens, saturation_veh_per_h=1800.0, flow_veh_per_h=700.0)
    second = replace(first, name="b", node=1, feeds=(feed,))
    nodes = tuple(Node(name=name, minimum_split_s=(10.0, 10.0)) for name in "mn")
    network = SignalNetwork(nodes=nodes, links=(first, second), steps_per_cycle=80)

    def delay(offset):
        starts = ((0.0, 40.0), (offset, (offset + 40.0) % 80.0))
        return evaluate(network, Setting(cycle_s=80.0, stage_start_s=starts)).links[1].delay_veh

    # Travel time is 30 s: the platoon meets green a little earlier, and red half a cycle later.
    assert delay(26.0) < 0.5 * delay(66.0)


BAD_SETTINGS = (
    (Setting(cycle_s=0.0, stage_start_s=((0.0, 30.0),)), "cycle_s"),
    (Setting(cycle_s=90.0, stage_start_s=()), "0 nodes"),
    (Setting(cycle_s=90.0, stage_start_s=((0.0,),)), "node n needs 2"),
    (Setting(cycle_s=90.0, stage_start_s=((0.0, 30.0),), sequences=(1,)), "no sequence 1"),
    (Setting(cycle_s=90.0, stage_start_s=((0.0, 30.0),), cycle_factors=(3.0,)), "has 3"),
)


@pytest.mark.parametrize(("setting", "message"), BAD_SETTINGS)
def test_a_setting_that_does_not_fit_is_refused(setting, message):
    network, _ = one_link()
    with pytest.raises(ValueError, match=message):
        evaluate(network, setting)


def test_stages_out_of_order_are_refused():
    network, _ = one_link()
    node = Node(name="n", minimum_split_s=(5.0, 5.0, 5.0))
    network = replace(network, nodes=(node,))
    with pytest.raises(ValueError, match="do not start in the order 1, 2, 3"):
        evaluate(network, Setting(cycle_s=90.0, stage_start_s=((0.0, 60.0, 30.0),)))


BAD_LINKS = (
    ({"saturation_veh_per_h": 0.0}, "saturation_veh_per_h must be above 0"),
    ({"flow_veh_per_h": float("nan")}, "flow_veh_per_h nan"),
    ({"node": 7}, "no node 7"),
    ({"feeds": (Feed(link=9, flow_veh_per_h=1.0, travel_time_s=1.0),)}, "no link 9"),
    ({"storage_veh": 0.0}, "storage_veh"),
    ({"give_way": GiveWay(links=(0,), slopes=(), maximum_veh_per_h=1.0)}, "0 slopes"),
    ({"other_greens": ((),)}, "2 sequences, but node n has 1"),
)


@pytest.mark.parametrize(("change", "message"), BAD_LINKS)
def test_a_link_that_makes_no_sense_is_refused_by_name(change, message):
    network, _ = one_link()
    with pytest.raises(ValueError, match=f"link a: .*{message}"):
        replace(network, links=(replace(network.links[0], **change),))
