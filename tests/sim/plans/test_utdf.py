"""UTDF: what we write is read back, what others write is read, and faults name their line."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from controller.plan import check_plan
from sim.errors import PlanFileError
from sim.network import derive_network
from sim.plans.utdf import Utdf, parse_utdf, read_utdf
from sim.plans.utdf_lanes import approaches
from sim.plans.utdf_phases import node_timing
from sim.plans.utdf_plans import plans_of_utdf
from sim.plans.utdf_writer import utdf_text
from tests.sim.networks import crossroads
from tests.sim.plans.plans_of import uneven_network_plan

DUAL_RING = """\
[Network],,,,,,,,,
Network Settings,,,,,,,,,
RECORDNAME,DATA,,,,,,,,
UTDFVERSION,8,,,,,,,,
Metric,0,,,,,,,,
,,,,,,,,,
[Nodes],,,,,,,,,
Node Data,,,,,,,,,
INTID,TYPE,X,Y,Z,DESCRIPTION,CBD
5,0,1000,2000,0,c,0
6,1,0,2000,0,,0

[Lanes]
Lane Group Data
RECORDNAME,INTID,NBL,NBT,NBR,SBL,SBT,SBR,EBL,EBT,EBR,WBL,WBT,WBR,PED,HOLD
Phase1,5,7,4,,3,8,,5,2,,1,6,,,
Volume,5,*,120,*30,90,,11,,*,,1,2,3,,

[Timeplans]
Timing Plan Settings
RECORDNAME,INTID,DATA
Control Type,5,0
Cycle Length,5,100.0
Referenced To,5,{to}
Reference Phase,5,206
Offset,5,17

[Phases]
Phasing Data
RECORDNAME,INTID,D1,D2,D3,D4,D5,D6,D7,D8
BRP,5,111,112,211,212,121,122,221,222
MinGreen,5,4,4,4,4,4,4,4,4
MaxGreen,5,11,29,16,26,16,24,*16,26
Yellow,5,3.5,4,3.5,4,3.5,4,3.5,4
AllRed,5,0.5,1,0.5,1,0.5,1,0.5,1
Start,5,0,15,50,70,0,20,50,70

