"""Keeps the present of a run: SUMO's state, with what the lamps showed and the loops saw."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from controller.detection import SiteReadings
from sim.errors import SumoError
from sim.network import Network, loop_additional
from sim.ports import LoopPort
from sim.simulation import Simulation
from sim.whatif.keep import Keep
from sim.whatif.lamps import LampEye
from sim.whatif.present import Reading, write_state

HEARD_S = 600.0
"""Of the time before the present so much is kept: twice what a control of ours looks back."""
LOOPS_FILE = "loops.add.xml"
_OPTIONS = ("--save-state.precision", "6", "--save-state.transportables", "true")


def keeping_options() -> tuple[str, ...]:
    """SUMO's options for states from which a run goes on as it would have."""
    return _OPTIONS


def loops_for_keeping(
    network: Network, folder: Path, additional: tuple[Path, ...]
) -> tuple[Path, ...]:
    """The loops of *network* for SUMO to load, unless *additional* brings them already."""
    path = folder / LOOPS_FILE
    if path in additional:
        return ()
    path.write_text(loop_additional(network), encoding="utf-8")
    return (path,)


class Keeper:
    """Looks at lamps and loops before every step, and saves the state when it is time."""

    def __init__(
        self, simulation: Simulation, network: Network, keep: Keep, control: str, folder: Path
    ) -> None:
        self._simulation = simulation
        self._junctions = network.junctions
        self._keep = keep
        self._control = control
        self._scratch = folder / "kept.xml"
        self._eye = LampEye(simulation.connection, [each.id for each in network.junctions])
        self._loops = LoopPort(simulation, network.junctions)
        steps = max(1, round(HEARD_S / simulation.step_s))
        self._heard: deque[tuple[SiteReadings, ...]] = deque(maxlen=steps)
        self._changes: list[list[tuple[int, str]]] = [[] for _ in network.junctions]
        self._step = 0

    def record(self) -> None:
        """Look, after a step; at the time to be kept the state is saved."""
        now_s = self._simulation.time_ms / 1_000
        lit_s = now_s - self._simulation.step_s
        for junction, changes in zip(self._junctions, self._changes, strict=True):
            letters = self._eye.look(junction.id, lit_s)
            if letters is not None:
                changes.append((self._step, letters))
        self._step += 1
        if self._keep.time_s - now_s < HEARD_S:
            self._heard.append(self._loops.read())
        if abs(now_s - self._keep.time_s) < self._simulation.step_s / 2:
            self._save(now_s)

    def _save(self, now_s: float) -> None:
        self._simulation.connection.simulation.saveState(str(self._scratch))
        shown = self._eye.shown(now_s)
        document = {
            "control": self._control,
            "lamps": {
                name: (each.letters, _rounded(each.since_s), _rounded(each.ended_s))
                for name, each in shown.items()
            },
            "heard": {
                junction.id: {
                    "detectors": len(junction.intersection.detectors),
                    "readings": [_sparse(seen[k]) for seen in self._heard],
                    "lamps": self._lamps_heard(k),
                }
                for k, junction in enumerate(self._junctions)
            },
        }
        try:
            write_state(self._keep.path, self._scratch.read_text(encoding="utf-8"), document)
        except OSError as error:
            raise SumoError(
                f"{self._keep.path}: the state can't be written ({error.strerror or error})"
            ) from None

    def _lamps_heard(self, k: int) -> list[tuple[int, str]]:
        """(step within what was heard, letters) of the *k*-th junction."""
        first = self._step - len(self._heard)
        before = [letters for step, letters in self._changes[k] if step <= first]
        later = [(step - first, letters) for step, letters in self._changes[k] if step > first]
        return [*([(0, before[-1])] if before else []), *later]


def _rounded(ages_s: tuple[float, ...]) -> list[float]:
    return [round(age_s, 3) for age_s in ages_s]


def _sparse(seen: SiteReadings) -> list[Reading]:
    return [
        (d, came or 0, left or 0, bool(there))
        for d, (came, left, there) in enumerate(zip(*seen, strict=True))
        if came or left or there
    ]
