"""Priority calls on their way to a cabinet, and what the centre is told of them."""

import asyncio

import pytest

from controller.clock import Instant
from edge.errors import OrderRefusedError
from edge.orders import PriorityOrder
from edge.priority_desk import WAITING_MAX, PriorityDesk
from firmware_bridge.codes import PriorityState, Refusal
from firmware_bridge.errors import LinkError, RefusedError
from firmware_bridge.priority import PriorityCalls
from firmware_bridge.status import PriorityStatus
from tests.controller.crossroads import crossroads

NOW_MS = 1_000_000


class Told:
    """A centre that keeps the answers."""

    def __init__(self):
        self.replies = []

    def answer(self, now, body):
        self.replies.append((body["call"], body["state"]))


class Cabinet:
    """The calls of a cabinet; away, or full, when told to be."""

    def __init__(self):
        self.calls, self.now_ms, self.away = PriorityCalls(), NOW_MS, False

    async def call_priority(self, call, level, stage, ttl_ms):
        if self.away:
            raise LinkError("it does not answer")
        if not self.calls.take(call, level, stage, ttl_ms, self.now_ms):
            raise RefusedError("no room for another call", Refusal.NONE)

    async def priority_calls(self):
        if self.away:
            raise LinkError("it does not answer")
        return tuple(
            PriorityStatus(call=c.call, level=c.level, stage=c.stage, state=c.state)
            for c in self.calls.all
        )


@pytest.fixture
def desk():
    found, told = PriorityDesk(crossroads()), Told()
    found.answer, found.replies = told.answer, told.replies
    return found


def pursue(desk, cabinet, after_ms=0):
    now_ms = NOW_MS + after_ms
    cabinet.now_ms = now_ms
    cabinet.calls.pass_time(now_ms)
    asyncio.run(desk.pursue(Instant(now_ms, now_ms), cabinet))


def order(desk, call, level=5, ttl_ms=5_000):
    return PriorityOrder(call, level, desk._site.stages[0].name, ttl_ms)


def test_every_state_is_told_once(desk):
    cabinet = Cabinet()
    desk.take(order(desk, 1))
    pursue(desk, cabinet)
    desk.take(order(desk, 2))
    pursue(desk, cabinet, 1_000)
    desk.take(order(desk, 1))
    pursue(desk, cabinet, 2_000)
    desk.take(order(desk, 1, ttl_ms=0))
    pursue(desk, cabinet, 3_000)
    assert desk.replies == [
        (1, "activated"),
        (2, "queued"),
        (1, "completed"),
        (2, "activated"),
    ]
    pursue(desk, cabinet, 9_000)
    assert desk.replies[-1] == (2, "stale")
    assert cabinet.calls.all[-1].state is PriorityState.STALE


def test_a_cabinet_that_is_away_or_full_is_told_and_nothing_piles_up(desk):
    cabinet = Cabinet()
    cabinet.away = True
    for _ in range(3):
        desk.take(order(desk, 1))
        with pytest.raises(LinkError):
            pursue(desk, cabinet)
    desk.take(order(desk, 2))
    desk.miss(Instant(NOW_MS, NOW_MS), LinkError("the turn found nobody"))
    assert desk.replies == [(1, "unreachable"), (2, "unreachable")]
    cabinet.away = False
    for call in range(1, 10):
        desk.take(order(desk, call))
    pursue(desk, cabinet)
    assert (9, "refused") in desk.replies
    assert (1, "activated") in desk.replies


def test_more_calls_than_any_street_needs_are_refused_and_each_is_announced(desk):
    came = []
    desk.came = lambda: came.append(1)
    for call in range(1, WAITING_MAX + 1):
        desk.take(order(desk, call))
    with pytest.raises(OrderRefusedError):
        desk.take(order(desk, 99))
    assert len(came) == WAITING_MAX


def test_the_end_of_a_call_that_was_never_made_is_acknowledged(desk):
    desk.take(order(desk, 7, ttl_ms=0))
    pursue(desk, Cabinet())
    assert desk.replies == [(7, "acknowledged")]
