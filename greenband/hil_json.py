"""The JSON of a run of the hardware-in-the-loop bench, schema 1 (``docs/hil.md``).

Its ``controls`` are those of a comparison: the run through the cabinets and the one in one process.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from greenband.comparison_json import run_document

if TYPE_CHECKING:
    from sim.hil.results import HilResult, Recovery

SEES = "three loops per approach lane, and push buttons"


def hil_document(result: HilResult) -> dict[str, Any]:
    """What ``hil --json`` writes for *result*."""
    from sim.hil.results import SCHEMA

    trace = result.trace
    return {
        "schema": SCHEMA,
        "scenario": result.scenario,
        "convention": result.convention,
        "sumo": result.sumo,
        "scale": result.scale,
        "speed": result.speed,
        "link": result.link,
        "broker": result.broker,
        "junctions": list(result.junctions),
        "foreign": list(result.foreign),
        "controls": [
            _control("adaptive_hil", result.run.result),
            _control("adaptive", result.reference.result),
        ],
        "failed": [],
        "equal": result.equal,
        "wall_s": result.wall_s,
        "adaptive_share": result.adaptive_share,
        "trace": {
            "looks": trace.looks,
            "unseen_share": trace.unseen_share,
            "differs_at_s": trace.differs_at_s,
            "differs_where": trace.differs_where,
            "violations": [
                {
                    "rule": each.rule.name.lower(),
                    "junction": each.junction,
                    "at_ms": each.at_ms,
                    "message": each.message,
                }
                for each in trace.violations
            ],
        },
        "faults": [str(fault) for fault in result.faults],
        "latencies": [asdict(each) for each in result.latencies],
        "recoveries": [_recovery(each) for each in result.recoveries],
    }


def _control(name: str, run: Any) -> dict[str, Any]:  # noqa: ANN401 - a RunResult
    return {"name": name, "sees": SEES, "ours": True, "runs": [run_document(run)]}


def _recovery(recovery: Recovery) -> dict[str, Any]:
    fault = recovery.fault
    return {
        "fault": fault.kind.value,
        "at_s": fault.at_s,
        "for_s": fault.for_s,
        "junction": recovery.junction,
        "left_s": recovery.left_s,
        "back_s": recovery.back_s,
        "standing": recovery.standing,
        "reference_standing": recovery.reference_standing,
    }
