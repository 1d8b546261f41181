"""A timing plan as a JSON file.

::

    {
      "schema": 1,
      "site": "GS_cluster_357187_359543",
      "name": "morning",
      "cycle_ms": 90000,
      "offset_ms": 12000,
      "stages": [
        {"stage": "1", "split_ms": 50000, "coordinated": true},
        {"stage": "2", "split_ms": 40000, "actuated": true, "skippable": true}
      ]
    }

The keys are the fields of :class:`controller.plan.TimingPlan` and
:class:`controller.plan.PlanStage`; those with a default may be left out. Reading checks the form
only; :func:`controller.plan.check_plan` holds the plan against its site.
"""

from __future__ import annotations

import json

from controller.plan import TimingPlan
from controller.values_json import decode, encode, parse
from controller.violations import InvalidError, Violation

SCHEMA = 1


def to_json(plan: TimingPlan) -> str:
    """*plan* as JSON text, ending in a newline."""
    return json.dumps(document(plan), indent=2, ensure_ascii=False) + "\n"


def document(plan: TimingPlan) -> dict[str, object]:
    """*plan* as the data of its file."""
    return {"schema": SCHEMA, **encode(plan)}


def from_json(text: str) -> TimingPlan:
    """The plan in *text*; raises :class:`InvalidError` naming every fault of the form."""
    content = parse(text, "plan file")
    schema = content.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        message = f"schema is {json.dumps(schema)}, this version reads {SCHEMA}"
        raise InvalidError("plan file", (Violation("schema", "file", message),))
    return decode(TimingPlan, content, "plan file")
