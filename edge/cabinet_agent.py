"""One cabinet in the hands of the daemon: once a second polled, decided for, and told.

::

    poll -> ladder -> observe -> decide -> schedule (or withdraw, or heartbeat) -> errands

Whatever goes wrong here is this cabinet's: its reasons go to its ladder, and the others don't
notice. What must not wait (the schedule) goes before what may (events, plans, priority, time).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import structlog

from controller.clock import Instant
from controller.core import Mode
from controller.plan import SCHEDULE_TTL_MAX_MS, StageSchedule, TimingPlan
from controller.signals import OperatorMode
from edge import ladder
from edge.alarms import Alarms
from edge.beat import Beat
from edge.cabinet_rules import Rules
from edge.config import Cabinet
from edge.deadline import Deadline
from edge.detection_view import DetectionView
from edge.event_reader import EventReader
from edge.journal import Journal
from edge.junction_control import JunctionControl, running
from edge.ladder import Conditions, LadderState, Rung
from edge.loop import PERIOD_MS
from edge.plan_keeper import PlanKeeper
from edge.priority_desk import PriorityDesk
from firmware_bridge.client import CabinetClient
from firmware_bridge.codes import Capability, Command, Flag
from firmware_bridge.errors import BridgeError, RefusedError, WrongDeviceError
from firmware_bridge.line import Line
from firmware_bridge.status import CabinetStatus
from optimizer.tactical import Decision

SILENT_MS = 3_000
"""What a cabinet that has not answered for longer knew of its street is no longer true."""
CLOCKS_APART_MS = 500
SET_TIME_MS = 60_000
DOUBT_MS = 60_000
"""After a missed poll: what garbles one answer may garble another."""
TTL_ROUNDS = 3
"""Of a line with too much to carry: two schedules in a row may be lost on it."""

_FLASHING = {Mode.FLASH, Mode.LATCHED}
_log = structlog.get_logger("edge.cabinet")


class CabinetAgent:
    """Looks after *cabinet* on *line*.

    *place*: how far its events have been read; *plan*: the last one that was ordered for it; both
    as the store remembers them.
    """

    def __init__(
        self,
        cabinet: Cabinet,
        line: Line,
        rules: Rules,
        journal: Journal,
        alarms: Alarms,
        *,
        place: int | None = None,
        plan: TimingPlan | None = None,
    ) -> None:
        self.name = cabinet.name
        self.site = cabinet.site
        self.line = line
        self.client = CabinetClient(
            line, cabinet.unit, cabinet.site, cabinet.key, writer=rules.writer
        )
        self.events = EventReader(cabinet.name, place)
        self.plans = PlanKeeper(cabinet.name, plan, journal, alarms)
        self.priority = PriorityDesk(cabinet.site)
        self.detection = DetectionView(len(cabinet.site.detectors), trusted=rules.lockstep)
        self.control = rules.control_of(cabinet)
        self.status: CabinetStatus | None = None
        """The last poll."""
        self.decision: Decision | None = None
        """The last one; None where none was made in the last tick."""
        self.decide_ms = 0.0
        self.trouble = ""
        """What last went wrong on the line."""
        self.since_ms: int | None = None
        """From the poll before the last one to the last."""
        self.renewed: Callable[[JunctionControl], None] = lambda control: None
        """Called when another control has taken the place of one that failed."""
        self._rules = rules
        self._deadline = Deadline(rules.deciding_s_max)
        self._cabinet = cabinet
        self._journal = journal
        self._alarms = alarms
        self._ladder: LadderState | None = None
        self._answered_ms: int | None = None
        self._missed_ms: int | None = None
        self._capabilities: Capability | None = None
        self._error = self._refusal = self._hung = ""
        self._apart_ms = self._apart_max_ms = 0
        self._time_set_ms: int | None = None

    @property
    def rung(self) -> Rung:
        """How the cabinet is controlled."""
        wanted = Rung.COORDINATED if self._ladder is None else self._ladder.rung
        if wanted is Rung.ADAPTIVE and self.decision is not None and not self.decision.schedule:
            return Rung.COORDINATED
        return wanted

    @property
    def why(self) -> str:
        """What keeps it from a higher rung."""
        if self._ladder is None:
            return "it has not been reached yet"
        if self._ladder.rung is Rung.ADAPTIVE and self.rung is not Rung.ADAPTIVE:
            return "" if self.decision is None else self.decision.explain()
        return self._ladder.why

    def silent_ms(self, now_ms: int) -> int | None:
        """Since the last answer; None if there was none."""
        return None if self._answered_ms is None else now_ms - self._answered_ms

    def is_heard(self, now_ms: int) -> bool:
        """Whether what it knows of its street is new enough for its neighbours."""
        return self._answered_ms is not None and now_ms - self._answered_ms <= SILENT_MS

    async def meet(self) -> bool:
        """Identify the cabinet, its counts being those to count from; False if it is not there."""
        try:
            await self._identify()
        except BridgeError as error:
            self._complain(error)
            return False
        return True

    async def turn(self, beat: Beat) -> None:
        """One second with the cabinet."""
        try:
            status = await self._poll()
        except BridgeError as error:
            self._miss(beat, error)
            return
        self._hear(beat, status)
        try:
            await self._command(beat, status)
            await self._run_errands(beat, status)
        except WrongDeviceError as error:
            self._miss(beat, error)
        except BridgeError as error:
            self.trouble = str(error)

    async def hurry(self, now: Instant) -> None:
        """Pass on what should not wait for the next turn."""
        if self._capabilities is None:
            return  # it has to be identified first, which is what turns are for
        try:
            await self.priority.pursue(now, self.client)
        except BridgeError as error:
            self.trouble = str(error)

    def lag(self, beat: Beat) -> None:
        """The turn before is not over yet: tell it, and step down, once that lasts too long."""
        if not self.is_heard(beat.now.mono_ms):
            slow = f"a second's work with it takes over {SILENT_MS / 1_000:g} s"
            self._alarms.sound(self._alarm, self.line.overload or self.trouble or slow)
        self._advance(beat, None, self.line.overload)

    def cut_off(self, beat: Beat, lasted_s: float) -> None:
        """The turn that was begun *lasted_s* ago never comes to its end, and has been cancelled."""
        self.trouble = self._hung = f"after {lasted_s:.0f} s"
        _log.error("a turn was cut off", cabinet=self.name, lasted_s=lasted_s)
        self._alarms.sound(
            self._alarm, f"a second's work with it was cut off after {lasted_s:.0f} s"
        )
        self.decision = None
        self._advance(beat, None)

    async def withdraw(self) -> None:
        """Let the cabinet go back to its own plan at once; who doesn't hear it does so in time."""
        if self.status is None or not self.status.flags & Flag.SCHEDULE:
            return
        try:
            await self.client.send_schedule(None)
        except BridgeError as error:
            _log.info("not withdrawn", cabinet=self.name, why=str(error))

    async def _identify(self) -> None:
        identity = await self.client.identify()
        self._capabilities = identity.capabilities
        self.plans.ask_again()
        _log.info("identified", cabinet=self.name, firmware=identity.firmware)

    async def _poll(self) -> CabinetStatus:
        if self._capabilities is None:
            await self._identify()
        asked = self._rules.clock.now()
        status = await self.client.poll()
        answered = self._rules.clock.now()
        # Its time was taken somewhere in between.
        self._apart_ms = status.now.utc_ms - (asked.utc_ms + answered.utc_ms) // 2
        self._apart_max_ms = CLOCKS_APART_MS + answered.mono_ms - asked.mono_ms
        if status.restarted:
            self.plans.ask_again()
            _log.warning("cabinet has restarted", cabinet=self.name)
        return status

    def _hear(self, beat: Beat, status: CabinetStatus) -> None:
        now = beat.now
        last_ms, self._answered_ms = self._answered_ms, now.mono_ms
        self.since_ms = None if last_ms is None else now.mono_ms - last_ms
        self.status, self.trouble = status, ""
        self._alarms.clear(self._alarm)
        self.detection.look(now.mono_ms, status)
        self._advance(beat, status, self.line.overload)
        if last_ms is None:
            _log.info("reached", cabinet=self.name, rung=self.rung.name.lower(), why=self.why)
        try:
            with self._deadline:
                self.control.observe(now, status.readings, status.outputs)
        except Exception as error:  # whatever it is, the cabinet has a plan of its own
            self._fail(error)

    def _miss(self, beat: Beat, error: BridgeError) -> None:
        self._complain(error)
        self._missed_ms = beat.now.mono_ms
        self.priority.miss(beat.now, error)
        if not self.is_heard(beat.now.mono_ms):
            self._alarms.sound(self._alarm, self.trouble)
        self.decision = None
        self._advance(beat, None)

    def _complain(self, error: BridgeError) -> None:
        self.trouble = str(error)
        if isinstance(error, WrongDeviceError):
            self._capabilities = None
            self._alarms.sound(self._alarm, str(error))

    @property
    def _alarm(self) -> str:
        return f"cabinet {self.name}"

    def _advance(self, beat: Beat, status: CabinetStatus | None, overload: str = "") -> None:
        state = self._ladder or self._rules.start(beat.now.mono_ms)
        # A turn that others did not wait for tells of a second that is over.
        now_ms = max(beat.now.mono_ms, state.now_ms)
        late_ms = None
        if status is not None and self.since_ms is not None:
            late_ms = max(0, self.since_ms - PERIOD_MS)
        seen = Conditions(
            link_age_ms=self.silent_ms(now_ms),
            late_ms=late_ms,
            overload=overload,
            hung=self._hung,
            detection=self.detection.working if self._answered_ms is not None else 1.0,
            settling=self.detection.settling,
            optimizer_ms=int(self.decide_ms),
            optimizer_error=self._error,
            refusal=self._refusal,
            clock_step_ms=beat.clock_step_ms,
            clock_trusted=beat.clock_trusted,
            plan_valid=status is None or status.command is not Command.FREE,
            flashing=status is not None and status.mode in _FLASHING,
            operator=status is not None and _has_operator(status),
            adaptive=self._rules.adaptive,
        )
        self._error = self._refusal = self._hung = ""
        self.decide_ms = 0.0
        self._ladder, change = ladder.advance(state, now_ms, seen, self._rules.patience)
        if change is not None:
            before, after = change.before.name.lower(), change.after.name.lower()
            _log.warning("rung", cabinet=self.name, before=before, after=after, why=change.why)
            detail = {"before": before, "after": after, "why": change.why}
            self._journal.audit(beat.now, "rung", self.name, detail)

    def _decide(self, beat: Beat, status: CabinetStatus) -> StageSchedule | None:
        self.decision = None
        if self._ladder is None or self._ladder.rung is not Rung.ADAPTIVE or self._error:
            return None
        begun_s = perf_counter()
        try:
            state = running(status.stage, status.green_ms, status.called)
            with self._deadline:
                self.decision = self.control.decide(beat.now, state)
        except Exception as error:  # whatever it is, the cabinet has a plan of its own
            self._fail(error)
            return None
        self.decide_ms = 1_000 * (perf_counter() - begun_s)
        schedule = self.decision.schedule
        if schedule is None:
            return None
        # The cabinet runs it on its own clock, from the picture on that it was decided by.
        begin_ms = status.now.mono_ms
        return replace(schedule, start_mono_ms=begin_ms, ttl_ms=self._ttl_ms(schedule))

    def _ttl_ms(self, schedule: StageSchedule) -> int:
        """Longer on a line where the next one comes late."""
        if self._rules.lockstep or not self.line.overload:
            return schedule.ttl_ms
        rounds_ms = int(TTL_ROUNDS * 1_000 * self.line.load.round_s)
        return max(schedule.ttl_ms, min(rounds_ms, SCHEDULE_TTL_MAX_MS))

    def _fail(self, error: Exception) -> None:
        """The control is begun anew: what it knew may be what broke it."""
        _log.error("the optimizer failed", cabinet=self.name, exc_info=error)
        self._error = f"{type(error).__name__}: {error}"
        self.control = self._rules.control_of(self._cabinet)
        self.renewed(self.control)

    async def _command(self, beat: Beat, status: CabinetStatus) -> None:
        schedule = self._decide(beat, status)
        try:
            if schedule is not None or status.flags & Flag.SCHEDULE:
                await self.client.send_schedule(schedule)
            else:
                await self.client.heartbeat()
        except RefusedError as error:
            self._refusal = self.trouble = str(error)

    async def _run_errands(self, beat: Beat, status: CabinetStatus) -> None:
        await self.priority.pursue(beat.now, self.client)
        missed_ms = self._missed_ms
        await self.events.read(
            beat.now,
            self.client,
            status,
            clock_trusted=beat.clock_trusted,
            line_doubted=missed_ms is not None and beat.now.mono_ms - missed_ms < DOUBT_MS,
        )
        await self.plans.pursue(beat.now, self.client)
        await self._set_time(beat)

    async def _set_time(self, beat: Beat) -> None:
        """Plans by clock meet those of the neighbours only if all cabinets have the same time."""
        if not (beat.clock_trusted and self._capabilities and self._ladder):
            return
        apart_ms = self._apart_ms
        now_ms, last_ms = beat.now.mono_ms, self._time_set_ms
        if (
            abs(apart_ms) <= self._apart_max_ms
            or Capability.SET_TIME not in self._capabilities
            or (last_ms is not None and now_ms - last_ms < SET_TIME_MS)
            or any(each.reason is ladder.Reason.CLOCK for each in self._ladder.reasons)
        ):
            return
        self._time_set_ms = now_ms
        await self.client.set_time(self._rules.clock.now().utc_ms)
        _log.warning("time of day set", cabinet=self.name, was_apart_ms=apart_ms)
        self._journal.audit(beat.now, "time of day set", self.name, {"was_apart_ms": apart_ms})


def _has_operator(status: CabinetStatus) -> bool:
    return status.operator is not OperatorMode.AUTO or bool(status.flags & Flag.PANEL)
