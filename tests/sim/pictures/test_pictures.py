"""Every drawing against the values that it is made of."""

import random
from dataclasses import replace
from math import isclose

import pytest

from controller.plan import check_plan
from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.check import band_of
from optimizer.planning.chain import Chain, Way
from optimizer.planning.maker import make_plan
from optimizer.profiles.improve import Effort
from sim.arterial import build_arterial
from sim.network import derive_network
from sim.pictures import street_scenes, tables, time_space
from sim.pictures.bands import bands_of
from sim.pictures.expected import expected
from sim.pictures.lamps import plan_lamps, red_spans, run_lamps, without
from sim.pictures.purdue import Arrivals, cycles_of, purdue
from sim.pictures.ring_barrier import from_utdf, ring_barrier
from sim.pictures.stages import ground_of, star_of
from sim.pictures.street import CRUISE, main_streets, main_streets_of_planning
from sim.pictures.style import page_style
from sim.pictures.timing import listed, rows_of, timing_diagram
from sim.planning.chain import chain_of
from sim.plans.from_utdf import planning_network_of
from sim.plans.shown import shown_cycle
from sim.plans.utdf import parse_utdf
from sim.plans.utdf_phases import node_timing
from sim.plans.utdf_site import site_of_node
from sim.results import Trajectory
from sim.scenario import load_scenario
from tests.sim.pictures.reading import Read, corners
from tests.sim.plans.utdf_town import TOWN


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    scenario = load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))))
    return derive_network(scenario.net_file)


@pytest.fixture(scope="module")
def chain(network):
    return chain_of(network, main_streets(network)[0])


@pytest.fixture(scope="module")
def town():
    utdf = parse_utdf(TOWN, "town.csv")
    return utdf, {site.site.name: site for site in (site_of_node(utdf, n) for n in utdf.signals())}


@pytest.fixture(scope="module")
def panel(network, chain):
    sites = {junction.id: junction.intersection for junction in network.junctions}
    plans = {junction.id: junction.shipped_plan for junction in network.junctions}
    return street_scenes.plan_panel("today", chain, sites, plans, (0.0, 180.0))


def test_the_main_street_is_found(network, town):
    assert main_streets(network, 3) == [("oak", "station", "mill", "market", "school", "ring")]
    planning, _ = planning_network_of(town[0])
    assert {frozenset(each) for each in main_streets_of_planning(planning)} == {
        frozenset(("Main and First", "Main and Second"))
    }


def test_bands_are_as_wide_as_the_wave_solver_says():
    """Reds of random arterials with a common cycle: the same band, found in another way."""
    dice = random.Random(5)
    wide = 0
    for _ in range(40):
        signals, cycle_s = dice.randint(2, 6), 80.0
        red = tuple(dice.uniform(0.2, 0.5) for _ in range(signals))
        arterial = Arterial(
            distance_m=tuple(dice.uniform(150, 600) for _ in range(signals - 1)),
            red_outbound=red,
            red_inbound=red,
            cycle_range_s=(cycle_s, cycle_s),
            speed_range_kmh=((50.0, 50.0),) * (signals - 1),
        )
        starts = [dice.uniform(0, cycle_s) for _ in range(signals)]
        width, _ = band_of(arterial, cycle_s, [50.0] * (signals - 1), starts)
        greens = [
            [(start + k * cycle_s, start + (k + 1 - share) * cycle_s) for k in range(-1, 9)]
            for start, share in zip(starts, red, strict=True)
        ]
        found = bands_of(greens, [m / (50.0 / 3.6) for m in arterial.distance_m])
        if width * cycle_s > 3.5:
            wide += 1
            assert found.through
            assert isclose(max(b.width_s for b in found.bands), width * cycle_s, abs_tol=1e-6)
        elif width * cycle_s < 2.5:
            assert not found.through
    assert wide > 8


