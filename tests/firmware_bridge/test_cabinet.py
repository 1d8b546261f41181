"""A cabinet and its orders: who is obeyed, for how long, and what it runs on without them."""

from pathlib import Path

import pytest

from controller.core import Mode
from controller.detection import SiteReadings
from controller.plan import check_plan
from controller.signals import Fault, OperatorMode
from firmware_bridge.cabinet import BACKUP_MS, Cabinet
from firmware_bridge.codec import decode, encode
from firmware_bridge.codes import (
    Command,
    DetectorFault,
    FaultBit,
    Flag,
    PriorityState,
    Refusal,
)
from firmware_bridge.day_plans import DayPlans
from firmware_bridge.detectors import pulses, quiet
from firmware_bridge.registers import (
    CALLS,
    EVENTS,
    EVENTS_KEPT,
    HEADER,
    HEALTH,
    HEARTBEAT,
    OPERATOR,
    PRIORITY,
    SCHEDULE,
    STATUS,
    TIME,
    bank_registers,
)
from firmware_bridge.space import IllegalAddressError, IllegalValueError
from firmware_bridge.status import Counts
from firmware_bridge.store import SLOTS, FolderStore
from firmware_bridge.upload import envelope_of_bytes, sign_plan, site_word
from tests.controller import oracle
from tests.controller.crossroads import UTC_MS
from tests.firmware_bridge.rig import FACTORY, KEY, NOW, SITE, Street, cabinet, new_plan

A, B = 0, 1


@pytest.fixture
def street():
    """A cabinet that has run for a while, with vehicles waiting everywhere."""
    there = Street(cabinet())
    there.inputs = there.inputs._replace(occupied=0b11)
    there.tick(30)
    return there


def status(street):
    return decode(STATUS, street.space.read(STATUS.address, STATUS.size))


def beat(street, writer=1):
    street.space.write(HEARTBEAT.address, encode(HEARTBEAT, {"writer": writer}))


def schedule(street, stage, *, writer=1, number=1, ttl_ms=5_000, start_ms=None, duration_ms=5_000):
    begin = street.mono_ms if start_ms is None else start_ms
    values = {"writer": writer, "site": site_word(SITE), "number": number}
    values |= {"start_mono_ms": begin, "ttl_ms": ttl_ms}
    entry = {"count": 1, "stage_0": stage, "duration_ms_0": duration_ms}
    street.space.write(SCHEDULE.address, encode(SCHEDULE, values | entry))


def call(street, number, level, stage, ttl_ms=2_000, writer=1):
    values = {"writer": writer, "call": number, "level": level, "stage": stage, "ttl_ms": ttl_ms}
    street.space.write(PRIORITY.address, encode(PRIORITY, values))


def operate(street, mode, stage=0, writer=1):
    values = {"writer": writer, "mode": list(OperatorMode).index(mode), "stage": stage}
    street.space.write(OPERATOR.address, encode(OPERATOR, values))


def refused(street, order, code):
    with pytest.raises(IllegalValueError):
        order()
    assert street.cabinet.refusal == code


def test_start_up_is_flash_then_red_then_the_factory_plan():
    street = Street(cabinet())
    assert status(street).number("mode") == 0
    street.tick(0.1)
    assert status(street).number("mode") == 1
    street.tick(60)
    assert status(street).number("mode") == 2
    assert status(street).number("command") == Command.FACTORY_PLAN
    assert status(street).number("flags") & Flag.BACKUP


def test_a_schedule_is_obeyed_until_it_is_void(street):
    schedule(street, B, ttl_ms=4_000)
    assert status(street).number("command") == Command.SCHEDULE
    assert status(street).number("schedule_no") == 1
    street.tick(3.9)
    assert status(street).number("flags") & Flag.SCHEDULE
    street.tick(0.2)
    assert not status(street).number("flags") & Flag.SCHEDULE


