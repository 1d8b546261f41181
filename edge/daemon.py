"""The daemon without its clock: all cabinets of one edge, and what a second brings to each.

:meth:`Daemon.turn` is one second: all cabinets at the same time, each on its own line, then the
announcements between them, then what goes to the store, the broker and the metrics. Who drives it
is either the computer's clock (:mod:`edge.service`) or a bench (:mod:`edge.lockstep`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan, check_plan
from controller.violations import InvalidError
from edge import announcement_json
from edge.alarms import Alarms
from edge.beat import Beat
from edge.cabinet_agent import CabinetAgent
from edge.cabinet_rules import Rules
from edge.config import Cabinet, EdgeConfig
from edge.counting import MINUTE_MS, MinuteCounter
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
from edge.store import Store
from firmware_bridge.ends import End
from firmware_bridge.line import Line
from optimizer.announcement import Announcement
from optimizer.bounds import StrategicBounds

SLOT_S = 0.002
"""From the turn of one cabinet to that of the next: two hundred in less than half a second."""
TURN_S = 0.8
"""Who takes longer goes on beside the next turn, and is left out of it."""
HEARD_MAX = 256
"""Messages of other edges that wait for the next turn."""
MEET_S = 10.0
WITHDRAW_S = 1.0

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
        self._budget_s = None if lockstep else TURN_S
        self._journal = Journal(store)
        rules = Rules.of(config, clock, lockstep=lockstep)
        self._lines = _lines(config.cabinets)
        self.agents = tuple(self._agents(rules))
        self._exchange = Exchange(
            config.links, [agent.control.tactical.neighbours for agent in self.agents]
        )
        self._counter = MinuteCounter()
        self._heard: deque[tuple[str, bytes]] = deque(maxlen=HEARD_MAX)
        self._turning: dict[CabinetAgent, asyncio.Task[None]] = {}
        self.skipped = 0
        """Turns that cabinets were left out of, as they had not finished the one before."""
        self.desk = self._order_desk()
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
            agent.renewed = self._renewed
            yield agent

    def _renewed(self, control: JunctionControl) -> None:
        self._exchange.put(control.tactical.neighbours)

    def _order_desk(self) -> OrderDesk:
        accepted = {} if self.store is None else self.store.accepted_orders()
        sites = {agent.name: agent.site for agent in self.agents}
        gate = OrderGate(self.config.order_keys, sites, accepted)
        return OrderDesk(gate, self._journal.add, self._carry_out)

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
        with _beside("neighbours of other edges"):
            self._listen(beat)
        finished = await self._turn_all(beat)
        silent = {each.name for each in self.agents if not each.is_heard(beat.now.mono_ms)}
        with _beside("announcements"):
            self._announce(self._exchange.carry(beat.now, silent))
        with _beside("the record"):
            self._keep(beat, finished)
        with _beside("the report"):
            self._tell(beat)

    async def _turn_all(self, beat: Beat) -> list[CabinetAgent]:
        """Give every cabinet its turn, one a moment after the other; those that have had it.

        Were all polled at once, the answer of the last would wait for what all others decide.
        """
        finished = self._reap()
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        for agent in self.agents:
            if agent in self._turning:
                self.skipped += 1
                agent.lag(beat)
                continue
            if self._budget_s is not None and due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            due_s += SLOT_S
            self._turning[agent] = asyncio.create_task(agent.turn(beat))
        await asyncio.wait(self._turning.values(), timeout=self._left_s(beat))
        return finished + self._reap()

    def _left_s(self, beat: Beat) -> float | None:
        if self._budget_s is None:
            return None
        passed_ms = self._clock.now().mono_ms - beat.now.mono_ms
        return max(0.0, self._budget_s - passed_ms / 1_000)

    def _reap(self) -> list[CabinetAgent]:
        """Those that have had their turn since the last call."""
        finished = [agent for agent, task in self._turning.items() if task.done()]
        for agent in finished:
            error = self._turning.pop(agent).exception()
            if error is not None:  # ours, and no reason to stop the others
                _log.error("a turn failed", cabinet=agent.name, exc_info=error)
        return finished

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

    def _tell(self, beat: Beat) -> None:
        if self.store is not None:
            self.store.clock_trusted = beat.clock_trusted
        if self.bus is not None:
            self.bus.show_status(self.reporter.status(beat.now))
        self.reporter.measure(beat.now)

    def _take_news(self, edge: str, payload: bytes) -> None:
        self._heard.append((edge, payload))

    def _take_order(self, topic: str, payload: bytes) -> None:
        accepted = self.desk.take(self._clock.now(), topic, payload)
        self.reporter.count_order(topic, accepted)

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
        for task in self._turning.values():
            task.cancel()
        await asyncio.gather(*self._turning.values(), return_exceptions=True)
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
