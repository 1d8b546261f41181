import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan
from edge.errors import OrderRefusedError
from edge.order_desk import MINUTE_MS, REFUSALS_PER_MINUTE, OrderDesk
from edge.orders import ORDER_BYTES_MAX, Claim, OrderGate, PriorityOrder, sign
from edge.records import AcceptedOrder, AcceptedPlan, Audited, Message
from optimizer.bounds import CoordinationWindow, StrategicBounds
from tests.controller.crossroads import crossroads
from tests.edge.sites import plan

KEY, OTHER = b"k" * 32, b"o" * 32
NOW_MS = 1_700_000_000_000


def claim(**changes):
    number = changes.get("sequence_no", 7)
    fields = {
        "kind": "plan",
        "site": "J1",
        "sequence_no": number,
        "not_before_utc_ms": NOW_MS - 1_000,
        "not_after_utc_ms": NOW_MS + 60_000,
        "content": plan_json.document(plan("J1", sequence_no=number)),
    }
    return Claim(**(fields | changes))


def bounds_claim(**content):
    window = {"stage": "A", "cycle_s": 90.0, "begin_s": 10.0, "end_s": 30.0}
    return claim(kind="bounds", content={"max_green_s": {"B": 40.0}, "window": window, **content})


def call(**content):
    fields = {"call": 4, "level": 9, "stage": "B", "ttl_ms": 5_000}
    return claim(kind="priority", content=fields | content)


def gate(keys=(KEY,), accepted=()):
    sites = {name: crossroads(name=name) for name in ("J1", "J2")}
    return OrderGate(keys, sites, dict(accepted))


def refused(payload, now_ms=NOW_MS, at=None):
    with pytest.raises(OrderRefusedError) as caught:
        (at or gate()).check(payload, now_ms)
    return caught.value.rule


def test_a_signed_plan_passes():
    order = gate().check(sign(claim(), KEY), NOW_MS)
    assert order.content == plan("J1", sequence_no=7)
    assert isinstance(order.content, TimingPlan)


def test_a_plan_without_a_number_has_that_of_the_order():
    content = plan_json.document(plan("J1"))
    assert "sequence_no" not in content
    order = gate().check(sign(claim(content=content), KEY), NOW_MS)
    assert order.content == plan("J1", sequence_no=7)


WORDS = {
    "window: 5 is not an object": {"window": 5},
    "window.begin_s is missing": {"window": {"stage": "A", "cycle_s": 90.0, "end_s": 30.0}},
    'max_green_s.A: "10" is not a number': {"max_green_s": {"A": "10"}},
    "max_green_s: [] is not an object": {"max_green_s": []},
}


@pytest.mark.parametrize("expected", WORDS)
def test_what_is_wrong_with_bounds_is_said_in_our_words(expected):
    with pytest.raises(OrderRefusedError) as refusal:
        gate().check(sign(bounds_claim(**WORDS[expected]), KEY), NOW_MS)
    assert str(refusal.value) == expected


def test_what_is_wrong_with_an_order_is_said_in_our_words():
    for text, expected in (("{}", "kind is missing"), ("[", "order: it is not JSON")):
        mac = hmac.new(KEY, b"greenband order 1\n" + text.encode(), hashlib.sha256).hexdigest()
        order = json.dumps({"schema": 1, "signed": text, "hmac_sha256": mac}).encode()
        with pytest.raises(OrderRefusedError, match=expected):
            gate().check(order, NOW_MS)


def test_signed_bounds_pass_with_site_number_and_validity_of_the_order():
    order = gate().check(sign(bounds_claim(), KEY), NOW_MS)
    assert order.content == StrategicBounds(
        site="J1",
        sequence_no=7,
        valid_from_utc_ms=NOW_MS - 1_000,
        valid_to_utc_ms=NOW_MS + 60_000,
        max_green_s={"B": 40.0},
        window=CoordinationWindow(stage="A", cycle_s=90.0, begin_s=10.0, end_s=30.0),
    )


def test_a_signed_priority_call_passes():
    order = gate().check(sign(call(), KEY), NOW_MS)
    assert order.content == PriorityOrder(call=4, level=9, stage="B", ttl_ms=5_000)


