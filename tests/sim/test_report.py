"""The report: what it says must be what was measured, and it must be whole or not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean, median

import pytest

from sim.decisions import DecisionNote
from sim.errors import BenchError
from sim.network import derive_network
from sim.report import burden, formatting, summary_svg, write_report
from sim.report.aggregate import aggregate
from sim.report.streets import streets_of
from sim.results import FailedControl, MovementDelay, RunDetail
from sim.statistics import mean_interval, paired_difference
from tests.sim import report_data as data

ROOT = Path(__file__).resolve().parents[2]
VOID = {"meta", "link", "br", "img", "input", "hr"}
BASE = [50.0, 52.0, 48.0, 51.0, 49.0]
BETTER = [31.0, 33.0, 30.0, 32.0, 29.0]


class Page(HTMLParser):
    """A report as its parts: every link, the text of tags and classes, table cells by control."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.style, self.stack = [], "", []
        self.tables, self.captions, self.by_class, self.scopeless = [], [], {}, 0
        self.language = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [v for k, v in attributes.items() if k in {"src", "href", "xlink:href"}]
        self.links += re.findall(r"url\(([^)]*)\)", attributes.get("style") or "")
        if tag == "html":
            self.language = attributes.get("lang")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append((attributes.get("data-control"), []))
        if tag in {"td", "th"}:
            self.tables[-1][-1][1].append("")
            self.scopeless += tag == "th" and "scope" not in attributes
        if tag == "caption":
            self.captions.append("")
        if tag not in VOID:
            self.stack.append((tag, attributes.get("class") or ""))

    def handle_startendtag(self, tag, attributes):
        self.links += [v for k, v in attributes if k in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag):
        assert self.stack.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_data(self, text):
        tags = [tag for tag, _ in self.stack]
        if "style" in tags:
            self.style += text
        if "td" in tags or "th" in tags:
            self.tables[-1][-1][1][-1] += text
        if "caption" in tags:
            self.captions[-1] += text
        for tag, classes in self.stack:
            for name in {tag, *classes.split()}:
                self.by_class[name] = self.by_class.get(name, "") + text

    def row(self, caption, control):
        """The cells of *control*'s row in the table whose caption begins with *caption*."""
        index = next(i for i, text in enumerate(self.captions) if text.startswith(caption))
        return next(cells for name, cells in self.tables[index] if name == control)

    def text(self, name="body"):
        return " ".join(self.by_class.get(name, "").replace("\u202f", " ").split())


@pytest.fixture(scope="module")
def network(crossroads):
    return derive_network(crossroads.with_suffix("").with_suffix(".net.xml"))


@pytest.fixture
def page(network, tmp_path):
    def make(comparison, command="greenband compare synthetic"):
        path = tmp_path / "out" / "report.html"
        write_report(comparison, network, path, command=command)
        assert list(path.parent.iterdir()) == [path], "a temporary file was left behind"
        text = path.read_text(encoding="utf-8")
        parsed = Page(text)
        assert not parsed.stack
        return parsed

    return make


def with_detail(control, details):
    runs = [replace(run, detail=detail) for run, detail in zip(control.runs, details, strict=True)]
    return replace(control, runs=tuple(runs))


def movements(**delays_s):
    """Detail with one main-street and one side-street movement of the crossroads."""
    ways = {"main": ("A1B1", "B1C1", 200), "side": ("B0B1", "B1B2", 40)}
    return RunDetail(
        movements=tuple(
            MovementDelay(
                junction="B1",
                from_edge=ways[name][0],
                to_edge=ways[name][1],
                turn="through",
                vehicles=ways[name][2],
                delay_s=delay_s,
                p95_delay_s=2 * delay_s,
            )
            for name, delay_s in delays_s.items()
        )
    )


def test_whole_report_stands_alone(page, network):
    comparison = data.everything(network)
    parsed = page(comparison)
    assert parsed.language == "en"
    assert [link for link in parsed.links if not link.startswith("#")] == []
    assert not re.search(r"url\(|@import", parsed.style)
    assert "script" not in parsed.by_class
    assert parsed.scopeless == 0
    assert len(parsed.captions) == len(parsed.tables) and all(parsed.captions)


