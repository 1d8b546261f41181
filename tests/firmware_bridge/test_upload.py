"""Uploads: what is torn, old, foreign or forged never becomes active, whatever byte it hangs on."""

import hmac
import random
from dataclasses import replace
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.plan import PlanStage, Transition
from firmware_bridge.codec import bytes_of_words, decode, words_of_bytes
from firmware_bridge.codes import Refusal, Upload
from firmware_bridge.pdu import answer
from firmware_bridge.registers import COMMIT, HEADER, REPORT
from firmware_bridge.space import IllegalValueError
from firmware_bridge.store import NoStore
from firmware_bridge.upload import (
    Envelope,
    envelope_of_bytes,
    open_envelope,
    plan_bytes,
    plan_of_bytes,
    sign_bytes,
    sign_plan,
)
from tests.controller.crossroads import UTC_MS, crossroads
from tests.firmware_bridge.rig import KEY, SITE, Street, cabinet, new_plan

DIGEST = bytes.fromhex(SITE.digest)
WHOLE_DAY = (UTC_MS - 1_000, UTC_MS + 86_400_000)


def upload(street: Street, envelope: Envelope, words: list[int] | None = None) -> Refusal:
    """Write (*words* in place of the envelope's), commit, and read what became of it."""
    street.space.write(HEADER.address, envelope.words() if words is None else words)
    try:
        street.space.write(COMMIT.address, [envelope.number >> 16, envelope.number & 0xFFFF])
    except IllegalValueError:
        report = decode(REPORT, street.space.read(REPORT.address, REPORT.size))
        assert report.number("upload_state") == Upload.REFUSED
        assert report.number("upload_refusal") == report.number("refusal")
        return Refusal(report.number("upload_refusal"))
    return Refusal.NONE


def running_no(street: Street) -> int:
    return street.space.read(132, 2)[1]


def test_an_upload_takes_effect_at_a_switch_point_and_is_echoed():
    street = Street(cabinet())
    street.tick(20)
    assert running_no(street) == 0
    envelope = sign_plan(new_plan(7), SITE, KEY)
    assert upload(street, envelope) is Refusal.NONE
    report = decode(REPORT, street.space.read(REPORT.address, REPORT.size))
    assert report.number("upload_state") == Upload.ACCEPTED
    assert report.number("accepted_no") == report.number("upload_no") == 7
    assert report.raw("accepted_digest") == report.raw("upload_digest") == envelope.digest
    green = street.cabinet.outputs.green
    while running_no(street) != 7:
        assert street.cabinet.outputs.green == green  # a stage is not cut for a plan
        street.tick()
    assert street.mono_ms < 1_000 + 90_000


def test_the_upload_area_is_empty_after_a_commit():
    street = Street(cabinet())
    envelope = sign_plan(new_plan(7), SITE, KEY)
    upload(street, envelope)
    assert set(street.space.read(HEADER.address, 120)) == {0}
    with pytest.raises(IllegalValueError):
        street.space.write(COMMIT.address, [0, 7])


@pytest.mark.parametrize("spoil", ["flip", "lose", "zero"])
def test_a_fault_at_any_byte_of_an_upload_is_refused(spoil):
    rng = random.Random(spoil)
    street = Street(cabinet())
    street.tick(12)
    envelope = sign_plan(new_plan(7), SITE, KEY)
    data = envelope.to_bytes()
    for place in range(len(data)):
        broken = bytearray(data)
        if spoil == "flip":
            broken[place] ^= rng.randrange(1, 256)
        elif spoil == "zero":
            broken[place:] = bytes(len(data) - place)
        else:
            del broken[place]
            broken.append(0)
        if bytes(broken) == data:
            continue
        words = [int.from_bytes(broken[i : i + 2].ljust(2, b"\0")) for i in range(0, len(data), 2)]
        assert upload(street, envelope, words) is not Refusal.NONE, place
    assert street.cabinet.uploads.envelope is None
    assert upload(street, envelope) is Refusal.NONE


