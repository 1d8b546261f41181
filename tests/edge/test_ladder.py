from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import ladder
from edge.ladder import BLOCKS, Conditions, Patience, Reason, Rung

PATIENCE = Patience()
WELL = Conditions(link_age_ms=100, late_ms=0)
BAD = {
    Reason.SWITCHED_OFF: {"adaptive": False},
    Reason.OPERATOR: {"operator": True},
    Reason.LINK: {"link_age_ms": 3_001},
    Reason.DETECTION: {"detection": 0.2},
    Reason.OPTIMIZER_ERROR: {"optimizer_error": "division by zero"},
    Reason.OPTIMIZER_LATE: {"optimizer_ms": 501},
    Reason.HUNG: {"hung": "after 5 s"},
    Reason.POLLED_LATE: {"late_ms": 501},
    Reason.OVERLOADED: {"late_ms": 501, "overload": "it cannot keep up"},
    Reason.REFUSED: {"refusal": "unknown stage"},
    Reason.CLOCK: {"clock_step_ms": -2_000},
    Reason.NO_PLAN: {"plan_valid": False},
    Reason.FLASHING: {"flashing": True},
}


IN_A_ROW = {Reason.OPTIMIZER_LATE, Reason.POLLED_LATE, Reason.OVERLOADED, Reason.REFUSED}


def run(state, seen, seconds, patience=PATIENCE):
    """*seen* for so many ticks; the changes of rung on the way."""
    changes = []
    for _ in range(seconds):
        state, change = ladder.advance(state, state.now_ms + 1_000, seen, patience)
        changes += [change] if change else []
    return state, changes


def adaptive():
    state, changes = run(ladder.start(0), WELL, 5)
    assert [each.after for each in changes] == [Rung.ADAPTIVE]
    return state


def test_every_reason_is_tried_and_has_its_patience_and_its_blocks():
    assert set(BAD) == set(Reason) == set(PATIENCE.gone_ms) == set(BLOCKS)
    assert all(Rung.FLASH not in blocked for blocked in BLOCKS.values())


def test_a_cabinet_is_adaptive_once_it_answers_steadily():
    state, _ = ladder.advance(ladder.start(0), 1_000, WELL, PATIENCE)
    assert state.rung is Rung.COORDINATED
    assert "not been reached" in state.why
    state, changes = run(state, WELL, 2)
    assert state.rung is Rung.ADAPTIVE
    assert not state.why
    assert changes[0].why == "it has been reached"


def test_detectors_that_come_while_a_cabinet_settles_are_not_waited_for():
    blind = replace(WELL, detection=0.0, settling=True)
    state, changes = run(ladder.start(0), blind, 5)
    assert not changes
    assert state.why == "too few detectors work (0%)"
    assert run(state, replace(WELL, settling=True), 1)[0].rung is Rung.ADAPTIVE
    state, _ = run(state, replace(blind, settling=False), 1)
    patience_s = PATIENCE.gone_ms[Reason.DETECTION] // 1_000
    assert run(state, WELL, patience_s - 1)[0].rung is Rung.COORDINATED
    assert run(state, WELL, patience_s)[0].rung is Rung.ADAPTIVE


@pytest.mark.parametrize("reason", Reason, ids=lambda each: each.name)
def test_each_reason_steps_down_at_once_and_back_when_it_has_gone(reason):
    # What blocks only coordination shows once there is no adaptive control either.
    wanted = Rung.ADAPTIVE in BLOCKS[reason]
    seen = replace(WELL, **({"adaptive": wanted} | BAD[reason]))
    ticks = PATIENCE.late_ticks if reason in IN_A_ROW else 1
    down, changes = run(adaptive(), seen, ticks)
    assert down.rung is max(set(Rung) - BLOCKS[reason] - (set() if wanted else {Rung.ADAPTIVE}))
    assert len(changes) == 1
    assert reason.value in changes[0].why
    assert reason.value in down.why
    back, changes = run(down, replace(WELL, adaptive=wanted), 61)
    assert changes[-1].at_ms - down.now_ms == max(1_000, PATIENCE.gone_ms[reason])
    assert back.rung is (Rung.ADAPTIVE if wanted else Rung.COORDINATED)


def test_adaptive_control_is_back_within_five_seconds_of_the_link():
    silent, _ = run(adaptive(), replace(WELL, link_age_ms=30_000), 30)
    assert silent.rung is Rung.COORDINATED
    back, changes = run(silent, WELL, 5)
    assert back.rung is Rung.ADAPTIVE
    assert changes[0].at_ms - silent.now_ms <= 5_000