def test_report_of_a_city_stays_small(network, tmp_path):
    edges = {}
    lanes = dict(network.lanes)
    for k in range(40):
        for edge in network.edges.values():
            edges[f"{edge.id}/{k}"] = replace(edge, id=f"{edge.id}/{k}")
    city = replace(network, edges=edges, lanes=lanes)
    roads = sum(not edge.function for edge in edges.values())
    assert roads > 800
    path = tmp_path / "city.html"
    write_report(data.everything(city), city, path, command="greenband compare city")
    assert path.stat().st_size < 1_500_000


def test_table_has_the_inputs(page):
    ours, shipped = data.control("adaptive", BETTER), data.control("fixed", BASE)
    parsed = page(data.comparison(shipped, ours))
    cells = parsed.row("Delay by control", "fixed")
    assert cells[1] == formatting.estimate(mean_interval(BASE))
    assert cells[2] == formatting.number(median(BASE))
    difference = paired_difference(BETTER, BASE)
    assert cells[3].startswith(formatting.signed_estimate(difference))
    assert cells[3].endswith("better")
    assert cells[5] == "0 of 5"
    others = parsed.row("Other measures", "adaptive")
    for column, measure, decimals in (
        (1, "time_loss_s", 1),
        (2, "waiting_s", 1),
        (3, "p95_time_loss_s", 1),
        (4, "max_waiting_s", 0),
        (5, "stops", 2),
        (7, "co2_g_per_trip", 0),
    ):
        values = mean_interval([getattr(run, measure) for run in ours.runs])
        assert others[column] == formatting.estimate(values, decimals)
    assert others[6] == f"{fmean(run.finished for run in ours.runs):.0f} of 2046"


def test_headline_says_before_after_and_interval(page):
    parsed = page(data.comparison(data.control("adaptive", BETTER), data.control("fixed", BASE)))
    assert parsed.text("h1") == (
        "Delay on synthetic: 50.0 → 31.0 s per vehicle, −38 % ± 2 % over 5 seeds, "
        "against the shipped plan."
    )


def test_interval_of_the_percentage_is_that_of_a_ratio():
    from sim.report.cast import relative

    ratio = relative([11.0, 22.0, 33.0], [10.0, 20.0, 30.0])
    assert ratio.mean == pytest.approx(0.1)
    assert ratio.half_width == pytest.approx(0.0, abs=1e-12)
    # Residuals 1, -1 about a ratio of 1 over a mean of 10: 12.7062 * stdev / sqrt(2) / 10.
    spread = relative([11.0, 9.0], [10.0, 10.0])
    assert spread.mean == pytest.approx(0.0)
    assert spread.half_width == pytest.approx(12.7062 * 2**0.5 / 2**0.5 / 10, rel=1e-4)


def test_losing_says_so(page):
    worse = data.control("adaptive", [delay + 10 for delay in BASE])
    parsed = page(data.comparison(data.control("fixed", BASE), worse))
    assert "+20" in parsed.text("h1")
    assert "Greenband adaptive is worse than what it would replace." in parsed.text("h1")


def test_no_difference_says_so(page):
    same = data.control("adaptive", [51.0, 49.0, 50.0, 52.0, 48.0])
    parsed = page(data.comparison(data.control("fixed", BASE), same))
    assert parsed.text("h1").endswith("That is no clear difference.")


def test_both_kinds_of_peer_are_named_with_what_they_see(page):
    parsed = page(
        data.comparison(
            data.control("fixed", BASE),
            data.control("actuated", [41.0, 42.0, 40.0, 41.5, 40.5]),
            data.control("max_wave_10", [18.0, 18.5, 17.5, 18.2, 17.8]),
            data.control("adaptive", BETTER),
        )
    )
    sentences = parsed.text("sentences")
    assert "best peer that sees loops or nothing, SUMO actuated (sees one loop" in sentences
    assert "best all-knowing peer, MaxWave, 10 s (sees every vehicle within 50 m)" in sentences
    assert sentences.count("has less delay") == 1
    assert sentences.count("Greenband adaptive loses.") == 1


