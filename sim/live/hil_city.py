"""A city in which only the streets are simulated: broker, edge and cabinets are programs.

A corridor goes the whole way here: the centre signs its orders, the broker carries them, the edge
checks them and asks the cabinets over Modbus, and their answers come back. All clocks are this
computer's. When the scenario is over the streets stand still.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from edge.centre.city import CityCentre, CityPlan
from edge.corridors.values import Corridor, CorridorState, Wish
from edge.ending import end
from edge.errors import EdgeError
from edge.settings import BrokerSettings
from firmware_bridge.errors import BridgeError
from firmware_bridge.keys import new_key
from sim.convention import FIELD
from sim.corridors.streets_from_net import streets_from_net
from sim.errors import BenchError
from sim.hil.drive import WATCH_EVERY_S, Drive, Progress, real_time, wait_until_adaptive
from sim.hil.injector import Injector
from sim.hil.plant import Plant, raise_plant
from sim.hil.programs import Programs
from sim.hil.spec import HilSpec, Speed
from sim.hil.street import Street
from sim.hil.watch import Watch
from sim.live.fleet import fleet_of
from sim.live.messages import StreetsSpec
from sim.live.site_live import facts_of
from sim.live.streets import network_of
from sim.live.vehicles import SentVehicles
from sim.network import Network

EDGE = "bench"
"""As the bench calls its edge."""
DEPART_AFTER_MS = 3_000
_UNDER_WAY = frozenset({CorridorState.PENDING, CorridorState.GRANTED, CorridorState.ACTIVE})


class HilCity(CityCentre):
    """A centre over a broker whose vehicles drive in SUMO, and are reported once a second."""

    def __init__(self, plan: CityPlan, fleet: SentVehicles) -> None:
        super().__init__(plan, lambda: secrets.token_hex(4))
        self._fleet = fleet
        self._departs: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.trouble = ""
        """Why the streets stand still; empty while they do not."""

    @property
    def note(self) -> str:
        """That the streets are simulated, and what is wrong with them."""
        return self.trouble or super().note

    async def open(self, wish: Wish, caller: str, route: tuple[str, ...] | None = None) -> Corridor:
        """Open a corridor; its vehicle sets out in a moment."""
        corridor = await super().open(wish, caller, route)
        leaves_ms = self.now_utc_ms() + DEPART_AFTER_MS
        self._departs[wish.vehicle] = leaves_ms, corridor.route
        return corridor

    async def reroute(self, corridor: str, way: tuple[str, ...] | str) -> Corridor:
        """Send a corridor and its vehicle another way."""
        changed = await super().reroute(corridor, way)
        vehicle = changed.wish.vehicle
        if vehicle in self._departs:
            self._departs[vehicle] = self._departs[vehicle][0], changed.route
        else:
            self._fleet.turn(vehicle, changed.route)
        return changed

    def second(self, progress: Progress) -> None:
        """A second has passed in the streets: who sets out, who is where, who has arrived."""
        now = self._clock()
        self._fleet.look()
        for vehicle, (leaves_ms, route) in tuple(self._departs.items()):
            if now.utc_ms >= leaves_ms:
                del self._departs[vehicle]
                self._fleet.depart(vehicle, route)
        positions, arrived = self._fleet.positions(now.utc_ms), self._fleet.arrived()
        for corridor in tuple(self.corridors.values()):
            vehicle = corridor.wish.vehicle
            if corridor.state not in _UNDER_WAY:
                continue
            if vehicle in positions:
                self._desk.report(now, corridor.id, positions[vehicle])
            elif vehicle in arrived:
                self._desk.end(now, corridor.id)


@asynccontextmanager
async def hil_city(
    spec: StreetsSpec, folder: Path, programs: Programs, broker: tuple[str, int]
) -> AsyncIterator[HilCity]:
    """A running city whose files are in *folder*; the streets fill once all cabinets are adaptive.

    Raises :class:`~sim.errors.BenchError` and :class:`~firmware_bridge.errors.BridgeError`.
    """
    network, key = network_of(spec), new_key()
    hil = HilSpec(
        scenario=spec.scenario,
        speed=Speed(lockstep=False, factor=1.0),
        seed=spec.seed,
        orders_key=key,
    )
    plant = await raise_plant(hil, network, folder, programs, broker)
    street = _street(spec, network, folder)
    try:
        async with HilCity(
            _plan(network, folder, broker, key), SentVehicles(street.simulation)
        ) as city:
            driving = asyncio.create_task(_drive(city, plant, street, network), name="streets")
            try:
                yield city
            finally:
                await end([driving])
    finally:
        street.abandon()
        await plant.close()


async def _drive(city: HilCity, plant: Plant, street: Street, network: Network) -> None:
    injector = Injector([], plant.virtual, plant.daemon, plant.wiring, wait=False, seed=0)
    watch = Watch(plant.observers())
    drive = Drive(street, plant, network, injector, watch, WATCH_EVERY_S, city.second)
    try:
        await drive.feed_nobody()
        await plant.daemon.start()
        await wait_until_adaptive(drive)
        await real_time(drive)
        city.trouble = "The scenario is over: start the demo again."
    except (BenchError, BridgeError, EdgeError) as error:
        city.trouble = f"The streets stand still: {error}."
    finally:
        await injector.close()
        await watch.close()


def _street(spec: StreetsSpec, network: Network, folder: Path) -> Street:
    own = folder / "sumo"
    own.mkdir()
    return Street(spec.scenario, network, FIELD, own, seed=spec.seed, scale=1.0)


def _plan(network: Network, folder: Path, broker: tuple[str, int], key: bytes) -> CityPlan:
    sites, streets = facts_of(network), streets_from_net(network)
    own = folder / "centre"
    own.mkdir()
    host, port = broker
    return CityPlan(
        name=streets.name,
        streets=streets,
        sites=sites,
        edge_of=dict.fromkeys(sites, EDGE),
        vehicles=fleet_of(streets),
        broker=BrokerSettings(url=f"mqtt://{host}:{port}"),
        orders_key=key,
        folder=own,
        note="Simulated streets; the broker, the edge and the cabinets are programs.",
    )
