"""The corridor desk: windows, states, arbitration, silence, wrong turns, limits, bad wishes."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from edge.corridors.errors import CorridorError
from edge.corridors.values import Answer, CallAnswer, CorridorState, PassageState, SiteView
from tests.edge.corridor_city import LENGTH_M, MAIN, SITES, Town, ambulance

HELD, PASSED, GRANTED = PassageState.HELD, PassageState.PASSED, PassageState.GRANTED


@pytest.fixture
def town() -> Town:
    return Town()


def _opened(town: Town, **values: object) -> str:
    corridor = town.desk.open(town.now, ambulance(**values), "test")
    town.second()
    return corridor.id


def test_every_junction_answers_before_any_is_held(town):
    corridor = town.desk.open(town.now, ambulance(), "test")
    assert corridor.state is CorridorState.PENDING
    assert [passage.site for passage in corridor.passages] == list(SITES)
    town.second()
    assert [(call.site, call.ttl_ms) for _, call in town.sent] == [(name, 0) for name in SITES]
    assert town.desk.corridor(corridor.id).state is CorridorState.GRANTED
    town.second()
    assert "first position" in town.desk.corridor(corridor.id).note
    for _ in range(20):
        town.second()
    assert all(calls.active is None for calls in town.cabinets.values())


def test_a_junction_is_asked_in_time_and_no_earlier(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, 5 * LENGTH_M)
    shown = town.desk.corridor(corridor)
    for k, passage in enumerate(shown.passages):
        begun_ms, ended_ms = town.calls(passage.site)[0][0], passage.passed_utc_ms - 5_000_000
        assert passage.state is PASSED
        assert 5_000 + 2_000 <= ended_ms - begun_ms <= 16_000, f"change and margin, at {k}"
        assert town.calls(passage.site)[-1][1].ttl_ms == 0
    assert shown.state is CorridorState.CLOSED


def test_a_queue_is_let_go_before_the_vehicle_comes(town):
    corridor = _opened(town)
    town.queue_veh["J2"] = (10.0, 0.0)
    town.drive(corridor, MAIN, 3 * LENGTH_M)
    taken = {}
    for passage in town.desk.corridor(corridor).passages[:2]:
        begun_ms = town.calls(passage.site)[0][0]
        taken[passage.site] = passage.passed_utc_ms - 5_000_000 - begun_ms
    assert taken["J2"] >= taken["J1"] + 18_000, "ten vehicles need about 2 s each"


def test_states_of_a_corridor_from_wish_to_close(town):
    corridor = _opened(town)
    seen = []
    for k in range(5):
        town.drive(corridor, MAIN, (k + 1) * LENGTH_M, k * LENGTH_M)
        seen.append(town.desk.corridor(corridor).state)
    assert seen[0] is CorridorState.ACTIVE
    assert seen[-1] is CorridorState.CLOSED
    shown = town.desk.corridor(corridor)
    assert all(p.released_utc_ms <= p.back_utc_ms for p in shown.passages)
    with pytest.raises(CorridorError, match="is closed: open a new one") as failure:
        town.desk.report(town.now, corridor, town.position("e", 10.0))
    assert failure.value.code == "over"


def test_cancel_lets_go_at_once(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    assert town.cabinets["J1"].active is not None
    shown = town.desk.cancel(town.now, corridor, "false alarm")
    assert shown.state is CorridorState.RECOVERING
    assert shown.note == "false alarm"
    town.second()
    assert town.cabinets["J1"].active is None
    town.second()
    assert town.desk.corridor(corridor).state is CorridorState.CANCELLED
    assert town.desk.cancel(town.now, corridor, "again").state is CorridorState.CANCELLED


def test_the_maximum_duration_ends_it_whatever_happens(town):
    corridor = _opened(town, max_duration_s=10.0)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    for _ in range(4):
        town.second()
    shown = town.desk.corridor(corridor)
    assert shown.state is CorridorState.EXPIRED
    assert "min are over" in shown.note
    assert all(calls.active is None for calls in town.cabinets.values())


def test_the_higher_level_goes_first_and_the_other_is_told(town):
    low = _opened(town, vehicle="LF 1", level=8)
    high = _opened(town, vehicle="RTW 1", route=("n2", "s2"), level=12)
    for k in range(17):
        town.desk.report(town.now, low, town.position("m1", 60.0 + k * 14.0))
        town.desk.report(town.now, high, town.position("n2", 60.0 + k * 14.0))
        town.second()
        active = town.cabinets["J2"].active
        assert active is None or active.level == 12
    passage = town.desk.corridor(low).passages[1]
    assert passage.state is PassageState.QUEUED
    assert passage.why.startswith("RTW 1 goes first at J2 (level 12 before 8): about ")
    town.desk.report(town.now, high, town.position("s2", 5.0))
    town.second()
    assert town.cabinets["J2"].active.level == 8


@pytest.mark.parametrize(
    ("mine", "other", "reason"),
    [
        ({"role": "police"}, {"role": "ambulance"}, "ambulance before police"),
        ({}, {}, "it is there first"),
    ],
)
def test_ties_go_by_role_and_then_to_who_is_there_first(town, mine, other, reason):
    loser = _opened(town, vehicle="slow", **mine)
    _opened(town, vehicle="quick", route=("n1", "s1"), **other)
    quick = town.desk.of_vehicle("quick").id
    town.desk.report(town.now, loser, town.position("w", 200.0))
    town.desk.report(town.now, quick, town.position("n1", 280.0))
    town.second()
    assert reason in town.desk.corridor(loser).passages[0].why


def test_two_vehicles_of_one_way_share_the_green(town):
    first, second = _opened(town, vehicle="A"), _opened(town, vehicle="B")
    for corridor, at_m in ((first, 280.0), (second, 250.0)):
        town.desk.report(town.now, corridor, town.position("w", at_m))
    town.second()
    town.second()
    assert town.states(first)[0] in {HELD, PassageState.QUEUED}
    assert {call.stage for _, call in town.calls("J1")} == {"A"}
    assert {call.corridor for _, call in town.calls("J1")} == {first, second}


def test_a_silent_vehicle_is_predicted_and_each_junction_released(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, 1.5 * LENGTH_M)
    assert town.states(corridor)[0] is PASSED
    held_s, notes = 0, set()
    for _ in range(150):
        town.second()
        held_s += town.cabinets["J2"].active is not None
        notes.add(town.desk.corridor(corridor).note[:24])
    assert "RTW 1 has been silent fo" in notes
    assert 15 <= held_s <= 60
    assert all(calls.active is None for calls in town.cabinets.values())
    assert town.states(corridor) == [PASSED] * 4


def test_a_silent_vehicle_that_comes_back_goes_on(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, 1.2 * LENGTH_M)
    for _ in range(8):
        town.second()
    town.drive(corridor, MAIN, 5 * LENGTH_M, 1.5 * LENGTH_M)
    assert town.desk.corridor(corridor).state is CorridorState.CLOSED


def test_a_wrong_turn_gets_a_new_way_and_frees_the_old_one(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, 1.8 * LENGTH_M)
    assert town.cabinets["J2"].active is not None
    town.desk.report(town.now, corridor, town.position("s2", 20.0))
    town.second()
    shown = town.desk.corridor(corridor)
    assert shown.route == ("s2", "back", "m3", "e")
    assert town.cabinets["J2"].active is None
    gone = {passage.site: passage for passage in shown.passages if passage.site != "J4"}
    assert gone["J2"].state is PassageState.RELEASED
    assert gone["J2"].why == "no longer on the way"
    assert "J3" not in gone, "it had never been called"
    town.drive(corridor, ("s2", "back", "m3", "e"), 4 * LENGTH_M, 30.0)
    assert town.desk.corridor(corridor).passages[-1].state is PASSED


def test_off_every_known_way_nothing_is_held_until_it_is_back(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    shown = town.desk.report(town.now, corridor, town.position("s4", 10.0))
    assert "no way to its destination" in shown.note
    town.second()
    assert all(calls.active is None for calls in town.cabinets.values())
    town.desk.report(town.now, corridor, town.position("w", LENGTH_M - 20.0))
    town.second()
    assert town.cabinets["J1"].active is not None


def test_a_receiver_s_error_backwards_is_no_wrong_turn(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M + 30.0)
    shown = town.desk.report(town.now, corridor, town.position("w", LENGTH_M - 10.0))
    assert shown.route == MAIN
    assert shown.passages[0].state is PASSED


def test_who_stands_is_parked_although_its_receiver_wanders(town):
    """A green that nobody can use is held for a minute at most, and not for ever."""
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 5.0)
    held_s, chance = 0, random.Random(7)
    for _ in range(200):
        at_m = LENGTH_M - 6.0 + chance.gauss(0.0, 3.0)
        town.desk.report(town.now, corridor, town.position("w", at_m, 0.0))
        town.second()
        held_s += town.cabinets["J1"].active is not None
    assert "stands still" in town.desk.corridor(corridor).note
    assert held_s <= 60


def test_the_other_side_of_the_road_is_a_mistaken_place_until_it_drives_back(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 60.0)
    town.desk.report(town.now, corridor, town.position("w-back", 45.0))
    town.second()
    assert town.desk.corridor(corridor).route == MAIN
    assert town.cabinets["J1"].active is not None
    for at_m in (60.0, 75.0, 90.0):
        town.desk.report(town.now, corridor, town.position("w-back", at_m))
        town.second()
        assert town.desk.corridor(corridor).note == ""
    town.desk.report(town.now, corridor, town.position("w-back", 120.0))
    assert "no way to its destination" in town.desk.corridor(corridor).note


def test_in_a_junction_any_of_its_arms_may_be_meant(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 10.0)
    for arm, at_m in (("s1", 6.0), ("n1", LENGTH_M - 4.0)):
        town.desk.report(town.now, corridor, town.position(arm, at_m))
        town.second()
        assert town.desk.corridor(corridor).route == MAIN
        assert town.cabinets["J1"].active is not None
    town.desk.report(town.now, corridor, town.position("m1", 8.0))
    assert town.states(corridor)[0] is PASSED
    town.desk.report(town.now, corridor, town.position("s1", 14.0))
    assert town.desk.corridor(corridor).route == MAIN, "the junction behind it"


def test_from_off_the_map_the_next_destination_counts_from_where_it_is(town):
    corridor = _opened(town, route=("w", "m1"))
    town.drive(corridor, ("w", "m1"), LENGTH_M - 60.0)
    town.desk.report(town.now, corridor, town.position("m3", 100.0))
    assert "give another destination" in town.desk.corridor(corridor).note
    shown = town.desk.reroute(town.now, corridor, "e")
    assert shown.route == ("m3", "e")
    town.desk.report(town.now, corridor, town.position("m3", 250.0))
    town.second()
    assert town.cabinets["J4"].active is not None


def test_a_corridor_of_before_a_restart_goes_on_once_its_vehicle_is_heard(town):
    opened_utc_ms = town.now.utc_ms - 590_000
    wish = ambulance(route=MAIN[1:])
    town.desk.resume(town.now, "c-old", wish, "dispatch", opened_utc_ms)
    for _ in range(3):
        town.second()
    shown = town.desk.corridor("c-old")
    assert (shown.state, shown.caller) == (CorridorState.GRANTED, "dispatch")
    assert shown.note == (
        "the centre has started anew: no junction is held before RTW 1 says where it is"
    )
    assert all(calls.active is None for calls in town.cabinets.values())
    town.desk.report(town.now, "c-old", town.position("m2", 270.0))
    town.second()
    assert town.states("c-old") == [PASSED, HELD, GRANTED]
    assert town.cabinets["J3"].active is not None
    for _ in range(8):
        town.second()
    shown = town.desk.corridor("c-old")
    assert (shown.opened_utc_ms, shown.state) == (opened_utc_ms, CorridorState.EXPIRED)


def test_a_parked_vehicle_holds_nothing_and_is_asked_for_again(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 60.0)
    for _ in range(60):
        town.desk.report(town.now, corridor, town.position("w", 250.0, 0.0))
        town.second()
    assert "stands still" in town.desk.corridor(corridor).note
    assert town.cabinets["J1"].active is None
    town.drive(corridor, MAIN, LENGTH_M - 10.0, LENGTH_M - 40.0)
    assert town.cabinets["J1"].active is not None


def test_a_junction_that_does_not_answer_is_told_and_asked_again(town):
    town.unreachable = {"J2"}
    corridor = _opened(town)
    for _ in range(4):
        town.second(seen=False)
    shown = town.desk.corridor(corridor)
    assert shown.state is CorridorState.GRANTED
    assert shown.passages[1].state is PassageState.UNREACHABLE
    assert shown.passages[1].why.startswith("J2 does not answer: drive there as without")
    town.unreachable = set()
    for _ in range(8):
        town.second()
    assert town.states(corridor)[1] is GRANTED


def test_a_green_that_comes_by_itself_is_no_answer(town):
    town.deaf, town.stages["J1"] = {"J1"}, "A"
    corridor = _opened(town)
    for _ in range(8):
        town.desk.report(town.now, corridor, town.position("w", 260.0))
        town.second()
        assert town.states(corridor)[0] is not HELD
    assert town.states(corridor)[0] is PassageState.UNREACHABLE
    assert town.desk.corridor(corridor).state is CorridorState.GRANTED
    town.deaf = set()
    for _ in range(3):
        town.desk.report(town.now, corridor, town.position("w", 260.0))
        town.second()
    assert town.states(corridor)[0] is HELD


def test_who_can_not_be_reached_is_held_again_once_it_is(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    assert town.states(corridor)[0] is HELD
    seen = []
    for cut in ({"J1"}, set()):
        town.unreachable = cut
        for _ in range(2):
            town.desk.report(town.now, corridor, town.position("w", 275.0))
            town.second()
        seen.append(town.states(corridor)[0])
    assert seen == [PassageState.UNREACHABLE, HELD]


def test_who_can_not_be_reached_is_not_said_to_have_granted(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    town.unreachable = {"J1"}
    town.desk.report(town.now, corridor, town.position("w", 275.0))
    town.second()
    town.desk.report(town.now, corridor, town.position("s4", 100.0))
    town.second()
    assert town.states(corridor)[0] is PassageState.UNREACHABLE


def test_a_call_that_the_line_lost_is_made_anew_at_once(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    number = town.calls("J1")[-1][1].number
    town.desk.hear(town.now, "J1", number, CallAnswer(Answer.STALE))
    town.desk.report(town.now, corridor, town.position("w", 275.0))
    town.second()
    made = {call.number for _, call in town.calls("J1") if call.ttl_ms}
    assert max(made) > number
    town.second()
    assert town.states(corridor)[0] is HELD


def test_what_is_said_of_all_calls_to_a_junction(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M - 30.0)
    changes = town.desk.changes
    said = CallAnswer(Answer.UNREACHABLE, "its edge refuses our orders")
    town.desk.hear_of(town.now, "J1", said)
    shown = town.desk.corridor(corridor).passages
    assert shown[0].why == said.why
    assert shown[1].state is GRANTED
    assert town.desk.changes == changes + 1


def test_only_what_is_news_counts_as_a_change(town):
    corridor = _opened(town)
    town.second()
    before = town.desk.changes
    town.desk.report(town.now, corridor, town.position("w", 10.0))
    town.second()
    noted = town.desk.changes
    assert noted > before, "it waits for a position no more"
    town.desk.report(town.now, corridor, town.position("w", 25.0))
    town.second()
    assert town.desk.changes == noted


def test_refused_by_all_is_refused(town):
    town.refusing = set(SITES)
    corridor = _opened(town)
    town.second()
    shown = town.desk.corridor(corridor)
    assert shown.state is CorridorState.REFUSED
    assert "every junction refuses" in shown.note
    assert "police panel" in shown.passages[0].why


def test_a_call_is_kept_up_every_2_s_and_never_longer_than_100_s(town):
    corridor = _opened(town)
    for _ in range(115):
        # It creeps, so it is not parked.
        at_m = 280.0 + town.ms / 1_000 % 2 * 6.0
        town.desk.report(town.now, corridor, town.position("w", at_m, 1.5))
        town.second()
    calls = town.calls("J1")
    first_ms, number = calls[0][0], calls[0][1].number
    own = [(ms, call) for ms, call in calls if call.number == number]
    beats = [ms for ms, call in own if call.ttl_ms]
    assert {later - ms for ms, later in pairwise(beats)} == {2_000}
    assert own[-1][1].ttl_ms == 0
    assert own[-1][0] - first_ms <= 100_000
    assert "the most there is" in town.desk.corridor(corridor).passages[0].why


def test_reroute_to_another_destination(town):
    corridor = _opened(town)
    town.drive(corridor, MAIN, LENGTH_M + 60.0)
    shown = town.desk.reroute(town.now, corridor, "s3")
    assert shown.route == ("m1", "m2", "s3")
    assert shown.wish.destination == "s3"
    with pytest.raises(CorridorError, match="the route has to begin there"):
        town.desk.reroute(town.now, corridor, ("m2", "m3"))


@pytest.mark.parametrize(
    ("wish", "code", "sentence"),
    [
        ({"route": ("w", "nowhere")}, "unknown-street", "no street 'nowhere' on the map of town"),
        ({"route": ("w", "m3")}, "no-route", r"w street \(w\) does not lead into m3 street"),
        ({"route": ("s2", "back")}, "no-signals", "no signal stands between .* drive"),
        ({"level": 15}, "bad-wish", "level 15 is outside 0..14"),
        ({"max_duration_s": float("inf")}, "bad-wish", "1 to 7200 s, not inf s"),
        ({"vehicle": " "}, "bad-wish", "the vehicle has no name"),
    ],
)
def test_bad_wishes_get_a_sentence(town, wish, code, sentence):
    with pytest.raises(CorridorError, match=sentence) as failure:
        town.desk.preview(town.now, ambulance(**wish))
    assert failure.value.code == code


def test_other_bad_input_gets_a_sentence(town):
    corridor = _opened(town)
    desk, now = town.desk, town.now
    skewed = town.position("w", 0.0)
    for code, ask in {
        "vehicle-busy": lambda: desk.open(now, ambulance(), "test"),
        "unknown-corridor": lambda: desk.cancel(now, "c99", ""),
        "unknown-vehicle": lambda: desk.of_vehicle("LF 9"),
        "expired-preview": lambda: desk.previewed(now, "c99"),
        "bad-position": lambda: desk.report(now, corridor, town.position("moon", 0.0)),
    }.items():
        with pytest.raises(CorridorError) as failure:
            ask()
        assert failure.value.code == code
    town.ms -= 60_000
    with pytest.raises(CorridorError, match="s ahead of our clock: set the clock"):
        desk.report(town.now, corridor, skewed)


def test_a_preview_says_what_a_corridor_would_gain(town):
    for _ in range(2):
        town.second()
    town.unreachable = {"J3"}
    town.second()
    other = _opened(town, vehicle="LF 1", route=("n2", "s2"))
    town.desk.report(town.now, other, town.position("n2", 250.0))
    town.second()
    town.desk.see(town.now, "J1", SiteView(stage="B", queue_veh=(4.0, 3.0)))
    made = town.desk.preview(town.now, ambulance())
    assert made.route == MAIN
    assert made.length_m == 5 * LENGTH_M + 4 * 15.0
    assert made.eta_s == pytest.approx(made.length_m / 15.0, abs=12.0)
    assert made.without_s >= made.eta_s + 40.0
    assert made.others_delay_s > 0
    assert any(remark.startswith("J3 does not answer") for remark in made.remarks)
    assert any("J2 is held by LF 1, level 10" in remark for remark in made.remarks)
    assert town.desk.previewed(town.now, made.id) == made
    town.ms += 61_000
    with pytest.raises(CorridorError, match="make a new one"):
        town.desk.previewed(town.now, made.id)


def test_the_quickest_way_counts_the_wait_at_signals(town):
    made = town.desk.preview(town.now, ambulance(route=("w", "m1", "s2", "back", "m3", "e")))
    assert len(made.passages) == 3
    quickest = ambulance()
    found = town.desk.preview(
        town.now, type(quickest)(vehicle="X", role="fire", level=3, origin="w", destination="e")
    )
    assert found.route == MAIN