def test_best_peer_is_not_hidden_by_its_one_jam(page):
    jammed = data.control("max_wave_10", [18.0, 18.0, 18.0, 18.0, 400.0])
    runs = (*jammed.runs[:4], replace(jammed.runs[4], jammed=True))
    parsed = page(
        data.comparison(
            data.control("fixed", BASE),
            data.control("max_pressure_10", [25.0] * 5),
            replace(jammed, runs=runs),
            data.control("adaptive", BETTER),
        )
    )
    assert "best all-knowing peer, MaxWave, 10 s" in parsed.text("sentences")
    assert "MaxWave, 10 s in 1 of 5 runs (median delay 18.0 s)" in parsed.text("caution")


def test_one_seed_has_no_interval(page):
    parsed = page(data.comparison(data.control("fixed", [50.0]), data.control("adaptive", [40.0])))
    assert "in one seed (no interval)" in parsed.text("h1")
    assert "±" not in parsed.text("h1")
    assert "One seed only" in parsed.text("caution")
    assert parsed.row("Delay by control", "fixed")[1] == "50.0"


def test_one_control_claims_nothing(page):
    parsed = page(data.comparison(data.control("adaptive", BETTER)))
    assert "says nothing about a gain" in parsed.text("h1")
    assert "nobody can be said to gain" in parsed.text()


def test_without_detail_every_section_says_how_to_get_it(page):
    parsed = page(data.comparison(data.control("fixed", BASE), data.control("adaptive", BETTER)))
    missing = parsed.text("missing")
    for what in ("departures", "queues", "greens", "movements"):
        assert f"No {what} were recorded" in missing
    assert "Not known" in parsed.text("box")
    assert "not checked" in parsed.row("Delay by control", "fixed")[6]
    assert "No group pays" not in parsed.text()


def test_only_peers(page):
    names = ("fixed", "actuated", "max_pressure_5")
    parsed = page(data.comparison(*(data.control(name, BASE) for name in names)))
    assert "Max-pressure, 5 s" in parsed.text("facts")


def test_failed_peer_stands_in_the_table_with_its_reason(page):
    failure = FailedControl("webster", "the exact demand", "tlsCycleAdaptation.py: IndexError")
    controls = (data.control("fixed", BASE), data.control("adaptive", BETTER))
    parsed = page(data.comparison(*controls, failed=[failure]))
    assert "tlsCycleAdaptation.py: IndexError" in parsed.row("Delay by control", "webster")[1]
    assert "Failed on this network: Webster (SUMO tool)." in parsed.text("caution")


def test_a_paying_side_street_is_warned_about(page):
    before = with_detail(data.control("fixed", BASE), [movements(main=40.0, side=30.0)] * 5)
    after = with_detail(data.control("adaptive", BETTER), [movements(main=20.0, side=70.0)] * 5)
    parsed = page(data.comparison(before, after))
    assert "Somebody pays for the change" in parsed.text("warn")
    assert "side streets" in parsed.text("warn")
    assert "1 movement loses: about 40 vehicles per run" in parsed.text("warn")
    assert "No group pays" not in parsed.text()
    index = next(i for i, c in enumerate(parsed.captions) if c.startswith("Movements that pay"))
    cells = parsed.tables[index][1][1]
    assert cells[1].startswith("From the south, straight on")
    assert cells[4:6] == ["30.0 C", "70.0 E"]
    assert cells[6].startswith("+40.0 ± 0.0")


def test_nobody_pays_only_when_all_was_looked_at(page):
    before = with_detail(data.control("fixed", BASE), [movements(main=40.0, side=30.0)] * 5)
    after = with_detail(data.control("adaptive", BETTER), [movements(main=20.0, side=30.5)] * 5)
    parsed = page(data.comparison(before, after))
    assert "No group pays" in parsed.text("fine")
    assert "no pedestrians, so nothing is known about them" in parsed.text("fine")