def test_one_slow_decision_changes_nothing():
    slow = replace(WELL, optimizer_ms=900)
    state = adaptive()
    for _ in range(10):
        state, changes = run(state, slow, PATIENCE.late_ticks - 1)
        state, more = run(state, WELL, 1)
        assert not changes + more


def test_an_order_that_was_garbled_on_its_way_changes_nothing():
    refused = replace(WELL, refusal="writer unknown")
    state = adaptive()
    for _ in range(10):
        state, changes = run(state, refused, 2)
        state, more = run(state, WELL, 1)
        assert not changes + more


def test_orders_that_are_refused_in_a_row_step_down_until_they_are_taken():
    refused, unpolled = replace(WELL, refusal="writer unknown"), replace(WELL, late_ms=None)
    state = adaptive()
    for _ in range(PATIENCE.refusals):
        state, _ = run(state, unpolled, 1)  # says nothing of what became of an order
        state, changes = run(state, refused, 1)
    assert changes[0].after is Rung.COORDINATED
    assert changes[0].why == "the cabinet refuses its schedules (writer unknown)"
    state, changes = run(state, refused, 20)
    assert not changes
    state, changes = run(state, WELL, 3)
    assert changes[0].after is Rung.ADAPTIVE


def test_polls_in_a_row_that_come_late_step_down_and_say_why():
    every_other = replace(WELL, late_ms=1_000, overload="tcp X cannot keep up: 1.4 s per round")
    left_out = replace(WELL, late_ms=None)
    state = adaptive()
    for _ in range(PATIENCE.late_ticks - 1):
        state, changes = run(state, every_other, 1)
        state, more = run(state, left_out, 1)  # says nothing of how late it is
        assert not changes + more
    state, changes = run(state, every_other, 1)
    assert changes[0].after is Rung.COORDINATED
    assert state.why == (
        "the line of the cabinet has too much to carry "
        "(polled every 2.0 s: tcp X cannot keep up: 1.4 s per round)"
    )
    state, _ = run(state, left_out, 1)
    assert "cannot keep up" in state.why
    in_time, changes = run(state, WELL, PATIENCE.gone_ms[Reason.OVERLOADED] // 1_000)
    assert changes[0].after is in_time.rung is Rung.ADAPTIVE


def test_who_waits_for_an_overloaded_line_is_not_said_to_be_silent():
    waiting = Conditions(link_age_ms=4_000, overload="tcp X cannot keep up")
    state, _ = run(adaptive(), waiting, 1)
    assert state.rung is Rung.COORDINATED
    assert "too much to carry (not polled for 4 s: tcp X cannot keep up)" in state.why
    assert "answer" not in state.why


def test_a_poll_in_time_between_late_ones_changes_nothing():
    state = adaptive()
    for _ in range(10):
        state, changes = run(state, replace(WELL, late_ms=2_000), PATIENCE.late_ticks - 1)
        state, more = run(state, WELL, 1)
        assert not changes + more


def test_detection_that_flickers_around_the_limit_does_not_change_the_control_each_time():
    state = adaptive()
    changes = 0
    for k in range(200):
        seen = replace(WELL, detection=0.2 if k % 2 else 0.3)
        state, change = ladder.advance(state, state.now_ms + 1_000, seen, PATIENCE)
        changes += change is not None
    assert changes == 1


def test_a_limit_near_all_detectors_can_be_met_again():
    strict = Patience(detection_min=0.95)
    state, _ = run(adaptive(), replace(WELL, detection=0.9), 1, strict)
    assert state.rung is Rung.COORDINATED
    assert run(state, WELL, 31, strict)[0].rung is Rung.ADAPTIVE


def test_not_a_number_is_no_detection():
    state, _ = run(adaptive(), replace(WELL, detection=float("nan")), 1)
    assert state.rung is Rung.COORDINATED


def test_a_clock_step_takes_only_coordination_away():
    state, _ = run(adaptive(), replace(WELL, clock_step_ms=5_000), 1)
    assert state.rung is Rung.ADAPTIVE
    state, _ = run(state, replace(WELL, link_age_ms=None), 1)
    assert state.rung is Rung.ISOLATED
    assert "+5.0 s" in state.why
    state, _ = run(state, replace(WELL, link_age_ms=None), 60)
    assert state.rung is Rung.COORDINATED


def test_time_does_not_go_back():
    state = adaptive()
    with pytest.raises(ValueError, match="time went back"):
        ladder.advance(state, state.now_ms - 1, WELL, PATIENCE)


CONDITIONS = st.builds(
    Conditions,
    link_age_ms=st.none() | st.integers(0, 6_000),
    detection=st.sampled_from([0.0, 0.24, 0.25, 0.3, 0.4, 1.0]),
    settling=st.booleans(),
    optimizer_ms=st.sampled_from([0, 500, 501, 5_000]),
    late_ms=st.sampled_from([None, 0, 500, 501, 5_000]),
    overload=st.sampled_from(["", "it cannot keep up"]),
    hung=st.sampled_from(["", "", "", "no"]),
    optimizer_error=st.sampled_from(["", "", "", "no"]),
    refusal=st.sampled_from(["", "", "", "no"]),
    clock_step_ms=st.sampled_from([0, 0, 0, 1_000, -1_001, 10**9]),
    clock_trusted=st.booleans(),
    plan_valid=st.booleans(),
    flashing=st.sampled_from([False, False, False, True]),
    operator=st.sampled_from([False, False, False, True]),
    adaptive=st.sampled_from([True, True, True, False]),
)
MOSTLY_WELL = st.one_of(st.just(WELL), st.just(WELL), CONDITIONS)


@given(st.lists(st.tuples(st.integers(0, 40_000), MOSTLY_WELL), max_size=60))
def test_it_never_climbs_before_every_reason_has_been_gone_long_enough(ticks):
    state = ladder.start(0)
    spoken: dict[Reason, int] = {Reason.LINK: 0}
    late = late_polls = refusals = 0
    for step_ms, seen in ticks:
        now_ms = state.now_ms + step_ms
        late = late + 1 if seen.optimizer_ms > PATIENCE.budget_ms else 0
        if seen.late_ms is not None:
            late_polls = late_polls + 1 if seen.late_ms > PATIENCE.late_poll_ms else 0
            refusals = refusals if seen.refusal else 0
        refusals += bool(seen.refusal)
        before = state
        state, change = ladder.advance(state, now_ms, seen, PATIENCE)
        detection_lost = any(each.reason is Reason.DETECTION for each in before.reasons)
        detection_lost = detection_lost and not seen.settling
        speak = speaking(seen, late, late_polls, refusals, detection_lost)
        if seen.settling and Reason.DETECTION in speak:
            assert state.rung is not Rung.ADAPTIVE
            speak.discard(Reason.DETECTION)
        for reason in speak:
            spoken[reason] = now_ms
        for reason, at_ms in spoken.items():
            if reason in speak or now_ms - at_ms < PATIENCE.gone_ms[reason]:
                assert state.rung not in BLOCKS[reason], reason
        # It is as high as the reasons let it be, and names them wherever it is not on top.
        free = set(Rung) - set().union(*(BLOCKS[each.reason] for each in state.reasons))
        assert state.rung is max(free)
        assert bool(state.why) == (state.rung is not Rung.ADAPTIVE)
        assert (change is not None) == (state.rung is not before.rung)
        if change is not None:
            assert (change.before, change.after, change.at_ms) == (before.rung, state.rung, now_ms)
            assert change.why
            assert state.since_ms == now_ms


def speaking(seen, late, late_polls, refusals, detection_lost):
    """What speaks against a rung, said once more in the plainest words."""
    silent = seen.link_age_ms is not None and seen.link_age_ms > 3_000
    found = {
        Reason.SWITCHED_OFF: not seen.adaptive,
        Reason.OPERATOR: seen.operator,
        Reason.LINK: seen.link_age_ms is None or (silent and not seen.overload),
        Reason.DETECTION: seen.detection < (0.4 if detection_lost else 0.25),
        Reason.OPTIMIZER_ERROR: seen.optimizer_error,
        Reason.OPTIMIZER_LATE: late >= 3,
        Reason.HUNG: seen.hung,
        Reason.POLLED_LATE: seen.late_ms is not None and late_polls >= 3 and not seen.overload,
        Reason.OVERLOADED: seen.overload
        and (silent or (seen.late_ms is not None and late_polls >= 3)),
        Reason.REFUSED: seen.refusal and refusals >= 3,
        Reason.CLOCK: abs(seen.clock_step_ms) > 1_000 or not seen.clock_trusted,
        Reason.NO_PLAN: not seen.plan_valid,
        Reason.FLASHING: seen.flashing,
    }
    assert set(found) == set(Reason)
    return {reason for reason, speaks in found.items() if speaks}


@given(st.lists(CONDITIONS, max_size=40))
def test_whatever_happened_it_comes_back(ticks):
    state = ladder.start(0)
    for seen in ticks:
        state, _ = ladder.advance(state, state.now_ms + 1_000, seen, PATIENCE)
    state, _ = run(state, WELL, 1 + max(PATIENCE.gone_ms.values()) // 1_000)
    assert state.rung is Rung.ADAPTIVE
    assert not state.reasons


def test_every_condition_can_matter():
    tried = {name for changes in BAD.values() for name in changes} | {"clock_trusted", "settling"}
    assert tried == {each.name for each in fields(Conditions)}
