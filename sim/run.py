"""One run of one control, in a process of its own.

libsumo takes its process down with it when SUMO aborts, and holds one simulation per process; so
every run is a child process (:mod:`sim.worker`) with a scratch folder. The child sends its result
through a file there; whatever happens to it, the folder is removed.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.violations import InvalidError
from sim.convention import FIELD, Convention
from sim.corridors.values import EmergencyPlan
from sim.decisions import Follower, Tell
from sim.detector_faults import DetectorFaults
from sim.errors import SumoError
from sim.results import RunResult
from sim.scenario import Scenario
from sim.street_record import Watch
from sim.whatif.keep import Keep

SPEC_FILE = "spec.pickle"
RESULT_FILE = "result.pickle"
LOG_FILE = "worker.log"
DECISIONS_FILE = "decisions.jsonl"
FOLLOW_S = 0.25
"""How often a run's decisions are looked for."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What to run. ``link`` is one of :data:`sim.simulation.LINKS` or ``HOST:PORT``.

    ``control`` is a name that :func:`sim.controls.find_control` knows. ``layout`` and ``faults``
    are those of :class:`sim.controls.base.Setup`. ``explain`` is a junction whose decisions are
    wanted as they are taken, or ``all``. ``watch``: a street whose vehicles and loops are to be
    recorded in the detail.
    """

    scenario: Scenario
    control: str
    seed: int = 1
    convention: Convention = FIELD
    scale: float = 1.0
    detail: bool = False
    link: str = "libsumo"
    delay_ms: int = 0
    layout: str = "all"
    faults: DetectorFaults | None = None
    explain: str | None = None
    additional: tuple[Path, ...] = ()
    """Files for SUMO to load besides those of the scenario and of the control."""
    watch: Watch | None = None
    present: Path | None = None
    """A saved state to go on from, of the time at which the scenario's window begins."""
    keep: Keep | None = None
    """Save the state at some time of the run."""
    emergency: EmergencyPlan | None = None
    """Emergency vehicles that come besides the demand."""

    def __str__(self) -> str:
        return f"{self.scenario.name}, {self.control}, seed {self.seed}"


class Runs:
    """The child processes under way, so that an interrupted comparison can end them all."""

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        """Kill every run under way; runs asked for later end at once."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.kill()

    @contextmanager
    def child(self, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process on *folder*, killed when the block is left."""
        with (folder / LOG_FILE).open("wb") as log, self._lock:
            child = subprocess.Popen(
                [sys.executable, "-m", "sim.worker", str(folder)],
                stdin=subprocess.PIPE,  # its end of file tells the child that we are gone
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C comes to us, and we end the children
            )
            self._children.add(child)
            if self._stopped:
                child.kill()
        try:
            yield child
        finally:
            child.kill()
            child.communicate()
            with self._lock:
                self._children.discard(child)


def run_once(spec: RunSpec, runs: Runs | None = None, on_decision: Tell | None = None) -> RunResult:
    """Run *spec* and return what it measured.

    *on_decision* is called with each decision that ``spec.explain`` asks for, as the run goes on.
    Raises :class:`SumoError` naming scenario, control and seed when SUMO refuses its input or dies,
    and passes on every other :class:`BenchError` or :class:`InvalidError` of the control.
    """
    folder = _scratch_folder()
    try:
        (folder / SPEC_FILE).write_bytes(pickle.dumps(spec))
        with (runs or Runs()).child(folder) as child:
            code = _wait(child, folder, on_decision)
        return _result(spec, folder, code)
    except OSError as error:
        raise SumoError(f"{spec}: {error.strerror or error} in {folder}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(child: subprocess.Popen[bytes], folder: Path, on_decision: Tell | None) -> int:
    """The exit code of *child*; its decisions are passed on meanwhile."""
    if on_decision is None:
        return child.wait()
    follower = Follower(folder / DECISIONS_FILE)
    code: int | None = None
    while code is None:
        try:
            code = child.wait(FOLLOW_S)
        except subprocess.TimeoutExpired:
            _log.debug("the run goes on")
        for note in follower.look():
            on_decision(note)
    return code


def _scratch_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="greenband-"))
    except OSError as error:
        raise SumoError(
            f"no scratch folder for the run ({error.strerror or error}): set TMPDIR to one of yours"
        ) from None


def _environment() -> dict[str, str]:
    """The child imports the rooms from where we did, whatever its working folder."""
    home = str(Path(__file__).resolve().parent.parent)
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{others}" if others else home}


def _result(spec: RunSpec, folder: Path, code: int) -> RunResult:
    path = folder / RESULT_FILE
    if not path.exists():
        raise SumoError(f"{spec}: {_last_words(folder, code)}")
    outcome = pickle.loads(path.read_bytes())
    if isinstance(outcome, RunResult):
        return outcome
    if isinstance(outcome, InvalidError):
        raise outcome
    said = _last_error(folder)
    if isinstance(outcome, SumoError) and said and said not in str(outcome):
        raise SumoError(f"{spec}: {outcome} ({said})")
    raise type(outcome)(f"{spec}: {outcome}")


def _last_words(folder: Path, code: int) -> str:
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
    said = _last_error(folder) or "it said nothing"
    return f"SUMO or its control died, the process {how}: {said}"


def _last_error(folder: Path) -> str:
    """The last line of the run's output that speaks of an error, without SUMO's "Error:"."""
    text = (folder / LOG_FILE).read_text(errors="replace")
    if text:
        _log.debug("output of the failed run:\n%s", text)
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower()]
    return lines[-1].removeprefix("Error:").strip() if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
