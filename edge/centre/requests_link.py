"""Takes signed requests off the broker, and sends a signed answer to each.

On a connection of its own: whoever floods the requests does not hold up the orders. Topics are
``greenband/v1/corridors/AGENCY/requests`` and ``…/answers``; ``…/updates`` has every change of the
agency's corridors, signed as answers are. Refusals that prove nothing about
their sender are answered and put on record only so often; what is left out is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiomqtt
import structlog

from edge.back_off import BackOff
from edge.centre.link import broker_client
from edge.centre.requests import Agency, Request, RequestGate, RequestRefusedError, sign_answer
from edge.errors import EdgeError
from edge.message_limit import limit_incoming
from edge.order_numbers import OrderNumbers
from edge.settings import BrokerSettings
from edge.topics import ROOT

REQUESTS = f"{ROOT}/corridors/+/requests"
UNSAVED = ("preview", "position")
REFUSALS_BURST, REFUSALS_PER_S = 20, 0.5
"""So many refusals of an agency are told at once, and in the long run."""
_log = structlog.get_logger("edge.centre")


def request_topic(agency: str) -> str:
    """Where *agency* sends what it wants."""
    return f"{ROOT}/corridors/{agency}/requests"


def answer_topic(agency: str) -> str:
    """Where it hears what became of it."""
    return f"{ROOT}/corridors/{agency}/answers"


def update_topic(agency: str) -> str:
    """Where it hears how its corridors are."""
    return f"{ROOT}/corridors/{agency}/updates"


@dataclass(frozen=True, slots=True)
class RequestHandler:
    """Who carries requests out; called from the event loop.

    ``admit``: how many seconds to wait before such a request may come, 0 for now.
    ``carry_out``: the result; raises :class:`RequestRefusedError`.
    ``refused``: agency, code and sentence of a refusal, and how many were left out before it.
    ``updates``: agency and corridor at every change, without an end.
    """

    admit: Callable[[Request], float]
    carry_out: Callable[[Request], Awaitable[Mapping[str, object]]]
    refused: Callable[[str, str, str, int], None]
    updates: Callable[[], AsyncIterator[tuple[str, Mapping[str, object]]]]


class RequestLink:
    """The requests of *agencies* at one broker; :meth:`run` until cancelled.

    *numbers* are loaded, and saved before anything is done with a corridor, as it may outlive a
    power cut. Those of previews and positions are not: what a position says is old in a second.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        agencies: Sequence[Agency],
        numbers: OrderNumbers,
        handler: RequestHandler,
        *,
        name: str = "centre",
    ) -> None:
        self._settings = settings
        self._agencies = {agency.name: agency for agency in agencies}
        self._numbers = numbers
        self._gate = RequestGate(agencies, numbers)
        self._handler = handler
        self._name = name
        self._told: dict[str, _Told] = {}
        self.connected = False

    async def run(self) -> None:
        """Connect, and connect again, for ever."""
        back_off = BackOff()
        while True:
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError) as group:
                _log.warning("no requests", url=self._settings.url, why=str(group.exceptions[0]))
            finally:
                if self.connected:
                    back_off.reset()
                self.connected = False
                self._save()
            await asyncio.sleep(back_off.next_s())

    async def _session(self) -> None:
        client = broker_client(self._settings, f"{self._name}.requests.{id(self):x}")
        limit_incoming(client, _drop)
        async with client, asyncio.TaskGroup() as tasks:
            await client.subscribe(REQUESTS, qos=1)
            self.connected = True
            tasks.create_task(self._tell(client))
            async for message in client.messages:
                agency = str(message.topic).removeprefix(f"{ROOT}/corridors/").partition("/")[0]
                answer = await self._answer(agency, bytes(message.payload))
                if answer is not None:
                    tasks.create_task(_publish(client, answer_topic(agency), answer))

    async def _tell(self, client: aiomqtt.Client) -> None:
        async for agency, corridor in self._handler.updates():
            said = {"agency": agency, "utc_ms": _now_utc_ms(), "corridor": corridor}
            key = self._agencies[agency].keys[0]
            await _publish(client, update_topic(agency), sign_answer(said, key))

    async def _answer(self, agency: str, payload: bytes) -> bytes | None:
        """What is answered to *payload*; None for nothing."""
        try:
            request = self._gate.check(agency, payload, _now_utc_ms())
            self._admit(request)
            result = await self._carried_out(request)
        except RequestRefusedError as error:
            return self._refusal(agency, error)
        return self._signed(agency, request, {"ok": True, "result": result})

    def _admit(self, request: Request) -> None:
        wait_s = self._handler.admit(request)
        if wait_s > 0.0:
            raise RequestRefusedError(
                "too-many-requests",
                f"{request.agency} has asked too often: wait {wait_s:.0f} s, then send it anew; "
                "a cancellation is never held back",
                request,
            )

    async def _carried_out(self, request: Request) -> Mapping[str, object]:
        if request.verb not in UNSAVED:
            self._save()
        try:
            return await self._handler.carry_out(request)
        except RequestRefusedError:
            raise
        except EdgeError as error:
            raise RequestRefusedError("not-now", str(error), request) from None
        except Exception:  # one request that goes wrong must not end those of others
            _log.exception("a request failed", agency=request.agency, verb=request.verb)
            words = "the centre could not carry it out: use the page, or call traffic management"
            raise RequestRefusedError("failed", words, request) from None

    def _refusal(self, agency: str, error: RequestRefusedError) -> bytes | None:
        known = agency if agency in self._agencies else ""
        left_out = self._told.setdefault(known, _Told()).tell()
        if left_out is not None:
            self._handler.refused(agency[:64], error.code, str(error), left_out)
        may_tell = left_out is not None or error.request is not None
        if not known or not may_tell:
            return None
        said = {"ok": False, "code": error.code, "error": str(error)}
        return self._signed(agency, error.request, said)

    def _signed(self, agency: str, request: Request | None, said: Mapping[str, object]) -> bytes:
        """An answer; what can't be proven to be of the agency is not repeated in it."""
        head = {
            "agency": agency,
            "sequence_no": None if request is None else request.sequence_no,
            "verb": None if request is None else request.verb[:16],
            "utc_ms": _now_utc_ms(),
        }
        return sign_answer({**head, **said}, self._agencies[agency].keys[0])

    def _save(self) -> None:
        """It is carried out even where its number can't be kept."""
        try:
            self._numbers.save()
        except OSError as error:
            _log.warning("the numbers of requests can't be saved", why=str(error))


class _Told:
    """How many refusals of one agency were told, and how many left out since."""

    def __init__(self) -> None:
        self._level, self._since_s = float(REFUSALS_BURST), time.monotonic()
        self._left_out = 0

    def tell(self) -> int | None:
        """None if this one is left out; else how many were before it."""
        now_s = time.monotonic()
        gained = (now_s - self._since_s) * REFUSALS_PER_S
        self._level, self._since_s = min(REFUSALS_BURST, self._level + gained), now_s
        if self._level < 1.0:
            self._left_out += 1
            return None
        self._level -= 1.0
        left_out, self._left_out = self._left_out, 0
        return left_out


async def _publish(client: aiomqtt.Client, topic: str, payload: bytes) -> None:
    with contextlib.suppress(aiomqtt.MqttCodeError):  # who asked hears nothing, and asks anew
        await client.publish(topic, payload, qos=1)


def _drop(topic: str, size: int) -> None:
    _log.warning("request dropped", topic=topic[-200:], bytes=size)


def _now_utc_ms() -> int:
    return time.time_ns() // 1_000_000
