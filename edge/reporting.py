"""How one edge is doing: for the broker, for Prometheus, for who asks whether it is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.clock import Instant
from controller.intersection import Intersection
from controller.signals import Outputs
from edge import messages
from edge.cabinet_agent import CabinetAgent
from edge.ladder import Rung
from edge.loop import Tick
from edge.metrics import Metrics
from edge.orders import KINDS
from firmware_bridge.codes import PriorityState

if TYPE_CHECKING:
    from edge.daemon import Daemon

COMING_S = 20
"""Who is due within this time counts as coming."""


class Reporter:
    """Looks at *daemon* and says what it sees."""

    def __init__(self, daemon: Daemon, version: str) -> None:
        self._daemon = daemon
        self.metrics = Metrics(daemon.config.name, version)
        self._gauges = {agent.name: _Gauges(self.metrics, agent.name) for agent in daemon.agents}
        self._alarms: set[str] = set()
        self._decisions: dict[str, str] = {}
        """By cabinet, the last change that was decided, and why."""

    def status(self, now: Instant) -> bytes:
        """The payload of ``status``."""
        daemon = self._daemon
        cabinets = {agent.name: self._row(agent, now) for agent in daemon.agents}
        dropped = {} if daemon.store is None else daemon.store.dropped
        standing = daemon.alarms.standing()
        return messages.status(daemon.config.name, now.utc_ms, cabinets, standing, dropped)

    def _row(self, agent: CabinetAgent, now: Instant) -> dict[str, object]:
        row = _row(agent, now)
        decision = agent.decision
        if decision is not None and decision.changed:
            self._decisions[agent.name] = decision.explain()
        if agent.name in self._decisions:
            row["decision"] = self._decisions[agent.name]
        return row

    def summary(self) -> str:
        """In a line, for the service manager."""
        agents = self._daemon.agents
        adaptive = sum(agent.rung is Rung.ADAPTIVE for agent in agents)
        return f"{adaptive} of {len(agents)} cabinets adaptive"

    def reasons(self) -> tuple[str, ...]:
        """What is not as it should be, in sentences."""
        daemon = self._daemon
        wanted = Rung.ADAPTIVE if daemon.config.control.adaptive else Rung.COORDINATED
        low = (each for each in daemon.agents if each.rung < wanted)
        rungs = [f"{each.name}: {each.rung.name.lower()}: {each.why}" for each in low]
        alarms = [f"{each.kind}: {each.message}" for each in daemon.alarms.standing()]
        if daemon.bus is not None and not daemon.bus.connected:
            alarms.append("broker: not connected")
        return (*rungs, *alarms)

    def count_order(self, topic: str, accepted: bool) -> None:
        """An order came under *topic*."""
        kind = topic.rpartition("/")[2]
        result = "accepted" if accepted else "refused"
        self.metrics.orders.labels(kind if kind in KINDS else "other", result).inc()

    def note_tick(self, tick: Tick) -> None:
        """How the clock goes."""
        metrics = self.metrics
        metrics.tick_late_s.observe(tick.late_ms / 1_000)
        metrics.tick_s.observe(tick.worked_ms / 1_000)
        metrics.missed.inc(tick.missed)
        if tick.worked_ms > 1_000:
            metrics.overruns.inc()

    def measure(self, now: Instant) -> None:
        """Write down what Prometheus may ask for."""
        daemon, metrics = self._daemon, self.metrics
        for agent in daemon.agents:
            self._gauges[agent.name].set(agent, now)
        if daemon.bus is not None:
            metrics.mqtt_up.set(daemon.bus.connected)
        if daemon.store is not None:
            waiting, size = daemon.store.waiting
            metrics.unconfirmed.set(waiting)
            metrics.outbox_bytes.set(size)
            for kind, rows in daemon.store.lost.items():
                metrics.store_lost.labels(kind).set(rows)
        standing = {each.kind for each in daemon.alarms.standing()}
        for kind in self._alarms | standing:
            metrics.alarms.labels(kind).set(kind in standing)
        self._alarms = standing


class _Gauges:
    """The measures of one cabinet, looked up once."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._rung = metrics.rung.labels(name)
        self._link_age_s = metrics.link_age_s.labels(name)
        self._detection = metrics.detection.labels(name)
        self._decide_s = metrics.decide_s.labels(name)
        self._round_trip_s = metrics.round_trip_s.labels(name)
        self._requests = 0

    def set(self, agent: CabinetAgent, now: Instant) -> None:
        self._rung.set(agent.rung)
        silent_ms = agent.silent_ms(now.mono_ms)
        self._link_age_s.set(-1 if silent_ms is None else silent_ms / 1_000)
        self._detection.set(agent.detection.working)
        self._decide_s.set(agent.decide_ms / 1_000)
        line = agent.line.metrics
        if line.requests != self._requests:
            self._requests = line.requests
            self._round_trip_s.observe(line.last_s)


def _row(agent: CabinetAgent, now: Instant) -> dict[str, object]:
    """One cabinet in the status message."""
    row: dict[str, object] = {"rung": agent.rung.name.lower(), "why": agent.why}
    row["silent_ms"] = agent.silent_ms(now.mono_ms)
    if agent.trouble:
        row["trouble"] = agent.trouble
    status = agent.status
    if status is None:
        return row
    row |= {
        "mode": status.mode.value,
        "command": status.command.name.lower(),
        "stage": None if status.stage is None else agent.site.stages[status.stage].name,
        "green_ms": status.green_ms,
        "next_stage": _next_stage(agent),
        "plan_no": status.plan_no,
        "faults": [bit.name.lower() for bit in status.faults if bit.name],
        "detection": round(agent.detection.working, 3),
        "lamps": _lamps(agent.site, status.outputs),
        "cycle_s": status.cycle_s,
        "lanes": _lanes(agent),
    }
    if agent.decision is not None:
        row["limit"] = agent.decision.limit
    if agent.priority.calls:
        row["priority"] = {str(c.call): c.state.name.lower() for c in agent.priority.calls}
    return row


def _next_stage(agent: CabinetAgent) -> str | None:
    """The stage that was asked for last, by a priority call or by us."""
    served = (call for call in agent.priority.calls if call.state is PriorityState.ACTIVATED)
    call = next(served, None)
    if call is not None:
        return agent.site.stages[call.stage].name
    target = agent.decision.target if agent.decision is not None else None
    return None if target is None else agent.site.stages[target].name


def _lamps(site: Intersection, shown: Outputs) -> str:
    """A letter for every group: (g)reen, (e)nding, (r)ed, (f)lash."""
    return "".join(aspect.value[0] for aspect in shown.aspects(site))


def _lanes(agent: CabinetAgent) -> list[list[float]]:
    """By lane: vehicles that wait, those that will have come soon, how far both can be trusted."""
    traffic = agent.control.tactical.traffic
    queue, arrivals = traffic.forecast(COMING_S)
    columns = (queue.round(1), arrivals.sum(axis=1).round(1), traffic.confidence.round(2))
    return [list(row) for row in zip(*(each.tolist() for each in columns), strict=True)]
