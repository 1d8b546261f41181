"""A centre over its edges: how every site is, the corridors, and the plans in force.

The corridor desk decides what to ask of whom; the link carries it; what a cabinet did with it comes
back as a reply. Nothing counts as granted before its cabinet has said so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import structlog

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan, check_plan
from edge.centre.link import CentreLink, Heard
from edge.centre.plan_book import IN_FORCE, REFUSED, PlanBook
from edge.centre.record import CentreRecord
from edge.centre.values import PlanRecord, SiteFacts, SiteLive, Vehicle
from edge.centre.views import site_live, site_view
from edge.corridors.desk import CorridorDesk
from edge.corridors.streets import Streets
from edge.corridors.values import Answer, CallAnswer, Corridor, Position, Preview, SiteView, Wish
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


class CityCentre:
    """What the console asks for, over the broker; an asynchronous context manager."""

    def __init__(
        self,
        plan: CityPlan,
        ids: Callable[[], str],
        clock: Callable[[], Instant] | None = None,
    ) -> None:
        self._plan = plan
        self._clock = clock or _now
        self._record = CentreRecord(plan.folder / "centre.db")
        self._plans = PlanBook(plan.folder / "plans.db")
        heard = Heard(self._hear_status, self._hear_reply, self._hear_answer, self._lose)
        self.link = CentreLink(
            plan.broker, plan.orders_key, plan.edge_of, self._record, heard, name=plan.name
        )
        intersections = {name: each.intersection for name, each in plan.sites.items()}
        self._desk = CorridorDesk(plan.streets, ids, intersections)
        self._lanes = {
            name: tuple(lane.name for lane in layout_of(each.intersection).lanes)
            for name, each in plan.sites.items()
        }
        self._live = {name: _unheard(name) for name in plan.sites}
        for name in plan.sites:
            self._desk.see(self._clock(), name, SiteView(reachable=False))
        self._heard_s: dict[str, float] = {}
        self._waiting: dict[tuple[str, int], asyncio.Future[Mapping[str, Any]]] = {}
        self._change = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def __aenter__(self) -> Self:
        self._tasks = (
            asyncio.create_task(self.link.run(), name="broker"),
            asyncio.create_task(self._keep_turning(), name="corridors"),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._record.close()
        self._plans.close()

    # What is heard.

    def _hear_status(self, edge: str, status: Mapping[str, Any]) -> None:
        utc_ms = int(status.get("utc_ms", 0))
        now = self._clock()
        for name, row in status["cabinets"].items():
            facts = self._plan.sites.get(name)
            if facts is None or self._plan.edge_of.get(name) != edge:
                continue
            site = facts.intersection
            try:
                plan = self._plans.in_force(name)
                self._live[name] = site_live(site, self._lanes[name], utc_ms, row, plan)
                self._desk.see(now, name, site_view(site, row))
            except MessageError as error:
                _log.warning("status", edge=edge, why=str(error))
                continue
            self._heard_s[name] = time.monotonic()
        self._tell()

    def _hear_reply(self, edge: str, body: Mapping[str, Any]) -> None:
        site = body.get("site")
        if body.get("order") == "plan" and isinstance(site, str):
            if "in_cabinet" in body:
                self._settle_plan(site, int(body.get("sequence_no", -1)), body)
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
            if record.sequence_no == number:
                self._note_plan(record, body)

    def _note_plan(self, record: PlanRecord, body: Mapping[str, Any]) -> PlanRecord:
        if body["in_cabinet"]:
            return self._plans.answered(record, IN_FORCE)
        return self._plans.answered(record, REFUSED, str(body.get("why", "")))

    def _hear_refusal(self, edge: str, body: Mapping[str, Any]) -> None:
        """An order that its edge refused: whoever waits for it must know."""
        number = body.get("sequence_no")
        _log.warning("order refused", edge=edge, reason=body.get("reason"))
        for (_, waiting_no), future in self._waiting.items():
            if waiting_no == number and not future.done():
                future.set_result({"in_cabinet": False, "why": body.get("reason", "")})

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
            try:
                self._turn()
            except Exception:  # a corridor that goes wrong must not end those of others
                _log.exception("the corridors could not be pursued")
            await asyncio.sleep(TURN_S)

    def _turn(self) -> None:
        now = self._clock()
        for call in self._desk.turn(now):
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

    def _tell(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

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

    @property
    def corridors(self) -> Mapping[str, Corridor]:
        """All corridors."""
        return self._desk.corridors

    def now_utc_ms(self) -> int:
        """The time of the centre's computer."""
        return self._clock().utc_ms

    async def changed(self) -> None:
        """Return when something has changed; after a second at the latest."""
        change = self._change
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await change.wait()

    async def preview(self, wish: Wish) -> Preview:
        """What a corridor would be."""
        return self._desk.preview(self._clock(), wish)

    async def open(self, wish: Wish, caller: str, route: tuple[str, ...] | None = None) -> Corridor:
        """Open a corridor; every junction is asked at once."""
        return self._pursued(self._desk.open(self._clock(), wish, caller, route))

    async def report(self, corridor: str, position: Position) -> Corridor:
        """The vehicle is there."""
        return self._pursued(self._desk.report(self._clock(), corridor, position))

    async def reroute(self, corridor: str, way: tuple[str, ...] | str) -> Corridor:
        """It goes another way."""
        return self._pursued(self._desk.reroute(self._clock(), corridor, way))

    async def cancel(self, corridor: str, why: str) -> Corridor:
        """Give all junctions back."""
        return self._pursued(self._desk.cancel(self._clock(), corridor, why))

    async def end(self, corridor: str) -> Corridor:
        """The vehicle has arrived."""
        return self._pursued(self._desk.end(self._clock(), corridor))

    def _pursued(self, corridor: Corridor) -> Corridor:
        self._turn()
        self._tell()
        return corridor

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

    async def roll_back(self, site: str, sequence_no: int, by: str, why: str) -> PlanRecord:
        """Send an earlier plan once more, under a new number."""
        for each in self._plans.of(site):
            if each.sequence_no == sequence_no:
                return await self.push_plan(each.plan, by, why or f"back to number {sequence_no}")
        raise EdgeError(f"{site} never had a plan with number {sequence_no}: see its plans.")


def _answer(body: Mapping[str, Any]) -> CallAnswer | None:
    """What a cabinet said to a call; None for a word that means nothing to the desk."""
    word = str(body.get("state")).replace("_", " ")
    if word == "stale":  # it fell silent from the cabinet's side: as over as completed
        word = Answer.COMPLETED.value
    try:
        return CallAnswer(Answer(word), str(body.get("why", "")))
    except ValueError:
        return None


def _unheard(name: str) -> SiteLive:
    why = "nothing has been heard of it yet"
    return SiteLive(site=name, utc_ms=0, reachable=False, rung_why=why)


def _now() -> Instant:
    return Instant(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
