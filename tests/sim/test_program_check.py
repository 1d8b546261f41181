import gzip
import re

import pytest

from controller.plan import check_plan
from sim.errors import NetworkError
from sim.network import derive_network
from sim.program_check import check_program
from tests.sim.networks import KINDS, crossroads, generate

# One-lane crossroads, right hand: links 0-2 right, through, left of north, then east, south, west.
NORTH_SOUTH = "GGgrrrGGgrrr"
EAST_WEST = "rrrGGgrrrGGg"
ALL_RED = "r" * 12


def yellow(state):
    return state.lower().replace("g", "y")


def phases(*pairs):
    return "".join(f'<phase duration="{d}" state="{state}"/>' for d, state in pairs)


SAFE = ((30, NORTH_SOUTH), (3, yellow(NORTH_SOUTH)), (30, EAST_WEST), (3, yellow(EAST_WEST)))


def program(folder, pairs, *, name="mine", offset="0", kind="static", gz=False, more=""):
    text = (
        f'<additional><tlLogic id="c" type="{kind}" programID="{name}" offset="{offset}">'
        f"{phases(*pairs)}</tlLogic>{more}</additional>"
    )
    path = folder / f"{name}.add.xml"
    if gz:
        path = path.with_suffix(".xml.gz")
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return crossroads(tmp_path_factory.mktemp("cross"))


def derived(net, *additional, **options):
    (junction,) = derive_network(net, additional, **options).junctions
    check_plan(junction.shipped_plan, junction.intersection)
    return junction


def faults(net, path, rule):
    """Findings about *rule*, which the derivation must report as well."""
    found = [f for f in check_program(net, [path]) if f.rule == rule and "mine" in f.where]
    assert found
    assert set(found) <= set(derived(net, path).findings)
    return found


def test_a_safe_program_has_no_fault(net, tmp_path):
    assert check_program(net) == ()
    assert check_program(net, [program(tmp_path, SAFE)]) == ()


def test_a_missing_yellow_is_named_with_link_and_phase(net, tmp_path):
    path = program(tmp_path, (SAFE[0], SAFE[2], SAFE[3]))
    found = faults(net, path, "yellow")
    assert {f.severity for f in found} == {"unsafe"}
    assert any("phase 0" in f.where and "link 0" in f.message for f in found)
    assert all("without yellow" in f.message for f in found)


def test_a_program_without_any_yellow_gets_one_from_the_approach_speed(net, tmp_path):
    site = derived(net, program(tmp_path, (SAFE[0], SAFE[2]))).intersection
    assert {group.ending_ms for group in site.groups} == {3_300}  # 1 s + 13.89 / 6.1 s
    assert all(ms == 0 or ms >= 3_300 for row in site.intergreen_ms for ms in row)
    # and clearance from geometry on top of it
    assert max(ms for row in site.intergreen_ms for ms in row) > 3_300


def test_a_short_yellow_is_named_with_its_length(net, tmp_path):
    path = program(tmp_path, (SAFE[0], (2, SAFE[1][1]), SAFE[2], SAFE[3]))
    found = faults(net, path, "yellow")
    assert all("2 s of yellow" in f.message for f in found)
    junction = derived(net, path)
    assert min(group.ending_ms for group in junction.intersection.groups) == 3_000
    assert junction.shipped_plan.cycle_ms == 65_000  # its splits absorb the missing second


def test_crossing_through_streams_at_right_of_way_are_conflicting_greens(net, tmp_path):
    both = "rGrrGrrGrrGr"
    path = program(tmp_path, ((30, both), (3, yellow(both)), *SAFE))
    found = faults(net, path, "conflicting greens")
    assert any("links 1" in f.message and "4" in f.message for f in found)
    assert all("phase 0" in f.where for f in found)
    site = derived(net, path).intersection
    north, east = site.group_index("N through"), site.group_index("E through")
    assert site.conflicts[north] >> east & 1


def test_a_turn_at_right_of_way_against_its_foe_is_unsafe_and_read_as_permissive(net, tmp_path):
    state = "GGGrrrGGGrrr"
    path = program(tmp_path, ((30, state), (3, yellow(state)), *SAFE[2:]))
    found = faults(net, path, "conflicting greens")
    assert all("permissive" in f.message for f in found)
    site = derived(net, path).intersection
    left, opposing = site.group_index("N left"), site.group_index("S through")
    assert site.yields_to[left] >> opposing & 1


def test_a_green_that_starts_during_a_conflicting_yellow_is_unsafe(net, tmp_path):
    early = "".join(
        b if b in "Gg" else a for a, b in zip(yellow(NORTH_SOUTH), EAST_WEST, strict=True)
    )
    found = faults(net, program(tmp_path, (SAFE[0], (3, early), *SAFE[2:])), "intergreen")
    assert all("still yellow" in f.message for f in found)


def test_short_greens_are_named_and_stretched_within_the_cycle(net, tmp_path):
    path = program(tmp_path, ((3, NORTH_SOUTH), *SAFE[1:]))
    assert all("3 s" in f.message for f in faults(net, path, "minimum green"))
    junction = derived(net, path)
    assert any(f.rule == "minimum times" for f in junction.findings)
    plan = junction.shipped_plan
    assert [entry.split_ms for entry in plan.stages] == [8_000, 31_000]
    assert plan.cycle_ms == 39_000