def test_rolling_schedules_hold_a_stage_as_long_as_they_come(street):
    for number in range(1, 90):
        schedule(street, B, number=number)
        street.tick(1)
    assert status(street).number("stage") == B
    assert status(street).number("green_ms") > 60_000
    street.tick(90)
    assert any(shown.aspects[0].value == "green" for shown in street.trace[-900:])


def test_a_schedule_is_withdrawn_by_an_empty_one(street):
    schedule(street, B)
    values = {"writer": 1, "site": site_word(SITE), "number": 2, "start_mono_ms": 0}
    values |= {"ttl_ms": 0, "count": 0}
    street.space.write(SCHEDULE.address, encode(SCHEDULE, values))
    assert status(street).number("command") == Command.FACTORY_PLAN


def test_schedules_that_are_refused(street):
    schedule(street, A, number=5)
    now = street.mono_ms
    refused(street, lambda: schedule(street, B, number=5), Refusal.OLD_NUMBER)
    refused(street, lambda: schedule(street, B, number=4), Refusal.OLD_NUMBER)
    refused(street, lambda: schedule(street, 9, number=6), Refusal.UNKNOWN_STAGE)
    refused(street, lambda: schedule(street, B, number=6, start_ms=now - 5_000), Refusal.STALE)
    refused(street, lambda: schedule(street, B, number=6, start_ms=now + 6_000), Refusal.STALE)
    refused(street, lambda: schedule(street, B, number=6, ttl_ms=0), Refusal.STALE)
    refused(street, lambda: schedule(street, B, number=6, duration_ms=0), Refusal.INVALID_SCHEDULE)
    empty = {"writer": 1, "site": site_word(SITE), "number": 9, "start_mono_ms": now}
    short = encode(SCHEDULE, empty | {"ttl_ms": 5_000, "count": 2, "stage_0": 0})
    refused(street, lambda: street.space.write(SCHEDULE.address, short), Refusal.INVALID_SCHEDULE)
    foreign = encode(SCHEDULE, empty | {"site": 1, "ttl_ms": 0, "count": 0})
    refused(street, lambda: street.space.write(SCHEDULE.address, foreign), Refusal.WRONG_SITE)
    assert street.cabinet.schedule_no == 5


def test_one_writer_at_a_time(street):
    schedule(street, A, writer=1)
    refused(street, lambda: schedule(street, B, writer=2, number=99), Refusal.NOT_THE_WRITER)
    refused(street, lambda: beat(street, 2), Refusal.NOT_THE_WRITER)
    refused(street, lambda: operate(street, OperatorMode.FLASH, writer=2), Refusal.NOT_THE_WRITER)
    refused(street, lambda: call(street, 1, 14, B, writer=2), Refusal.NOT_THE_WRITER)
    street.tick(BACKUP_MS / 1_000 - 0.1)
    refused(street, lambda: beat(street, 2), Refusal.NOT_THE_WRITER)
    street.tick(0.1)
    schedule(street, B, writer=2)
    refused(street, lambda: beat(street, 1), Refusal.NOT_THE_WRITER)


def test_reads_do_not_re_arm_the_backup_timer_and_heartbeats_do(street):
    beat(street)
    for _ in range(20):
        street.tick(1)
        beat(street)
    assert not status(street).number("flags") & Flag.BACKUP
    for _ in range(5):
        street.tick(1)
        street.space.read(STATUS.address, 100)
    assert status(street).number("flags") & Flag.BACKUP
    assert any("writer 1 is silent" in note for note in street.cabinet.notes)


def test_the_operator_register_goes_back_to_auto_when_its_writer_falls_silent(street):
    operate(street, OperatorMode.FLASH)
    for _ in range(30):
        street.tick(1)
        beat(street)
    assert street.cabinet.state.mode is Mode.FLASH
    street.tick(5)
    assert status(street).number("operator") == 0
    street.tick(30)
    assert street.cabinet.state.mode is Mode.RUN


