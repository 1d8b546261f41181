"""Everything between the street's loops and its lamps: started, wired up, ready to be driven."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import SerialEnd, TcpEnd
from sim.hil.cabinets import BAUD, HOST, Cabinet, ForeignCabinet, Plug, VirtualCabinet
from sim.hil.daemon import Daemon, free_port
from sim.hil.errors import HilError
from sim.hil.faults import LINK, PROGRAMS, FaultKind
from sim.hil.files import (
    CabinetEntry,
    write_cabinets,
    write_links,
    write_papers,
    write_site_toml,
)
from sim.hil.injector import BROKER_WIRE
from sim.hil.programs import Programs
from sim.hil.spec import HilSpec
from sim.hil.wiring import Wiring
from sim.network import Junction, Network

LINE_MAX = 4
"""Cabinets on one serial line: at 115200 baud a real one has time for so many in a second."""


@dataclass(frozen=True, slots=True)
class Plant:
    """The cabinets in the order of the junctions, the daemon, and the wires, if there are any."""

    cabinets: tuple[Cabinet, ...]
    virtual: Mapping[str, VirtualCabinet]
    daemon: Daemon
    wiring: Wiring | None

    def observers(self) -> dict[str, CabinetClient]:
        """By junction, somebody who reads along at its cabinet, wherever there is room for one."""
        found = ((cabinet.name, cabinet.observer()) for cabinet in self.cabinets)
        return {name: observer for name, observer in found if observer is not None}

    async def close(self) -> None:
        """End the daemon, and hang up everywhere."""
        await self.daemon.stop()
        for cabinet in self.cabinets:
            await cabinet.close()


async def raise_plant(
    spec: HilSpec, network: Network, folder: Path, programs: Programs, broker: tuple[str, int]
) -> Plant:
    """Write the files, start the programs and wire them up; the daemon is not started yet."""
    return await _Building(spec, network, folder, programs).plant(broker)


class _Building:
    def __init__(self, spec: HilSpec, network: Network, folder: Path, programs: Programs) -> None:
        self._spec = spec
        self._network = network
        self._folder = folder
        self._programs = programs
        self._files = write_cabinets(network, folder)
        self._foreign = {device.junction: device for device in spec.devices}
        self._papers = write_papers(folder / "certs") if spec.link == "tls" else None
        self._wiring = Wiring(programs, folder, spec.seed) if self._needs_wires() else None

    async def plant(self, broker: tuple[str, int]) -> Plant:
        """See :func:`raise_plant`."""
        own = [j for j in self._network.junctions if j.id not in self._foreign]
        lines = await self._serial_lines(own)
        virtual = {j.id: self._virtual(j, lines) for j in own}
        for cabinet in virtual.values():
            cabinet.start()
        foreign = {
            j.id: ForeignCabinet(
                self._foreign[j.id], j, self._files[j.id], lockstep=self._spec.speed.lockstep
            )
            for j in self._network.junctions
            if j.id in self._foreign
        }
        everybody: list[VirtualCabinet | ForeignCabinet] = [*virtual.values(), *foreign.values()]
        await asyncio.gather(*(cabinet.connect() for cabinet in everybody))
        entries = [await self._entry(each, lines) for each in virtual.values()]
        entries += [await self._foreign_entry(each) for each in foreign.values()]
        daemon = await self._daemon(entries, broker)
        by_name: dict[str, Cabinet] = {**virtual, **foreign}
        cabinets = tuple(by_name[junction.id] for junction in self._network.junctions)
        return Plant(cabinets, virtual, daemon, self._wiring)

    def _needs_wires(self) -> bool:
        kinds = {fault.kind for fault in self._spec.faults}
        analysed = not self._spec.speed.lockstep and self._spec.link != "tls"
        return bool(
            analysed or self._spec.link == "rtu" or kinds & LINK or FaultKind.BROKER in kinds
        )

    async def _serial_lines(self, junctions: Sequence[Junction]) -> dict[str, _Place]:
        """Where each of *junctions* is on a serial line; empty without serial lines."""
        if self._spec.link != "rtu":
            return {}
        assert self._wiring is not None
        places = {}
        for begin in range(0, len(junctions), LINE_MAX):
            names = [junction.id for junction in junctions[begin : begin + LINE_MAX]]
            edge, ports = await self._wiring.bus(dict(enumerate(names, start=1)))
            for unit, name in enumerate(names, start=1):
                places[name] = _Place(unit, ports[name], edge)
        return places

    def _virtual(self, junction: Junction, lines: Mapping[str, _Place]) -> VirtualCabinet:
        place = lines.get(junction.id)
        plug = Plug(
            junction=junction,
            files=self._files[junction.id],
            unit=1 if place is None else place.unit,
            lockstep=self._spec.speed.lockstep,
            papers=self._papers,
            serial=None if place is None else place.port,
        )
        return VirtualCabinet(plug, self._programs)

    async def _entry(self, cabinet: VirtualCabinet, lines: Mapping[str, _Place]) -> CabinetEntry:
        if cabinet.name in lines:
            return cabinet.entry(f"rtu://{lines[cabinet.name].edge}?baud={BAUD}")
        port = await self._wired(cabinet.name, HOST, cabinet.port)
        return cabinet.entry(f"{'tcp' if self._papers is None else 'tls'}://{HOST}:{port}")

    async def _foreign_entry(self, cabinet: ForeignCabinet) -> CabinetEntry:
        end = self._foreign[cabinet.name].end
        if self._wiring is None or not isinstance(end, TcpEnd):
            return cabinet.entry()
        return cabinet.entry(f"tcp://{HOST}:{await self._wired(cabinet.name, end.host, end.port)}")

    async def _wired(self, name: str, host: str, port: int) -> int:
        if self._wiring is None:
            return port
        return await self._wiring.tcp(name, host, port, analyse=self._papers is None)

    async def _daemon(self, entries: Sequence[CabinetEntry], broker: tuple[str, int]) -> Daemon:
        host, port = broker
        if any(fault.kind is FaultKind.BROKER for fault in self._spec.faults):
            assert self._wiring is not None
            host, port = HOST, await self._wiring.tcp(BROKER_WIRE, host, port, analyse=False)
        http_port = free_port()
        write_links(self._network, self._folder / "links.json")
        site_toml = write_site_toml(
            self._folder,
            entries,
            broker_url=f"mqtt://{host}:{port}",
            http=f"{HOST}:{http_port}",
            papers=self._papers,
            orders_key=self._spec.orders_key,
        )
        lockstep = self._spec.speed.lockstep
        return Daemon(self._programs, site_toml, http_port=http_port, lockstep=lockstep)


@dataclass(frozen=True, slots=True)
class _Place:
    """A cabinet on a serial line: its unit and port, and the edge's port."""

    unit: int
    port: str
    edge: str


def check_spec(spec: HilSpec, names: Sequence[str]) -> None:
    """Raise :class:`HilError` for what can't be run at the junctions called *names*."""
    foreign = {device.junction for device in spec.devices}
    serial = {each.junction for each in spec.devices if isinstance(each.end, SerialEnd)}
    for device in spec.devices:
        if device.junction not in names:
            raise HilError(
                f"--device: no junction {device.junction!r} (there is {', '.join(names)})"
            )
        if spec.speed.lockstep and device.field is None:
            raise HilError(
                f"--device for {device.junction}: a cabinet with a clock of its own can't run in "
                "lock-step, take --speed 1, or name the field port of one that can"
            )
    for fault in spec.faults:
        hit = set(spec.hit(fault, tuple(names)))
        if fault.kind is FaultKind.CLOCK and not spec.speed.lockstep:
            raise HilError(
                f"--fault {fault}: in real time the clock is this computer's, take --speed lockstep"
            )
        if fault.kind in PROGRAMS and hit & foreign:
            raise HilError(f"--fault {fault}: {min(hit & foreign)} is not the bench's to stop")
        if fault.kind in LINK and hit & serial:
            raise HilError(
                f"--fault {fault}: the serial line of {min(hit & serial)} is yours, cut it by hand"
            )