def test_a_link_that_is_never_green_stays_red_and_is_named(net, tmp_path):
    pairs = tuple((d, "r" + state[1:]) for d, state in SAFE)
    junction = derived(net, program(tmp_path, pairs))
    (finding,) = [f for f in junction.findings if f.rule == "never green"]
    assert "link 0" in finding.where and "never green" in finding.message
    assert [link.group for link in junction.links if link.index == 0] == [None]
    assert "N right" not in {group.name for group in junction.intersection.groups}


def test_short_walks_and_clearances_are_named_and_the_plan_makes_room(tmp_path):
    path = generate(tmp_path, KINDS["crossings"])
    text = re.sub(
        r'<phase duration="\d+"( +state="[^y]+?")', r'<phase duration="3"\1', path.read_text()
    )
    path.write_text(text)
    found = check_program(path)
    assert {"walk", "pedestrian clearance"} <= {f.rule for f in found if f.severity == "unsafe"}
    for finding in found:
        if finding.rule == "pedestrian clearance":
            assert "m at 1.2 m/s take" in finding.message
    for junction in derive_network(path).junctions:
        check_plan(junction.shipped_plan, junction.intersection)
        if junction.buttons:
            assert any(f.rule == "minimum times" for f in junction.findings)
            assert junction.shipped_plan.cycle_ms > junction.shipped.cycle_s * 1000


def test_the_program_loaded_last_is_in_force_also_from_a_gzipped_file(net, tmp_path):
    path = program(tmp_path, ((40, NORTH_SOUTH), *SAFE[1:]), gz=True, offset="7")
    junction = derived(net, path)
    assert junction.shipped.id == "mine"
    assert junction.shipped_plan.offset_ms == 7_000
    assert junction.shipped_plan.cycle_ms == 76_000


@pytest.mark.parametrize(("begin_s", "wanted"), [(0, "0"), (3_599, "0"), (3_600, "mine")])
def test_a_waut_switches_programs_by_the_time_of_day(net, tmp_path, begin_s, wanted):
    waut = (
        '<WAUT id="w" refTime="0" startProg="0"><wautSwitch time="3600" to="mine"/></WAUT>'
        '<wautJunction wautID="w" junctionID="c"/>'
    )
    path = program(tmp_path, SAFE, more=waut)
    assert derived(net, path, begin_s=begin_s).shipped.id == wanted


def test_a_program_without_phases_only_moves_the_offset(net, tmp_path):
    path = tmp_path / "offset.add.xml"
    path.write_text('<additional><tlLogic id="c" programID="0" offset="11"/></additional>')
    assert derived(net, path).shipped_plan.offset_ms == 11_000


def test_a_program_that_is_off_leaves_no_light_to_control(net, tmp_path):
    with pytest.raises(NetworkError, match="lights are off"):
        derive_network(net, [program(tmp_path, ((60, "o" * 12),))])


def test_a_turn_on_red_keeps_its_letter_while_idle(net, tmp_path):
    pairs = tuple((d, ("s" if state[0] == "r" else state[0]) + state[1:]) for d, state in SAFE)
    junction = derived(net, program(tmp_path, pairs))
    assert junction.constant_letters == "s" + "r" * 11


def test_red_and_yellow_before_green_is_no_yellow(net, tmp_path):
    pairs = []
    for k, (d, state) in enumerate(SAFE):
        following = SAFE[(k + 1) % len(SAFE)][1]
        if "y" in state:
            state = "".join(  # noqa: PLW2901
                "u" if b in "Gg" else a for a, b in zip(state, following, strict=True)
            )
        pairs.append((d, state))
    assert check_program(net, [program(tmp_path, pairs)]) == ()


def test_a_turn_green_only_during_another_yellow_still_has_a_stage(net, tmp_path):
    first = NORTH_SOUTH.replace("g", "r")
    middle = "".join("G" if i in {2, 8} else c for i, c in enumerate(yellow(first)))
    last = "".join("y" if i in {2, 8} else "r" for i in range(12))
    junction = derived(net, program(tmp_path, ((20, first), (6, middle), (3, last), *SAFE[2:])))
    site = junction.intersection
    left = site.group_index("N left")
    assert any(mask >> left & 1 for mask in site.stage_masks[: junction.shipped_stages])


def test_a_group_that_is_always_green_is_in_every_stage(net, tmp_path):
    pairs = tuple((d, "g" + state[1:]) for d, state in (*SAFE, (4, ALL_RED)))
    site = derived(net, program(tmp_path, pairs)).intersection
    always = site.group_index("N right")
    assert all(mask >> always & 1 for mask in site.stage_masks)
    assert site.conflicts[always] == 0


def test_a_cycle_of_hours_is_cut_to_what_a_plan_may_have(net, tmp_path):
    junction = derived(net, program(tmp_path, ((80_000, NORTH_SOUTH), *SAFE[1:])))
    assert junction.shipped_plan.cycle_ms == 600_000
    assert any(f.rule == "cycle" for f in junction.findings)


@pytest.mark.parametrize(
    ("pairs", "offset", "complaint"),
    [
        (((30, "Gr"), (3, "yr")), "0", "2 letters, but the network has a link 11"),
        (((30, NORTH_SOUTH), (3, "yy")), "0", "states of 2 and 12 letters"),
        ((("nan", NORTH_SOUTH),), "0", "'nan' is not a number of seconds"),
        ((("soon", NORTH_SOUTH),), "0", "'soon' is not a number of seconds"),
        (SAFE, "noon", "offset 'noon'"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(net, tmp_path, pairs, offset, complaint):
    path = program(tmp_path, pairs, offset=offset)
    for use in (derive_network, check_program):
        with pytest.raises(NetworkError, match=complaint):
            use(net, [path])
