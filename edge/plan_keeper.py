"""Sees to it that a cabinet has the plan that was ordered for it.

What counts is what the cabinet says it has accepted, not what was sent: after every connection it
is asked, and the plan is uploaded if it has an older one. The cabinet checks signature, number,
validity and every rule of the site on its own.
"""

from __future__ import annotations

import structlog

from controller.clock import Instant
from controller.plan import TimingPlan
from edge.alarms import Alarms
from edge.journal import Journal
from firmware_bridge.client import CabinetClient
from firmware_bridge.codes import REFUSALS, Refusal
from firmware_bridge.status import UploadResult

RETRY_MS = 60_000
SURELY_VALID_MS = 1_000
"""After the validity has begun here: the clock of the cabinet may be behind by half of that."""
_PASSING = {Refusal.NOT_YET_VALID, Refusal.NOT_STORED, Refusal.TORN}
"""Refusals that may not last."""

_log = structlog.get_logger("edge.plans")


class PlanKeeper:
    """The plan of one cabinet; :meth:`pursue` is called once a tick while the cabinet answers."""

    def __init__(
        self, name: str, plan: TimingPlan | None, journal: Journal, alarms: Alarms
    ) -> None:
        self._name = name
        self._wanted = plan
        self._journal = journal
        self._alarms = alarms
        self._due_ms = 0
        self._settled = plan is None
        self.accepted_no: int | None = None
        """Number of the last plan that the cabinet has accepted; None while it was not asked."""

    def want(self, plan: TimingPlan) -> None:
        """From now on *plan* is the one."""
        self._wanted, self._settled, self._due_ms = plan, False, 0

    def ask_again(self) -> None:
        """Another cabinet may stand there now, or the same without its memory."""
        self._settled = self._wanted is None
        self._due_ms, self.accepted_no = 0, None

    async def pursue(self, now: Instant, client: CabinetClient) -> None:
        """Upload what is wanted and not there; raises :class:`~firmware_bridge.errors.BridgeError`.

        After a failure of the line the cabinet is asked first what it has accepted.
        """
        plan = self._wanted
        if self._settled or plan is None or now.mono_ms < self._due_ms:
            return
        begin_ms, end_ms = plan.valid_from_utc_ms, plan.valid_to_utc_ms
        if begin_ms is not None and now.utc_ms < begin_ms + SURELY_VALID_MS:
            return
        if end_ms is not None and end_ms <= now.utc_ms:
            self._settled = True
            return
        self.accepted_no = (await client.report()).accepted_no
        if self.accepted_no >= plan.sequence_no:
            self._settled = True
            self._alarms.clear(self._alarm)
            return
        self._conclude(now, await client.upload_plan(plan))

    @property
    def _alarm(self) -> str:
        return f"plan of {self._name}"

    def _conclude(self, now: Instant, result: UploadResult) -> None:
        why = "" if result.accepted else REFUSALS[result.refusal]
        self._settled = result.accepted or result.refusal not in _PASSING
        self._due_ms = now.mono_ms + RETRY_MS
        if result.accepted:
            self.accepted_no = result.number
            self._alarms.clear(self._alarm)
        else:
            self._alarms.sound(self._alarm, f"plan {result.number} is refused: {why}")
        action = "plan uploaded" if result.accepted else "plan refused by the cabinet"
        detail = {"sequence_no": result.number, "plan_sha256": result.digest}
        _log.info(action, cabinet=self._name, why=why, **detail)
        self._journal.audit(now, action, self._name, {**detail, "why": why} if why else detail)
        body = {"site": self._name, "order": "plan", "sequence_no": result.number}
        self._journal.reply(now, {**body, "in_cabinet": result.accepted, "why": why})
