"""One running SUMO, started the same way for every control, in-process or over TraCI.

libsumo (the default) is fastest; ``gui`` opens SUMO's window, ``traci`` runs SUMO as a process of
its own, and ``HOST:PORT`` takes over a SUMO that waits there (``sumo --remote-port``, sharing this
machine's files). libsumo and traci offer the same functions, so nothing else depends on the choice.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from controller.clock import Instant
from sim.convention import Convention
from sim.errors import SumoError
from sim.scenario import Scenario
from sim.sumo_home import sumo_binary

LINKS = ("libsumo", "traci", "gui")
Connection = Any
"""The module libsumo, or a TraCI connection: SUMO's own interface, which has no static types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The files that SUMO writes about one run; None where it is not asked to."""

    trips: Path
    statistics: Path
    queues: Path | None = None
    routes: Path | None = None
    edges: Path | None = None

    @classmethod
    def into(cls, folder: Path, *, detail: bool) -> Outputs:
        """The files of one run in *folder*; those for the report only with *detail*."""
        return cls(
            trips=folder / "trips.xml",
            statistics=folder / "statistics.xml",
            queues=folder / "queues.xml" if detail else None,
            routes=folder / "routes.xml" if detail else None,
            edges=folder / "edges.xml" if detail else None,
        )

    def options(self) -> list[str]:
        """SUMO's options for these files: unfinished and undeparted trips are written as well."""
        options = [
            *("--tripinfo-output", str(self.trips)),
            *("--tripinfo-output.write-unfinished", "true"),
            *("--tripinfo-output.write-undeparted", "true"),
            *("--statistic-output", str(self.statistics)),
            *("--device.emissions.probability", "1"),
        ]
        if self.queues:
            options += ["--queue-output", str(self.queues)]
            options += ["--queue-output.period", f"{QUEUE_PERIOD_S}"]
        if self.routes:
            options += ["--vehroute-output", str(self.routes)]
            options += ["--vehroute-output.exit-times", "true"]
            options += ["--vehroute-output.write-unfinished", "true"]
        if self.edges:
            options += ["--edgedata-output", str(self.edges)]
        return options


QUEUE_PERIOD_S = 10
"""How often the queues are sampled for the report."""


def sumo_options(
    scenario: Scenario,
    convention: Convention,
    seed: int,
    outputs: Outputs,
    *,
    scale: float = 1.0,
    additional: Sequence[Path] = (),
) -> list[str]:
    """The command line, without the program, that every control of a comparison runs under.

    *additional* is appended to the scenario's own additional files: ``-a`` alone would replace
    those of the configuration.
    """
    options = ["-c", str(scenario.config_file)] if scenario.config_file else []
    options += ["--net-file", str(scenario.net_file)]
    if scenario.route_files:
        options += ["--route-files", _joined(scenario.route_files)]
    merged = (*scenario.additional_files, *additional)
    if merged:
        options += ["--additional-files", _joined(merged)]
    written = outputs.options()
    for option in scenario.muted_options:
        if f"--{option}" not in written:
            options += [f"--{option}", "NUL"]
    return [
        *options,
        *("--begin", f"{scenario.begin_s:g}", "--end", f"{scenario.end_s:g}"),
        *("--step-length", f"{scenario.step_s:g}"),
        *("--seed", str(seed), "--scale", f"{scale:g}"),
        *("--time-to-teleport", "-1"),
        *("--no-step-log", "true", "--no-warnings", "true", "--duration-log.disable", "true"),
        *convention.sumo_options,
        *written,
    ]


def _joined(paths: Sequence[Path]) -> str:
    return ",".join(str(path) for path in paths)


class Simulation:
    """A running SUMO that can be stepped; everything else goes through ``connection``."""

    def __init__(self, connection: Connection, begin_s: float, step_s: float) -> None:
        self.connection = connection
        self.step_s = step_s
        self._begin_ms = round(begin_s * 1_000)
        self._step_ms = round(step_s * 1_000)
        self._steps = 0

    @property
    def time_ms(self) -> int:
        """Time of the simulation, kept here so that no step has to ask for it."""
        return self._begin_ms + self._steps * self._step_ms

    def step(self) -> None:
        """Simulate one step."""
        self.connection.simulationStep()
        self._steps += 1

    def close(self) -> None:
        """End SUMO; its output files are complete afterwards."""
        self.connection.close()


def start(
    options: Sequence[str], scenario: Scenario, link: str = "libsumo", *, delay_ms: int = 0
) -> Simulation:
    """Start SUMO with *options* over *link*; raises :class:`SumoError` when it refuses them."""
    connection = _connect(list(options), link, delay_ms)
    return Simulation(connection, scenario.begin_s, scenario.step_s)


def _connect(options: list[str], link: str, delay_ms: int) -> Connection:
    if link == "libsumo":
        module = _module("libsumo")
        _start(module, ["sumo", *options])
        return module
    module = _module("traci")
    if link in {"traci", "gui"}:
        program = str(sumo_binary("sumo-gui" if link == "gui" else "sumo"))
        window = ["--start", "--quit-on-end", "--delay", str(delay_ms)] if link == "gui" else []
        _start(module, [program, *options, *window])
        return module
    host, _, port = link.rpartition(":")
    if not host or not port.isdigit():
        raise SumoError(f"unknown link {link!r}: choose libsumo, traci, gui, or HOST:PORT")
    return _take_over(module, host, int(port), options)


def _start(module: ModuleType, command: list[str]) -> None:
    try:
        module.start(command)
    except (module.TraCIException, module.FatalTraCIError, OSError) as error:
        raise SumoError(f"SUMO did not start: {one_line(error)}") from None


def _take_over(module: ModuleType, host: str, port: int, options: list[str]) -> Connection:
    try:
        module.init(port=port, numRetries=5, host=host)
        module.load(options)
    except (module.TraCIException, module.FatalTraCIError, OSError) as error:
        raise SumoError(
            f"no SUMO answers at {host}:{port} ({one_line(error)}): "
            f"start one with --remote-port {port}"
        ) from None
    return module


def instant(simulation: Simulation) -> Instant:
    """SUMO's time on both clocks: its day starts at 0 UTC of 1970-01-01."""
    return Instant(simulation.time_ms, simulation.time_ms)


def one_line(error: BaseException) -> str:
    """What *error* says, on one line."""
    return " ".join(str(error).split())


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SumoError(
            f"{name} is not installed here ({error}): install the bench's extra, "
            "pip install 'greenband[sim]'"
        ) from None


def sumo_version() -> str:
    """The version of the SUMO that libsumo runs, for example ``"1.28.0"``."""
    return str(_module("libsumo").getVersion()[1]).removeprefix("SUMO ").strip()
