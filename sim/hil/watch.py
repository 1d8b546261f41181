"""Who watches the cabinets over the line, as another master would, and notes what they run on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firmware_bridge.client import CabinetClient
from firmware_bridge.codes import Command
from firmware_bridge.errors import BridgeError
from sim.hil.faults import Fault
from sim.hil.results import Recovery
from sim.hil.street import StreetRecord
from sim.metrics import mean

AFTER_S = 60
"""Queues of a fault take their time to dissolve: so long after it they still count as its own."""


@dataclass(slots=True)
class _Seen:
    """The second, whether it ran a schedule, and the number of the last one it accepted."""

    second: int
    scheduled: bool
    number: int
    boot_no: int


@dataclass(slots=True)
class Watch:
    """Notes, once a second, whose word every cabinet runs on."""

    observers: Mapping[str, CabinetClient]
    _met: set[str] = field(default_factory=set)
    _seen: dict[str, list[_Seen]] = field(default_factory=dict)

    async def look(self, second: int, away: Sequence[str]) -> None:
        """Look at all cabinets but those that are *away*: they run no schedule."""
        looks = (self._look(name, second) for name in self.observers if name not in away)
        await asyncio.gather(*looks)
        for name in away:
            if name in self.observers:
                self._note(name, _Seen(second, False, -1, -1))

    @property
    def adaptive_share(self) -> float:
        """Part of all looks at which a schedule of the edge was in force."""
        return mean([each.scheduled for notes in self._seen.values() for each in notes])

    def recovery(
        self, fault: Fault, junction: str, k: int, run: StreetRecord, reference: StreetRecord
    ) -> Recovery | None:
        """What became of *junction*, the *k*-th; None if nobody watched it."""
        notes = self._seen.get(junction)
        if notes is None:
            return None
        back = self._back(notes, fault)
        back_s = back.second if back else len(run.standing)
        until_s = back_s + AFTER_S
        left = [n for n in notes if fault.at_s <= n.second < back_s and not n.scheduled]
        return Recovery(
            fault=fault,
            junction=junction,
            left_s=len(left),
            back_s=None if back is None else back.second - fault.end_s,
            standing=mean([row[k] for row in run.standing[fault.at_s : until_s]]),
            reference_standing=mean([row[k] for row in reference.standing[fault.at_s : until_s]]),
        )

    async def close(self) -> None:
        """Hang up."""
        for client in self.observers.values():
            await client.line.close()

    async def _look(self, name: str, second: int) -> None:
        client = self.observers[name]
        try:
            if name not in self._met:
                await client.identify()
                self._met.add(name)
            status = await client.poll()
        except BridgeError:
            self._note(name, _Seen(second, False, -1, -1))
            return
        scheduled = status.command is Command.SCHEDULE
        self._note(name, _Seen(second, scheduled, status.schedule_no, status.boot_no))

    def _note(self, name: str, seen: _Seen) -> None:
        self._seen.setdefault(name, []).append(seen)

    def _back(self, notes: Sequence[_Seen], fault: Fault) -> _Seen | None:
        """The first look after the fault at which a schedule runs that is newer than its end.

        One that was sent before the fault goes on for its time to live, which proves nothing.
        """
        before = [n for n in notes if n.second < fault.end_s and n.number >= 0]
        last = (before[-1].boot_no, before[-1].number) if before else (-1, -1)
        for each in notes:
            if each.second < fault.end_s or not each.scheduled:
                continue
            if each.boot_no != last[0] or each.number > last[1]:
                return each
        return None
