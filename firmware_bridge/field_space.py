"""The wires to the street of a virtual cabinet: lamps, detectors, panel and, in lock-step, time.

Whoever holds this port is the street (a bench, a test); the edge never does. A free-running cabinet
looks at the detectors in every tick of its own. A lock-step cabinet has no time but what is written
here: the inputs of an instant first, so that an edge can look at them and write its orders, then
the step to that same instant.

Until somebody writes here no detector is connected: all of them are missing, which is not nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.clock import Instant
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.codec import Values, encode
from firmware_bridge.codes import OPERATORS, Refusal
from firmware_bridge.detectors import FieldInputs
from firmware_bridge.registers import (
    BANK,
    FIELD,
    FIELD_BANKS,
    INPUTS,
    LAMPS,
    STEP,
)
from firmware_bridge.space import IllegalValueError, Space


class FieldSpace:
    """The street's registers of *cabinet*."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet
        self._head = Values({"panel": 0, "panel_stage": 0, "reset": 0})
        self._inputs: FieldInputs | None = None
        self._connected = False
        self._space = Space(
            FIELD,
            {LAMPS.name: lambda begin, end: self._lamps()[begin:end]},
            {STEP.name: self._step, INPUTS.name: self._see},
            lambda: cabinet.refuse(Refusal.OUT_OF_RANGE),
        )

    def read(self, address: int, count: int) -> list[int]:
        """See :meth:`firmware_bridge.space.Space.read`."""
        return self._space.read(address, count)

    def check_read(self, address: int, count: int) -> None:
        """See :meth:`firmware_bridge.space.Space.check_read`."""
        self._space.check_read(address, count)

    def write(self, address: int, words: Sequence[int]) -> None:
        """See :meth:`firmware_bridge.space.Space.write`."""
        self._space.write(address, words)
        self._inputs, self._connected = None, True

    def inputs(self) -> FieldInputs:
        """What is on the wires now; the same object while nothing is written."""
        if self._inputs is None:
            self._inputs = self._decoded()
        return self._inputs

    def _decoded(self) -> FieldInputs:
        words, head = self._space.memory[FIELD_BANKS.name], self._head
        count, stride = len(self._cabinet.site.detectors), FIELD_BANKS.stride
        entered: list[int] = []
        left: list[int] = []
        occupied = missing = 0
        for bank in range(-(-count // BANK)):
            at = bank * stride
            occupied |= words[at] << bank * BANK
            missing |= words[at + 1] << bank * BANK
            entered += words[at + 2 : at + stride : 2]
            left += words[at + 3 : at + stride : 2]
        known = (1 << count) - 1
        if not self._connected:
            missing = known
        return FieldInputs(
            tuple(entered[:count]),
            tuple(left[:count]),
            occupied & known,
            missing & known,
            OPERATORS[head.number("panel")],
            head.number("panel_stage"),
            bool(head.number("reset")),
        )

    def _see(self, values: Values) -> None:
        self._head, self._inputs, self._connected = values, None, True
        if self._cabinet.lockstep:
            now = Instant(values.number("mono_ms"), values.number("utc_ms"))
            self._cabinet.see(now, self.inputs())

    def _step(self, values: Values) -> None:
        if not self._cabinet.lockstep or values.number("mono_ms") != self._cabinet.now.mono_ms:
            self._cabinet.refuse(Refusal.NOT_HERE)
            raise IllegalValueError
        self._cabinet.step()

    def _lamps(self) -> list[int]:
        shown = self._cabinet.outputs
        values = {
            "flash": int(shown.flash),
            "green": shown.green,
            "ending": shown.ending,
            "mono_ms": self._cabinet.state.mono_ms,
        }
        return encode(LAMPS, values)
