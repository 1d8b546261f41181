"""When the log of a cabinet is read, and when it has to wait."""

import asyncio
from types import SimpleNamespace

import pytest

from controller.clock import Instant
from controller.signals import Event
from edge.event_reader import AT_ONCE, EASED_MS, HURRY, SANE_MS, EventReader
from firmware_bridge.errors import LinkError


class Client:
    def __init__(self, overload):
        self.line = SimpleNamespace(overload=overload)
        self.asked = []

    async def events(self, since, until):
        self.asked.append((since, until))
        return tuple(Event(k, 1, 1) for k in range(since, until))


def read(reader, client, at_ms, event_no):
    status = SimpleNamespace(boot_no=1, event_no=event_no)
    client.asked.clear()
    asyncio.run(reader.read(Instant(at_ms, at_ms), client, status))
    return client.asked


def test_events_wait_for_a_line_with_too_much_to_carry_until_they_would_be_lost():
    reader, client = EventReader("J1", 1 << 32), Client("it cannot keep up")
    assert not read(reader, client, 10_000, HURRY - 1)
    assert read(reader, client, 11_000, HURRY) == [(0, AT_ONCE)]
    client.line.overload = ""
    assert not read(reader, client, 20_000, HURRY)
    assert read(reader, client, 11_000 + EASED_MS, HURRY) == [(AT_ONCE, 2 * AT_ONCE)]


class Log:
    """The log of a cabinet as its client reads it; *spoil* is what the wire does to it."""

    line = SimpleNamespace(overload="")

    def __init__(self):
        self.spoil = lambda found: found
        self.open = None

    async def events(self, since, until):
        if self.open is not None:
            await self.open.wait()
        return tuple(self.spoil([Event(k, 1, k) for k in range(since, until)]))


def polls(reader, log, *said, begin_ms=10_000, **trust):
    """One poll every three seconds, each of (start, number of the next event): what was read."""

    async def run():
        for k, (boot_no, event_no) in enumerate(said):
            status = SimpleNamespace(boot_no=boot_no, event_no=event_no)
            await reader.read(Instant(begin_ms + 3_000 * k, 0), log, status, **trust)

    asyncio.run(run())
    events, place = reader.take()
    return [each.parameter for each in events], (place >> 32, place & 0xFFFFFFFF)


def test_what_is_taken_while_more_is_read_does_not_come_twice():
    async def main():
        reader, log = EventReader("J1", 1 << 32), Log()
        for at_ms, event_no in ((10_000, 30), (13_000, 30), (16_000, 60)):
            await reader.read(Instant(at_ms, 0), log, SimpleNamespace(boot_no=1, event_no=event_no))
        log.open = asyncio.Event()
        turn = asyncio.create_task(
            reader.read(Instant(20_000, 0), log, SimpleNamespace(boot_no=1, event_no=60))
        )
        await asyncio.sleep(0)
        taken, place = reader.take()
        assert place == 1 << 32 | 30
        log.open.set()
        await turn
        log.open = None
        await reader.read(Instant(30_000, 0), log, SimpleNamespace(boot_no=1, event_no=60))
        return taken + reader.take()[0]

    assert [each.parameter for each in asyncio.run(main())] == list(range(60))


@pytest.mark.parametrize(
    "garbled", [(1, 3_942_644_778), (1, 400), (1, 3), (1, 0), (7, 40), (7, 0)], ids=str
)
@pytest.mark.parametrize("at", range(4))
def test_one_garbled_poll_neither_skips_events_nor_reads_them_again(garbled, at):
    reader, said = EventReader("J1", 1 << 32), [(1, 30), (1, 35), (1, 45), (1, 50), (1, 50)]
    said.insert(at, garbled)
    found, place = polls(reader, Log(), *said)
    assert found == list(range(50))
    assert place == (1, 50)
    assert reader.lost == 0


def test_a_new_start_and_a_long_absence_are_believed_the_second_time():
    reader, log = EventReader("J1", 1 << 32 | 50), Log()
    assert polls(reader, log, (1, 60), (2, 5)) == ([], (1, 50))
    assert polls(reader, log, (2, 6), begin_ms=20_000) == (list(range(5)), (2, 5))
    assert polls(reader, log, (2, 90_000), begin_ms=30_000) == ([], (2, 5))
    found, _ = polls(reader, log, (2, 90_001), begin_ms=40_000)
    assert found[0] == 89_001
    assert reader.lost == 89_001 - 5
    # A cabinet without a clock gives the same number to two starts.
    assert polls(reader, log, (2, 4), (2, 4), begin_ms=50_000)[0] == list(range(4))


def test_an_event_of_another_day_is_kept_only_if_it_reads_the_same_twice():
    reader, log = EventReader("J1", 1 << 32), Log()
    spoiled = [True]

    def garble(found):
        return [Event(2**63 - 1, 1, 0), *found[1:]] if spoiled and spoiled.pop() else found

    log.spoil = garble
    with pytest.raises(LinkError, match="read another way"):
        polls(reader, log, (1, 30), (1, 30), clock_trusted=True)
    found, place = polls(reader, log, (1, 30), begin_ms=20_000, clock_trusted=True)
    assert (found, place) == (list(range(30)), (1, 30))
    log.spoil = lambda found: [Event(2 * SANE_MS, 1, each.parameter) for each in found]
    assert polls(reader, log, (1, 40), (1, 40), begin_ms=30_000, clock_trusted=True)[0] == [
        *range(30, 40)
    ]


def test_on_a_line_that_is_doubted_every_event_is_read_twice():
    reader, log = EventReader("J1", 1 << 32), Log()
    garbled = [True]
    log.spoil = lambda found: (
        [found[0]._replace(parameter=4_619), *found[1:]] if garbled and garbled.pop() else found
    )
    with pytest.raises(LinkError, match="read another way"):
        polls(reader, log, (1, 30), (1, 30), line_doubted=True)
    assert polls(reader, log, (1, 30), begin_ms=20_000, line_doubted=True)[0] == list(range(30))