def test_manual_holds_a_stage_and_a_stage_that_does_not_exist_is_refused(street):
    refused(street, lambda: operate(street, OperatorMode.MANUAL, 7), Refusal.UNKNOWN_STAGE)
    for _ in range(40):
        operate(street, OperatorMode.MANUAL, B)
        street.tick(1)
    assert status(street).number("stage") == B
    assert status(street).number("command") == Command.OPERATOR


def test_the_panel_beats_the_line_and_leaving_it_jumps_nowhere(street):
    operate(street, OperatorMode.MANUAL, B)
    street.inputs = street.inputs._replace(panel=OperatorMode.MANUAL, panel_stage=A)
    street.tick(40)
    assert status(street).number("stage") == A
    assert status(street).number("flags") & Flag.PANEL
    street.inputs = street.inputs._replace(panel=OperatorMode.AUTO)
    street.tick(60)
    assert not list(oracle.short_greens(SITE, street.trace))


def test_a_priority_call_is_served_kept_up_and_dropped(street):
    for _ in range(40):
        call(street, 11, 3, B)
        street.tick(1)
    assert status(street).number("stage") == B
    assert status(street).number("command") == Command.PRIORITY
    street.tick(2)
    assert calls(street)[11] == PriorityState.STALE
    assert status(street).number("command") == Command.FACTORY_PLAN


def test_the_higher_priority_call_goes_first_and_the_other_is_queued(street):
    call(street, 11, 3, B)
    call(street, 12, 7, A)
    call(street, 13, 7, B)
    expected = {11: PriorityState.QUEUED, 12: PriorityState.ACTIVATED, 13: PriorityState.QUEUED}
    assert calls(street) == expected
    call(street, 12, 7, A, ttl_ms=0)
    assert calls(street)[12] == PriorityState.COMPLETED
    assert calls(street)[13] == PriorityState.ACTIVATED


def test_a_call_that_never_lets_go_is_timed_out_until_it_is_silent(street):
    for _ in range(150):
        call(street, 11, 3, B)
        street.tick(1)
    assert calls(street)[11] == PriorityState.TIMED_OUT
    street.tick(3)
    call(street, 11, 3, B)
    assert calls(street)[11] == PriorityState.ACTIVATED


def test_there_is_room_for_eight_calls(street):
    for number in range(1, 9):
        call(street, number, 1, B)
    refused(street, lambda: call(street, 9, 14, A), Refusal.FULL)
    call(street, 1, 1, B, ttl_ms=0)
    call(street, 9, 14, A)
    assert calls(street)[9] == PriorityState.ACTIVATED


def calls(street):
    words = street.space.read(CALLS.address, CALLS.size)
    rows = [decode(CALLS, words[i : i + CALLS.stride]) for i in range(0, CALLS.size, CALLS.stride)]
    return {row.number("call"): row.number("state") for row in rows if row.number("state")}


def test_the_time_of_day_is_set_and_cuts_nothing(street):
    values = {"writer": 1, "utc_ms": UTC_MS + 7_777_777}
    street.space.write(TIME.address, encode(TIME, values))
    assert status(street).number("utc_ms") == UTC_MS + 7_777_777
    street.tick(120)
    assert not list(oracle.short_greens(SITE, street.trace))
    assert not list(oracle.short_intergreens(SITE, street.trace))


def test_in_lockstep_nobody_sets_the_time():
    street = Street(cabinet(lockstep=True))
    words = encode(TIME, {"writer": 1, "utc_ms": UTC_MS})
    refused(street, lambda: street.space.write(TIME.address, words), Refusal.NOT_HERE)


def test_factory_plans_by_time_of_day():
    night, day = (
        check_plan(new_plan(n, valid_from_utc_ms=None, valid_to_utc_ms=None), SITE) for n in (1, 2)
    )
    plans = DayPlans(((6 * 60 + 30, day), (22 * 60, night)))
    minute_ms = 60_000
    assert plans.at(0) is night
    assert plans.at((6 * 60 + 29) * minute_ms) is night
    assert plans.at((6 * 60 + 30) * minute_ms) is day
    assert plans.at((21 * 60 + 59) * minute_ms) is day
    assert plans.at(22 * 60 * minute_ms) is night
    assert DayPlans().at(0) is None


