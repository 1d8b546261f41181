import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from edge.announcement_json import PER_MESSAGE_MAX, decode, encode
from edge.messages import MessageError
from optimizer.announcement import Announcement, AnnouncementError, checked

NAMES = st.text(max_size=8)
WITHIN = st.floats(0.0, 6.0)


def table(names, seconds):
    return st_np.arrays(np.float64, (len(names), seconds), elements=WITHIN)


@st.composite
def announcements(draw):
    lists = {
        name: tuple(draw(st.lists(NAMES, unique=True, max_size=4)))
        for name in ("exits", "rooms", "waiting", "full")
    }
    return Announcement(
        site=draw(NAMES),
        sequence_no=draw(st.integers(0, 2**40)),
        start_utc_ms=draw(st.integers(0, 2**45)),
        **lists,
        outflow_veh=draw(table(lists["exits"], draw(st.integers(1, 40)))),
        room_veh=np.cumsum(draw(table(lists["rooms"], draw(st.integers(1, 40)))), axis=1),
        waiting_veh=draw(st_np.arrays(np.float64, len(lists["waiting"]), elements=WITHIN)),
    )


def same(a, b):
    for each in dataclasses.fields(Announcement):
        left, right = getattr(a, each.name), getattr(b, each.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype == np.float64
            assert left.shape == right.shape
            assert left.tobytes() == right.tobytes(), each.name
        else:
            assert left == right, each.name
            assert type(left) is type(right)


@given(st.lists(announcements(), max_size=3))
def test_what_is_told_is_heard_to_the_last_bit(told):
    heard, faults = decode(encode(told))
    assert not faults
    assert len(heard) == len(told)
    for a, b in zip(told, heard, strict=True):
        same(a, b)


@given(announcements())
def test_what_is_heard_passes_the_check_if_what_was_told_does(told):
    (heard,), _ = decode(encode([told]))
    assert verdict(heard) == verdict(told)


def verdict(announcement):
    try:
        checked(announcement, {announcement.site})
    except AnnouncementError as error:
        return str(error)
    return ""


def example():
    return Announcement(
        site="J1",
        sequence_no=5,
        start_utc_ms=1_700_000_000_000,
        exits=("east", "west"),
        outflow_veh=np.full((2, 60), 0.5),
    )


def wire(**changes):
    content = json.loads(encode([example()]))
    content["announcements"][0] |= changes
    return json.dumps(content).encode()


def test_what_a_newer_edge_adds_is_passed_over_and_what_is_left_out_has_its_default():
    (heard,), _ = decode(wire(mood="good"))
    same(heard, example())
    content = json.loads(encode([example()]))
    for name in ("rooms", "room_veh", "waiting", "waiting_veh", "full"):
        del content["announcements"][0][name]
    (heard,), _ = decode(json.dumps(content).encode())
    same(heard, example())


def test_a_bad_announcement_takes_no_other_with_it():
    content = json.loads(encode([example(), example(), example()]))
    content["announcements"][1]["sequence_no"] = "5"
    heard, faults = decode(json.dumps(content).encode())
    assert len(heard) == 2
    assert faults == ("J1: sequence_no can't be read",)


@pytest.mark.parametrize(
    "changes",
    [
        {"site": 3},
        {"sequence_no": 5.0},
        {"start_utc_ms": None},
        {"exits": "east"},
        {"exits": [1]},
        {"outflow_veh": []},
        {"outflow_veh": {"shape": [2, 60], "f8": "AAAA"}},
        {"outflow_veh": {"shape": [2, 60], "f8": "not base64!"}},
        {"outflow_veh": {"shape": [-1, "x"], "f8": ""}},
        {"outflow_veh": {"shape": [float("inf")], "f8": ""}},
        {"outflow_veh": {"shape": [1, 100_000], "f8": "AAAAAAAAAAA=" * 40_000}},
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_can_not_be_read_is_named(changes):
    heard, faults = decode(wire(**changes))
    assert not heard
    (fault,) = faults
    assert next(iter(changes)) in fault


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", b"\xff", b'{"schema": 2, "announcements": []}', b"[" * 50_000, b"null"],
)
def test_what_is_no_message_at_all(payload):
    with pytest.raises(MessageError):
        decode(payload)


def test_a_message_has_a_size():
    with pytest.raises(MessageError):
        decode(encode([example()] * (PER_MESSAGE_MAX + 1)))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["site", "sequence_no", "start_utc_ms", "exits", "outflow_veh", "shape", "f8"]
                ),
                x,
            )
        ),
        max_leaves=20,
    )
)
def test_rubbish_is_never_more_than_a_fault(row):
    heard, faults = decode(json.dumps({"schema": 1, "announcements": [row]}).encode())
    assert len(heard) + len(faults) == 1
