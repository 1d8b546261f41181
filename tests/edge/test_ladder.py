from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import ladder
from edge.ladder import BLOCKS, Conditions, Patience, Reason, Rung

PATIENCE = Patience()
WELL = Conditions(link_age_ms=100)
BAD = {
    Reason.SWITCHED_OFF: {"adaptive": False},
    Reason.OPERATOR: {"operator": True},
    Reason.LINK: {"link_age_ms": 3_001},
    Reason.DETECTION: {"detection": 0.2},
    Reason.OPTIMIZER_ERROR: {"optimizer_error": "division by zero"},
    Reason.OPTIMIZER_LATE: {"optimizer_ms": 501},
    Reason.REFUSED: {"refusal": "unknown stage"},
    Reason.CLOCK: {"clock_step_ms": -2_000},
    Reason.NO_PLAN: {"plan_valid": False},
    Reason.FLASHING: {"flashing": True},
}


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
    assert "no longer" in changes[0].why


@pytest.mark.parametrize("reason", Reason, ids=lambda each: each.name)
def test_each_reason_steps_down_at_once_and_back_when_it_has_gone(reason):
    # What blocks only coordination shows once there is no adaptive control either.
    wanted = Rung.ADAPTIVE in BLOCKS[reason]
    seen = replace(WELL, **({"adaptive": wanted} | BAD[reason]))
    ticks = PATIENCE.late_ticks if reason is Reason.OPTIMIZER_LATE else 1
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
    optimizer_ms=st.sampled_from([0, 500, 501, 5_000]),
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
    late = 0
    for step_ms, seen in ticks:
        now_ms = state.now_ms + step_ms
        late = late + 1 if seen.optimizer_ms > PATIENCE.budget_ms else 0
        before = state
        state, change = ladder.advance(state, now_ms, seen, PATIENCE)
        detection_lost = any(each.reason is Reason.DETECTION for each in before.reasons)
        for reason in speaking(seen, late, detection_lost):
            spoken[reason] = now_ms
        for reason, at_ms in spoken.items():
            if now_ms - at_ms < PATIENCE.gone_ms[reason] or at_ms == now_ms:
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


def speaking(seen, late, detection_lost):
    """What speaks against a rung, said once more in the plainest words."""
    found = {
        Reason.SWITCHED_OFF: not seen.adaptive,
        Reason.OPERATOR: seen.operator,
        Reason.LINK: seen.link_age_ms is None or seen.link_age_ms > 3_000,
        Reason.DETECTION: seen.detection < (0.4 if detection_lost else 0.25),
        Reason.OPTIMIZER_ERROR: seen.optimizer_error,
        Reason.OPTIMIZER_LATE: late >= 3,
        Reason.REFUSED: seen.refusal,
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
    tried = {name for changes in BAD.values() for name in changes} | {"clock_trusted"}
    assert tried == {each.name for each in fields(Conditions)}
