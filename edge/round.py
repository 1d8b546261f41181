"""One round of the edge: every cabinet has its turn in the second, and none waits for another.

The turns begin one after the other, spread over most of the second: were all cabinets polled at
once, the answer of the last would wait for what all others decide. Who is not done when the next
round begins is left out of it; who is not done long after that is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from edge.beat import Beat
from edge.cabinet_agent import CabinetAgent
from edge.ending import end

SPREAD_S = 0.6
"""All turns begin within this part of the second; the rest is for the record and the report."""
SLOT_MAX_S = 0.005
"""From the turn of one cabinet to that of the next, on the average and at most."""
TOGETHER = 3
"""Turns that begin at once: waking up for each one alone takes a fifth more of the processor."""
ROUND_S = 0.8
"""Who takes longer goes on beside the next round, and is left out of it."""
HUNG_S = 5.0
"""A turn that is not over after so long, beyond what its line can keep it waiting, never will."""
LINE_ROUNDS = 2
"""Who shares an overloaded line waits for the turns of all others, and for what they ask more."""

_log = structlog.get_logger("edge.round")


@dataclass(frozen=True, slots=True)
class _Turn:
    task: asyncio.Task[None]
    begun_ms: int


class Rounds:
    """The turns of *agents*. In *lockstep* no turn has a limit, and nothing is spread."""

    def __init__(self, agents: Sequence[CabinetAgent], *, lockstep: bool = False) -> None:
        self._agents = agents
        self._lockstep = lockstep
        self._slot_s = min(SLOT_MAX_S, SPREAD_S / max(1, len(agents)))
        self._turning: dict[CabinetAgent, _Turn] = {}
        self.skipped = 0
        """Turns that cabinets were left out of, as they had not finished the one before."""

    async def run(self, beat: Beat, late_s: float) -> list[CabinetAgent]:
        """Give every cabinet its turn, *late_s* after *beat*; those that have had theirs.

        They may have begun it in a round before.
        """
        finished = self._reap()
        loop = asyncio.get_running_loop()
        begin_s = loop.time() - late_s
        for k, agent in enumerate(self._agents):
            if not self._lockstep:
                # Also without any time to wait: answers that are there go before the next poll.
                due_s = begin_s + (k - k % TOGETHER) * self._slot_s
                await asyncio.sleep(max(0.0, due_s - loop.time()))
            if agent in self._turning:
                self._leave_out(agent, beat)
            else:
                task = asyncio.create_task(agent.turn(beat))
                self._turning[agent] = _Turn(task, beat.now.mono_ms)
        timeout_s = None if self._lockstep else max(0.0, begin_s + ROUND_S - loop.time())
        if self._turning:
            await asyncio.wait([turn.task for turn in self._turning.values()], timeout=timeout_s)
        return finished + self._reap()

    async def close(self) -> None:
        """End every turn that is under way."""
        await end(turn.task for turn in self._turning.values())

    def _leave_out(self, agent: CabinetAgent, beat: Beat) -> None:
        self.skipped += 1
        turn = self._turning[agent]
        lasts_s = (beat.now.mono_ms - turn.begun_ms) / 1_000
        if lasts_s < HUNG_S + LINE_ROUNDS * agent.line.load.round_s:
            agent.lag(beat)
        else:
            turn.task.cancel()
            agent.cut_off(beat, lasts_s)

    def _reap(self) -> list[CabinetAgent]:
        """Those that have had their turn since the last call."""
        finished = [agent for agent, turn in self._turning.items() if turn.task.done()]
        for agent in finished:
            task = self._turning.pop(agent).task
            error = None if task.cancelled() else task.exception()
            if error is not None:  # ours, and no reason to stop the others
                _log.error("a turn failed", cabinet=agent.name, exc_info=error)
        return finished
