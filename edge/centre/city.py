"""A centre over its edges: how every site is, the corridors, and the plans in force.

The corridor desk decides what to ask of whom; the link carries it; what a cabinet did with it comes
back as a reply. Nothing counts as granted before its cabinet has said so.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import structlog

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan, check_plan
from edge.centre.corridor_book import CorridorBook
from edge.centre.desk_centre import DeskCentre
from edge.centre.link import CentreLink, Heard
from edge.centre.plan_book import IN_FORCE, REFUSED, WAITING, PlanBook
from edge.centre.record import CentreRecord
from edge.centre.values import PlanRecord, SiteFacts, SiteLive, Vehicle
from edge.centre.views import site_live, site_view
from edge.corridors.desk import CorridorDesk
from edge.corridors.errors import CorridorError
from edge.corridors.streets import Streets
from edge.corridors.values import Answer, Call, CallAnswer, SiteView
from edge.ending import end
from edge.errors import EdgeError
from edge.messages import MessageError
from edge.settings import BrokerSettings
from optimizer.traffic.layout import layout_of

TURN_S = 0.5
CALL_VALID_MS = 4_000
"""A call that comes later is worth nothing: it is repeated while it is wanted."""
PLAN_VALID_MS = 7 * 24 * 3_600_000
REPLY_S = 5.0
SILENT_S = 5.0
"""A site of which nothing was heard for so long counts as unreachable."""
_log = structlog.get_logger("edge.centre")


@dataclass(frozen=True, slots=True, kw_only=True)
class CityPlan:
    """What a centre is told before it begins. ``edge_of``: by site, the edge that drives it."""

    name: str
    streets: Streets
    sites: Mapping[str, SiteFacts]
    edge_of: Mapping[str, str]
    vehicles: Mapping[str, Vehicle]
    broker: BrokerSettings
    orders_key: bytes
    folder: Path
    note: str = ""


class CityCentre(DeskCentre):
    """What the console asks for, over the broker; an asynchronous context manager."""

    def __init__(
        self,
        plan: CityPlan,
        ids: Callable[[], str],
        clock: Callable[[], Instant] | None = None,
    ) -> None:
        intersections = {name: each.intersection for name, each in plan.sites.items()}
        super().__init__(CorridorDesk(plan.streets, ids, intersections))
        self._plan = plan
        self._clock = clock or _now
        self._record = CentreRecord(plan.folder / "centre.db")
        self._plans = PlanBook(plan.folder / "plans.db")
        self._book = CorridorBook(plan.folder / "corridors.db")
        heard = Heard(self._hear_status, self._hear_reply, self._hear_answer, self._lose)
        self.link = CentreLink(
            plan.broker, plan.orders_key, plan.edge_of, self._record, heard, name=plan.name
        )
        self._lanes = {
            name: tuple(lane.name for lane in layout_of(each.intersection).lanes)
            for name, each in plan.sites.items()
        }
        self._live = {name: _unheard(name) for name in plan.sites}
        for name in plan.sites:
            self._desk.see(self._clock(), name, SiteView(reachable=False))
        self._heard_s: dict[str, float] = {}
        self._waiting: dict[tuple[str, int], asyncio.Future[Mapping[str, Any]]] = {}
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._resume()

    async def __aenter__(self) -> Self:
        self._tasks = (
            asyncio.create_task(self.link.run(), name="broker"),
            asyncio.create_task(self._keep_turning(), name="corridors"),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(self._tasks)
        self._record.close()
        self._plans.close()
        self._book.close()

    def _resume(self) -> None:
        """Go on with the corridors that were under way when the last centre ended."""
        for each in self._book.kept:
            try:
                self._desk.resume(
                    self._clock(), each.id, each.wish, each.caller, each.opened_utc_ms
                )
            except CorridorError as error:
                _log.warning("corridor not resumed", corridor=each.id, why=str(error))
            else:
                _log.info("corridor resumed", corridor=each.id, vehicle=each.wish.vehicle)

    # What is heard.

    def _hear_status(self, edge: str, status: Mapping[str, Any]) -> None:
        utc_ms = status.get("utc_ms")
        if not isinstance(utc_ms, int):
            raise MessageError("a status without its time")
        now = self._clock()
        for name, row in status["cabinets"].items():
            facts = self._plan.sites.get(name)
            if facts is None or self._plan.edge_of.get(name) != edge:
                continue
            site = facts.intersection
            try:
                plan = self._plans.in_force(name)
                self._live[name] = site_live(site, self._lanes[name], utc_ms, row, plan)
                view = site_view(site, row)
                self._desk.see(now, name, view)
                if view.reachable:
                    self._hear_calls(now, name, row)
            except MessageError as error:
                _log.warning("status", edge=edge, why=str(error))
                continue
            self._heard_s[name] = time.monotonic()
        self._tell()

    def _hear_calls(self, now: Instant, site: str, row: Mapping[str, Any]) -> None:
        """What its cabinet does with its calls, once more: an answer is sent but once."""
        calls = row.get("priority")
        for number, state in calls.items() if isinstance(calls, dict) else ():
            answer = _answer({"state": state})
            if answer is not None and number.isdecimal() and number.isascii():
                self._desk.hear(now, site, int(number), answer)

    def _hear_reply(self, edge: str, body: Mapping[str, Any]) -> None:
        site = body.get("site")
        if body.get("order") == "plan" and isinstance(site, str):
            number = body.get("sequence_no")
            if "in_cabinet" in body and isinstance(number, int):
                self._settle_plan(site, number, body)
        elif body.get("accepted") is False:
            self._hear_refusal(edge, body)

    def _hear_answer(self, edge: str, body: Mapping[str, Any]) -> None:
        site, number = body.get("site"), body.get("call")
        answer = _answer(body)
        if answer is None or not isinstance(number, int) or not isinstance(site, str):
            return
        if self._plan.edge_of.get(site) == edge:
            self._desk.hear(self._clock(), site, number, answer)
            self._tell()

    def _settle_plan(self, site: str, number: int, body: Mapping[str, Any]) -> None:
        future = self._waiting.get((site, number))
        if future is not None and not future.done():
            future.set_result(body)
            return
        for record in self._plans.of(site):  # the answer came later than anybody waited
            if record.sequence_no == number and record.state == WAITING:
                self._note_plan(record, body)

    def _note_plan(self, record: PlanRecord, body: Mapping[str, Any]) -> PlanRecord:
        if body["in_cabinet"]:
            return self._plans.answered(record, IN_FORCE)
        return self._plans.answered(record, REFUSED, str(body.get("why", "")))

    def _hear_refusal(self, edge: str, body: Mapping[str, Any]) -> None:
        """An order that its edge refused: whoever waits for it must know."""
        number, reason = body.get("sequence_no"), str(body.get("reason", ""))
        _log.warning("order refused", edge=edge, reason=reason)
        site, _, kind = str(body.get("topic", "")).rpartition("/")
        site = unquote(site.rpartition("/")[2])
        if kind == "priority" and self._plan.edge_of.get(site) == edge:
            why = f"{site} is not called: its edge {edge} refuses our orders ({reason})"
            self._desk.hear_of(self._clock(), site, CallAnswer(Answer.UNREACHABLE, why))
            self._tell()
        for (_, waiting_no), future in self._waiting.items():
            if waiting_no == number and not future.done():
                future.set_result({"in_cabinet": False, "why": reason})

    def _lose(self, edge: str) -> None:
        """An edge has gone, or the broker: of its sites nothing is known any more."""
        for name, its_edge in self._plan.edge_of.items():
            if its_edge == edge and name in self._live:
                self._make_silent(name, f"edge {edge} is not connected")
        self._tell()

    def _make_silent(self, name: str, why: str) -> None:
        self._live[name] = replace(self._live[name], reachable=False, rung_why=why)
        self._desk.see(self._clock(), name, SiteView(reachable=False))

    async def _keep_turning(self) -> None:
        while True:
            silent_s = time.monotonic() - SILENT_S
            for name, heard_s in self._heard_s.items():
                if heard_s < silent_s and self._live[name].reachable:
                    self._make_silent(name, f"nothing heard for {SILENT_S:g} s")
                self._tell()
            try:
                self._turn()
            except Exception:  # a corridor that goes wrong must not end those of others
                _log.exception("the corridors could not be pursued")
            await asyncio.sleep(TURN_S)

    def _instant(self) -> Instant:
        return self._clock()

    def _turn(self) -> None:
        super()._turn()
        self._book.keep(self._desk.corridors.values())

    def _carry(self, now: Instant, calls: tuple[Call, ...]) -> None:
        for call in calls:
            content = {
                "call": call.number,
                "level": call.level,
                "stage": call.stage,
                "ttl_ms": call.ttl_ms,
            }
            try:
                self.link.order("priority", call.site, content, now.utc_ms, CALL_VALID_MS)
            except EdgeError as error:
                said = CallAnswer(Answer.UNREACHABLE, str(error))
                self._desk.hear(now, call.site, call.number, said)

    # What the console asks for: see greenband.console.centre.Centre.

    @property
    def name(self) -> str:
        """What the net is called."""
        return self._plan.name

    @property
    def note(self) -> str:
        """What everybody has to know; empty when all is as it should be."""
        if not self.link.connected:
            return "No connection to the broker: what is shown is old, and no order goes out."
        return self._plan.note

    @property
    def streets(self) -> Streets:
        """The map."""
        return self._plan.streets

    @property
    def sites(self) -> Mapping[str, SiteFacts]:
        """What stands at each site."""
        return self._plan.sites

    @property
    def live(self) -> Mapping[str, SiteLive]:
        """How each site is."""
        return self._live

    @property
    def vehicles(self) -> Mapping[str, Vehicle]:
        """Those that corridors may be opened for."""
        return self._plan.vehicles

    async def plans(self, site: str) -> tuple[PlanRecord, ...]:
        """The plans that were sent to *site*, the newest first."""
        return self._plans.of(site)

    async def push_plan(self, plan: TimingPlan, by: str, why: str) -> PlanRecord:
        """Send *plan*; returns once its cabinet has answered, or as waiting if it does not yet."""
        now = self._clock()
        number = self._plans.next_number(plan.site, now.utc_ms // 1_000)
        numbered = replace(plan, sequence_no=number)
        check_plan(numbered, self._plan.sites[plan.site].intersection)
        content = json.loads(plan_json.to_json(numbered))
        place = plan.site, number
        answered = self._waiting[place] = asyncio.get_running_loop().create_future()
        try:
            self.link.order("plan", plan.site, content, now.utc_ms, PLAN_VALID_MS, number=number)
            record = self._plans.sent(numbered, by, why, now.utc_ms)
            async with asyncio.timeout(REPLY_S):
                said = await answered
        except TimeoutError:
            return record
        finally:
            del self._waiting[place]
        self._tell()
        return self._note_plan(record, said)


def _answer(body: Mapping[str, Any]) -> CallAnswer | None:
    """What a cabinet said to a call; None for a word that means nothing to the desk."""
    word = str(body.get("state")).replace("_", " ")
    try:
        return CallAnswer(Answer(word), str(body.get("why", "")))
    except ValueError:
        return None


def _unheard(name: str) -> SiteLive:
    why = "nothing has been heard of it yet"
    return SiteLive(site=name, utc_ms=0, reachable=False, rung_why=why)


def _now() -> Instant:
    return Instant(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
