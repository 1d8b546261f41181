"""The virtual cabinet without its wires: the controller, its orders, and what it remembers.

A cabinet is told the time and the inputs (:meth:`Cabinet.see`), takes orders, and steps
(:meth:`Cabinet.step`). It reads no clock and no socket; the same calls give the same lamps. What
its registers show and take is :mod:`firmware_bridge.space`'s business.

Whose word it runs on, from the top: the police panel, the operator register, a priority call, a
schedule, the last accepted plan while it is valid, the factory's plan by time of day, isolated and
actuated. An edge that falls silent for ``BACKUP_MS`` loses its lease and its operator mode; its
schedule and its priority calls are void after their own times to live. An accepted plan stays until
its validity ends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from controller import core
from controller.clock import Instant
from controller.events import Code
from controller.intersection import Intersection
from controller.plan import (
    CheckedPlan,
    CheckedSchedule,
    ScheduledStage,
    StageSchedule,
    check_schedule,
)
from controller.sequence import Sequence
from controller.signals import Event, Fault, Inputs, OperatorMode, Outputs
from controller.violations import InvalidError
from firmware_bridge.accepted import AcceptedPlan
from firmware_bridge.codec import is_later
from firmware_bridge.codes import REFUSALS, Command, Refusal
from firmware_bridge.day_plans import DayPlans
from firmware_bridge.detectors import FieldInputs, Occupancy, pulses, quiet
from firmware_bridge.errors import SetupError
from firmware_bridge.priority import PriorityCalls, held_schedule
from firmware_bridge.registers import DETECTORS_MAX, EVENTS_KEPT, GROUPS_MAX
from firmware_bridge.store import NoStore, PlanStore
from firmware_bridge.upload import Envelope, UploadError

BACKUP_MS = 5_000
"""Silence after which the line has nothing to say any more."""
AHEAD_MAX_MS = 5_000
"""A schedule may start this long after now at most."""
NOTES_KEPT = 1_000
FAULTS_TOLD_MAX = 3
"""More faults of a kind than this at once are told as a number."""
_AUTO = OperatorMode.AUTO


class OrderError(Exception):
    """An order that the cabinet does not take."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(REFUSALS[code])
        self.code = code


@dataclass(slots=True)
class Lease:
    """Who is obeyed."""

    writer: int = 0
    until_ms: int = 0