def test_an_upload_that_is_cut_off_after_any_register_is_refused():
    envelope = sign_plan(new_plan(7), SITE, KEY)
    older = sign_plan(new_plan(6, cycle_ms=60_000), SITE, KEY)
    words = envelope.words()
    for cut in range(len(words)):
        street = Street(cabinet())
        street.space.write(HEADER.address, older.words())
        if cut:
            street.space.write(HEADER.address, words[:cut])
        with pytest.raises(IllegalValueError):
            street.space.write(COMMIT.address, [0, 7])
        assert street.cabinet.uploads.envelope is None
        street.space.write(HEADER.address, words)
        street.space.write(COMMIT.address, [0, 7])
        assert street.cabinet.uploads.envelope == envelope


@pytest.mark.parametrize(
    ("envelope", "refusal"),
    [
        (sign_plan(new_plan(5), SITE, KEY), Refusal.OLD_NUMBER),
        (sign_plan(new_plan(4), SITE, KEY), Refusal.OLD_NUMBER),
        (sign_plan(new_plan(6), SITE, bytes(32)), Refusal.BAD_SIGNATURE),
        (
            sign_plan(new_plan(6, valid_to_utc_ms=UTC_MS - 1), SITE, KEY),
            Refusal.EXPIRED,
        ),
        (
            sign_plan(new_plan(6, valid_from_utc_ms=UTC_MS + 120_000), SITE, KEY),
            Refusal.NOT_YET_VALID,
        ),
        (
            sign_bytes(
                plan_bytes(new_plan(6), SITE), bytes(32), KEY, number=6, validity_ms=WHOLE_DAY
            ),
            Refusal.WRONG_SITE,
        ),
        (
            sign_bytes(b"no plan at all", DIGEST, KEY, number=6, validity_ms=WHOLE_DAY),
            Refusal.INVALID_PLAN,
        ),
        (
            replace(sign_plan(new_plan(6), SITE, KEY), crc32=crc32(b"")),
            Refusal.TORN,
        ),
    ],
)
def test_what_must_not_become_active_is_refused_and_logged(envelope, refusal):
    street = Street(cabinet())
    street.tick(0.1)
    assert upload(street, sign_plan(new_plan(5), SITE, KEY)) is Refusal.NONE
    street.cabinet.notes.clear()
    assert upload(street, envelope) is refusal
    assert any(f"plan {envelope.number} refused" in note for note in street.cabinet.notes)
    street.tick(120)
    assert running_no(street) == 5


def test_a_signed_plan_that_breaks_a_rule_of_the_site_is_refused():
    """The device checks on its own, whoever signed."""
    short = (PlanStage(stage="A", split_ms=57_000), PlanStage(stage="B", split_ms=3_000))
    content = plan_bytes(new_plan(6, stages=short), SITE)
    envelope = sign_bytes(content, DIGEST, KEY, number=6, validity_ms=WHOLE_DAY)
    street = Street(cabinet())
    street.tick(0.1)
    assert upload(street, envelope) is Refusal.INVALID_PLAN
    assert "split 3000 ms is below" in street.cabinet.notes[-2]


def test_a_plan_for_the_same_name_with_other_intergreens_is_for_another_site():
    other = crossroads()
    longer = tuple(tuple(v + 1_000 if v else 0 for v in row) for row in other.intergreen_ms)
    envelope = sign_plan(new_plan(6), crossroads(intergreen_ms=longer), KEY)
    assert upload(Street(cabinet()), envelope) is Refusal.WRONG_SITE


def test_after_its_validity_the_factory_plan_takes_over():
    street = Street(cabinet())
    street.tick(0.1)
    soon = new_plan(9, valid_to_utc_ms=UTC_MS + 200_000)
    assert upload(street, sign_plan(soon, SITE, KEY)) is Refusal.NONE
    street.tick(150)
    assert running_no(street) == 9
    street.tick(150)
    assert running_no(street) == 0
    assert street.cabinet.running_plan is not None


@pytest.mark.parametrize(
    "plan",
    [
        new_plan(1),
        new_plan(1, offset_ms=None, transition=Transition.DWELL, name="Spät – ½"),
        new_plan(
            1,
            stages=(
                PlanStage(stage="B", split_ms=30_000, actuated=True, skippable=True),
                PlanStage(stage="A", split_ms=30_000, coordinated=True),
            ),
        ),
        new_plan(1, valid_from_utc_ms=None, valid_to_utc_ms=None),
    ],
)
def test_a_plan_comes_out_as_it_went_in(plan):
    envelope = envelope_of_bytes(sign_plan(plan, SITE, KEY).to_bytes())
    assert open_envelope(envelope, SITE, KEY).plan == plan