def test_without_a_plan_it_runs_isolated_and_actuated():
    street = Street(Cabinet(SITE, DayPlans(), KEY, NOW))
    street.tick(60)
    assert status(street).number("command") == Command.FREE
    assert status(street).number("plan_no") == 0


def test_a_latched_conflict_is_reset_by_hand_and_by_nothing_on_the_line(street):
    fault = Fault("conflict", "NS is lit together with EW")
    street.tick(8)
    state = street.cabinet.state
    monitor = state.monitor._replace(fault=fault)
    street.cabinet.state = state._replace(mode=Mode.LATCHED, monitor=monitor)
    for number in range(1, 60):
        schedule(street, B, number=number)
        operate(street, OperatorMode.MANUAL, A)
        assert street.tick(1).flash
    assert status(street).number("faults") & FaultBit.MONITOR
    assert status(street).number("command") == Command.NOBODY
    operate(street, OperatorMode.AUTO)
    street.inputs = street.inputs._replace(reset=True)
    street.tick(0.1)
    street.inputs = street.inputs._replace(reset=False)
    street.tick(30)
    assert street.cabinet.state.mode is Mode.RUN
    assert not status(street).number("faults") & FaultBit.MONITOR


def test_missing_detectors_are_a_fault_and_not_zero_vehicles(street):
    street.inputs = street.inputs._replace(missing=0b0010)
    street.tick(1)
    assert status(street).number("faults") & FaultBit.DETECTOR
    words = street.space.read(HEALTH.address, 8)
    assert words[1::2] == [DetectorFault.NONE, DetectorFault.MISSING, 0, 0]
    assert any("fault: detector missing: loop EW" in note for note in street.cabinet.notes)


def test_occupancy_is_that_of_the_last_whole_minute(street):
    street.tick(31)
    for second in range(60):
        street.inputs = street.inputs._replace(occupied=0b10 | (second % 4 == 0))
        street.tick(1)
    assert street.space.read(HEALTH.address, 4)[::2] == pytest.approx([250, 1_000], abs=20)


def test_counts_roll_over_and_a_missing_detector_reports_nothing():
    before = Counts(entered=(65_535, 7), left=(65_530, 7), occupied=0, missing=0)
    after = Counts(entered=(1, 9), left=(2, 9), occupied=0b11, missing=0b10)
    assert after.since(before) == SiteReadings((2, None), (8, None), (True, None))
    assert after.since(None) == SiteReadings((None,) * 2, (None,) * 2, (None,) * 2)


def test_a_missing_detector_has_no_pulse_whatever_its_counts_do():
    before = quiet(2)
    after = before._replace(entered=(1, 1), missing=0b10)
    assert pulses(before, after) == 0b01
    assert pulses(after, after) == 0


def test_events_are_kept_by_number(street):
    street.tick(600)
    count = status(street).number("event_no")
    assert count > 100
    words = street.space.read(EVENTS.address, EVENTS.stride)
    first = street.cabinet.events[0]
    assert decode(EVENTS, words).number("code") == first.code
    last = street.cabinet.events[-1]
    place = EVENTS.address + (count - 1) % EVENTS_KEPT * EVENTS.stride
    values = decode(EVENTS, street.space.read(place, EVENTS.stride))
    assert [values.number(n) for n in ("utc_ms", "code", "parameter")] == list(last)
    assert street.space.read(place + 4, 2) == [last.code, last.parameter]


def test_the_banks_show_what_the_detectors_count(street):
    street.inputs = street.inputs._replace(entered=(65_535, 1, 2, 3), left=(9, 8, 7, 6), missing=8)
    street.tick(0.1)
    words = street.space.read(STATUS.end, bank_registers(4))
    assert words == [0b11, 0b1000, 65_535, 9, 1, 8, 2, 7, 3, 6]