def test_vehicles_that_no_longer_get_through_count_as_paying(page):
    starved = replace(movements(side=5.0).movements[0], vehicles=20)
    half = RunDetail(movements=(*movements(main=20.0).movements, starved))
    before = with_detail(data.control("fixed", BASE), [movements(main=40.0, side=30.0)] * 5)
    after = with_detail(data.control("adaptive", BETTER), [half] * 5)
    parsed = page(data.comparison(before, after))
    assert "1 movement loses" in parsed.text("warn")
    assert "20 got through" in parsed.text()


def test_drivers_who_choose_another_route_do_not_count_as_held_back(page):
    def spread(straight, left):
        (side,) = movements(side=20.0).movements
        ways = ((straight, "B1B2"), (left, "B1A1"))
        return RunDetail(
            movements=tuple(replace(side, vehicles=n, to_edge=edge) for n, edge in ways)
        )

    before = with_detail(data.control("fixed", BASE), [spread(80, 60)] * 5)
    after = with_detail(data.control("adaptive", BETTER), [spread(50, 90)] * 5)
    assert "No group pays" in page(data.comparison(before, after)).text("fine")


def test_pedestrians_who_wait_longer_are_warned_about(page):
    walks = {"pedestrians": 120, "pedestrian_delay_s": 14.0}
    before = data.control("fixed", BASE, **walks)
    after = data.control("adaptive", BETTER, **{**walks, "pedestrian_delay_s": 21.0})
    parsed = page(data.comparison(before, after))
    assert "Clearly worse off: pedestrians." in parsed.text("warn")
    assert parsed.row("Other measures", "adaptive")[8] == "21.0 ± 0.0"


def test_a_gain_that_pedestrians_do_not_share_is_told_and_is_no_payment(page):
    walks = {"pedestrians": 120, "pedestrian_delay_s": 20.0, "max_pedestrian_delay_s": 60.0}
    before = data.control("fixed", [50.0, 51.0, 49.0], **walks)
    after = data.control("adaptive", [20.0, 21.0, 19.0], **walks)
    parsed = page(data.comparison(before, after))
    text = parsed.text()
    assert "Gains are not shared alike." in text
    assert "Pedestrian delay over vehicle delay went from 0.40 to 1.00" in text
    assert "Somebody pays for the change" not in text
    longer = data.control("adaptive", BETTER, **{**walks, "max_pedestrian_delay_s": 95.0})
    slower = page(data.comparison(data.control("fixed", BASE, **walks), longer))
    assert "Clearly worse off: longest delay of any pedestrian." in slower.text("warn")


LIMITS = ("less delay", "maximum wait")


def test_what_decided_is_told_by_junction_with_examples(page, network):
    junction = network.junctions[0].id
    notes = tuple(
        DecisionNote(600.0 + k, junction, LIMITS[k % 4 == 0], f"why {k}") for k in range(8)
    )
    before = with_detail(data.control("fixed", BASE), [movements(main=40.0, side=30.0)] * 5)
    told = replace(movements(main=20.0, side=30.0), decisions=notes)
    parsed = page(
        data.comparison(before, with_detail(data.control("adaptive", BETTER), [told] * 5))
    )
    index = next(i for i, text in enumerate(parsed.captions) if text.startswith("What decided"))
    _, row = parsed.tables[index][1]
    assert row[-4:] == [junction, "8", formatting.share(0.75), formatting.share(0.25)]
    assert "why 4" in parsed.text()
    silent = page(data.comparison(data.control("fixed", BASE), data.control("splits", BETTER)))
    assert "Greenband splits gives no reasons" in silent.text()


@pytest.mark.parametrize(
    ("delay_s", "letter"),
    [(0, "A"), (10, "A"), (10.1, "B"), (20, "B"), (35, "C"), (55, "D"), (80, "E"), (80.1, "F")],
)
def test_level_of_service(delay_s, letter):
    assert burden.level_of_service(delay_s) == letter


