"""Breaks what a run is told to break, at its second, and mends it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from controller.detection import SiteReadings
from edge.ending import end
from sim.detector_faults import DetectorFaults, FaultyDetectors
from sim.detector_faults import FaultKind as DetectorFault
from sim.hil.cabinets import VirtualCabinet
from sim.hil.daemon import Daemon
from sim.hil.faults import DETECTORS, LINK, Fault, FaultKind
from sim.hil.wiring import Wiring

CLOCK_STEP_MS = 120_000
BROKER_WIRE = " broker"
"""No junction is called so."""
OnChange = Callable[[Fault, str, bool], None]
"""Told of a fault at a junction: True when it begins, False when it is over and whoever was stopped
is back."""
_DETECTOR_FAULTS = {
    FaultKind.MISSING: DetectorFault.MISSING,
    FaultKind.STUCK_ON: DetectorFault.STUCK_ON,
    FaultKind.STUCK_OFF: DetectorFault.STUCK_OFF,
    FaultKind.CHATTER: DetectorFault.CHATTERING,
}


class Injector:
    """*faults* by the junctions that each hits; *wait* for programs to come back, or go on."""

    def __init__(
        self,
        faults: Sequence[tuple[Fault, tuple[str, ...]]],
        cabinets: Mapping[str, VirtualCabinet],
        daemon: Daemon,
        wiring: Wiring | None,
        *,
        wait: bool,
        seed: int,
        on_change: OnChange = lambda fault, junction, broken: None,
    ) -> None:
        self._faults = faults
        self._cabinets = cabinets
        self._daemon = daemon
        self._wiring = wiring
        self._wait = wait
        self._seed = seed
        self._on_change = on_change
        self._broken: dict[str, FaultyDetectors] = {}
        self._away: set[str] = set()
        self._shifts_ms: dict[str, int] = {}
        self._coming_back: set[asyncio.Task[None]] = set()
        self.daemon_shift_ms = 0
        """By how much the daemon's time of day is wrong."""

    @property
    def away(self) -> tuple[str, ...]:
        """The cabinets that are frozen or dead."""
        return tuple(sorted(self._away))

    def shift_ms(self, junction: str) -> int:
        """By how much the time of day of *junction* is wrong."""
        return self._shifts_ms.get(junction, 0)

    def spoil(self, junction: str, readings: SiteReadings) -> SiteReadings:
        """*readings* as the detectors of *junction* report them."""
        broken = self._broken.get(junction)
        return readings if broken is None else broken.report([readings])[0]

    async def pass_to(self, second: int, detectors: Mapping[str, int]) -> None:
        """It is *second* of the run; *detectors* is their number at each junction."""
        for task in [task for task in self._coming_back if task.done()]:
            self._coming_back.discard(task)
            task.result()
        for fault, junctions in self._faults:
            if second == fault.end_s:
                await self._mend(fault, junctions)
        for fault, junctions in self._faults:
            if second == fault.at_s:
                await self._break(fault, junctions, detectors)

    async def close(self) -> None:
        """Nothing comes back any more."""
        await end(self._coming_back)

    async def _break(
        self, fault: Fault, junctions: Sequence[str], detectors: Mapping[str, int]
    ) -> None:
        kind = fault.kind
        for name in junctions:
            self._on_change(fault, name, True)
        if kind in LINK or kind is FaultKind.BROKER:
            await self._set_wires(fault, junctions, "cut" if kind not in LINK else kind.value)
        elif kind in DETECTORS:
            all_of_them = DetectorFaults(
                junctions=1, kinds=(_DETECTOR_FAULTS[kind],), seed=self._seed
            )
            for name in junctions:
                self._broken[name] = FaultyDetectors([detectors[name]], all_of_them)
        elif kind is FaultKind.DAEMON:
            await self._daemon.kill()
        elif kind is FaultKind.CLOCK:
            self._shift(fault, junctions, CLOCK_STEP_MS)
        else:
            for name in junctions:
                self._away.add(name)
                if kind is FaultKind.FREEZE:
                    self._cabinets[name].freeze()
                else:
                    await self._cabinets[name].kill()

    async def _mend(self, fault: Fault, junctions: Sequence[str]) -> None:
        kind = fault.kind
        if kind is FaultKind.DAEMON:
            await self._come_back(self._revive_daemon(fault, junctions))
            return
        if kind is FaultKind.KILL:
            for name in junctions:
                await self._come_back(self._revive(fault, name))
            return
        if kind in LINK or kind is FaultKind.BROKER:
            await self._set_wires(fault, junctions, "")
        elif kind in DETECTORS:
            for name in junctions:
                self._broken.pop(name, None)
        elif kind is FaultKind.CLOCK:
            self._shift(fault, junctions, 0)
        else:
            for name in junctions:
                self._cabinets[name].thaw()
                self._away.discard(name)
        for name in junctions:
            self._on_change(fault, name, False)

    async def _revive(self, fault: Fault, name: str) -> None:
        await self._cabinets[name].revive()
        self._away.discard(name)
        self._on_change(fault, name, False)

    async def _revive_daemon(self, fault: Fault, junctions: Sequence[str]) -> None:
        await self._daemon.revive()
        for name in junctions:
            self._on_change(fault, name, False)

    async def _set_wires(self, fault: Fault, junctions: Sequence[str], word: str) -> None:
        assert self._wiring is not None
        names = (BROKER_WIRE,) if fault.kind is FaultKind.BROKER else junctions
        for name in names:
            await self._wiring.fault(name, word)

    def _shift(self, fault: Fault, junctions: Sequence[str], shift_ms: int) -> None:
        for name in junctions:
            self._shifts_ms[name] = shift_ms
        if fault.junction is None:
            self.daemon_shift_ms = shift_ms

    async def _come_back(self, reviving: Awaitable[None]) -> None:
        """In lock-step time stands still meanwhile; otherwise it goes on."""
        if self._wait:
            await reviving
        else:
            self._coming_back.add(asyncio.ensure_future(reviving))