[Timeplans]
Timing Plan Settings
RECORDNAME,INTID,DATA
Offset,5,12.5
"""


def _dual_ring(to: int = 3, **changes: str) -> Utdf:
    text = DUAL_RING.format(to=to)
    for old, new in changes.items():
        text = text.replace(old.replace("_", " "), new)
    return parse_utdf(text, "town.csv")


@pytest.mark.parametrize("name", ["small", "cologne3"])
def test_read_back_without_loss(name, request, tmp_path):
    network = request.getfixturevalue(name)
    plan = uneven_network_plan(network)
    isolated = replace(plan, plans=(*plan.plans[:2], replace(plan.plans[2], offset_ms=None)))
    for number, each in enumerate((plan, isolated)):
        zones = tuple(
            replace(zone, sites=tuple(s for s in zone.sites if s in {p.site for p in each.plans}))
            for zone in plan.zones
        )
        whole = replace(each, zones=zones)
        path = tmp_path / f"{number}.csv"
        path.write_text(utdf_text(whole, network), encoding="utf-8", newline="")
        read = plans_of_utdf(read_utdf(path), network)
        assert read.plan == whole
        assert read.remarks == ()


def test_numbers_that_another_program_changed_count(small):
    plan = uneven_network_plan(small)
    rows = list(csv.reader(utdf_text(plan, small).splitlines()))
    *_, offset = (row for row in rows if row[:2] == ["Offset", "2"])
    offset[2] = "33.5"
    phases = next(k for k, row in enumerate(rows) if row == ["[Phases]"])
    green = next(row for row in rows[phases:] if row[:2] == ["MaxGreen", "3"])
    green[2] = f"*{float(green[2]) + 2:g}"
    green[3] = f"{float(green[3]) - 2:g}"
    text = "\n".join(",".join(_quoted(cell) for cell in row) for row in rows)
    read = plans_of_utdf(parse_utdf(text), small).plan
    assert read.plans[1] == replace(plan.plans[1], offset_ms=33_500)
    before, after = plan.plans[2].stages, read.plans[2].stages
    moved = [b.split_ms - a.split_ms for a, b in zip(before, after, strict=True)]
    assert moved == [2_000, -2_000, *[0] * (len(before) - 2)]


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if {",", '"'} & set(cell) else cell


def test_without_our_section_the_lane_groups_say_the_stages(small):
    plan = uneven_network_plan(small)
    text = utdf_text(plan, small)
    read = plans_of_utdf(parse_utdf(text[: text.index("[Greenband]")]), small).plan
    for mine, theirs in zip(plan.plans, read.plans, strict=True):
        assert (theirs.cycle_ms, theirs.offset_ms) == (mine.cycle_ms, mine.offset_ms)
        assert [(e.stage, e.split_ms) for e in theirs.stages] == [
            (e.stage, e.split_ms) for e in mine.stages
        ]


def test_offsets_are_written_once_more_after_the_phases(small):
    text = utdf_text(uneven_network_plan(small), small)
    heads = [line for line in text.splitlines() if line.startswith("[")]
    assert heads == [
        *("[Network]", "[Nodes]", "[Links]", "[Lanes]", "[Timeplans]", "[Phases]"),
        *("[Timeplans]", "[Greenband]"),
    ]
    last = text[text.rindex("[Timeplans]") : text.index("[Greenband]")].splitlines()
    assert {line.split(",")[0] for line in last[3:] if line} == {"Offset"}


def test_links_and_lanes_describe_the_streets(small):
    plan = uneven_network_plan(small)
    junction = small.junctions[0]
    turns = {
        (junction.id, link.from_edge, link.to_edge): 100.0
        for link in junction.links
        if link.turn != "crossing"
    }
    utdf = parse_utdf(utdf_text(plan, small, turns))
    by_id = {node.description: node for node in utdf.nodes.values()}
    numbers = {junction.id: by_id[junction.id].id for junction in small.junctions}
    ups = {utdf.links[node]["up id"][way].text for node in numbers.values() for way in ("NB", "EB")}
    assert {str(number) for number in numbers.values()} & ups
    lanes = utdf.lanes[numbers[junction.id]]
    for approach in approaches(junction, small):
        through = lanes["volume"][f"{approach.direction}T"]
        assert through.text == "100"
        counted = sum(
            int(lanes["lanes"][f"{approach.direction}{column.turn}"].text)
            for column in approach.columns
        )
        assert counted == approach.lanes == 2


def test_two_rings_are_unrolled_between_their_barriers():
    utdf = _dual_ring()
    (node,) = utdf.signals()
    timing = node_timing(utdf, node)
    assert timing.cycle_ms == 100_000
    assert [(each.start_ms, each.duration_ms, each.phases) for each in timing.intervals] == [
        (0, 15_000, (1, 5)),
        (15_000, 5_000, (2, 5)),
        (20_000, 29_000, (2, 6)),
        (49_000, 20_000, (3, 7)),
        (69_000, 31_000, (4, 8)),
    ]


@pytest.mark.parametrize(
    ("to", "reference_ms"),
    [(0, 20_000), (1, 44_000), (2, 48_000), (3, 15_000), (4, 44_000)],
)
def test_offsets_are_counted_from_what_they_refer_to(to, reference_ms):
    """The later [Timeplans] says 12.5 s; phases 2 and 6 begin after 15 and 20 s."""
    utdf = _dual_ring(to)
    timing = node_timing(utdf, utdf.signals()[0])
    assert timing.offset_ms == (12_500 - reference_ms) % 100_000


def test_feet_become_metres():
    (node, _) = _dual_ring().nodes.values()
    assert (node.x_m, node.y_m) == pytest.approx((304.8, 609.6))


def test_a_star_is_no_number_and_a_starred_number_is_one():
    utdf = _dual_ring()
    volumes = utdf.lanes[5]["volume"]
    assert utdf.number("NBL", volumes["NBL"]) is None
    assert utdf.number("NBR", volumes["NBR"]) == 30.0
    assert utdf.number("SBT", volumes["SBT"]) is None


@pytest.mark.parametrize("section", ["Network", "Nodes", "Lanes", "Timeplans", "Phases"])
def test_a_missing_section_is_named_with_what_it_is_for(section):
    with pytest.raises(PlanFileError, match=rf"town.csv: there is no \[{section}\] section"):
        _dual_ring(**{f"[{section}]": "[Other]"})


def test_what_is_no_utdf_at_all_is_said():
    with pytest.raises(PlanFileError, match="not a UTDF combined file"):
        parse_utdf("time,veh\n0,12\n", "counts.csv")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MaxGreen,5,11": "MaxGreen,5,*"}, r"line 33: MaxGreen of node 5, D1 is '\*'"),
        ({"MaxGreen,5,11": "MaxGreen,5,x"}, "line 33: MaxGreen of node 5, D1: 'x' is not a number"),
        ({"MaxGreen,5,11": "MaxGreen,5,inf"}, "'inf' is not a number"),
        ({"Yellow,5": "Yelow,5"}, "Yellow of node 5, D1 is missing"),
        ({"Length,5,100.0": "Length,5,90"}, "line 23: Cycle Length of node 5 is 90 s, but"),
        ({"Phase,5,206": "Phase,5,9"}, "line 25: Reference Phase of node 5 is '9'"),
        ({"BRP,5,111": "BRP,5,12"}, "line 31: BRP of node 5, D1 is '12': give three digits"),
        ({"To,5,3": "To,5,7"}, "line 24: Referenced To of node 5 is 7: give 0 to 4"),
    ],
)
def test_a_fault_in_the_timing_names_its_line(changes, said):
    utdf = _dual_ring(**changes)
    with pytest.raises(PlanFileError, match=said):
        node_timing(utdf, utdf.signals()[0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Metric,0": "Metric,2"}, "line 5: Metric in"),
        ({"Metric,0": "Units,0"}, "write Metric,0 for feet"),
        ({"5,0,1000": "five,0,1000"}, "line 10: INTID 'five' is not a whole number"),
        ({"5,0,1000": "5,0,east"}, "line 10: X 'east' of a node is not a number"),
    ],
)
def test_a_fault_in_the_form_names_its_line(changes, said):
    with pytest.raises(PlanFileError, match=said):
        _dual_ring(**changes)


def test_a_section_without_header_is_cut_off():
    text = DUAL_RING.format(to=3)
    with pytest.raises(PlanFileError, match=r"section \[Phases\] has no header row"):
        parse_utdf(text[: text.index("Phasing Data")])


def test_a_file_of_another_town_says_how_to_name_nodes(small):
    with pytest.raises(PlanFileError, match="write the SUMO ids of the traffic lights"):
        plans_of_utdf(_dual_ring(), small)


def test_a_file_by_somebody_else_is_read_for_a_sumo_net(tmp_path):
    network = derive_network(crossroads(tmp_path))
    text = DUAL_RING.format(to=3)
    lanes = {approach.direction: approach for approach in approaches(*_first(network))}
    assert set(lanes) == {"NB", "SB", "EB", "WB"}
    rows = {
        "Phase1,5,7,4,,3,8,,5,2,,1,6,,,": "Phase1,5,4,4,4,4,4,4,2,2,2,2,2,2,,",
        "BRP,5,111,112,211,212,121,122,221,222": "BRP,5,,111,,211",
        "Cycle Length,5,100.0": "Cycle Length,5,65",
        "Reference Phase,5,206": "Reference Phase,5,4",
    }
    for old, new in rows.items():
        text = text.replace(old, new)
    read = plans_of_utdf(parse_utdf(text), network)
    (plan,) = read.plan.plans
    site = network.junctions[0].intersection
    check_plan(plan, site)
    assert [entry.split_ms for entry in plan.stages] == [34_000, 31_000]
    assert plan.offset_ms == (12_500 - 34_000) % 65_000
    east = next(link.group for link in network.junctions[0].links if link.from_edge == "wc")
    assert site.mask_of_stage[plan.stages[0].stage] >> east & 1


def _first(network):
    return network.junctions[0], network
