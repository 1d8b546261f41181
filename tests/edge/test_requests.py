"""Signed requests: what the gate lets pass, once, and what it says of all others."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.centre.requests import (
    FRESH_MS,
    REQUEST_BYTES_MAX,
    Agency,
    Request,
    RequestGate,
    RequestRefusedError,
    read_answer,
    sign_answer,
    sign_request,
)
from edge.order_numbers import OrderNumbers
from edge.orders import Claim, sign

NOW = 1_700_000_000_000
KEY, NEXT, OTHER = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
FIRE = Agency(name="fire", keys=(KEY, NEXT))
LOOKERS = Agency(name="lookers", keys=(OTHER,), verbs=frozenset({"preview"}))
REQUEST = Request(
    agency="fire", sequence_no=5, issued_utc_ms=NOW, verb="cancel", content={"corridor": "x"}
)


def request(**changes):
    return dataclasses.replace(REQUEST, **changes)


@pytest.fixture
def gate(tmp_path):
    return RequestGate((FIRE, LOOKERS), OrderNumbers(tmp_path / "numbers"))


def refused(gate, payload, agency="fire", now=NOW):
    with pytest.raises(RequestRefusedError) as caught:
        gate.check(agency, payload, now)
    return caught.value.code


def test_what_is_signed_with_either_key_passes_once(gate):
    first = sign_request(REQUEST, KEY)
    assert gate.check("fire", first, NOW) == REQUEST
    assert refused(gate, first) == "replay"
    assert refused(gate, sign_request(request(sequence_no=4), KEY)) == "replay"
    assert gate.check("fire", sign_request(request(sequence_no=6), NEXT), NOW).sequence_no == 6


def test_what_proves_nothing_is_refused_and_spends_no_number(gate):
    good = sign_request(REQUEST, KEY)
    forged = json.loads(good)
    forged["signed"] = forged["signed"].replace("cancel", "open")
    for payload, agency, code in (
        (sign_request(REQUEST, OTHER), "fire", "signature"),
        (json.dumps(forged).encode(), "fire", "signature"),
        (json.dumps({**json.loads(good), "hmac_sha256": "é"}).encode(), "fire", "form"),
        (sign_answer({"verb": "cancel"}, KEY), "fire", "signature"),
        (good, "lookers", "signature"),
        (good, "nobody", "agency"),
        (sign_request(REQUEST, OTHER), "lookers", "agency"),
        (b"", "fire", "form"),
        (b"[" * 60_000, "fire", "form"),
        (good + b" " * REQUEST_BYTES_MAX, "fire", "form"),
        (good.replace(b'"schema":1', b'"schema":2'), "fire", "form"),
    ):
        assert refused(gate, payload, agency) == code
    assert gate.check("fire", good, NOW)


def test_an_order_signed_with_the_same_key_is_no_request(gate):
    claim = Claim("priority", "J1", 1, NOW, NOW + 1, {})
    assert refused(gate, sign(claim, KEY)) == "signature"


@pytest.mark.parametrize("off_ms", [-FRESH_MS - 1, FRESH_MS + 1])
def test_what_is_too_old_or_from_the_future_is_stale(gate, off_ms):
    assert refused(gate, sign_request(request(issued_utc_ms=NOW + off_ms), KEY)) == "stale"
    assert gate.check("fire", sign_request(request(issued_utc_ms=NOW + FRESH_MS), KEY), NOW)


def test_what_an_agency_may_not_ask_is_refused_and_its_number_is_spent(gate):
    asked = sign_request(request(agency="lookers", verb="open"), OTHER)
    assert refused(gate, asked, "lookers") == "missing-scope"
    assert refused(gate, asked, "lookers") == "replay"
    assert refused(gate, sign_request(request(verb="fly"), KEY)) == "verb"
    assert refused(gate, sign_request(request(sequence_no=-1), KEY)) == "form"


def test_numbers_outlast_a_restart_and_their_loss_opens_no_door(tmp_path):
    numbers = OrderNumbers(tmp_path / "numbers")
    asked = sign_request(REQUEST, KEY)
    RequestGate((FIRE,), numbers).check("fire", asked, NOW)
    numbers.save()
    again = OrderNumbers(tmp_path / "numbers")
    assert again.load()
    assert refused(RequestGate((FIRE,), again), asked) == "replay"
    lost = OrderNumbers(tmp_path / "none")
    assert not lost.load()
    lost.forget_before(NOW)
    assert refused(RequestGate((FIRE,), lost), asked) == "replay"
    later = sign_request(request(issued_utc_ms=NOW + 1), KEY)
    assert RequestGate((FIRE,), lost).check("fire", later, NOW)


def test_an_answer_is_read_by_its_agency_only():
    said = {"ok": True, "result": {"id": "ä"}}
    answer = sign_answer(said, KEY)
    assert read_answer(answer, (NEXT, KEY)) == said
    for payload, keys in ((answer, (OTHER,)), (sign_request(REQUEST, KEY), (KEY,))):
        with pytest.raises(RequestRefusedError):
            read_answer(payload, keys)


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_gate_down(payload):
    gate = RequestGate((FIRE,), OrderNumbers.__new__(OrderNumbers))
    assert refused(gate, payload) in {"form", "signature"}