class Cabinet:
    """One cabinet of *site*, switched on at *now*.

    *plans* are the factory's, *key* is what uploads for this site are signed with, *store* keeps
    the last accepted one. *boot_no* tells this start from the one before. A *lockstep* cabinet has
    the clock of whoever sets its inputs, from the first of them on. Raises
    :class:`~firmware_bridge.errors.SetupError` if the site is too large for the register map.
    """

    def __init__(
        self,
        site: Intersection,
        plans: DayPlans,
        key: bytes,
        now: Instant,
        *,
        store: PlanStore | None = None,
        boot_no: int = 0,
        lockstep: bool = False,
    ) -> None:
        _check_size(site)
        self.site = site
        self.boot_no = boot_no & 0xFFFF
        self.lockstep = lockstep
        self.now = now
        self.state = core.start(site, now)
        self.inputs = quiet(len(site.detectors))
        self.occupancy = Occupancy(len(site.detectors))
        self.picture = 0
        """Counts up with every change of what can be read."""
        self.notes: deque[str] = deque(maxlen=NOTES_KEPT)
        """What happened, in words, oldest first; whoever prints them takes them out."""
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.event_no = 0
        self.refusal = Refusal.NONE
        self.lease = Lease()
        self.calls = PriorityCalls()
        self.schedule_no = 0
        self.uploads = AcceptedPlan(site, key, store or NoStore(), self.notes.append)
        self.operator_stage = 0
        self.operator = _AUTO
        self._plans = plans
        self._begun = not lockstep
        self._utc_shift_ms = 0
        self._schedule: CheckedSchedule | None = None
        self._stepped = self.inputs
        self._told: set[Fault] = set()

    @property
    def outputs(self) -> Outputs:
        """What the lamps show."""
        return self.state.shown

    @property
    def silent(self) -> bool:
        """Whether nobody on the line holds the lease."""
        return self.lease.writer == 0

    def see(self, now: Instant, inputs: FieldInputs) -> None:
        """The inputs of *now*, for the next step; a cabinet in lock-step also takes its clock."""
        if not self._begun:
            self._begun = True
            self.state = core.start(self.site, now)
        self.now = Instant(now.mono_ms, now.utc_ms + self._utc_shift_ms)
        self.inputs = inputs
        self._pass_time()
        self.picture += 1

    def step(self) -> Outputs:
        """Run the controller to the instant of the last :meth:`see`."""
        inputs, panel = self.inputs, self.inputs.panel
        by_panel = panel is not _AUTO
        seen = Inputs(
            occupied=inputs.occupied & ~inputs.missing,
            pulsed=pulses(self._stepped, inputs),
            missing=inputs.missing,
            plan=self._plan_for_now(),
            schedule=self._schedule_for_now(),
            operator=panel if by_panel else self.operator,
            manual_stage=inputs.panel_stage if by_panel else self.operator_stage,
            monitor_reset=inputs.reset,
        )
        self.occupancy.observe(inputs.occupied, self.now.mono_ms - self.state.mono_ms)
        before, self._stepped = self.state, inputs
        self.state, outputs = core.step(self.site, before, self.now, seen)
        for event in outputs.events:
            self._log(event)
        self._tell_changes(before)
        self.picture += 1
        return outputs

    def heartbeat(self, writer: int) -> None:
        """*writer* is alive; raises :class:`OrderError` while another holds the lease."""
        self._admit(writer)

    def operate(self, writer: int, mode: OperatorMode, stage: int) -> None:
        """Set the operator register."""
        if mode is OperatorMode.MANUAL and stage >= len(self.site.stages):
            raise OrderError(Refusal.UNKNOWN_STAGE)
        self._admit(writer)
        if (mode, stage) != (self.operator, self.operator_stage):
            self.notes.append(f"operator mode {mode.value} by writer {writer}")
        self.operator, self.operator_stage = mode, stage

    def set_time(self, writer: int, utc_ms: int) -> None:
        """It is *utc_ms* now."""
        if self.lockstep:
            raise OrderError(Refusal.NOT_HERE)
        self._admit(writer)
        step_ms = utc_ms - self.now.utc_ms
        self._utc_shift_ms += step_ms
        self.now = Instant(self.now.mono_ms, utc_ms)
        self.notes.append(f"time of day moved by {step_ms} ms by writer {writer}")

    def follow(self, writer: int, schedule: StageSchedule | None, number: int) -> None:
        """Run *schedule* from now on; None withdraws the one that runs."""
        if writer == self.lease.writer and not is_later(number, self.schedule_no):
            raise OrderError(Refusal.OLD_NUMBER)
        checked = None
        if schedule is not None:
            begun_ms = self.now.mono_ms - schedule.start_mono_ms
            if begun_ms < -AHEAD_MAX_MS or begun_ms >= schedule.ttl_ms:
                raise OrderError(Refusal.STALE)
            try:
                checked = check_schedule(schedule, self.site)
            except InvalidError:
                raise OrderError(Refusal.INVALID_SCHEDULE) from None
        self._admit(writer)
        self._schedule, self.schedule_no = checked, number

    def stage_names(self, entries: list[tuple[int, int]]) -> tuple[ScheduledStage, ...]:
        """(stage position, duration in ms) as entries of a schedule, for :meth:`follow`."""
        if any(stage >= len(self.site.stages) for stage, _ in entries):
            raise OrderError(Refusal.UNKNOWN_STAGE)
        return tuple(
            ScheduledStage(stage=self.site.stages[stage].name, duration_ms=duration_ms)
            for stage, duration_ms in entries
        )

    def call(self, writer: int, call: int, level: int, stage: int, ttl_ms: int) -> None:
        """Make, keep up or cancel a priority call."""
        if stage >= len(self.site.stages):
            raise OrderError(Refusal.UNKNOWN_STAGE)
        self._admit(writer)
        before = self.calls.active
        if not self.calls.take(call, level, stage, ttl_ms, self.now.mono_ms):
            raise OrderError(Refusal.FULL)
        self._tell_priority(before.call if before else 0)

    def commit(self, envelope: Envelope) -> None:
        """Take the plan in *envelope* into force, if it passes every check.

        Raises :class:`OrderError` with the reason; the plan in force then stays.
        """
        try:
            self.uploads.take(envelope, self.now.utc_ms)
        except UploadError as error:
            raise OrderError(error.code) from None
        self.picture += 1

    def saved(self, error: OSError | None = None) -> None:
        """The disk is done with the accepted plan, or failed with *error*."""
        self.uploads.saved(error)
        self.picture += 1

    def refuse(self, code: Refusal) -> None:
        """Put on record that an order was refused."""
        if code is not self.refusal:
            self.notes.append(f"order refused: {REFUSALS[code]}")
        self.refusal = code
        self.picture += 1

    @property
    def command(self) -> Command:
        """Whose word the cabinet runs on."""
        if self.state.mode is not core.Mode.RUN:
            return Command.NOBODY
        if self.state.operator is not _AUTO:
            return Command.OPERATOR
        if self.calls.active is not None:
            return Command.PRIORITY
        if self._schedule is not None and self.now.mono_ms >= self._start_ms():
            return Command.SCHEDULE
        plan = self.running_plan
        if plan is None:
            return Command.FREE
        return Command.UPLOADED_PLAN if plan is self.uploads.plan else Command.FACTORY_PLAN

    @property
    def running_plan(self) -> CheckedPlan | None:
        """The plan that the controller runs, or has taken over from, now."""
        sequence = self.state.sequence
        return sequence.program.plan if isinstance(sequence, Sequence) else None

    @property
    def has_schedule(self) -> bool:
        """Whether a schedule is alive."""
        return self._schedule is not None

    def _start_ms(self) -> int:
        return self._schedule.schedule.start_mono_ms if self._schedule is not None else 0

    def _plan_for_now(self) -> CheckedPlan | None:
        return self.uploads.at(self.now.utc_ms) or self._plans.at(self.now.utc_ms)

    def _schedule_for_now(self) -> CheckedSchedule | None:
        call = self.calls.active
        if call is None:
            return self._schedule
        return held_schedule(self.site, call, self.now)

    def _admit(self, writer: int) -> None:
        """Give or renew the lease; raises :class:`OrderError` while another writer has it."""
        lease = self.lease
        if lease.writer not in {0, writer}:
            raise OrderError(Refusal.NOT_THE_WRITER)
        if lease.writer == 0:
            self.notes.append(f"writer {writer} is in command")
        lease.writer, lease.until_ms = writer, self.now.mono_ms + BACKUP_MS
        self.picture += 1

    def _pass_time(self) -> None:
        now_ms = self.now.mono_ms
        if self._schedule is not None:
            schedule = self._schedule.schedule
            if now_ms - schedule.start_mono_ms >= schedule.ttl_ms:
                self._schedule = None
        if self.lease.writer and now_ms >= self.lease.until_ms:
            self.notes.append(f"writer {self.lease.writer} is silent: back to the cabinet's plan")
            self.lease = Lease()
            self._schedule = None
            self.operator, self.operator_stage = _AUTO, 0
        if self.calls.all:
            before = self.calls.active
            self.calls.pass_time(now_ms)
            self._tell_priority(before.call if before else 0)

    def _log(self, event: Event) -> None:
        self.events.append(event)
        self.event_no += 1
        if event.code == Code.FLASH:
            self.notes.append(f"lamps: {_FLASH_WORDS.get(event.parameter, 'flash')}")

    def _tell_changes(self, before: core.State) -> None:
        after = self.state
        if after.mode is not before.mode:
            self.notes.append(f"mode: {after.mode.value}")
        elif set(after.faults) != self._told:  # in a new mode they are found anew, a step later
            faults = set(after.faults)
            self._tell_faults("fault", faults - self._told)
            self._tell_faults("fault over", self._told - faults)
            self._told = faults
        old, new = before.sequence.program, after.sequence.program
        if new is not old and isinstance(after.sequence, Sequence) and after.sequence.inside:
            plan = self.running_plan
            name = "no plan: isolated and actuated" if plan is None else f"plan {plan.plan.name}"
            self.notes.append(f"runs on {name}")

    def _tell_faults(self, what: str, faults: set[Fault]) -> None:
        """One line for each of *faults*, and one for many of a kind."""
        for kind in sorted({fault.kind for fault in faults}):
            messages = sorted(fault.message for fault in faults if fault.kind == kind)
            if len(messages) > FAULTS_TOLD_MAX:
                messages = [f"{len(messages)} at once"]
            self.notes.extend(f"{what}: {kind}: {message}" for message in messages)

    def _tell_priority(self, before: int) -> None:
        active = self.calls.active
        now = active.call if active else 0
        if now != before:
            self.notes.append(f"priority call {now} is served" if now else "no priority call left")


_FLASH_WORDS = {2: "no flash", 4: "flash by the operator", 5: "flash by the monitor", 7: "flash"}


def _check_size(site: Intersection) -> None:
    for what, count, most in (
        ("signal groups", len(site.groups), GROUPS_MAX),
        ("detectors", len(site.detectors), DETECTORS_MAX),
    ):
        if count > most:
            raise SetupError(
                f"site {site.name!r} has {count} {what}, the register map holds {most}"
            )