def test_random_bytes_are_no_plan():
    rng = random.Random(1)
    for _ in range(2_000):
        data = rng.randbytes(rng.randrange(60))
        try:
            plan_of_bytes(data, SITE)
        except ValueError:
            continue


def test_a_plan_too_large_for_the_wire_is_refused_before_it_is_sent():
    with pytest.raises(ValueError, match="960 is the most"):
        sign_plan(new_plan(1, name="x" * 950), SITE, KEY)
    with pytest.raises(ValueError, match="sequence number 0"):
        sign_plan(new_plan(0), SITE, KEY)


def raw_header(envelope, **words):
    """The registers of *envelope*'s header with numbers that no envelope could be encoded with."""
    header = envelope.header()
    for name, value in words.items():
        at = 0
        for register in HEADER.registers:
            if register.name == name:
                header[at : at + register.size] = [
                    value >> 16 * i & 0xFFFF for i in reversed(range(register.size))
                ]
            at += register.size
    return header


def test_a_header_with_number_zero_is_refused_and_on_record():
    """The envelope as such is whole, and of this site: only its number is none."""
    street = Street(cabinet())
    street.space.write(HEADER.address, raw_header(sign_plan(new_plan(7), SITE, KEY), number=0))
    response = answer(bytes.fromhex("10 0960 0002 04 0000 0000"), street.space)
    assert response == bytes((0x90, 3))
    report = decode(REPORT, street.space.read(REPORT.address, REPORT.size))
    assert report.number("upload_state") == Upload.REFUSED
    assert report.number("upload_refusal") == report.number("refusal") == Refusal.OUT_OF_RANGE


def test_a_header_with_number_zero_on_disk_is_not_used():
    data = bytearray(sign_plan(new_plan(7), SITE, KEY).to_bytes())
    data[32:36] = bytes(4)

    class Disk(NoStore):
        def load(self):
            return [bytes(data)]

    assert cabinet(store=Disk()).uploads.found_bad


numbers = st.sampled_from([0, 1, 7, 1 << 16, (1 << 32) - 1]) | st.integers(0, (1 << 32) - 1)
moments = st.sampled_from([0, UTC_MS, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])


@settings(max_examples=300, deadline=None)
@given(
    digest=st.sampled_from([DIGEST, bytes(32)]) | st.binary(min_size=32, max_size=32),
    content=st.binary(max_size=60) | st.just(plan_bytes(new_plan(7), SITE)),
    header=st.fixed_dictionaries(
        {
            "number": numbers,
            "form": st.integers(0, 2),
            "not_before_ms": moments,
            "not_after_ms": moments,
        }
    ),
    length=st.none() | st.integers(0, 0xFFFF),
    signed=st.booleans(),
    committed=st.none() | numbers,
)
def test_nothing_in_header_and_commit_raises(digest, content, header, length, signed, committed):
    """Exception 3 and a reason on record, or the upload is accepted: nothing else."""
    made = sign_bytes(content, digest, KEY, number=7, validity_ms=(0, None))
    given = header if length is None else {**header, "length": length}
    words = raw_header(made, **given)
    if signed:
        covered = bytes_of_words(words[:-16]) + content
        words[-16:] = words_of_bytes(hmac.digest(KEY, covered, "sha256"))
    street = Street(cabinet())
    area = words + words_of_bytes(content)
    for at in range(0, len(area), 100):
        street.space.write(HEADER.address + at, area[at : at + 100])
    number = header["number"] if committed is None else committed
    request = bytes.fromhex("10 0960 0002 04") + number.to_bytes(4)
    response = answer(request, street.space)
    if response[0] == 0x90:
        assert response == bytes((0x90, 3))
        report = decode(REPORT, street.space.read(REPORT.address, REPORT.size))
        assert report.number("upload_state") == Upload.REFUSED
        assert report.number("upload_refusal") == report.number("refusal") != Refusal.NONE
    else:
        assert street.cabinet.uploads.envelope is not None
    street.tick(1)
    street.space.read(REPORT.address, 100)