def test_lamps_of_a_plan_are_those_of_the_controller(network):
    junction = network.junction("market")
    plan = replace(junction.shipped_plan, offset_ms=23_000)
    shown = shown_cycle(junction.intersection, plan)
    lamps = plan_lamps(junction.intersection, plan, 100.0, 1_000.0, shown)
    group = lamps.group("E through")
    assert group.greens[0][0] >= 100.0
    assert group.greens[-1][1] <= 1_000.0
    starts = [begin for begin, _ in group.greens[1:]]
    assert {round((begin - 23.0) % 90.0, 1) for begin in starts} == {0.0}
    green_s = sum(
        lit.duration_ms for lit in shown.lit
        if lit.green >> junction.intersection.group_index("E through") & 1
    ) / 1000  # fmt: skip
    assert {round(b - a, 1) for a, b in group.greens[1:-1]} == {green_s}
    assert all(round(b - a, 1) == 3.0 for a, b in group.endings[1:-1])


def test_lamps_of_a_run_are_read_from_its_states(network):
    junction = network.junction("mill")
    group = next(i for i, g in enumerate(junction.intersection.groups) if g.name == "E through")
    index = junction.links_of_group(group)[0].index
    red = "r" * len(junction.constant_letters)

    def state(letter):
        return red[:index] + letter + red[index + 1 :]

    changes = [(0.0, red), (10.0, state("G")), (30.0, state("y")), (33.0, red), (60.0, state("g"))]
    lamps = run_lamps(junction, changes, 0.0, 80.0).group("E through")
    assert lamps.greens == ((10.0, 30.0), (60.0, 80.0))
    assert lamps.endings == ((30.0, 33.0),)
    assert red_spans(lamps.greens, lamps.endings, 0, 80) == ((0, 10.0), (33.0, 60.0))
    assert without([(0, 10)], [(2, 4), (6, 20)]) == ((0, 2), (4, 6))


