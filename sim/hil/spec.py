"""What is to be run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from firmware_bridge.ends import End, SerialEnd, TcpEnd, parse_end
from firmware_bridge.errors import SetupError
from sim.convention import FIELD, Convention
from sim.errors import ScenarioError
from sim.hil.faults import Fault
from sim.scenario import Scenario

LINKS = ("tcp", "tls", "rtu")
EMBEDDED, NO_BROKER = "embedded", "none"
UNIT_MAX = 247


@dataclass(frozen=True, slots=True)
class Speed:
    """How the simulation and the clocks of the cabinets go together.

    In *lockstep* the cabinets and the daemon have no clock but the simulation's. *factor* is how
    many simulated seconds a second may hold, infinite for as many as there is time for.
    """

    lockstep: bool
    factor: float

    def __str__(self) -> str:
        if not self.lockstep:
            return "real time"
        return "lock-step" if math.isinf(self.factor) else f"lock-step, at most {self.factor:g} x"


def parse_speed(text: str) -> Speed:
    """``1``: real clocks; ``lockstep``; any other number: lock-step, no faster than that."""
    if text == "lockstep":
        return Speed(lockstep=True, factor=math.inf)
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ScenarioError(f"speed {text!r}: give 1, another number above 0, or lockstep")
    return Speed(lockstep=factor != 1, factor=factor)


@dataclass(frozen=True, slots=True)
class ForeignDevice:
    """A cabinet that is there already, in the place of *junction*.

    ``field`` is where its detector inputs and lamps are served; None for a cabinet of hardware.
    """

    junction: str
    url: str
    unit: int
    field: TcpEnd | None = None
    field_unit: int = 1

    @property
    def end(self) -> End:
        """Where it is reached."""
        return parse_end(self.url)


def parse_device(text: str) -> ForeignDevice:
    """``URL=JUNCTION`` of the command line; raises :class:`ScenarioError`.

    The URL is ``tcp://HOST:PORT?unit=N&field=HOST:PORT`` or ``rtu:///dev/PORT?unit=N&baud=19200``.
    """
    url, _, junction = text.rpartition("=")
    base, _, query = url.partition("?")
    given = dict(parse_qsl(query))
    unit = given.pop("unit", "1")
    field_unit = given.pop("field_unit", unit)
    field = given.pop("field", None)
    serial = "&".join(f"{name}={value}" for name, value in given.items())
    url = f"{base}?{serial}" if serial else base
    try:
        end = parse_end(url)
        found = None if field is None else parse_end(field if "//" in field else f"tcp://{field}")
    except SetupError as error:
        raise ScenarioError(f"device {text!r}: {error}") from None
    if not junction or not all(u.isdigit() and int(u) <= UNIT_MAX for u in (unit, field_unit)):
        raise ScenarioError(
            f"device {text!r}: give it as tcp://HOST:PORT?unit=N&field=HOST:PORT=JUNCTION"
        )
    if found is not None and not isinstance(found, TcpEnd):
        raise ScenarioError(f"device {text!r}: its field port has to be reached by TCP")
    if isinstance(end, SerialEnd) and found is None:
        raise ScenarioError(
            f"device {text!r}: nobody but the edge can read its lamps on a serial line, "
            "name its field port or reach it by tcp://"
        )
    return ForeignDevice(junction, url, int(unit), found, int(field_unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class HilSpec:
    """One run of the bench. ``broker`` is ``embedded``, ``none``, or a URL."""

    scenario: Scenario
    speed: Speed
    seed: int = 1
    convention: Convention = FIELD
    scale: float = 1.0
    link: str = "tcp"
    broker: str = EMBEDDED
    devices: tuple[ForeignDevice, ...] = ()
    faults: tuple[Fault, ...] = ()
    orders_key: bytes | None = None
    """Of a centre that is on the broker as well; None if there is none."""
    keep: Path | None = None
    """Where the files of the run stay; None if they are to go with it."""

    def hit(self, fault: Fault, junctions: tuple[str, ...]) -> tuple[str, ...]:
        """The junctions that *fault* hits."""
        return junctions if fault.junction is None else (fault.junction,)