def test_greens_below_their_minimum_are_not_legal(page, network):
    comparison = data.everything(network, names=("fixed", "adaptive", "max_wave_5"))
    hasty = comparison.controls[2]
    detail = hasty.runs[0].detail
    greens = (replace(detail.greens[0], shortest_green_s=2.0), *detail.greens[1:])
    run = replace(hasty.runs[0], detail=replace(detail, greens=greens))
    hasty = replace(hasty, runs=(run, *hasty.runs[1:]))
    parsed = page(replace(comparison, controls=(*comparison.controls[:2], hasty)))
    assert parsed.row("Delay by control", "fixed")[6].strip() == "yes"
    assert "down to 2 s where 5 s are needed" in parsed.row("Delay by control", "max_wave_5")[6]


def test_edges_that_the_network_does_not_have_do_no_harm(page, network):
    comparison = data.everything(network, names=("fixed", "adaptive"))
    strange = MovementDelay(
        junction="nowhere",
        from_edge="gone",
        to_edge="lost",
        turn="through",
        vehicles=50,
        delay_s=12.0,
        p95_delay_s=20.0,
    )
    controls = []
    for control in comparison.controls:
        detail = control.runs[0].detail
        detail = replace(
            detail,
            edges={**detail.edges, "gone": (3.0, 1.0, 0.5)},
            movements=(*detail.movements, strange),
        )
        run = replace(control.runs[0], detail=detail)
        controls.append(replace(control, runs=(run, *control.runs[1:])))
    assert "From gone, straight on" in page(replace(comparison, controls=tuple(controls))).text()


def test_approaches_are_named_by_the_compass(network):
    streets = streets_of(network)
    assert streets.movement("A1B1", "left") == "From the west, left turn"
    assert streets.approach("B2B1") == "from the north"


def test_details_of_several_seeds_become_one():
    first, second = movements(main=10.0, side=10.0), movements(main=30.0, side=50.0)
    joined = aggregate(with_detail(data.control("fixed", [50.0, 51.0]), [first, second]))
    main = joined.movements["B1", "A1B1", "B1C1"]
    assert (main.delay_s, main.vehicles) == (20.0, 200.0)
    assert main.by_seed == {1: (200, 10.0), 2: (200, 30.0)}


def test_names_are_escaped(page, network):
    comparison = replace(
        data.everything(network, names=("fixed", "adaptive")), scenario="<script>alert(1)</script>"
    )
    parsed = page(comparison, command='greenband compare "a&b" <x>')
    assert "script" not in parsed.by_class
    assert 'greenband compare "a&b" <x>' in parsed.text("pre")


def test_full_disk_leaves_no_half_report(network, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("the report of yesterday")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tests.sim import report_data as data\n"
        "from sim.errors import BenchError\n"
        "from sim.network import derive_network\n"
        "from sim.report import write_report\n"
        "network = derive_network(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    write_report(data.everything(network), network, Path(sys.argv[2]), command='x')\n"
        "except BenchError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(network.path), str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert done.stdout.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "the report of yesterday"


@pytest.mark.parametrize("place", ["/dev/full", "/proc/greenband/report.html"])
def test_places_that_take_no_file(network, place):
    with pytest.raises(BenchError, match=f"cannot write {place}: "):
        write_report(data.everything(network), network, Path(place), command="x")
    assert not Path(place).is_file()


def test_nothing_to_report(network, tmp_path):
    with pytest.raises(BenchError, match="no control has a finished run"):
        write_report(data.comparison(), network, tmp_path / "r.html", command="x")
    assert list(tmp_path.iterdir()) == []


def test_summary_picture(network):
    root = ET.fromstring(summary_svg(data.everything(network)))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0].startswith("Delay on synthetic: ")
    assert "Greenband adaptive" in texts
    assert "sees every vehicle within 50 m" in texts
    assert "href" not in {key for element in root.iter() for key in element.attrib}


def test_summary_picture_of_one_seed_has_no_interval():
    picture = summary_svg(data.comparison(data.control("adaptive", [40.0])))
    assert "no interval" in picture
    assert "±" not in picture
