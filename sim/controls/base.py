"""What a control is to the bench: a name, what it sees, and how it takes part in a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sim.convention import Convention
from sim.corridors.emergency import EmergencyRun
from sim.decisions import Tell
from sim.detector_faults import DetectorFaults
from sim.scenario import Scenario
from sim.simulation import Simulation
from sim.whatif.present import Present

Step = Callable[[], None]
"""Called before every simulated step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a control is prepared for; *folder* is its scratch folder, removed after the run.

    ``layout`` (one of :data:`sim.detector_layout.LAYOUTS`) and ``faults`` say which detectors the
    controls of ours have, and which of them are broken; peers look past detectors.
    """

    scenario: Scenario
    convention: Convention
    folder: Path
    scale: float = 1.0
    layout: str = "all"
    faults: DetectorFaults | None = None
    tell: Tell | None = None
    """Where a control that explains itself sends its notes; None if nobody wants them."""
    present: Present | None = None
    """The state from which the run goes on; None for one that begins with empty streets."""
    emergency: EmergencyRun | None = None
    """The emergency vehicles of the run, for a control that opens the way for them."""


def _runs_by_itself(_: Simulation) -> Step | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A control ready to run: files for SUMO to load, and what joins the running simulation.

    ``attach`` returns None for a control that SUMO itself runs. ``takes_over``: from a present
    state it goes on with the lamps as they are; others are led there (:mod:`sim.whatif.handover`).
    """

    additional: tuple[Path, ...] = ()
    attach: Callable[[Simulation], Step | None] = field(default=_runs_by_itself)
    takes_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One way to control every signal of a network.

    ``sees`` says in a few words what it is given to know, so that nobody compares a control that
    lives on loops with one that knows every vehicle without noticing.
    """

    name: str
    sees: str
    summary: str
    prepare: Callable[[Setup], Prepared]
    ours: bool = False
    explains: bool = False
    """Whether it can say why it decided what it did (:class:`sim.decisions.Explains`)."""
