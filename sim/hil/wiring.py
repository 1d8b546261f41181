"""The bench's end of :mod:`sim.hil.wires`: lays wires and breaks them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.hil.analyser import Exchange, read_exchanges
from sim.hil.programs import Program, Programs


class Wiring:
    """Wires laid by a program of its own, one of *programs*, with its files in *folder*."""

    def __init__(self, programs: Programs, folder: Path, seed: int) -> None:
        self._notes = folder / "wires.tsv"
        self._seed = seed
        self._ids = itertools.count()
        log = folder / "wires.log"
        words = ("sim.hil.wires", str(self._notes))
        self._program = programs.add(Program("the wires", words, log, talks=True))

    async def tcp(self, name: str, host: str, port: int, *, analyse: bool) -> int:
        """A wire called *name* to *host*: *port*; returns the port at its near end."""
        order = {"do": "tcp", "name": name, "to": [host, port], "analyse": analyse}
        answer = await self._ask({**order, "seed": self._seed})
        return int(answer["port"])

    async def bus(self, junctions: Mapping[int, str]) -> tuple[str, dict[str, str]]:
        """A line with the cabinets of *junctions*, by unit: the edge's port, the cabinets'."""
        answer = await self._ask({"do": "bus", "junctions": junctions, "seed": self._seed})
        return answer["edge"], answer["ports"]

    async def fault(self, name: str, fault: str) -> None:
        """Break the wire called *name*, or mend it with an empty *fault*."""
        await self._ask({"do": "fault", "name": name, "fault": fault})

    def exchanges(self) -> list[Exchange]:
        """What the analysers have seen."""
        return read_exchanges(self._notes)

    async def _ask(self, order: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        number = next(self._ids)
        self._program.send(json.dumps({"id": number, **order}))
        found = await self._program.line(rf'^\{{"id": {number}[,}}].*$')
        return json.loads(found[0])
