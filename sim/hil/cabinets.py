"""The cabinets of the bench: programs of their own, and those that are there already.

To the street each is detector inputs and lamps. What it is to the daemon stands in its ``entry``
for ``site.toml``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.signals import Outputs
from firmware_bridge.client import CabinetClient
from firmware_bridge.codec import decode
from firmware_bridge.codes import Flag
from firmware_bridge.ends import SerialEnd, TcpEnd
from firmware_bridge.errors import BridgeError, WrongDeviceError
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from firmware_bridge.registers import LAMPS
from firmware_bridge.status import CabinetStatus
from sim.hil.errors import HilError
from sim.hil.files import CabinetEntry, CabinetFiles, Papers
from sim.hil.programs import Program, Programs
from sim.hil.spec import ForeignDevice
from sim.hil.trace_check import Sample
from sim.network import Junction

T = TypeVar("T")

HOST = "127.0.0.1"
BAUD = 115_200
TIMEOUT_S = 10.0
"""For wires of the bench itself: a busy computer is no fault of the cabinet."""
FOREIGN_TIMEOUT_S = 2.0
DARK = Outputs(green=0, ending=0, flash=True)
"""Lamps without a cabinet: whoever comes has to give way, as while they flash."""


class Cabinet(Protocol):
    """One cabinet as the bench has it."""

    name: str
    shown: Outputs
    """What its lamps showed when they were last looked at."""
    wired: bool
    """Whether the street's detectors are connected to it."""

    async def see(self, now: Instant, readings: SiteReadings) -> None:
        """Feed its detectors."""

    async def step(self, now: Instant) -> Outputs:
        """In lock-step: have it step to *now*."""

    async def look(self) -> Sample | None:
        """Look at its lamps; None while there is nobody behind them."""

    def observer(self) -> CabinetClient | None:
        """Somebody who reads along and writes nothing; None where there is no room for one."""

    async def close(self) -> None:
        """Hang up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """How a virtual cabinet is plugged in. ``serial`` is its port on a shared line."""

    junction: Junction
    files: CabinetFiles
    unit: int
    lockstep: bool
    papers: Papers | None = None
    serial: str | None = None

    @property
    def site(self) -> Intersection:
        """The intersection."""
        return self.junction.intersection


class VirtualCabinet:
    """A ``greenband device`` of our own, one of *programs*."""

    def __init__(self, plug: Plug, programs: Programs) -> None:
        self.name = plug.site.name
        self.shown = Outputs(green=0, ending=0)
        self.wired = True
        self.port = self.service_port = 0
        """Where it serves the line (TCP and TLS), and where anybody may read along."""
        self._plug = plug
        self._programs = programs
        self._field_port = 0
        path = plug.files.state.with_suffix(".log")
        self.program = Program(f"cabinet {self.name}", self._words(cold=False), path)
        self._street: FieldClient | None = None
        self._frozen = False

    def start(self) -> None:
        """Start its program."""
        self._programs.add(self.program)

    async def connect(self) -> None:
        """Wait until it listens, and wire the street to it."""
        line = await self.program.line(r"listening: field .*:(\d+) unit")
        self._field_port = int(line[1])
        self.service_port = self.port = await self._listening("tcp")
        if self._plug.papers is not None:
            self.port = await self._listening("tls")
        self._street = self._new_street()

    async def see(self, now: Instant, readings: SiteReadings) -> None:
        """See :class:`Cabinet`; one that stands still misses what passes meanwhile."""
        if self._street is not None and not self._frozen:
            await self._required(self._street.see(now, readings))

    async def step(self, now: Instant) -> Outputs:
        """See :class:`Cabinet`."""
        if self._street is None:
            self.shown = DARK
        elif not self._frozen:
            self.shown = await self._required(self._street.step(now))
        return self.shown

    async def look(self) -> Sample | None:
        """See :class:`Cabinet`."""
        if self._street is None or self._frozen:
            return None
        found = await self._required(_look(self._street, self._plug.unit))
        self.shown = found.outputs
        return found

    async def close(self) -> None:
        """See :class:`Cabinet`."""
        if self._street is not None:
            await self._street.line.close()

    def freeze(self) -> None:
        """Stop its program where it stands; the lamps stay."""
        self._frozen = True
        self.program.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._frozen = False
        self.program.thaw()

    async def kill(self) -> None:
        """Kill its program; the lamps go dark."""
        await self.close()
        self._street, self.shown = None, DARK
        self.program.kill()

    async def revive(self) -> None:
        """Start it again on the same ports: after start-up flash and red it takes over."""
        self.program.words = self._words(cold=True)
        self.program.start()
        await self.program.line(r"listening: field .*:(\d+) unit")
        self._street = self._new_street()

    def observer(self) -> CabinetClient:
        """See :class:`Cabinet`."""
        line = Line(TcpEnd(HOST, self.service_port), timeout_s=TIMEOUT_S)
        return CabinetClient(line, self._plug.unit, self._plug.site)

    def entry(self, link: str) -> CabinetEntry:
        """What stands in ``site.toml``; the daemon reaches it at *link*."""
        return CabinetEntry(self._plug.junction, link, self._plug.unit, self._plug.files)

    async def _required(self, asking: Awaitable[T]) -> T:
        """What *asking* gives; a cabinet that nobody has broken has to answer."""
        try:
            return await asking
        except BridgeError as error:
            self.program.require()
            raise HilError(str(error)) from None

    def _new_street(self) -> FieldClient:
        line = Line(TcpEnd(HOST, self._field_port), timeout_s=TIMEOUT_S)
        return FieldClient(line, self._plug.unit, self._plug.site)

    async def _listening(self, kind: str) -> int:
        return int((await self.program.line(rf"listening: {kind} .*:(\d+) unit"))[1])

    def _words(self, *, cold: bool) -> tuple[str, ...]:
        plug, files = self._plug, self._plug.files
        words = [
            *("greenband", "device", "--site", str(files.cold_site if cold else files.site)),
            *("--plan", str(files.plan), "--key-file", str(files.key)),
            *("--state-dir", str(files.state), "--unit", str(plug.unit)),
            *("--tcp", f"{HOST}:{self.service_port}", "--field", f"{HOST}:{self._field_port}"),
        ]
        if plug.lockstep:
            words.append("--lockstep")
        if plug.papers is not None:
            cert, key = plug.papers.certificate("cabinet")
            words += ["--tls", f"{HOST}:{self.port if cold else 0}"]
            words += ["--cert", str(cert), "--key", str(key), "--ca", str(plug.papers.authority)]
        if plug.serial is not None:
            words += ["--serial", plug.serial, "--baud", str(BAUD)]
        return tuple(words)


class ForeignCabinet:
    """A cabinet that is there already, with a field port or of hardware.

    Hardware has its own clock and its own detectors: nothing of the street's reaches them unless
    it is wired to their inputs, and its lamps are read where an edge reads them.
    """

    def __init__(
        self, device: ForeignDevice, junction: Junction, files: CabinetFiles, *, lockstep: bool
    ) -> None:
        self.name = junction.id
        self.wired = device.field is not None
        self._junction = junction
        self.shown = Outputs(green=0, ending=0)
        self._device = device
        self._files = files
        self._lockstep = lockstep
        self._reader = self._new_reader()
        self._street: FieldClient | None = None
        if device.field is not None:
            line = Line(device.field, timeout_s=FOREIGN_TIMEOUT_S)
            self._street = FieldClient(line, device.field_unit, junction.intersection)

    async def connect(self) -> None:
        """Make sure that it is there, controls this junction, and has the clock of this run."""
        try:
            await self._reader.identify()
            status = await self._reader.poll()
            await self.look()
        except WrongDeviceError as error:
            raise HilError(
                f"--device for {self.name}: {error}: start it with the site file that --keep leaves"
            ) from None
        except BridgeError as error:
            raise HilError(f"--device for {self.name}: {error}") from None
        if wrong := clock_fault(status, lockstep=self._lockstep):
            raise HilError(f"--device for {self.name}: {wrong}")
        if self._street is not None:
            await self._reader.line.close()  # a serial port is the daemon's alone from here on

    async def see(self, now: Instant, readings: SiteReadings) -> None:
        """See :class:`Cabinet`."""
        if self._street is not None:
            await self._street.see(now, readings)

    async def step(self, now: Instant) -> Outputs:
        """See :class:`Cabinet`."""
        assert self._street is not None
        self.shown = await self._street.step(now)
        return self.shown

    async def look(self) -> Sample | None:
        """See :class:`Cabinet`."""
        if self._street is not None:
            found = await _look(self._street, self._device.field_unit)
        else:
            status = await self._reader.poll()
            found = Sample(status.now.mono_ms, status.outputs)
        self.shown = found.outputs
        return found

    async def close(self) -> None:
        """See :class:`Cabinet`."""
        await self._reader.line.close()
        if self._street is not None:
            await self._street.line.close()

    def observer(self) -> CabinetClient | None:
        """See :class:`Cabinet`; a serial line has one master, which is the edge."""
        return None if isinstance(self._device.end, SerialEnd) else self._new_reader()

    def entry(self, link: str = "") -> CabinetEntry:
        """What stands in ``site.toml``; *link* if the daemon takes another way to it."""
        device = self._device
        return CabinetEntry(self._junction, link or device.url, device.unit, self._files)

    def _new_reader(self) -> CabinetClient:
        device = self._device
        line = Line(device.end, timeout_s=FOREIGN_TIMEOUT_S)
        return CabinetClient(line, device.unit, self._junction.intersection)


def clock_fault(status: CabinetStatus, *, lockstep: bool) -> str:
    """Why a cabinet with *status* can't be driven in *lockstep*, or not; empty if it can."""
    if lockstep and Flag.LOCKSTEP not in status.flags:
        return "it has a clock of its own: start it with --lockstep, or take --speed 1"
    if not lockstep and Flag.LOCKSTEP in status.flags:
        return "it has no clock of its own: start it without --lockstep, or take --speed lockstep"
    if lockstep and status.now.mono_ms:
        return (
            f"it has run before, its clock is at {status.now.mono_ms / 1_000:g} s: "
            "start it anew for each run in lock-step"
        )
    return ""


async def _look(street: FieldClient, unit: int) -> Sample:
    values = decode(LAMPS, await street.line.read(unit, LAMPS.address, LAMPS.size))
    outputs = Outputs(values.number("green"), values.number("ending"), bool(values.number("flash")))
    return Sample(values.number("mono_ms"), outputs)