@pytest.mark.parametrize(
    ("address", "count"), [(60, 10), (138, 600), (682, 1), (1_417, 1), (2_399, 2), (9_143, 2)]
)
def test_there_is_nothing_between_the_areas(street, address, count):
    with pytest.raises(IllegalAddressError):
        street.space.read(address, count)


def test_the_last_accepted_plan_survives_a_restart_and_torn_files_do_not(tmp_path):
    for number in (3, 4, 5):
        street = Street(cabinet(store=FolderStore(tmp_path)))
        street.tick(0.1)
        commit(street, sign_plan(new_plan(number), SITE, KEY))
        street.cabinet.uploads.sync()
        street.cabinet.saved()
        assert street.cabinet.uploads.stored_no == number
    newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert restored(tmp_path).number == 5
    for cut in (0, 10, 91, 92, 100):
        newest.write_bytes(newest.read_bytes()[:cut])
        again = cabinet(store=FolderStore(tmp_path))
        assert again.uploads.envelope.number == 4
        assert again.uploads.found_bad
    for name in SLOTS:
        (tmp_path / name).write_bytes(b"\0" * 300)
    street = Street(cabinet(store=FolderStore(tmp_path)))
    assert street.cabinet.uploads.envelope is None
    assert status(street).number("faults") & FaultBit.STORED_PLAN
    street.tick(60)
    assert street.cabinet.running_plan is FACTORY


def test_a_stored_plan_signed_with_another_key_is_not_used(tmp_path):
    street = Street(cabinet(store=FolderStore(tmp_path)))
    street.tick(0.1)
    commit(street, sign_plan(new_plan(3), SITE, KEY))
    assert cabinet(store=FolderStore(tmp_path), key=bytes(32)).uploads.envelope is None


def test_a_disk_that_fails_refuses_the_plan_and_keeps_the_old_one(tmp_path):
    class Full(FolderStore):
        def keep(self, data, over):
            raise OSError(28, "No space left on device")

    street = Street(cabinet(store=Full(tmp_path)))
    street.tick(0.1)
    refused(street, lambda: commit(street, sign_plan(new_plan(3), SITE, KEY)), Refusal.NOT_STORED)
    assert street.cabinet.uploads.envelope is None
    assert status(street).number("faults") & FaultBit.STORE


def test_a_plan_is_not_called_stored_before_the_disk_is_done(tmp_path):
    street = Street(cabinet(store=FolderStore(tmp_path)))
    street.tick(0.1)
    commit(street, sign_plan(new_plan(3), SITE, KEY))
    assert street.cabinet.uploads.stored_no == 0
    assert status(street).number("flags") & Flag.UNSAVED
    street.cabinet.uploads.sync()
    street.cabinet.saved()
    assert street.cabinet.uploads.stored_no == 3
    assert not status(street).number("flags") & Flag.UNSAVED


def test_a_plan_that_is_safe_stays_until_another_one_is(tmp_path):
    store = FolderStore(tmp_path)
    street = Street(cabinet(store=store))
    street.tick(0.1)
    commit(street, sign_plan(new_plan(4), SITE, KEY))
    store.sync()
    for number in (5, 6, 7):  # none of them safe: a power cut may take them all
        commit(street, sign_plan(new_plan(number), SITE, KEY))
        stored = [(tmp_path / name).read_bytes() for name in SLOTS if (tmp_path / name).exists()]
        numbers = {envelope_of_bytes(data).number for data in stored}
        assert {4, number} <= numbers
    assert restored(tmp_path).number == 7


def test_a_stored_plan_that_cannot_be_read_does_not_keep_the_lamps_dark(tmp_path, monkeypatch):
    (tmp_path / SLOTS[0]).touch()

    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    there = cabinet(store=FolderStore(tmp_path))
    assert there.uploads.envelope is None
    assert there.uploads.found_bad


def restored(folder):
    return cabinet(store=FolderStore(folder)).uploads.envelope


def commit(street, envelope):
    street.space.write(HEADER.address, envelope.words())
    street.space.write(2_400, [envelope.number >> 16, envelope.number & 0xFFFF])
