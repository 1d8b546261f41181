"""``greenband whatif``: the present under candidates, some minutes ahead, ranked."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.counted_demand import COUNTS, COUNTS_COLUMNS, DETECTORS
from greenband.extras import require_report, require_sumo
from greenband.failures import STOPPED, UsageError, guarded
from greenband.files import ensure_writable
from greenband.options import CONVENTION, JSON_TO, ROUTES, SCALE, SCENARIO
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from sim.network import Network
    from sim.whatif.asking import Answer

MINUTES_MAX = 240.0


@guarded
def whatif_command(
    scenario: SCENARIO,
    state: Annotated[
        Path | None,
        typer.Option(help="The present: a state that SUMO saved.", metavar="STATE.xml.gz"),
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(help="The present: this second of the scenario.", metavar="S"),
    ] = None,
    counts: COUNTS = None,
    controls: Annotated[
        str,
        typer.Option(
            "--controls", "--control", help="Candidates: controls and plan files.", metavar="A,B"
        ),
    ] = "fixed,actuated,adaptive",
    minutes: Annotated[float, typer.Option(help="How far to look ahead.", metavar="MIN")] = 15.0,
    seeds: Annotated[
        str,
        typer.Option(help="5 means seeds 1 to 5; or a list such as 1,2,5-9.", metavar="N|LIST"),
    ] = "5",
    present: Annotated[
        str,
        typer.Option(help="With --at or --counts: what the signals run until now.", metavar="A"),
    ] = "fixed",
    counts_columns: COUNTS_COLUMNS = None,
    detectors: DETECTORS = None,
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    routes: ROUTES = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; as many as there are cores.", min=1)
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with pictures.", metavar="FILE.html")
    ] = None,
    json_to: JSON_TO = None,
) -> None:
    """Try candidates on the present, some minutes ahead, and rank them by everybody's delay.

    Every candidate goes on from the same vehicles and lamps, with the same seeds. The present is a
    saved state (greenband run --save-state), a second of the scenario, or what loops have counted.
    """
    from greenband.whatif_setup import Wish, ask_wish

    require_sumo()
    if report is not None:
        require_report()
    if sum(each is not None for each in (state, counts)) > 1 or (state is not None and at):
        raise UsageError("--state says when it is: give it alone, or --at, or --counts with --at")
    if state is None and at is None and counts is None:
        raise UsageError("which present? give --state STATE.xml.gz, --at S, or --counts FILE.csv")
    if not 0 < minutes <= MINUTES_MAX:
        raise UsageError(f"--minutes {minutes:g}: give more than 0, and at most {MINUTES_MAX:g}")
    for target in (report, None if json_to in {None, STANDARD_OUTPUT} else Path(str(json_to))):
        if target is not None:
            ensure_writable(target)
    wish = Wish(
        scenario=scenario,
        state=state,
        at_s=at,
        counts=counts,
        counts_columns=counts_columns,
        detectors=detectors,
        controls=controls,
        seeds=seeds,
        minutes=minutes,
        present=present,
        convention=convention,
        scale=scale,
        routes=tuple(routes or ()),
        workers=workers,
    )
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        answer, network = ask_wish(wish, Path(folder))
    _hand_over(answer, network, json_to, report, wish.command())


def _hand_over(
    answer: Answer, network: Network, json_to: str | None, report: Path | None, command: str
) -> None:
    from greenband.whatif_json import answer_document
    from greenband.whatif_table import print_answer, verdict

    if json_to != STANDARD_OUTPUT:
        print_answer(answer)
    if json_to is not None:
        print_json(answer_document(answer), json_to)
    if report is not None:
        from sim.whatif.page import write_page

        write_page(answer, report, command=command, sentences=tuple(verdict(answer)))
        say(f"report: {report}")
    if not answer.complete:
        raise typer.Exit(STOPPED)