def test_a_time_space_diagram_is_to_scale(chain, panel):
    window = (0.0, 180.0)
    drive = Trajectory(
        inbound=False, points=((10.0, 0.0), (40.0, 281.0), (70.0, 281.0), (180.0, 1614.0))
    )
    drawing = time_space.time_space(chain, [replace(panel, trajectories=(drive,))] * 2, window)
    read = Read(drawing)
    per_s = (time_space.WIDTH - time_space.LEFT - time_space.RIGHT) / 180.0
    greens = read.boxes("lamp-green")
    spans = panel.lamps["ring"].greens_of(chain.outbound.groups[-1])
    wanted = [(a, b) for a, b in spans if b > 0.0 and a < 180.0]
    highest = min(y for _, y, _, h in greens if h == time_space.BAR and y > time_space.TOP)
    drawn = sorted(each for each in greens if each[1] == highest)
    assert [
        (
            pytest.approx(time_space.LEFT + a * per_s, abs=0.2),
            pytest.approx((b - a) * per_s, abs=0.2),
        )
        for a, b in wanted
    ] == [(x, width) for x, _, width, _ in drawn]
    # Signals lie as far apart as their stop lines: the labels say where, the axis lines show it.
    lines = sorted({corners(path)[0][1] for path in read.paths("axis")}, reverse=True)
    lower = lines[len(lines) // 2 :] if len(lines) > len(chain.sites) else lines
    upper = lines[: len(chain.sites)]
    scale = (upper[0] - upper[-1]) / chain.distances_m[-1]
    for y, at_m in zip(upper, chain.distances_m, strict=True):
        assert upper[0] - y == pytest.approx(at_m * scale, abs=0.2)
    assert len(lower) >= len(chain.sites)
    assert len(read.paths("way-out")) == 3, "one in the key, one in each panel"
    assert len(set(read.ids())) == len(read.ids())
    assert read.reds()
    assert "1614 m" in read.words()


def test_bands_in_the_drawing_are_as_wide_as_in_the_table(chain, network):
    """All lamps always green but for one signal: the band is that signal's green."""
    sites = {junction.id: junction.intersection for junction in network.junctions}
    plans = {junction.id: junction.shipped_plan for junction in network.junctions}
    panel = street_scenes.plan_panel("free", chain, sites, plans, (0.0, 180.0))
    at = chain.sites.index("mill")
    free = [() if i != at else groups for i, groups in enumerate(chain.outbound.groups)]
    open_chain = replace(chain, outbound=replace(chain.outbound, groups=tuple(free)), inbound=None)
    found = time_space.panel_bands(open_chain, panel, inbound=False)
    greens = panel.lamps["mill"].greens_of(chain.outbound.groups[at])
    assert found.through
    widths = {round(band.width_s, 1) for band in found.bands}
    assert widths <= {round(b - a, 1) for a, b in greens} | widths
    assert round(max(b - a for a, b in greens), 1) in widths
    drawn = Read(time_space.time_space(open_chain, [panel], (0.0, 180.0)))
    per_s = (time_space.WIDTH - time_space.LEFT - time_space.RIGHT) / 180.0
    polygons = [corners(path) for path in drawn.paths("band-out")]
    assert polygons
    for points in polygons:
        assert points[-1][0] - points[0][0] == pytest.approx(max(widths) * per_s, abs=0.3)
        slope_s = (points[len(points) // 2 - 1][0] - points[0][0]) / per_s
        assert slope_s == pytest.approx(sum(chain.outbound.free_s) / CRUISE, abs=0.3)
    row = tables.band_table(open_chain, [panel], (0.0, 180.0)).rows[0]
    assert row[3] == f"{max(widths):.1f}"
    assert drawn.paths("band-in") == []


def test_a_vehicle_stops_where_its_line_is_flat():
    drive = Trajectory(
        inbound=False,
        points=((0, 0.0), (20, 200.0), (60, 200.5), (90, 500.0), (91, 500.2), (120, 900.0)),
    )
    assert time_space.stops(drive) == 1
    crawl = Trajectory(inbound=True, points=((0, 90.0), (10, 80.0), (20, 70.5), (30, 0.0)))
    assert time_space.stops(crawl) == 0
    moving_up = ((0, 0.0), (20, 200.0), (40, 200.0), (45, 220.0), (60, 220.5), (90, 500.0))
    assert time_space.stops(Trajectory(inbound=False, points=moving_up)) == 1


def test_a_timing_diagram_shows_what_the_controller_shows(network):
    junction = network.junction("market")
    site, plan = junction.intersection, junction.shipped_plan
    rows = rows_of(site, plan)
    assert {name for row in rows for name in row.names} == {group.name for group in site.groups}
    through = next(row for row in rows if "E through" in row.names)
    assert through.greens == ((0.0, 33.0),)
    assert through.endings == ((33.0, 36.0),)
    walk = next(row for row in rows if row.names == ("ped S", "ped N"))
    assert (walk.is_pedestrian, walk.greens, walk.endings) == (
        True,
        ((0.0, 14.0),),
        ((14.0, 24.0),),
    )
    read = Read(timing_diagram(site, plan, ground_of(junction, network)))
    phases = read.boxes("phase")
    assert [round(width / phases[0][2], 2) for _, _, width, _ in phases] == [
        round(entry.split_ms / plan.stages[0].split_ms, 2) for entry in plan.stages
    ]
    assert len(read.of_class("ring")) == len(plan.stages)
    assert len(read.paths("flow-tip")) >= 4 * len(plan.stages) - 8
    assert "walk 14" in read.words()
    assert read.root.find("{http://www.w3.org/2000/svg}desc").text.count("green") >= 4


def test_groups_are_listed_in_few_words():
    assert listed(("E right", "E through", "W right", "W through")) == "E, W: right, through"
    assert listed(("EBL", "EBT")) == "EBL, EBT"


def test_rings_are_to_scale_with_walks_under_their_phases(town):
    utdf, sites = town
    site = sites["Main and First"]
    diagram = from_utdf(site.site.name, node_timing(utdf, site.node))
    assert (diagram.cycle_s, diagram.barriers_s) == (80.0, (51.0, 80.0))
    assert [[phase.name for phase in ring] for ring in diagram.rings] == [["1", "2", "4"], ["6"]]
    assert [phase.start_s for phase in diagram.rings[0]] == [0.0, 15.0, 51.0]
    read = Read(ring_barrier(diagram))
    widths = [width for _, _, width, _ in read.boxes("phase")]
    assert [round(80 * w / (1040 - 84 - 26), 1) for w in widths] == [15.0, 36.0, 29.0, 51.0]
    xs = {round(corners(path)[0][0]) for path in read.paths("barrier")}
    assert {84, 84 + round(930 * 51 / 80), 84 + 930} <= xs
    assert {"walk 7", "FDW 12", "φ2*"} <= set(read.words())
    star = Read(timing_diagram(site.site, site.present, star_of(site.site)))
    assert len(star.of_class("ring")) == len(site.present.stages)


def test_purdue_figures_by_hand():
    greens = [(20.0, 40.0), (80.0, 100.0), (140.0, 160.0), (200.0, 220.0)]
    yellows = [(end, end + 3.0) for _, end in greens]
    cycles = cycles_of(greens, yellows, until_s=210.0)
    assert [(c.red_s, c.green_s, c.yellow_s, c.end_s) for c in cycles] == [
        (43.0, 80.0, 100.0, 103.0),
        (103.0, 140.0, 160.0, 163.0),
    ]
    seen = Arrivals(title="now", cycles=cycles, arrivals_s=(10.0, 50.0, 85.0, 99.0, 101.0, 150.0))
    assert seen.counted == 5
    assert seen.on_green == pytest.approx(3 / 5)
    assert seen.green_share == pytest.approx(40 / 120)
    assert seen.platoon_ratio == pytest.approx(0.6 / (1 / 3))
    read = Read(purdue("here", [seen, replace(seen, title="then")]))
    green, red = read.paths("hit-green"), read.paths("hit-red")
    assert sum(path.count("M") for path in green) == 1 + 2 * 3, "one in the key"
    assert sum(path.count("M") for path in red) == 1 + 2 * 2
    assert purdue("nobody", [Arrivals(title="night", cycles=(), arrivals_s=())]).file_text()


def test_what_is_expected_of_a_plan_is_what_its_maker_expected(town):
    planning, _ = planning_network_of(town[0])
    made = make_plan(planning, cycles_s=(60.0,), effort=Effort(kicks=0))
    told = expected(planning, {plan.site: plan for plan in made.plan.plans})
    assert [told[each.stream].delay_s for each in made.predictions] == [
        pytest.approx(each.delay_s, rel=1e-6) for each in made.predictions
    ]
    table = tables.saturation_table(planning, told, told)
    column = table.head.index(tables.LOS)
    assert [row[column] for row in table.rows] == [p.level_of_service for p in made.predictions]


def test_a_split_table_adds_up(network):
    junction = network.junction("market")
    check_plan(junction.shipped_plan, junction.intersection)
    table = tables.split_table(junction.intersection, junction.shipped_plan)
    assert sum(float(row[2]) for row in table.rows) == junction.shipped_plan.cycle_ms / 1000
    assert all(float(row[4]) <= float(row[2]) for row in table.rows)


def test_one_way_streets_have_one_direction(panel, chain):
    one_way = Chain(name="one way", sites=chain.sites, outbound=chain.outbound, inbound=None)
    read = Read(time_space.time_space(one_way, [panel], (0.0, 180.0)))
    assert read.paths("band-in") == [] == read.paths("edge-in")
    assert isinstance(chain.inbound, Way)


def test_the_style_of_a_page_follows_the_reader_and_a_file_needs_no_variables(chain, panel):
    assert "prefers-color-scheme: dark" in page_style()
    assert "var(--gb-green)" in page_style()
    text = time_space.time_space(chain, [panel], (0.0, 180.0)).file_text()
    assert "var(" not in text
    assert text.count("#35a06f") >= 1
