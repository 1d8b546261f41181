"""Turns out of counts: SUMO's loops against the routes, and against what must come out."""

from dataclasses import replace

import numpy as np
import pytest

from sim.arterial import build_arterial
from sim.errors import CountsError
from sim.network import derive_network
from sim.planning.count_places import own_places, places_in_file
from sim.planning.counts import Counts
from sim.planning.counts_run import recorded_counts
from sim.planning.demand import Turn, demand_of
from sim.planning.turning import estimated_turns
from sim.run import RunSpec
from sim.scenario import load_scenario
from tests.sim.networks import crossroads


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """The arterial, half an hour of it counted by its loops, and the demand that was driven."""
    config = build_arterial(tmp_path_factory.mktemp("arterial"))
    scenario = load_scenario(str(config), end_s=1800.0)
    network = derive_network(scenario.net_file, scenario.additional_files)
    spec = RunSpec(scenario=scenario, control="actuated", seed=101)
    return network, recorded_counts(spec, network, 300.0), demand_of(scenario, network)


def geh(one, other):
    return np.sqrt(2.0 * (one - other) ** 2 / max(one + other, 1e-9))


def test_the_loops_of_a_street_give_its_turns(street):
    network, counts, true = street
    assert counts.vehicles.shape == (6, 149)
    found = estimated_turns(network, counts, own_places(network))
    turns = sorted(set(true.turns) | set(found.demand.turns), key=str)
    gaps = [geh(true.turns.get(t, 0.0), found.demand.turns.get(t, 0.0)) for t in turns]
    assert np.mean(np.asarray(gaps) < 5.0) >= 0.9
    off = [abs(true.turns.get(t, 0.0) - found.demand.turns.get(t, 0.0)) for t in turns]
    assert sum(off) < 0.15 * sum(true.turns.values())
    # Those on their way when the half hour ended are missed by all: allow for them.
    within = [
        gap <= 2.0 * found.deviation[turn] + 15.0 + 0.05 * true.turns.get(turn, 0.0)
        for gap, turn in zip(off, turns, strict=True)
    ]
    assert np.mean(within) > 0.9
    assert found.counted == set(found.deviation)
    main = max(true.chains, key=true.chains.get)
    assert found.demand.chains[main] == pytest.approx(true.chains[main], rel=0.25)
    assert found.demand.hours == pytest.approx(0.5)


def test_a_broken_loop_is_named_and_outvoted(street):
    network, counts, _ = street
    places = own_places(network)
    sound = estimated_turns(network, counts, places)
    busy = next(
        k
        for k, name in enumerate(counts.detectors)
        if name.startswith("school/")
        and "stop line mill" not in name
        and counts.vehicles[:, k].sum() > 150
    )
    vehicles = counts.vehicles.copy()
    vehicles[:, busy] = 0.0
    found = estimated_turns(network, replace(counts, vehicles=vehicles), places)
    assert any(counts.detectors[busy] in remark for remark in found.remarks)
    assert not any(counts.detectors[busy] in remark for remark in sound.remarks)
    before, after = sum(sound.demand.turns.values()), sum(found.demand.turns.values())
    assert after == pytest.approx(before, rel=0.05)


def test_missing_loops_leave_an_answer_with_less_certainty(street):
    network, counts, true = street
    places = own_places(network)
    kept = [k for k, name in enumerate(counts.detectors) if not name.startswith("market/")]
    fewer = replace(
        counts,
        detectors=tuple(counts.detectors[k] for k in kept),
        vehicles=counts.vehicles[:, kept],
        occupancy=counts.occupancy[:, kept],
    )
    whole, found = (estimated_turns(network, each, places) for each in (counts, fewer))
    through = Turn("market", "mill-market.pocket", "market-school")
    assert found.deviation[through] > whole.deviation[through]
    assert found.demand.turns[through] == pytest.approx(true.turns[through], rel=0.4)
    assert any("no detector at 4 approaches" in remark for remark in found.remarks)


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    return derive_network(crossroads(tmp_path_factory.mktemp("cross")))


def counted(flows):
    """An hour of counts of these detectors."""
    names = tuple(sorted(flows))
    vehicles = np.asarray([[float(flows[name]) for name in names]])
    return Counts(
        source="made",
        interval_s=3600.0,
        starts_s=np.asarray([0.0]),
        detectors=names,
        vehicles=vehicles,
        occupancy=np.full_like(vehicles, np.nan),
    )


def test_loops_of_others_by_a_file_and_exits_that_tell_turns_apart(cross, tmp_path):
    """One lane for each approach: only what leaves by each arm tells left from right."""
    wanted = {"n": (300, 30, 40), "e": (90, 60, 50), "s": (260, 20, 80), "w": (110, 30, 70)}
    clockwise = "nesw"
    turns = {}
    for arm, flows in wanted.items():
        at = clockwise.index(arm)
        for step, flow in zip((2, 1, 3), flows, strict=True):  # through, left, right
            turns[Turn("c", f"{arm}c", f"c{clockwise[(at + step) % 4]}")] = float(flow)
    detectors = {}
    for arm in clockwise:
        detectors[f"in {arm}"] = (f"{arm}c_0", -5.0, sum(wanted[arm]))
        out = sum(flow for turn, flow in turns.items() if turn.to_edge == f"c{arm}")
        detectors[f"out {arm}"] = (f"c{arm}_0", 20.0, out)
    path = tmp_path / "loops.add.xml"
    path.write_text(
        "<additional>"
        + "".join(
            f'<inductionLoop id="{name}" lane="{lane}" pos="{pos}" period="60" file="x"/>'
            for name, (lane, pos, _) in detectors.items()
        )
        + "</additional>"
    )
    places = places_in_file(path, cross)
    flows = {name: flow for name, (_, _, flow) in detectors.items()}
    entries = {name: flow for name, flow in flows.items() if name.startswith("in")}
    both, alone = (estimated_turns(cross, counted(each), places) for each in (flows, entries))

    def error(found):
        return sum(abs(found.demand.turns.get(turn, 0.0) - turns[turn]) for turn in turns)

    assert error(both) < 0.25 * sum(turns.values())
    assert error(both) < error(alone)
    for arm in clockwise:
        own = sum(flow for turn, flow in both.demand.turns.items() if turn.from_edge == f"{arm}c")
        assert own == pytest.approx(sum(wanted[arm]), rel=0.05)
    spread = [sum(each.deviation[turn] for turn in turns) for each in (both, alone)]
    assert spread[0] < spread[1]


def test_what_is_no_place_of_a_detector_is_refused(cross, tmp_path):
    path = tmp_path / "loops.add.xml"
    for text, said in (
        ("<additional/>", "there is no inductionLoop in it"),
        ('<a><inductionLoop id="x" lane="none" pos="1"/></a>', "'x' lies on 'none'"),
        ('<a><e1Detector id="x" lane="nc_0" pos="far"/></a>', "has no number as its pos"),
        ("<additional>", "not well-formed XML"),
    ):
        path.write_text(text)
        with pytest.raises(CountsError, match=r"loops\.add\.xml") as caught:
            places_in_file(path, cross)
        assert said in str(caught.value)


def test_nobody_counted_is_said(cross):
    names = [loop.id for loop in cross.junctions[0].loops]
    with pytest.raises(CountsError, match="nobody was counted"):
        estimated_turns(cross, counted(dict.fromkeys(names, 0)), own_places(cross))