def test_both_keys_count_while_they_are_changed():
    both = gate((KEY, OTHER))
    assert both.check(sign(claim(), KEY), NOW_MS)
    assert both.check(sign(claim(), OTHER), NOW_MS)
    assert refused(sign(claim(), KEY), at=gate((OTHER,))) == "signature"
    assert refused(sign(claim(), KEY), at=gate(())) == "signature"


REFUSED = {
    "another site": (claim(site="J9"), "site"),
    "a kind that there is not": (claim(kind="reboot"), "kind"),
    "a call that comes too early": (replace(call(), not_before_utc_ms=NOW_MS + 1), "validity"),
    "expired": (claim(not_after_utc_ms=NOW_MS), "validity"),
    "a plan of another site": (
        claim(content=plan_json.document(plan("J2", sequence_no=7))),
        "content",
    ),
    "a plan with another number": (
        claim(content=plan_json.document(plan("J1", sequence_no=8))),
        "content",
    ),
    "a plan that is no good": (
        claim(content=plan_json.document(plan("J1", sequence_no=7, cycle_ms=61_000))),
        "content",
    ),
    "no plan": (claim(content={"schema": 1}), "content"),
    "bounds on a stage that there is not": (bounds_claim(max_green_s={"Z": 10.0}), "content"),
    "bounds that are no number": (bounds_claim(max_green_s={"A": "10"}), "content"),
    "bounds with a key that there is not": (bounds_claim(min_green={"A": 9.0}), "content"),
    "bounds with a site of their own": (bounds_claim(site="J2"), "content"),
    "a call for a stage that there is not": (call(stage="Z"), "content"),
    "a call with more than it should have": (call(now="please"), "content"),
    "a call with a text for a number": (call(level="9"), "content"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_must_not_pass(case):
    wrong, rule = REFUSED[case]
    assert refused(sign(wrong, KEY)) == rule


def test_not_a_number_does_not_pass():
    text = json.dumps({**vars_of(bounds_claim()), "content": {"max_green_s": {"A": 1e999}}})
    mac = hmac.new(KEY, b"greenband order 1\n" + text.encode(), hashlib.sha256).hexdigest()
    order = json.dumps({"schema": 1, "signed": text, "hmac_sha256": mac})
    assert refused(order.encode()) in {"form", "content"}


def vars_of(value):
    return {name: getattr(value, name) for name in Claim.__slots__}


def test_a_replay_does_not_pass_and_the_same_order_again_changes_nothing():
    at = gate()
    first, second = sign(claim(), KEY), sign(claim(sequence_no=8), KEY)
    at.accept(at.check(first, NOW_MS))
    assert at.check(first, NOW_MS) is None
    assert at.check(first, NOW_MS + 10**9) is None  # retained at the broker, long after
    assert refused(sign(replace(claim(), not_after_utc_ms=NOW_MS + 1), KEY), at=at) == "replay"
    at.accept(at.check(second, NOW_MS))
    assert refused(first, at=at) == "replay"
    assert at.check(sign(call(), KEY), NOW_MS), "each kind has numbers of its own"
    assert at.check(
        sign(claim(site="J2", content=plan_json.document(plan("J2", sequence_no=7))), KEY), NOW_MS
    ), "and so has each site"


def test_a_refused_order_uses_up_no_number():
    at = gate()
    assert refused(sign(claim(content={}), KEY), at=at) == "content"
    assert at.check(sign(claim(), KEY), NOW_MS)


@given(st.data())
def test_no_changed_byte_passes(data):
    payload = bytearray(sign(claim(), KEY))
    at = data.draw(st.integers(0, len(payload) - 1))
    value = data.draw(st.integers(0, 255))
    changed = bytes(payload[:at]) + bytes([value]) + bytes(payload[at + 1 :])
    try:
        order = gate().check(changed, NOW_MS)
    except OrderRefusedError:
        return
    # Space between the keys of the outer object, or an escape written otherwise, signs the same.
    assert json.loads(changed)["signed"] == json.loads(payload)["signed"]
    assert order.content == plan("J1", sequence_no=7)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_rubbish_is_refused(payload):
    assert refused(payload) in {"form", "signature"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["plan", "bounds", "priority"]))
def test_rubbish_that_is_signed_is_refused(content, kind):
    text = json.dumps({**vars_of(claim(kind=kind)), "content": content})
    mac = hmac.new(KEY, b"greenband order 1\n" + text.encode(), hashlib.sha256).hexdigest()
    order = json.dumps({"schema": 1, "signed": text, "hmac_sha256": mac}).encode()
    if kind == "bounds" and content == {}:
        assert gate().check(order, NOW_MS)
    else:
        assert refused(order) in {"form", "content"}


def test_large_and_deep_orders_are_refused():
    assert refused(b" " * (ORDER_BYTES_MAX + 1)) == "form"
    assert refused(b"[" * 60_000) == "form"


class Desk:
    def __init__(self, refuse=None):
        self.records, self.done = [], []

        def carry_out(order):
            if refuse:
                raise OrderRefusedError("cabinet", refuse)
            self.done.append(order)

        self.desk = OrderDesk(gate(), self.records.append, carry_out)

    def take(self, payload, mono_ms=0):
        return self.desk.take(Instant(mono_ms, NOW_MS), "greenband/v1/e/orders/J1/plan", payload)

    def of(self, kind):
        return [each for each in self.records if isinstance(each, kind)]


def test_an_accepted_order_is_carried_out_and_put_on_record_once():
    at = Desk()
    assert at.take(sign(claim(), KEY))
    assert at.take(sign(claim(), KEY))
    assert len(at.done) == 1
    (accepted,) = at.of(AcceptedOrder)
    assert (accepted.site, accepted.order, accepted.sequence_no) == ("J1", "plan", 7)
    (stored,) = at.of(AcceptedPlan)
    assert plan_json.from_json(stored.document) == plan("J1", sequence_no=7)
    (audited,) = at.of(Audited)
    assert audited.entry.action == "plan accepted"
    (reply,) = at.of(Message)
    assert reply.body["accepted"] is True
    # What is remembered keeps it out after a restart as well.
    again = gate(accepted={("J1", "plan"): (accepted.sequence_no, accepted.digest)})
    assert again.check(sign(claim(), KEY), NOW_MS) is None
    assert refused(sign(claim(sequence_no=6), KEY), at=again) == "replay"


def test_an_order_that_the_cabinet_refuses_may_come_again():
    at = Desk(refuse="J1 does not answer")
    assert not at.take(sign(claim(), KEY))
    assert not at.of(AcceptedOrder)
    (reply,) = at.of(Message)
    assert reply.body["accepted"] is False
    assert reply.body["reason"] == "J1 does not answer"
    assert not at.take(sign(claim(), KEY))
    assert at.desk.refused == 2


def test_a_refused_order_is_logged_with_its_reason():
    with capture_logs() as logs:
        Desk(refuse="J1 does not answer").take(sign(claim(), KEY))
    (line,) = logs
    assert line["event"] == "order refused"
    assert line["log_level"] == "warning"
    assert (line["rule"], line["reason"]) == ("cabinet", "J1 does not answer")
    assert line["topic"].endswith("orders/J1/plan")
    assert line["sequence_no"] == 7


def test_a_flood_of_forged_orders_does_not_fill_the_disk():
    at = Desk()
    for k in range(1_000):
        assert not at.take(sign(claim(sequence_no=k), OTHER), mono_ms=10)
    assert at.desk.refused == 1_000
    assert len(at.of(Audited)) == REFUSALS_PER_MINUTE
    at.take(b"", mono_ms=MINUTE_MS)
    assert len(at.of(Audited)) == REFUSALS_PER_MINUTE + 1
    assert "signature" in at.of(Audited)[0].entry.detail


def test_a_number_that_no_cabinet_or_store_can_hold_is_refused():
    for number in (-1, 1 << 32, NOW_MS):
        content = plan_json.document(plan("J1")) | {"sequence_no": number}
        assert refused(sign(claim(sequence_no=number, content=content), KEY)) == "form"
    assert gate().check(sign(replace(call(), sequence_no=NOW_MS), KEY), NOW_MS)
    assert refused(sign(replace(call(), sequence_no=1 << 63), KEY)) == "form"
