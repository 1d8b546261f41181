"""The daemon without its clock: all cabinets of one edge, and what a second brings to each.

:meth:`Daemon.turn` is one second: all cabinets at the same time, each on its own line, then the
announcements between them, then what goes to the store, the broker and the metrics. Who drives it
is either the computer's clock (:mod:`edge.service`) or a bench (:mod:`edge.lockstep`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

import structlog

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan, check_plan
from controller.violations import InvalidError
from edge import announcement_json, messages
from edge.alarms import Alarms
from edge.beat import Beat
from edge.cabinet_agent import CabinetAgent
from edge.cabinet_rules import Rules
from edge.config import Cabinet, EdgeConfig
from edge.counting import MINUTE_MS, MinuteCounter
from edge.ending import end
from edge.errors import OrderRefusedError
from edge.exchange import Exchange
from edge.journal import Journal
from edge.junction_control import JunctionControl
from edge.loop import TimeSource
from edge.messages import MessageError
from edge.mqtt import Bus, Inbound
from edge.order_desk import OrderDesk
from edge.orders import Order, OrderGate, PriorityOrder
from edge.records import Events
from edge.reporting import Reporter
from edge.round import Rounds
from edge.store import Store
from firmware_bridge.ends import End
from firmware_bridge.line import Line
from optimizer.announcement import Announcement
from optimizer.bounds import StrategicBounds

HEARD_MAX = 256
"""Messages of other edges that wait for the next turn."""
MEET_S = 10.0
WITHDRAW_S = 1.0
REST_MAX_S = 2.0
"""Nobody waits for longer for a moment in which no cabinet does."""

_log = structlog.get_logger("edge.daemon")


class Daemon:
    """One edge. Without *store* nothing is kept, without a broker nobody hears of it."""

    def __init__(
        self,
        config: EdgeConfig,
        clock: TimeSource,
        alarms: Alarms,
        store: Store | None = None,
        *,
        lockstep: bool = False,
        version: str = "",
    ) -> None:
        self.config = config
        self.alarms = alarms
        self.store = store
        self._clock = clock
        self._journal = Journal(store)
        rules = Rules.of(config, clock, lockstep=lockstep)
        self._lines = _lines(config.cabinets)
        self.agents = tuple(self._agents(rules))
        self._exchange = Exchange(
            config.links, [agent.control.tactical.neighbours for agent in self.agents]
        )
        self._counter = MinuteCounter()
        self._heard: deque[tuple[str, bytes]] = deque(maxlen=HEARD_MAX)
        self._rounds = Rounds(self.agents, lockstep=lockstep)
        self._turn_over = asyncio.Event()
        self._hurrying: set[asyncio.Task[None]] = set()
        self.desk = self._order_desk()
        self._pursue_orders(clock.now())
        self.bus = self._bus(version)
        self.reporter = Reporter(self, version)

    def _agents(self, rules: Rules) -> Iterable[CabinetAgent]:
        places = {} if self.store is None else self.store.event_places()
        for cabinet in self.config.cabinets:
            agent = CabinetAgent(
                cabinet,
                self._lines[cabinet.link],
                rules,
                self._journal,
                self.alarms,
                place=places.get(cabinet.name),
                plan=None if self.store is None else _last_plan(self.store, cabinet),
            )
            agent.renewed, agent.priority.answer = self._renewed, self._answer
            if not rules.lockstep:  # there nothing happens between two ticks
                agent.priority.came = partial(self._hurry, agent)
            yield agent

    def _renewed(self, control: JunctionControl) -> None:
        self._exchange.put(control.tactical.neighbours)
        control.bound(self.desk.bounds(control.tactical.site.name))

    def _order_desk(self) -> OrderDesk:
        sites = {agent.name: agent.site for agent in self.agents}
        gate = OrderGate(self.config.order_keys, sites, {})
        desk = OrderDesk(gate, self._journal.add, self._carry_out, self._try_out)
        desk.knows = self.store is None
        return desk

    def _bus(self, version: str) -> Bus | None:
        config = self.config
        if config.broker is None or self.store is None:
            return None
        inbound = Inbound(self._take_order, self._take_news, tuple(config.neighbours.edges))
        return Bus(config.name, config.broker, self.store, self.alarms, inbound, version=version)

    async def meet(self, patience_s: float = MEET_S) -> None:
        """Identify every cabinet, so that the first turn finds what happened since now."""
        async with asyncio.TaskGroup() as tasks:
            for agent in self.agents:
                tasks.create_task(self._meet(agent, patience_s))

    async def _meet(self, agent: CabinetAgent, patience_s: float) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + patience_s
        while not await agent.meet() and loop.time() < until_s:
            await asyncio.sleep(0.1)

    async def turn(self, beat: Beat) -> None:
        """One second."""
        try:
            await self._turn(beat)
        finally:
            over, self._turn_over = self._turn_over, asyncio.Event()
            over.set()

    async def rest(self) -> None:
        """Wait for the end of a turn: what takes long then keeps no cabinet waiting."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_MAX_S):
                await self._turn_over.wait()

    @property
    def skipped(self) -> int:
        """Turns that cabinets were left out of, as they had not finished the one before."""
        return self._rounds.skipped

    async def _turn(self, beat: Beat) -> None:
        with _beside("orders"):
            self._pursue_orders(beat.now)
        with _beside("neighbours of other edges"):
            self._listen(beat)
        passed_s = (self._clock.now().mono_ms - beat.now.mono_ms) / 1_000
        finished = await self._rounds.run(beat, passed_s)
        silent = {each.name for each in self.agents if not each.is_heard(beat.now.mono_ms)}
        with _beside("announcements"):
            self._announce(self._exchange.carry(beat.now, silent))
        with _beside("the record"):
            self._keep(beat, finished)
        with _beside("the report"):
            self._tell(beat)

    def _listen(self, beat: Beat) -> None:
        """What other edges' junctions announced since the last turn."""
        while self._heard:
            edge, payload = self._heard.popleft()
            known = self.config.neighbours.edges.get(edge, ())
            try:
                messages, faults = announcement_json.decode(payload)
            except MessageError as error:
                messages, faults = (), (str(error),)
            strangers = tuple(f"{m.site!r} is not of it" for m in messages if m.site not in known)
            for fault in (*faults, *strangers)[:1]:
                self.alarms.sound(f"neighbour {edge}", f"what edge {edge} announces: {fault}")
            if not faults and not strangers:
                self.alarms.clear(f"neighbour {edge}")
            for message in messages:
                if message.site in known:
                    self._exchange.receive(beat.now, message)

    def _announce(self, abroad: list[Announcement]) -> None:
        if abroad and self.bus is not None:
            self.bus.announce(announcement_json.encode(abroad))

    def _keep(self, beat: Beat, finished: Iterable[CabinetAgent]) -> None:
        minute = self._counter.turn(beat.now)
        if minute is not None:
            self._journal.add(minute)
        events, places = {}, {}
        for agent in finished:
            found, place = agent.events.take()
            if found:
                events[agent.name], places[agent.name] = found, place
            status = agent.status
            if status is not None and agent.since_ms:
                self._counter.add(agent.name, agent.site, status.readings, agent.since_ms)
                agent.since_ms = None
        if events:
            self._journal.add(Events(beat.now.utc_ms, events, places))
        so_far = self._counter.so_far(beat.now)
        if so_far is not None:
            self._journal.add(so_far)

    def _tell(self, beat: Beat) -> None:
        if self.store is not None:
            self.store.now_utc_ms = beat.now.utc_ms if beat.clock_trusted else None
        if self.bus is not None:
            self.bus.show_status(self.reporter.status(beat.now))
        self.reporter.measure(beat.now)

    def _answer(self, now: Instant, body: Mapping[str, object]) -> None:
        if self.bus is not None:
            self.bus.answer(messages.answer(self.config.name, now.utc_ms, body))

    def _hurry(self, agent: CabinetAgent) -> None:
        """Have a priority call passed on beside the turns."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nothing turns yet: the first turn will see it
            return
        task = loop.create_task(agent.hurry(self._clock.now()))
        self._hurrying.add(task)
        task.add_done_callback(self._hurrying.discard)

    def _take_news(self, edge: str, payload: bytes) -> None:
        self._heard.append((edge, payload))

    def _take_order(self, topic: str, payload: bytes) -> None:
        accepted = self.desk.take(self._clock.now(), topic, payload)
        self.reporter.count_order(topic, accepted)

    def _pursue_orders(self, now: Instant) -> None:
        """What the store remembers of them, as soon as it can be read; then those now due."""
        store = self.store
        if not self.desk.knows and store is not None and store.boot:
            kept = store.kept_orders()
            if kept is not None:
                store.on_begun_anew = self.desk.keep_again
                self.desk.remember(*store.accepted_orders(), kept)
        self.desk.turn(now)

    def _try_out(self, order: Order) -> None:
        """Raises :class:`OrderRefusedError` for bounds that will leave nothing of our own."""
        if isinstance(order.content, StrategicBounds):
            agent = next(each for each in self.agents if each.name == order.claim.site)
            try:
                agent.control.check(order.content)
            except InvalidError as error:
                raise OrderRefusedError("content", str(error)) from None

    def _carry_out(self, order: Order) -> None:
        agent = next(each for each in self.agents if each.name == order.claim.site)
        content = order.content
        if isinstance(content, TimingPlan):
            agent.plans.want(content)
        elif isinstance(content, PriorityOrder):
            agent.priority.take(content)
        else:
            _bound(agent, content)

    async def close(self, now: Instant) -> None:
        """Leave the cabinets to themselves, politely, and hang up."""
        counts = self._counter.turn(now.after(MINUTE_MS))  # the minute that is not over yet
        if counts is not None:
            self._journal.add(counts)
        await end(self._hurrying)
        await self._rounds.close()
        try:
            async with asyncio.timeout(WITHDRAW_S):
                await asyncio.gather(*(agent.withdraw() for agent in self.agents))
        except TimeoutError:
            _log.info("some cabinets were not told; their schedules end by themselves")
        await asyncio.gather(*(line.close() for line in self._lines.values()))


@contextmanager
def _beside(what: str) -> Iterator[None]:
    """What is not the control itself never stops it."""
    try:
        yield
    except Exception as error:  # ours, whatever it is
        _log.error("failed", what=what, exc_info=error)


def _bound(agent: CabinetAgent, bounds: StrategicBounds) -> None:
    try:
        agent.control.bound(bounds)
    except InvalidError as error:
        raise OrderRefusedError("content", str(error)) from None


def _lines(cabinets: Iterable[Cabinet]) -> dict[End, Line]:
    """One line for all cabinets at the same end: they take turns on it."""
    lines: dict[End, Line] = {}
    for cabinet in cabinets:
        if cabinet.link not in lines:
            lines[cabinet.link] = Line(cabinet.link)
    return lines


def _last_plan(store: Store, cabinet: Cabinet) -> TimingPlan | None:
    """The plan that was last ordered for *cabinet*, if the site can still have it."""
    document = store.latest_plan(cabinet.name)
    if document is None:
        return None
    try:
        plan = plan_json.from_json(document)
        check_plan(plan, cabinet.site)
    except InvalidError as error:
        _log.warning("a plan in the store does not fit", cabinet=cabinet.name, why=str(error))
        return None
    return plan
