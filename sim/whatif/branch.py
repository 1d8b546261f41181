"""One run from the present: how SUMO loads it, who watches, and what is counted from then on."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sim.controls.base import Prepared, Setup, Step
from sim.metrics import Trip, Trips, mean
from sim.network import Network
from sim.network.net_file import read_elements, read_net
from sim.network.programs import programs_in_force
from sim.simulation import Simulation
from sim.whatif.figures import Ahead
from sim.whatif.handover import Handover
from sim.whatif.present import Present
from sim.whatif.trace_check import TakeOverCheck
from sim.whatif.watch import Watch

STATE_FILE = "present.xml"
_S_PER_H = 3_600.0


def load_options(present: Present, setup: Setup, prepared: Prepared) -> tuple[str, ...]:
    """SUMO's options that load *present* for the candidate that was *prepared*."""
    programs = {} if prepared.takes_over else _programs_run(setup, prepared.additional)
    path = setup.folder / STATE_FILE
    path.write_text(present.loadable(programs), encoding="utf-8")
    return ("--load-state", str(path))


def _programs_run(setup: Setup, additional: Sequence[Path]) -> dict[str, str]:
    """By signal, the program that SUMO runs with these *additional* files."""
    scenario = setup.scenario
    logics = read_net(scenario.net_file).logics
    shipped = programs_in_force(logics, scenario.additional_files, scenario.begin_s)
    programs = {name: program.id for name, program in shipped.items()}
    for path in additional:
        for _, element in read_elements(path):
            if element.tag == "tlLogic":
                programs[element.get("id", "")] = element.get("programID", "0")
    return programs


class Branch:
    """Follows one run from *present* on."""

    def __init__(self, simulation: Simulation, network: Network, present: Present) -> None:
        self._simulation = simulation
        self._network = network
        self._present = present
        vehicle = simulation.connection.vehicle
        self._lost_s = {name: float(vehicle.getTimeLoss(name)) for name in vehicle.getIDList()}
        self._watch = Watch(simulation, network)
        self._check = TakeOverCheck(simulation, network, present)
        self._handover: Handover | None = None

    def control(self, prepared: Prepared) -> Step | None:
        """What joins the run in every step."""
        step = prepared.attach(self._simulation)
        if prepared.takes_over:
            return step
        self._handover = Handover(self._simulation, self._network, self._present, step)
        return self._handover.step

    def record(self) -> None:
        """Look, after a step."""
        self._watch.record()
        self._check.record()
        if self._handover is not None:
            self._check.only(self._handover.led())

    def trips_since(self, trips: Trips) -> Trips:
        """*trips* with only what they lost and waited from the present on."""
        stopped = self._present.stops_until_now()
        now_s = self._present.time_s
        return Trips([self._since(trip, now_s, stopped) for trip in trips.vehicles], trips.walks_s)

    def _since(self, trip: Trip, now_s: float, stopped: dict[str, int]) -> Trip:
        depart_s = trip.scheduled_s + trip.depart_delay_s
        return replace(
            trip,
            time_loss_s=max(0.0, trip.time_loss_s - self._lost_s.get(trip.vehicle, 0.0)),
            depart_delay_s=max(0.0, min(trip.depart_delay_s, depart_s - now_s)),
            stops=max(0, trip.stops - stopped.get(trip.vehicle, 0)),
        )

    def figures(self, trips: Trips, trips_file: Path) -> Ahead:
        """What came of it; *trips* are those of :meth:`trips_since`."""
        watch = self._watch
        waits_s = _waits_s(trips_file, self._present.waits_until_now_s())
        return Ahead(
            vehicles=len(trips.vehicles),
            arrived=sum(trip.finished for trip in trips.vehicles),
            delay_veh_h=math.fsum(trip.delay_s for trip in trips.vehicles) / _S_PER_H,
            standing=tuple(watch.standing),
            longest_queue_veh=watch.longest_queue_veh,
            full_lane_min=watch.full_lane_min,
            longest_wait_s=watch.longest_wait_s,
            worst_group=watch.worst_group(),
            walkers=len(waits_s),
            walker_wait_s=mean(waits_s) if waits_s else None,
            unsafe=tuple(self._check.found),
        )


def _waits_s(trips_file: Path, before_s: dict[str, float]) -> list[float]:
    """How long everybody on foot waited from the present on."""
    found = []
    for _, element in ET.iterparse(trips_file):
        if element.tag == "personinfo":
            walks = [walk for walk in element.iter("walk") if walk.get("waitingTime")]
            if walks:
                waited_s = math.fsum(float(walk.get("waitingTime", "0")) for walk in walks)
                found.append(max(0.0, waited_s - before_s.get(element.get("id", ""), 0.0)))
            element.clear()
        elif element.tag == "tripinfo":
            element.clear()
    return found
