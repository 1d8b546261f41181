"""The street's end: a bench that is the detectors and the lamps of a virtual cabinet."""

from __future__ import annotations

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.signals import OperatorMode, Outputs
from firmware_bridge.codec import decode, encode
from firmware_bridge.codes import OPERATORS
from firmware_bridge.detectors import COUNT_MODULO
from firmware_bridge.line import Line
from firmware_bridge.registers import (
    BANK,
    FIELD_BANKS,
    INPUTS,
    LAMPS,
    REGISTERS_PER_WRITE,
    STEP,
    bank_registers,
)


class FieldClient:
    """The street of *site* on *line*, the field port of its cabinet.

    One for each life of the cabinet: its counts begin at zero, and so do the cabinet's.

    In lock-step, for every instant: :meth:`see`, then whatever the edge does, then :meth:`step`.
    """

    def __init__(self, line: Line, unit: int, site: Intersection) -> None:
        self.line = line
        self._unit = unit
        self._count = len(site.detectors)
        self._entered = [0] * self._count
        self._left = [0] * self._count
        self.panel = OperatorMode.AUTO
        """The police panel; it and what follows go out with the next :meth:`see`."""
        self.panel_stage = 0
        self.reset = False
        """Somebody presses the reset of the conflict monitor."""

    async def see(self, now: Instant, readings: SiteReadings) -> None:
        """What the detectors reported since the last call; a free-running cabinet ignores *now*."""
        values = {
            "mono_ms": now.mono_ms,
            "utc_ms": now.utc_ms,
            "panel": OPERATORS.index(self.panel),
            "panel_stage": self.panel_stage,
            "reset": int(self.reset),
        }
        words = encode(INPUTS, values) + self._banks(readings)
        # The instant comes last: with it the cabinet looks at all of them.
        first, rest = words[:REGISTERS_PER_WRITE], words[REGISTERS_PER_WRITE:]
        for begin in range(0, len(rest), REGISTERS_PER_WRITE):
            address = INPUTS.address + len(first) + begin
            piece = rest[begin : begin + REGISTERS_PER_WRITE]
            await self.line.write(self._unit, address, piece)
        await self.line.write(self._unit, INPUTS.address, first)

    async def step(self, now: Instant) -> Outputs:
        """Have a cabinet in lock-step do its step of the instant that it has seen."""
        words = await self.line.exchange(
            self._unit,
            STEP.address,
            encode(STEP, {"mono_ms": now.mono_ms}),
            LAMPS.address,
            LAMPS.size,
        )
        return _outputs(words)

    async def lamps(self) -> Outputs:
        """What the lamps show now."""
        return _outputs(await self.line.read(self._unit, LAMPS.address, LAMPS.size))

    def _banks(self, readings: SiteReadings) -> list[int]:
        words = [0] * (-(-self._count // BANK) * FIELD_BANKS.stride)
        for d in range(self._count):
            entered, left = readings.entered[d], readings.left[d]
            occupied = readings.occupied[d]
            bank, bit = divmod(d, BANK)
            at = bank * FIELD_BANKS.stride
            if entered is None or left is None or occupied is None:
                words[at + 1] |= 1 << bit
            else:
                words[at] |= occupied << bit
                self._entered[d] = (self._entered[d] + entered) % COUNT_MODULO
                self._left[d] = (self._left[d] + left) % COUNT_MODULO
            words[at + 2 + 2 * bit] = self._entered[d]
            words[at + 3 + 2 * bit] = self._left[d]
        return words[: bank_registers(self._count)]


def _outputs(words: list[int]) -> Outputs:
    values = decode(LAMPS, words)
    return Outputs(values.number("green"), values.number("ending"), bool(values.number("flash")))
