"""From the lamps of the present to a control that knows nothing of them, without cutting anything.

SUMO's own programs, and the peers that set states, begin wherever they like. Here the lamps of
every signal first go from the present to what its control shows by the rules of the lamp layer
(minimum greens, yellows, intergreens, conflicts); then the control has the signal to itself.
"""

from __future__ import annotations

from controller.intersection import bits
from controller.lamps import LampState, light
from controller.signals import Outputs
from controller.take_over import legal_part, take_over
from sim.controls.base import Step
from sim.network import Junction, Network, signal_state
from sim.simulation import Connection, Simulation, instant
from sim.whatif.lamps import lit_by, outputs_by
from sim.whatif.present import Present
from sim.whatif.yellows import Yellows

LONGEST_S = 180.0
"""A signal whose control shows what its site does not allow is handed over by then at the
latest."""


class Handover:
    """Goes before *control* (None: SUMO runs it by itself) in every step."""

    def __init__(
        self, simulation: Simulation, network: Network, present: Present, control: Step | None
    ) -> None:
        self._control = control
        self._simulation = simulation
        now_ms = simulation.time_ms
        self._signals = [
            _Signal(simulation, junction, present, now_ms) for junction in network.junctions
        ]

    def step(self) -> None:
        """Let the control decide, and show what is legal of it."""
        if self._control is not None:
            self._control()
        if self._signals:
            now_ms = self._simulation.time_ms
            self._signals = [each for each in self._signals if each.go_on(now_ms)]

    def led(self) -> set[str]:
        """The signals that are not handed over yet."""
        return {each.name for each in self._signals}


class _Signal:
    """One signal on its way from the present to its control."""

    def __init__(
        self, simulation: Simulation, junction: Junction, present: Present, now_ms: int
    ) -> None:
        self._lights = simulation.connection.trafficlight
        self.name = junction.id
        self._junction = junction
        self._site = junction.intersection
        self._program = str(self._lights.getProgram(junction.id))
        self._begin_ms = now_ms
        lit, cut = legal_part(self._site, lit_by(junction, present.lamps.get(junction.id)))
        state = take_over(self._site, instant(simulation), lit)
        self._offset_ms = state.clock_ms - now_ms
        self._lamps: LampState = state.lamps
        self._yellows = Yellows(junction, cut, now_ms)
        self._shown = self._wanted = str(self._lights.getRedYellowGreenState(junction.id))
        self._began = False

    def go_on(self, now_ms: int) -> bool:
        """Show what is legal now; False once the control has the signal to itself."""
        self._wanted = self._wish()
        wanted = outputs_by(self._junction, self._wanted)
        clock_ms = now_ms + self._offset_ms
        self._lamps = light(self._site, self._lamps, wanted.green, clock_ms)
        if self._is_there(wanted, now_ms, clock_ms):
            self._release()
            return False
        self._shown = self._yellows.over(
            signal_state(self._junction, Outputs(self._lamps.green, self._lamps.ending)), now_ms
        )
        self._lights.setRedYellowGreenState(self._junction.id, self._shown)
        return True

    def _wish(self) -> str:
        """What the control shows, or would show if we let it.

        One that sets states only does so where they change: what differs from ours is its own.
        """
        name = self.name
        now = str(self._lights.getRedYellowGreenState(name))
        took = not self._began and str(self._lights.getProgram(name)) != self._program
        self._began = True
        if now != self._shown or took:
            self._program = ""
            return now
        return _phase_of(self._lights, name, self._program) or self._wanted

    def _is_there(self, wanted: Outputs, now_ms: int, clock_ms: int) -> bool:
        lamps = self._lamps
        if now_ms - self._begin_ms > LONGEST_S * 1_000:
            return True
        if not wanted.green or lamps.ending or wanted.ending or self._yellows.last(now_ms):
            return False  # in its all-red the control counts on yellows that may not have been
        served = all(
            clock_ms - lamps.since_ms[i] >= self._site.groups[i].min_green_ms
            for i in bits(lamps.green)
        )
        return served and lamps.green == wanted.green

    def _release(self) -> None:
        if self._program:
            self._lights.setProgram(self._junction.id, self._program)
        else:
            self._lights.setRedYellowGreenState(self._junction.id, self._wanted)


def _phase_of(lights: Connection, signal: str, program: str) -> str:
    """What *program* of *signal* shows, active or not; empty if it is none."""
    for logic in lights.getAllProgramLogics(signal):
        if logic.programID == program:
            return str(logic.phases[logic.currentPhaseIndex].state)
    return ""
