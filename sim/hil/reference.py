"""The run to compare with: the same control in one process, without any wire.

``python -m sim.hil.reference FOLDER`` runs what the folder's spec says; libsumo holds one
simulation per process, and the bench's own is taken.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from controller.violations import InvalidError
from sim.controls.tactical import TacticalNetwork
from sim.convention import Convention
from sim.errors import BenchError
from sim.hil.programs import Program, Programs
from sim.hil.street import Street, StreetRecord
from sim.network import derive_network
from sim.scenario import Scenario
from sim.simulation import one_line

SPEC_FILE = "reference.spec"
RECORD_FILE = "reference.record"
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class ReferenceSpec:
    """What both runs have in common."""

    scenario: Scenario
    convention: Convention
    seed: int
    scale: float


class Reference:
    """The reference run under way, one of *programs*, with its files in *folder*."""

    def __init__(self, programs: Programs, spec: ReferenceSpec, folder: Path) -> None:
        folder.mkdir()
        self._record = folder / RECORD_FILE
        (folder / SPEC_FILE).write_bytes(pickle.dumps(spec))
        words = ("sim.hil.reference", str(folder))
        log = folder / "reference.log"
        self._program = programs.add(Program("the reference run", words, log))

    async def record(self) -> StreetRecord:
        """What it measured, once it has ended; raises what it failed with."""
        while self._program.running:
            await asyncio.sleep(_POLL_S)
        if not self._record.exists():
            raise BenchError(f"the reference run has ended: {self._program.last_words()}")
        outcome = pickle.loads(self._record.read_bytes())
        if isinstance(outcome, StreetRecord):
            return outcome
        raise BenchError(f"the reference run failed: {outcome}")


def run(spec: ReferenceSpec, folder: Path) -> StreetRecord:
    """Run *spec* in this process."""
    scenario = spec.scenario
    network = derive_network(
        scenario.net_file, scenario.additional_files, spec.convention, scenario.begin_s
    )
    street = Street(scenario, network, spec.convention, folder, seed=spec.seed, scale=spec.scale)
    control = TacticalNetwork(network, street.now)
    control_s = 0.0
    for _ in range(street.steps):
        readings = street.read()
        before_s = time.perf_counter()
        shown = control.step(street.now, readings)
        control_s += time.perf_counter() - before_s
        street.step(shown)
    return street.finish(control_s)


def main(folder: Path) -> None:
    """Run as a program."""
    spec: ReferenceSpec = pickle.loads((folder / SPEC_FILE).read_bytes())
    outcome: StreetRecord | str
    try:
        outcome = run(spec, folder)
    except (BenchError, InvalidError) as error:
        outcome = one_line(error)
    part = folder / f"{RECORD_FILE}.part"
    part.write_bytes(pickle.dumps(outcome))
    part.rename(folder / RECORD_FILE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
