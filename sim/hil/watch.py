"""Who watches the cabinets over the line, as another master would, and notes what they run on."""

from __future__ import annotations

import asyncio
import math
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


@dataclass(frozen=True, slots=True)
class Seen:
    """When it was looked at, whether it ran a schedule, and which was the last that it accepted.

    Without an answer ``number`` and ``boot_no`` are -1.
    """

    at_s: float
    scheduled: bool
    number: int = -1
    boot_no: int = -1


@dataclass(slots=True)
class Watch:
    """Notes, once a second, whose word every cabinet runs on."""

    observers: Mapping[str, CabinetClient]
    _met: set[str] = field(default_factory=set)
    _seen: dict[str, list[Seen]] = field(default_factory=dict)

    async def look(self, second: int, away: Sequence[str]) -> None:
        """Look at all cabinets but those that are *away*: they run no schedule."""
        looks = (self._look(name, second) for name in self.observers if name not in away)
        await asyncio.gather(*looks)
        for name in away:
            if name in self.observers:
                self._note(name, Seen(second, scheduled=False))

    @property
    def adaptive_share(self) -> float | None:
        """Part of all looks at which a schedule of the edge was in force; None without any."""
        looks = [each.scheduled for notes in self._seen.values() for each in notes]
        return mean(looks) if looks else None

    def recovery(
        self, fault: Fault, junction: str, k: int, run: StreetRecord, reference: StreetRecord
    ) -> Recovery | None:
        """What became of *junction*, the *k*-th; None if nobody watched it."""
        notes = self._seen.get(junction)
        if notes is None:
            return None
        back = first_back(notes, fault.end_s)
        back_s = round(back.at_s) if back else len(run.standing)
        until_s = back_s + AFTER_S
        left = [n for n in notes if fault.at_s <= n.at_s < back_s and not n.scheduled]
        return Recovery(
            fault=fault,
            junction=junction,
            left_s=len(left),
            back_s=None if back is None else back_s - fault.end_s,
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
            self._note(name, await seen_by(client, second))
        except BridgeError:
            self._note(name, Seen(second, scheduled=False))

    def _note(self, name: str, seen: Seen) -> None:
        self._seen.setdefault(name, []).append(seen)


async def seen_by(client: CabinetClient, at_s: float) -> Seen:
    """What *client* sees its cabinet run on; raises :class:`BridgeError`."""
    status = await client.poll()
    scheduled = status.command is Command.SCHEDULE
    return Seen(at_s, scheduled, status.schedule_no, status.boot_no)


def first_back(notes: Sequence[Seen], mended_s: float, steady_s: float = 0.0) -> Seen | None:
    """The first look after *mended_s* at which a schedule runs that is newer than that moment.

    One that was sent before goes on for its time to live, which proves nothing. At every look of
    the *steady_s* that follow a schedule runs, too.
    """
    before = [n for n in notes if n.at_s < mended_s and n.number >= 0]
    last = (before[-1].boot_no, before[-1].number) if before else (-1, -1)
    lapse_s = math.inf
    found = None
    for each in reversed(notes):
        if each.at_s < mended_s:
            break
        if not each.scheduled:
            lapse_s = each.at_s
        elif each.boot_no != last[0] or each.number > last[1]:
            found = each if lapse_s > each.at_s + steady_s else found
    return found
