import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.signals import Fault
from edge import messages
from edge.messages import MessageError
from edge.outbox import OutMessage
from edge.receiver import LogReceiver


def log(seq, boot=1, after=None, kind="events", dropped=None):
    message = OutMessage(seq, boot, kind, 1_700_000_000_000, b'{"n": 1}')
    return messages.log_message("e", message, after, dropped or {})


def test_a_log_message_is_read_as_it_was_written():
    read = messages.read_log_message(log(7, 3, (3, 6), dropped={"counts": 4}))
    assert (read.edge, read.boot, read.seq, read.after) == ("e", 3, 7, (3, 6))
    assert (read.kind, read.dropped, read.body) == ("events", {"counts": 4}, {"n": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": "7"},
        {"boot": None},
        {"after": [1]},
        {"after": [1, "2"]},
        {"body": []},
        {"schema": 2},
        {"edge": 1},
    ],
    ids=str,
)
def test_a_log_message_of_the_wrong_form_is_refused(changes):
    content = json.loads(log(7)) | changes
    with pytest.raises(MessageError):
        messages.read_log_message(json.dumps(content).encode())


@given(st.binary(max_size=100))
def test_rubbish_is_no_message(payload):
    for read in (messages.read_log_message, messages.read_received):
        with pytest.raises(MessageError):
            read(payload)


def test_a_status_says_what_is_wrong():
    payload = messages.status(
        "e", 5, {"J1": {"rung": "adaptive"}}, (Fault("store", "full"),), {"counts": 2}
    )
    assert json.loads(payload) == {
        "schema": 1,
        "edge": "e",
        "utc_ms": 5,
        "cabinets": {"J1": {"rung": "adaptive"}},
        "alarms": {"store": "full"},
        "dropped": {"counts": 2},
    }


def taken(receiver, payload):
    """What the receiver makes of it: new, again or early."""
    message, confirmation = receiver.take(payload)
    if message is not None:
        assert messages.read_received(confirmation) == (message.boot, message.seq)
        return "new"
    return "early" if confirmation is None else "again"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_not_taken_for_one(value):
    with pytest.raises(MessageError, match="not JSON"):
        messages.read_object(b'{"schema": 1, "queue": %s}' % value.encode())
    assert messages.read_object(b'{"schema": 1, "queue": 1.5e3}')["queue"] == 1_500.0


def test_the_receiver_takes_in_order_knows_repeats_and_waits_for_what_is_missing():
    receiver = LogReceiver()
    assert taken(receiver, log(21, after=(1, 20))) == "early", "it has nothing before it yet"
    assert taken(receiver, log(1)) == "new"
    assert taken(receiver, log(2, after=(1, 1))) == "new"
    assert taken(receiver, log(2, after=(1, 1))) == "again"
    assert taken(receiver, log(4, after=(1, 3))) == "early"
    assert taken(receiver, log(3)) == "new"
    assert taken(receiver, log(4, after=(1, 3))) == "new"
    assert receiver.missing("e") == 0


def test_numbers_that_were_dropped_are_counted():
    receiver = LogReceiver()
    assert taken(receiver, log(1)) == "new"
    assert taken(receiver, log(9, after=(1, 1))) == "new"
    assert taken(receiver, log(12)) == "new"
    assert receiver.missing("e") == 9
    assert receiver.missing("other") == 0


def test_numbers_that_a_power_cut_took_are_given_again_and_taken_again():
    receiver = LogReceiver()
    for seq in range(1, 96):
        taken(receiver, log(seq))
    assert taken(receiver, log(91, boot=2, after=(1, 90))) == "new"
    assert taken(receiver, log(92, boot=2, after=(2, 91))) == "new"
    assert taken(receiver, log(93, boot=1)) == "again"
    assert receiver.missing("e") == 0


def test_a_store_begun_anew_is_not_taken_for_the_old_one():
    receiver = LogReceiver()
    for seq in range(1, 501):
        taken(receiver, log(seq))
    assert taken(receiver, log(2, boot=2, after=(2, 1))) == "early"
    assert taken(receiver, log(1, boot=2)) == "new"
    assert taken(receiver, log(2, boot=2, after=(2, 1))) == "new"


@given(st.lists(st.tuples(st.sampled_from(["lose", "twice", "pass"]), st.booleans()), max_size=120))
def test_whatever_the_broker_loses_or_repeats_everything_arrives_once_and_in_order(fates):
    """The edge's part of the rule in five lines, over a line that loses messages and answers."""
    receiver, waiting, stored = LogReceiver(), list(range(1, 13)), []
    fates = [*fates, *[("pass", True)] * 400]
    while waiting:
        before = None
        for seq in list(waiting):
            fate, answered = fates.pop(0)
            payload, before = log(seq, after=before), (1, seq)
            for _ in range({"lose": 0, "pass": 1, "twice": 2}[fate]):
                message, confirmation = receiver.take(payload)
                stored += [message.seq] if message else []
                if confirmation is not None and answered:
                    upto = messages.read_received(confirmation)[1]
                    waiting = [each for each in waiting if each > upto]
    assert stored == list(range(1, 13))
    assert receiver.missing("e") == 0
