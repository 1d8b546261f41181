"""Whatever is written to a cabinet, in whatever order: its lamps stay lawful, and it stays up."""

import random
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.signals import OperatorMode
from firmware_bridge.areas import Access, Area, Kind
from firmware_bridge.codec import encode, words_of
from firmware_bridge.field_space import FieldSpace
from firmware_bridge.pdu import answer
from firmware_bridge.registers import COMMIT, EDGE, HEADER, INPUTS, SCHEDULE, STEP
from firmware_bridge.upload import sign_plan, site_word
from tests.controller import oracle
from tests.controller.strategies import random_plan, random_site
from tests.firmware_bridge.rig import KEY, Street, cabinet

MONO_MS = STEP.registers[0]
ORDERS = tuple(area for area in EDGE if area.access is not Access.READ)
many = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def any_request(street: Street, rng: random.Random) -> bytes:
    """Bytes that look like a request, a likely order, or a real schedule."""
    kind = rng.random()
    if kind < 0.2:
        return bytes((rng.choice((3, 4, 6, 16, 23, rng.randrange(256))),)) + rng.randbytes(
            rng.randrange(20)
        )
    if kind < 0.5:
        area = rng.choice(ORDERS)
        words = order_words(area, street, rng)
        return write(area.address + rng.choice((0, 0, 0, 1)), words)
    values = {
        "writer": rng.choice((1, 1, 2)),
        "site": site_word(street.cabinet.site),
        "number": rng.randrange(1_000_000),
        "start_mono_ms": max(0, street.mono_ms + rng.randrange(-3_000, 3_000)),
        "ttl_ms": rng.choice((500, 5_000, 30_000)),
        "count": 2,
    }
    for i in range(2):
        values[f"stage_{i}"] = rng.randrange(len(street.cabinet.site.stages) + 1)
        values[f"duration_ms_{i}"] = rng.choice((1, 100, 5_000))
    return write(SCHEDULE.address, encode(SCHEDULE, values))


def order_words(area: Area, street: Street, rng: random.Random) -> list[int]:
    """An order whose entries are mostly in their ranges."""
    words: list[int] = []
    for register in area.registers:
        if register.kind is not Kind.NUMBER:
            words += [rng.randrange(1 << 16) for _ in range(register.size)]
            continue
        most = register.most if register.most is not None else (1 << (16 * register.size)) - 1
        value = rng.choice((register.least, register.least + 1, rng.randint(register.least, most)))
        if register.name == "writer":
            value = rng.choice((1, 1, 1, 2))
        if register.name == "start_mono_ms":
            value = street.mono_ms
        words += words_of(register, min(value, most))
    return words[: rng.choice((len(words), len(words), rng.randrange(1, len(words) + 1)))][:123]


def write(address: int, words: list[int]) -> bytes:
    head = bytes((16,)) + address.to_bytes(2) + len(words).to_bytes(2) + bytes((2 * len(words),))
    return head + b"".join(word.to_bytes(2) for word in words)


def some_upload(street: Street, rng: random.Random) -> list[bytes]:
    """A plan that is as it should be, or a little wrong."""
    plan = random_plan(street.cabinet.site, rng)
    number = rng.randrange(1, 1 << 20)
    from dataclasses import replace

    envelope = sign_plan(replace(plan.plan, sequence_no=number), street.cabinet.site, KEY)
    words = envelope.words()
    if rng.random() < 0.3:
        words[rng.randrange(len(words))] ^= 1 << rng.randrange(16)
    pieces = [write(HEADER.address + at, words[at : at + 100]) for at in range(0, len(words), 100)]
    if rng.random() < 0.3:
        rng.shuffle(pieces)
    return [*pieces, write(COMMIT.address, encode(COMMIT, {"number": number}))]


def changed_street(street: Street, rng: random.Random) -> None:
    site = street.cabinet.site
    panel = rng.choice((*(OperatorMode.AUTO,) * 8, *OperatorMode))
    street.inputs = street.inputs._replace(
        entered=tuple(rng.randrange(3) for _ in site.detectors),
        occupied=rng.getrandbits(len(site.detectors)) if site.detectors else 0,
        missing=rng.getrandbits(len(site.detectors)) & rng.getrandbits(len(site.detectors))
        if site.detectors
        else 0,
        panel=panel,
        panel_stage=rng.randrange(len(site.stages) + 1),
        reset=rng.random() < 0.05,
    )


@many
@given(st.integers(2, 8), st.integers(0, 1_000_000), st.sampled_from([100, 500, 1_000]))
def test_no_sequence_of_writes_makes_the_lamps_unlawful(n_groups, seed, tick_ms):
    rng = random.Random(seed)
    street = Street(cabinet(random_site(n_groups, rng)), tick_ms)
    for _ in range(250):
        if rng.random() < 0.3:
            changed_street(street, rng)
        for _ in range(rng.randrange(3)):
            response = answer(any_request(street, rng), street.space)
            assert 2 <= len(response) <= 253
        if rng.random() < 0.1:
            for request in some_upload(street, rng):
                answer(request, street.space)
        street.tick(tick_ms / 1_000)
    check_lawful(street)


@many
@given(st.integers(0, 1_000_000))
def test_whatever_the_street_is_told_the_clock_included_the_cabinet_stays_up(seed):
    """Not every number of 64 bits is a date, and every line that a cabinet tells has one."""
    rng = random.Random(seed)
    there = cabinet(lockstep=True)
    street = FieldSpace(there)
    extremes = (0, 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
    for _ in range(20):
        mono_ms, utc_ms = (rng.choice((*extremes, rng.getrandbits(64))) for _ in range(2))
        instant = [*words_of(MONO_MS, mono_ms), *(utc_ms >> 16 * i & 0xFFFF for i in (3, 2, 1, 0))]
        panel = [rng.randrange(5), rng.choice((0, 9, 0xFFFF)), rng.randrange(3)]
        for request in (
            write(INPUTS.address, instant + panel),
            write(STEP.address, words_of(MONO_MS, mono_ms)),
        ):
            assert answer(request, street)[0] in (16, 0x90)
        answer(bytes.fromhex("03 0000 000d"), street)
        datetime.fromtimestamp(there.now.utc_ms / 1_000, UTC)


def check_lawful(street: Street) -> None:
    site, trace = street.cabinet.site, street.trace
    assert list(oracle.conflicts_lit(site, trace)) == []
    assert list(oracle.short_greens(site, trace)) == []
    assert list(oracle.wrong_endings(site, trace, pedestrians=False)) == []
    assert list(oracle.wrong_endings(site, trace, pedestrians=True)) == []
    assert list(oracle.short_intergreens(site, trace)) == []
    assert list(oracle.short_reds(site, trace)) == []
    assert all(shown.state.monitor.fault is None for shown in trace)


def test_the_fuzz_reaches_schedules_plans_and_operators():
    """A fuzz that is refused everywhere would prove nothing."""
    rng = random.Random(5)
    street = Street(cabinet(random_site(5, rng)), 500)
    commands, accepted = set(), 0
    for _ in range(3_000):
        for _ in range(rng.randrange(3)):
            answer(any_request(street, rng), street.space)
        if rng.random() < 0.02:
            for request in some_upload(street, rng):
                answer(request, street.space)
        street.tick(0.5)
        commands.add(street.cabinet.command.name)
        accepted = max(accepted, street.cabinet.schedule_no)
    assert commands >= {"OPERATOR", "PRIORITY", "SCHEDULE", "UPLOADED_PLAN"}
    assert accepted > 0
