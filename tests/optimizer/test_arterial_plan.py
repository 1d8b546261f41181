"""Plans for arterials: bands as the lamps show them, proofs, cuts, and what is refused."""

from dataclasses import replace
from itertools import product
from random import Random

import pytest

from controller.plan import check_plan
from optimizer.planning.arterial import ArterialOptions, plan_arterial
from optimizer.planning.arterial_road import road_of
from optimizer.planning.beside import joined, without
from optimizer.planning.maker import Keep, PlanningError, make_plan
from optimizer.profiles.improve import Effort
from tests.optimizer.arterials import promised_and_shown, road


def arterial(seed):
    """A random street, one in three of them one-way."""
    random = Random(seed)
    count = random.randint(2, 5)
    return road(
        [random.uniform(120.0, 600.0) for _ in range(count - 1)],
        random.uniform(300.0, 900.0),
        [random.uniform(100.0, 500.0) for _ in range(count)],
        one_way=seed % 3 == 0,
        speed_m_per_s=random.uniform(9.0, 17.0),
    )


@pytest.mark.parametrize("seed", range(101, 107))
def test_bands_are_those_of_the_lamps(seed):
    network, chain = arterial(seed)
    found = plan_arterial(network, chain, ArterialOptions(cycles_s=(64.0, 90.0)))
    assert found.bands
    for promised, shown in promised_and_shown(network, found):
        assert shown == pytest.approx(promised, abs=0.1)
    for band in found.bands:
        assert 0.0 <= band.value <= band.bound + 1e-9
        assert 0.0 <= band.efficiency <= 1.0
        assert band.attainability <= 1.0 + 1e-9
    for plan, planned in zip(found.made.plan.plans, network.sites, strict=True):
        check_plan(plan, planned.site)
        assert plan.offset_ms % 1000 == 0


def test_nothing_in_whole_seconds_beats_the_bound_and_the_plan_is_near_it():
    network, chain = road([230.0, 410.0])
    found = plan_arterial(network, chain, ArterialOptions(cycles_s=(60.0,), ratio=1.0))
    (band,) = found.bands
    best = 0.0
    greens = [(site.outbound_green_s, site.inbound_green_s) for site in found.sites]
    travel = [3.6 * m / v for m, v in zip(chain.length_m, band.speed_kmh, strict=True)]
    for first, second in product(range(0, 60, 3), repeat=2):
        widths = []
        for way in (0, 1):
            arcs = [
                ((own[way][0] + moved) % 60.0, own[way][1])
                for own, moved in zip(greens, (0, first, second), strict=True)
            ]
            clearance = (band.clearance_outbound_s, band.clearance_inbound_s)[way]
            widths.append(_common_s(arcs, travel, clearance, back=way == 1))
        best = max(best, min(widths) / 60.0)
    assert best <= band.bound + 1e-6
    assert band.gap <= 1.0 / 60.0


def _common_s(arcs, travel, clearance, *, back):
    """The longest common part of green arcs (start, length) in a cycle of 60 s, by quarters."""
    steps = [t - c for t, c in zip(travel, clearance[1:], strict=True)]
    if back:
        arcs = arcs[::-1]
        steps = [t - c for t, c in zip(travel[::-1], clearance[-2::-1], strict=True)]
    at, later = [0.0], 0.0
    for step in steps:
        later += step
        at.append(later)
    ok = [
        all(
            (n / 4 + x - start) % 60.0 < length for x, (start, length) in zip(at, arcs, strict=True)
        )
        for n in range(240)
    ]
    run = longest = 0
    for each in ok + ok:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return (longest - 1) / 4 if longest else 0.0


def test_left_turns_lead_or_lag_as_the_wave_needs_it():
    # At a quarter of a cycle apart, lefts that lead at one end and lag at the other pay.
    network, chain = road([210.0, 210.0, 210.0], 500.0)
    options = ArterialOptions(cycles_s=(60.0,), ratio=1.0)
    free = plan_arterial(network, chain, options)
    kept = plan_arterial(network, chain, replace(options, keep=Keep.STAGES))
    assert {site.pattern for site in kept.sites} == {"out leads, in lags"}
    assert len({site.pattern for site in free.sites}) > 1
    assert free.bands[0].value > kept.bands[0].value + 0.02
    for promised, shown in promised_and_shown(network, free):
        assert shown == pytest.approx(promised, abs=0.1)


