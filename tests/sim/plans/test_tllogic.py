"""SUMO shows what the controller shows, and what was written is read back."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from controller.clock import Instant
from controller.core import start, step
from controller.plan import PlanStage, TimingPlan, check_plan
from controller.signals import Inputs
from controller.violations import InvalidError
from optimizer.planning.network import NetworkPlan
from sim.errors import NetworkError
from sim.network import Junction, Network, derive_network, signal_state
from sim.plans.shown import as_fixed_time
from sim.plans.tllogic import tllogic_xml
from sim.plans.tllogic_reader import read_tllogic
from sim.sumo_home import run_sumo_binary
from tests.sim.plans.plans_of import uneven_network_plan

TICK_MS = 100


def _recorded_in_sumo(
    network: Network, additional: Path, begin_s: int, end_s: int, step_s: str = "0.1"
) -> dict[str, dict[int, str]]:
    """By signal, the state at every step (in ms), as stock SUMO says itself."""
    events = additional.with_name("events.add.xml")
    events.write_text(
        "<additional>"
        + "".join(
            f'<timedEvent type="SaveTLSStates" source="{junction.id}" dest="states{k}.xml"/>'
            for k, junction in enumerate(network.junctions)
        )
        + "</additional>"
    )
    run_sumo_binary(
        "sumo",
        [
            *("-n", str(network.path), "-a", f"{additional},{events}", "-b", str(begin_s)),
            *("-e", str(end_s), "--step-length", step_s, "--no-step-log"),
        ],
        additional.parent,
    )
    return {
        junction.id: {
            round(float(each.get("time", "")) * 1000): each.get("state", "")
            for each in ET.parse(events.with_name(f"states{k}.xml")).iter("tlsState")
        }
        for k, junction in enumerate(network.junctions)
    }


def _shown_in_the_street(
    junction: Junction, plan: TimingPlan, begin_ms: int, end_ms: int
) -> dict[int, str]:
    """The lamps of the controller from its cold start on, every loop and button occupied."""
    site = junction.intersection
    seen = Inputs(
        occupied=(1 << len(site.detectors)) - 1, plan=check_plan(as_fixed_time(plan), site)
    )
    at_ms = begin_ms - 9 * plan.cycle_ms - 4_700
    state, shown = start(site, Instant(at_ms, at_ms)), {}
    while at_ms <= end_ms:
        state, outputs = step(site, state, Instant(at_ms, at_ms), seen)
        if at_ms >= begin_ms:
            shown[at_ms] = signal_state(junction, outputs)
        at_ms += TICK_MS
    return shown


@pytest.mark.parametrize(("name", "begin_s"), [("small", 0), ("cologne3", 25_237)])
def test_stock_sumo_shows_what_the_controller_shows(name, begin_s, request, tmp_path):
    network = request.getfixturevalue(name)
    plan = uneven_network_plan(network)
    additional = tmp_path / "plan.add.xml"
    additional.write_text(tllogic_xml(plan, network))
    end_s = begin_s + 230
    recorded = _recorded_in_sumo(network, additional, begin_s, end_s)
    for junction, site_plan in zip(network.junctions, plan.plans, strict=True):
        shown = _shown_in_the_street(junction, site_plan, begin_s * 1000, end_s * 1000)
        of_sumo = recorded[junction.id]
        assert len(of_sumo) > 2 * site_plan.cycle_ms / TICK_MS
        assert of_sumo == {at_ms: shown[at_ms] for at_ms in of_sumo}


def test_whole_seconds_are_kept_in_steps_of_a_second(small, tmp_path):
    plans = tuple(
        replace(junction.shipped_plan, offset_ms=17_000 * number % 90_000)
        for number, junction in enumerate(small.junctions)
    )
    additional = tmp_path / "plan.add.xml"
    additional.write_text(tllogic_xml(NetworkPlan(name="s", zones=(), plans=plans), small))
    recorded = _recorded_in_sumo(small, additional, 11, 211, step_s="1")
    for junction, plan in zip(small.junctions, plans, strict=True):
        shown = _shown_in_the_street(junction, plan, 11_000, 211_000)
        of_sumo = recorded[junction.id]
        assert len(of_sumo) >= 200
        assert of_sumo == {at_ms: shown[at_ms] for at_ms in of_sumo}


@pytest.mark.parametrize("name", ["small", "cologne3"])
def test_read_back_without_loss(name, request, tmp_path):
    network = request.getfixturevalue(name)
    plan = uneven_network_plan(network)
    path = tmp_path / "plan.add.xml"
    path.write_text(tllogic_xml(plan, network))
    read = read_tllogic(path, network)
    assert read.plan == plan
    assert read.remarks == ()


def test_the_phases_alone_say_stages_splits_and_offset(small, tmp_path):
    plan = uneven_network_plan(small)
    path = tmp_path / "plan.add.xml"
    path.write_text(re.sub(r"<param [^>]*/>", "", tllogic_xml(plan, small)))
    read = read_tllogic(path, small)
    assert [_timing(each) for each in read.plan.plans] == [_timing(each) for each in plan.plans]
    assert [zone.cycle_s for zone in read.plan.zones] == [98.7]


def test_phases_that_somebody_changed_count(small, tmp_path):
    plan = uneven_network_plan(small)
    path = tmp_path / "plan.add.xml"
    text = tllogic_xml(plan, small)
    changed = re.sub(r'offset="[\d.]+"', 'offset="12.5"', text, count=1)
    path.write_text(changed)
    read = read_tllogic(path, small)
    assert read.plan.plans[0].offset_ms == 12_500
    assert read.plan.plans[1:] == plan.plans[1:]
    assert [remark.rule for remark in read.remarks] == ["changed program"]


def test_a_file_of_offsets_moves_the_networks_programs(small, tmp_path):
    junction = small.junctions[1]
    path = tmp_path / "offsets.add.xml"
    path.write_text(
        f'<additional><tlLogic id="{junction.id}" programID="0" offset="21.4"/></additional>'
    )
    (plan,) = read_tllogic(path, small).plan.plans
    assert plan.site == junction.id
    assert plan.offset_ms == 21_400


@pytest.mark.parametrize("kind", ["actuated", "NEMA"])
def test_actuated_and_nema_programs_are_read(kind, tmp_path):
    run_sumo_binary(
        "netgenerate",
        [
            *("--grid", "--grid.number", "3", "--default-junction-type", "traffic_light"),
            *("-L", "2", "--turn-lanes", "1", "--tls.default-type", kind),
            *("-o", "made.net.xml", "--no-warnings"),
        ],
        tmp_path,
    )
    network = derive_network(tmp_path / "made.net.xml")
    read = read_tllogic(network.path, network)
    assert len(read.plan.plans) == len(network.junctions)
    for plan in read.plan.plans:
        junction = network.junction(plan.site)
        check_plan(plan, junction.intersection)
        assert [e.stage for e in plan.stages] == [e.stage for e in junction.shipped_plan.stages]
    if kind == "actuated":
        assert any(entry.actuated for plan in read.plan.plans for entry in plan.stages)


def test_a_program_of_another_network_is_refused(small, cologne3, tmp_path):
    path = tmp_path / "plan.add.xml"
    path.write_text(tllogic_xml(uneven_network_plan(cologne3), cologne3))
    with pytest.raises(NetworkError, match="no program for a signal of small"):
        read_tllogic(path, small)


def test_a_program_with_letters_missing_is_refused(small, tmp_path):
    path = tmp_path / "plan.add.xml"
    path.write_text(
        f'<additional><tlLogic id="{small.junctions[0].id}" programID="x" type="static">'
        '<phase duration="40" state="Gr"/><phase duration="40" state="rG"/></tlLogic></additional>'
    )
    with pytest.raises(InvalidError, match="made for another network"):
        read_tllogic(path, small)


def test_a_cycle_between_two_tenths_cannot_be_shown(small):
    plan = small.junctions[0].shipped_plan
    first, *others = plan.stages
    bent = replace(
        plan,
        cycle_ms=plan.cycle_ms + 50,
        stages=(PlanStage(stage=first.stage, split_ms=first.split_ms + 50), *others),
    )
    with pytest.raises(InvalidError, match="no whole tenth of a second"):
        tllogic_xml(NetworkPlan(name="b", zones=(), plans=(bent,)), small)


def test_a_plan_for_another_network_names_the_signals_there_are(small, cologne3):
    with pytest.raises(NetworkError, match="give the network that it was made for"):
        tllogic_xml(uneven_network_plan(cologne3), small)


def _timing(plan: TimingPlan) -> tuple[object, ...]:
    entries = tuple((entry.stage, entry.split_ms) for entry in plan.stages)
    return (plan.site, plan.cycle_ms, plan.offset_ms, entries)
