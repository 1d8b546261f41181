"""A street watched in a real run: nothing changes, and what was recorded is what was driven."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sim.arterial import build_arterial
from sim.compare import compare
from sim.convention import FIELD
from sim.network import derive_network
from sim.pictures.street_scenes import regular_cycle_s, run_panel
from sim.plans.zones import shipped_network_plan
from sim.report import write_report, write_street_pictures
from sim.report.plan_report import pictures_of, sections_of, write_pictures, write_plan_report
from sim.report.plan_subject import chains_of, main_watch, subject_of_network, with_runs
from sim.results import Comparison, ControlResult
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario
from sim.street_record import simplified

END_S = 360.0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The arterial's first six minutes."""
    scenario = load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))), end_s=END_S)
    return scenario, derive_network(scenario.net_file)


@pytest.fixture(scope="module")
def subject(place):
    """The shipped plan with all offsets moved, and runs before and after."""
    scenario, network = place
    plan = shipped_network_plan(network, "arterial")
    moved = tuple(
        replace(each, name="shifted", offset_ms=(each.offset_ms + 20_000) % 90_000)
        for each in plan.plans
    )
    return with_runs(
        subject_of_network(replace(plan, name="shifted", plans=moved), network, scenario),
        network,
        scenario,
        seed=101,
        convention=FIELD,
    )


@pytest.fixture(scope="module")
def run(subject):
    return subject.runs.before


def test_a_watched_run_gives_the_same_figures(place, run):
    scenario, _ = place
    alone = run_once(RunSpec(scenario=scenario, control="fixed", seed=101))
    assert (run.delay_s, run.stops, run.finished) == (alone.delay_s, alone.stops, alone.finished)
    assert alone.detail is None


def test_trajectories_lie_on_the_street_in_the_window(run):
    record = run.detail.street
    length_m = record.chain.distances_m[-1]
    assert record.end_s - record.begin_s == 360.0
    assert len(record.trajectories) > 60
    for drive in record.trajectories:
        times = [at_s for at_s, _ in drive.points]
        places = [at_m for _, at_m in drive.points]
        assert times == sorted(times)
        assert record.begin_s <= times[0] < times[-1] <= record.end_s + 1.0
        assert -450.0 < min(places) <= max(places) < length_m + 450.0
        gained = places[-1] - places[0]
        assert gained <= 1.0 if drive.inbound else gained >= -1.0


def test_loops_count_who_passes_them(run):
    """As many pass the loops before the last signal as come there, and some are on the way."""
    record = run.detail.street
    loops = [loop for loop in record.loops if loop.junction == "ring" and not loop.inbound]
    assert {round(loop.distance_m) for loop in loops} == {120}
    passed = sum(len(record.passages[loop.id]) for loop in loops)
    came = sum(
        each.vehicles for each in run.detail.movements
        if each.junction == "ring" and each.from_edge.startswith("school-ring")
    )  # fmt: skip
    assert came <= passed <= came + 30
    assert all(0.0 <= at_s <= END_S for times in record.passages.values() for at_s in times)


def test_lamps_of_the_run_follow_the_shipped_clock(place, run):
    _, network = place
    panel = run_panel("now", network, run.detail.street)
    assert panel.cycle_s == 90.0
    assert regular_cycle_s(run.detail.street.chain, panel.lamps) == 90.0


def test_lines_are_left_out_where_they_are_straight():
    straight = [(float(t), 10.0 * t) for t in range(30)]
    assert simplified(straight) == ((0.0, 0.0), (29.0, 290.0))
    stop = straight[:11] + [(float(t), 100.0) for t in range(11, 30)]
    assert simplified(stop) == ((0.0, 0.0), (10.0, 100.0), (29.0, 100.0))


class Ids(HTMLParser):
    """Every id of a page, and every svg."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.drawings, self.links = [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.drawings += tag == "svg" and values.get("class") == "gb"
        if "id" in values:
            self.ids.append(values["id"])
        self.links += [values[key] for key in ("src", "href") if key in values]


def test_the_report_of_a_plan_shows_runs_before_and_after(place, subject, tmp_path):
    _, network = place
    assert subject.runs.before.seed == subject.runs.after.seed == 101
    out = tmp_path / "plan.html"
    write_plan_report(subject, out, command="greenband plan report plan.json --runs")
    text = out.read_text()
    page = Ids(text)
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") for link in page.links)
    assert page.drawings == 1 + 4 + len(network.junctions)
    assert len(text) < 3_000_000
    assert "Before: Shipped plan" in text
    assert "After: plan shifted" in text
    files = write_pictures(pictures_of(sections_of(subject)), tmp_path / "svg")
    assert len(files) == page.drawings
    for file in files:
        assert ET.parse(file).getroot().get("role") == "img"


def test_the_report_of_a_comparison_shows_its_main_street(place, subject, tmp_path):
    _, network = place
    both = (("fixed", subject.runs.before), ("planned", subject.runs.after))
    found = Comparison(
        scenario="arterial",
        convention="field",
        sumo="1.28.0",
        scale=1.0,
        controls=tuple(ControlResult(name=n, sees="nothing", runs=(run,)) for n, run in both),
    )
    out = tmp_path / "compare.html"
    write_report(found, network, out, command="greenband compare arterial")
    page = Ids(out.read_text())
    assert len(set(page.ids)) == len(page.ids)
    assert page.drawings == 5, "the wave, two Purdue diagrams, the lamps of two signals"
    assert len(write_street_pictures(found, network, tmp_path / "svg")) == 5
    assert "After: Greenband plan" in out.read_text()


def test_one_seed_of_a_comparison_is_watched(place):
    scenario, network = place
    short = replace(scenario, end_s=40.0)
    found = compare(short, ("fixed",), (102, 101), detail=True, watch=main_watch(network, short))
    assert [run.detail.street is None for run in found.controls[0].runs] == [False, True]


def test_streets_are_found_in_any_network(place):
    _, network = place
    assert [chain.sites for chain in chains_of(network)] == [
        ("oak", "station", "mill", "market", "school", "ring")
    ]
    assert chains_of(network, ("market", "ring"))[0].sites == ("market", "school", "ring")