def test_the_busier_direction_gets_the_wider_band():
    network, chain = road([260.0, 330.0, 270.0])
    streams = tuple(
        replace(stream, flow_veh_per_h=0.4 * stream.flow_veh_per_h)
        if stream.groups == ("in",)
        else stream
        for stream in network.streams
    )
    network = replace(network, streams=streams)
    at = {planned.name: k for k, planned in enumerate(network.sites)}
    assert road_of(network, chain, at, None).ratio == pytest.approx(0.4)
    found = plan_arterial(network, chain, ArterialOptions(cycles_s=(60.0,)))
    even = plan_arterial(network, chain, ArterialOptions(cycles_s=(60.0,), ratio=1.0))
    assert found.ratio == pytest.approx(0.4)
    assert found.bands[0].outbound_s > even.bands[0].outbound_s
    assert found.bands[0].outbound_s > found.bands[0].inbound_s


def test_queues_of_those_who_turned_in_advance_the_band():
    network, chain = road([300.0, 300.0])
    (band,) = plan_arterial(network, chain, ArterialOptions(cycles_s=(60.0,))).bands
    assert band.clearance_outbound_s[0] == band.clearance_inbound_s[-1] == 0.0
    # 70 veh/h turn in; in some 30 s of red that is half a vehicle.
    assert all(0.5 < each < 3.0 for each in band.clearance_outbound_s[1:])


def test_where_one_wave_is_a_poor_goal_it_is_cut_and_said():
    network, chain = road([130.0, 520.0, 130.0, 610.0, 130.0], 600.0, [480.0] * 6)
    found = plan_arterial(network, chain, ArterialOptions(cycles_s=(70.0,), keep=Keep.STAGES))
    assert len(found.bands) > 1
    assert any("poor goal here; cut between" in note for note in found.made.notes)
    for promised, shown in promised_and_shown(network, found):
        assert shown == pytest.approx(promised, abs=0.1)


def test_sites_beside_it_are_planned_on_their_own():
    network, chain = road([300.0, 300.0, 300.0])
    part = replace(
        chain,
        sites=chain.sites[1:3],
        **{
            side: replace(
                way,
                **{name: getattr(way, name)[1:3] for name in ("approaches", "exits", "groups")},
                turns=way.turns[1:3],
                length_m=way.length_m[1:2],
                free_s=way.free_s[1:2],
            )
            for side, way in (("outbound", chain.outbound), ("inbound", chain.inbound))
        },
    )
    found = plan_arterial(network, part, ArterialOptions(cycles_s=(60.0,)))
    assert [plan.site for plan in found.made.plan.plans] == ["s1", "s2"]
    others = make_plan(without(network, part.sites), cycles_s=(60.0,), effort=Effort(kicks=0))
    together = joined(network, found.made, others)
    assert [plan.site for plan in together.plan.plans] == ["s0", "s1", "s2", "s3"]
    assert together.plan.plans[1] == found.made.plan.plans[0]
    assert {site for zone in together.plan.zones for site in zone.sites} == set(chain.sites)
    assert len({zone.name for zone in together.plan.zones}) == len(together.plan.zones)
    names = [network.streams[each.stream].name for each in together.predictions]
    assert names == [stream.name for stream in network.streams]


def test_what_cannot_be_planned_is_said():
    network, chain = road([300.0])
    with pytest.raises(PlanningError, match=r"s1 needs a cycle of at least \d+ s for its minimum"):
        plan_arterial(network, chain, ArterialOptions(cycles_s=(20.0, 30.0)))
    with pytest.raises(PlanningError, match="town has no site s1 to plan"):
        plan_arterial(replace(network, sites=network.sites[:1], streams=()), chain)
    empty = tuple(replace(each, flow_veh_per_h=0.0, feeds=()) for each in network.streams)
    with pytest.raises(PlanningError, match="every flow at its signals is 0"):
        plan_arterial(replace(network, streams=empty), chain)


def test_a_site_without_a_second_to_spare_is_told_of():
    network, chain = road([300.0])
    shortest = plan_arterial(network, chain, ArterialOptions(keep=Keep.STAGES)).bound_by_cycle
    assert min(shortest) >= 42.0  # four stages of 5 s and their interstages, and time to catch up
    tight = ArterialOptions(cycles_s=(40.0,), keep=Keep.STAGES)
    said = plan_arterial(network, chain, tight).made.shortcomings
    assert any("s0 needs all of its cycle of 40 s" in each for each in said)


def test_more_demand_than_capacity_still_gives_a_plan_that_says_so():
    network, chain = road([300.0], 2_400.0, [1_200.0, 1_200.0])
    found = plan_arterial(network, chain, ArterialOptions(cycles_s=(60.0, 90.0)))
    assert any("over capacity" in each for each in found.made.shortcomings)
