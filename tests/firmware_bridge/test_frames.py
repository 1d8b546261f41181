"""Frames: whatever the pieces, the noise and the neighbours on the line."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.frames import (
    FrameError,
    MbapDecoder,
    Request,
    RtuDecoder,
    crc16,
    mbap_frame,
    rtu_frame,
)
from firmware_bridge.pdu import answer
from tests.firmware_bridge.rig import Street, cabinet

READ = bytes.fromhex("03 0064 0026")
WRITE = bytes.fromhex("10 0640 0002 04 0000 0001")
EXCHANGE = bytes.fromhex("17 0514 0075 0640 0002 04 0000 0001")
WRITE_ONE = bytes.fromhex("06 0708 0001")
requests = st.tuples(st.integers(1, 247), st.sampled_from([READ, WRITE, EXCHANGE, WRITE_ONE]))
answers = st.tuples(
    st.integers(1, 247),
    st.sampled_from(
        [
            bytes((3, 76)) + bytes(76),
            bytes.fromhex("10 0640 0002"),
            bytes((23, 234)) + bytes(range(234)),
            bytes.fromhex("83 02"),
        ]
    ),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def test_the_crc_of_the_standard():
    assert rtu_frame(2, bytes((7,))) == bytes.fromhex("02 07 41 12")
    assert crc16(bytes.fromhex("02 07 41 12")) == 0


@given(st.lists(requests, max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_tcp_in_pieces_of_any_size(sent, cuts):
    wanted = [Request(unit, k, pdu) for k, (unit, pdu) in enumerate(sent)]
    stream = b"".join(mbap_frame(request, request.pdu) for request in wanted)
    decoder, found = MbapDecoder(), []
    for piece in pieces(stream, cuts):
        found += decoder.feed(piece)
    assert found == wanted


@given(st.binary(max_size=600))
def test_garbage_over_tcp_is_refused_or_waited_for(garbage):
    decoder = MbapDecoder()
    try:
        for request in decoder.feed(garbage):
            assert 1 <= len(request.pdu) <= 253
    except FrameError as error:
        assert "no Modbus" in str(error)


def test_other_protocols_are_refused():
    with pytest.raises(FrameError):
        MbapDecoder().feed(b"GET / HTTP/1.1\r\n\r\n")


@given(
    st.lists(
        st.one_of(requests.map(lambda r: (True, *r)), answers.map(lambda a: (False, *a))),
        max_size=5,
    ),
    st.lists(st.integers(0, 900), max_size=8),
)
def test_a_serial_line_with_requests_and_others_answers(sent, cuts):
    stream = b"".join(rtu_frame(unit, pdu) for _, unit, pdu in sent)
    decoder, found = RtuDecoder(), []
    for piece in pieces(stream, cuts):
        found += decoder.feed(piece)
    assert found == [Request(unit, 0, pdu) for is_request, unit, pdu in sent if is_request]


@given(st.binary(max_size=80), requests)
def test_after_noise_and_a_pause_the_next_request_is_heard(noise, request_sent):
    unit, pdu = request_sent
    decoder = RtuDecoder()
    decoder.feed(noise)
    decoder.silence()
    assert decoder.feed(rtu_frame(unit, pdu)) == [Request(unit, 0, pdu)]


def test_noise_without_end_costs_no_time():
    rng, decoder = random.Random(1), RtuDecoder()
    begin_s = time.process_time()
    for _ in range(10):
        decoder.feed(rng.randbytes(4_096))
        decoder.feed(bytes((1, 16)) * 2_048)
    assert time.process_time() - begin_s < 5


@given(requests, st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_never_a_request(request_sent, place, change):
    frame = bytearray(rtu_frame(*request_sent))
    frame[place % len(frame)] ^= change
    assert RtuDecoder().feed(bytes(frame)) == []


@given(st.binary(min_size=1, max_size=253))
def test_any_request_gets_an_answer(pdu):
    response = answer(pdu, Street(cabinet()).space)
    assert response[0] in {pdu[0], pdu[0] & 0x7F | 0x80}
    assert 2 <= len(response) <= 253
    if response[0] != pdu[0]:
        assert response[1] in {1, 2, 3}


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("01 0000 0001", 1),
        ("03 0046 0001", 2),  # between identity and status
        ("03 FFFF 0001", 2),
        ("03 0064 0000", 3),
        ("03 0064 007E", 3),
        ("03 0064", 3),
        ("10 0064 0001 02 0000", 2),  # the status is not written
        ("06 0640 0001", 2),  # half of an order
        ("10 0641 0001 02 0001", 2),  # not from its first register
        ("10 0640 0002 04 0000 0000", 3),  # writer 0
        ("10 0640 0002 03 0000 01", 3),  # a byte count that lies
        ("17 FFFF 0001 0640 0002 04 0000 0001", 2),  # nothing is written if nothing can be read
    ],
)
def test_requests_that_are_refused(pdu, code):
    there = cabinet()
    request = bytes.fromhex(pdu)
    assert answer(request, Street(there).space) == bytes((request[0] | 0x80, code))
    assert there.lease.writer == 0
