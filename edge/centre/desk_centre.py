"""What a centre does with its corridor desk, whoever carries the calls to the junctions."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping

from controller.clock import Instant
from controller.plan import TimingPlan
from edge.centre.values import PlanRecord
from edge.corridors.desk import CorridorDesk
from edge.corridors.values import Call, Corridor, Position, Preview, Wish
from edge.errors import EdgeError

CHANGED_S = 1.0


class DeskCentre(ABC):
    """The part of :class:`greenband.console.centre.Centre` that all centres share."""

    def __init__(self, desk: CorridorDesk) -> None:
        self._desk = desk
        self._told_changes = 0
        self._change = asyncio.Event()

    @abstractmethod
    def _instant(self) -> Instant:
        """The present, on the clocks of the junctions."""

    @abstractmethod
    def _carry(self, now: Instant, calls: tuple[Call, ...]) -> None:
        """Take *calls* to their junctions; what they answer goes to the desk."""

    def _turn(self) -> None:
        """Let the desk go on; whoever waits for a change hears of what that brought."""
        now = self._instant()
        self._carry(now, self._desk.turn(now))
        if self._desk.changes != self._told_changes:
            self._tell()

    def _tell(self) -> None:
        self._told_changes = self._desk.changes
        self._change.set()
        self._change = asyncio.Event()

    def _pursued(self, corridor: Corridor) -> Corridor:
        self._turn()
        self._tell()
        return corridor

    @property
    def corridors(self) -> Mapping[str, Corridor]:
        """All corridors."""
        return self._desk.corridors

    def now_utc_ms(self) -> int:
        """The time of the junctions."""
        return self._instant().utc_ms

    async def changed(self) -> None:
        """Return when something has changed; after a second at the latest."""
        change = self._change
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHANGED_S):
                await change.wait()

    async def preview(self, wish: Wish) -> Preview:
        """What a corridor would be."""
        return self._desk.preview(self._instant(), wish)

    async def open(self, wish: Wish, caller: str, route: tuple[str, ...] | None = None) -> Corridor:
        """Open a corridor; every junction is asked at once."""
        return self._pursued(self._desk.open(self._instant(), wish, caller, route))

    async def report(self, corridor: str, position: Position) -> Corridor:
        """The vehicle is there."""
        return self._pursued(self._desk.report(self._instant(), corridor, position))

    async def reroute(self, corridor: str, way: tuple[str, ...] | str) -> Corridor:
        """It goes another way."""
        return self._pursued(self._desk.reroute(self._instant(), corridor, way))

    async def cancel(self, corridor: str, why: str) -> Corridor:
        """Give all junctions back."""
        return self._pursued(self._desk.cancel(self._instant(), corridor, why))

    async def end(self, corridor: str) -> Corridor:
        """The vehicle has arrived."""
        return self._pursued(self._desk.end(self._instant(), corridor))

    @abstractmethod
    async def plans(self, site: str) -> tuple[PlanRecord, ...]:
        """The plans of *site*, the newest first."""

    @abstractmethod
    async def push_plan(self, plan: TimingPlan, by: str, why: str) -> PlanRecord:
        """Have *plan* be in force at its site."""

    async def roll_back(self, site: str, sequence_no: int, by: str, why: str) -> PlanRecord:
        """Send an earlier plan once more, under a new number."""
        for each in await self.plans(site):
            if each.sequence_no == sequence_no:
                return await self.push_plan(each.plan, by, why or f"back to number {sequence_no}")
        raise EdgeError(f"{site} never had a plan with number {sequence_no}: see its plans.")
