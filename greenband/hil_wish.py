"""A run of the hardware-in-the-loop bench as the user asked for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.failures import UsageError
from greenband.selection import derive_scenario_network, get_scenario

if TYPE_CHECKING:
    from sim.hil.spec import HilSpec
    from sim.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The words of the command line."""

    scenario: str
    speed: str
    link: str
    broker: str
    devices: tuple[str, ...]
    faults: tuple[str, ...]
    seed: int
    convention: str
    scale: float
    begin_s: float | None
    end_s: float | None
    routes: tuple[Path, ...]
    keep: Path | None

    def prepared(self) -> tuple[HilSpec, Network]:
        """What is to be run, on what; raises :class:`UsageError` and what the bench raises."""
        from sim.convention import convention
        from sim.hil.faults import parse_fault
        from sim.hil.plant import check_spec
        from sim.hil.spec import LINKS, HilSpec, parse_device, parse_speed

        if self.link not in LINKS:
            raise UsageError(f"--link {self.link}: choose from {', '.join(LINKS)}")
        if not self.scale > 0:
            raise UsageError(f"--scale {self.scale:g}: give a factor above 0")
        speed, rules = parse_speed(self.speed), convention(self.convention)
        devices = tuple(parse_device(text) for text in self.devices)
        scenario = get_scenario(
            self.scenario, begin_s=self.begin_s, end_s=self.end_s, routes=self.routes
        )
        network = derive_scenario_network(scenario, rules)
        names = [junction.id for junction in network.junctions]
        spec = HilSpec(
            scenario=scenario,
            speed=speed,
            seed=self.seed,
            convention=rules,
            scale=self.scale,
            link=self.link,
            broker=self.broker,
            devices=devices,
            faults=tuple(parse_fault(text, names) for text in self.faults),
            keep=self.keep,
        )
        check_spec(spec, names)
        seconds = scenario.end_s - scenario.begin_s
        for fault in spec.faults:
            if fault.at_s >= seconds:
                raise UsageError(
                    f"--fault {fault}: the run is over after {seconds:g} s, "
                    "seconds count from its begin"
                )
        return spec, network

    def command(self) -> str:
        """The command that repeats it."""
        words = ["greenband", "hil", self.scenario, "--speed", self.speed, "--link", self.link]
        words += ["--broker", self.broker, "--seed", str(self.seed)]
        words += ["--convention", self.convention]
        if self.scale != 1.0:
            words += ["--scale", f"{self.scale:g}"]
        if self.begin_s is not None:
            words += ["--begin", f"{self.begin_s:g}"]
        if self.end_s is not None:
            words += ["--end", f"{self.end_s:g}"]
        repeated = (
            ("--device", self.devices),
            ("--fault", self.faults),
            ("--routes", tuple(map(str, self.routes))),
        )
        for option, values in repeated:
            for value in values:
                words += [option, value]
        return shlex.join(words)
