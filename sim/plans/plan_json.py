"""A network plan as a JSON file.

::

    {
      "schema": 1,
      "name": "morning",
      "network": "arterial4x4",
      "objective": "least delay",
      "zones": [{"name": "1", "cycle_s": 90.0, "sites": ["J1", "J2"]}],
      "plans": [
        {"site": "J1", "name": "morning", "cycle_ms": 90000, "offset_ms": 12000,
         "stages": [{"stage": "1", "split_ms": 50000}, {"stage": "2", "split_ms": 40000}]}
      ]
    }

The keys are the fields of :class:`optimizer.planning.network.NetworkPlan` and of what it holds;
those with a default may be left out. Reading checks the form only, and names every fault with its
place in the file (``plans[0].stages[1].split_ms``); :mod:`sim.plans.check` holds it against sites.
"""

from __future__ import annotations

import json

from controller import plan_json as site_plan_json
from controller.plan import CYCLE_MAX_MS, Transition
from controller.values_json import decode, encode, parse
from controller.violations import InvalidError, Violation
from optimizer.planning.network import NetworkPlan

SCHEMA = 1
_WHAT = "network plan"


def to_json(plan: NetworkPlan) -> str:
    """*plan* as JSON text, ending in a newline."""
    return json.dumps(document(plan), indent=2, ensure_ascii=False) + "\n"


def document(plan: NetworkPlan) -> dict[str, object]:
    """*plan* as the data of its file."""
    return {"schema": SCHEMA, **encode(plan)}


def from_json(text: str) -> NetworkPlan:
    """The network plan in *text*, or the one of a single site's plan file.

    Raises :class:`InvalidError` naming every fault of the form with its place.
    """
    content = parse(text, _WHAT)
    if "stages" in content and "plans" not in content:
        single = site_plan_json.from_json(text)
        return NetworkPlan(name=single.name, zones=(), plans=(single,))
    schema = content.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        message = f"schema is {json.dumps(schema)}, this version reads {SCHEMA}"
        raise InvalidError(_WHAT, (Violation("schema", "file", message),))
    return decode(NetworkPlan, content, _WHAT)


def schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Greenband network plan",
        "description": "One signal plan for every site of a network, made together.",
        **_object(
            {
                "schema": {"const": SCHEMA},
                "name": _text("What the plan is called, such as morning."),
                "network": _text("The scenario or file that it was made for."),
                "objective": _text("What it is best in, in words."),
                "zones": _list_of(_zone_schema(), "Sites that share a cycle."),
                "plans": _list_of(_site_plan_schema(), "One for every site."),
            },
            optional=("network", "objective"),
        ),
    }


def _zone_schema() -> dict[str, object]:
    return _object(
        {
            "name": _text("What the zone is called."),
            "cycle_s": {
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "Seconds; a site may run at half or double of it.",
            },
            "sites": _list_of({"type": "string"}, "Names of the sites."),
        }
    )


def _site_plan_schema() -> dict[str, object]:
    return _object(
        {
            "site": _text("The intersection that it is made for."),
            "name": _text("What the plan is called."),
            "cycle_ms": _whole("Milliseconds; the splits add up to it.", 1, CYCLE_MAX_MS),
            "stages": {**_list_of(_stage_schema(), "In order."), "minItems": 1},
            "offset_ms": {
                "type": ["integer", "null"],
                "minimum": 0,
                "default": None,
                "description": "How long the start of green of the first stage lags the multiple "
                "of the cycle; null: isolated.",
            },
            "sequence_no": _whole("Which plan replaces which.", 0),
            "transition": {"enum": [each.value for each in Transition]},
            "valid_from_utc_ms": {"type": ["integer", "null"]},
            "valid_to_utc_ms": {"type": ["integer", "null"]},
        },
        optional=(
            *("offset_ms", "sequence_no", "transition"),
            *("valid_from_utc_ms", "valid_to_utc_ms"),
        ),
    )


def _stage_schema() -> dict[str, object]:
    flags = {
        "actuated": "It may end early when its detectors fall silent.",
        "skippable": "It is left out when none of its groups has a call.",
        "coordinated": "The time that actuated stages leave over goes to it.",
    }
    return _object(
        {
            "stage": _text("A stage of the site."),
            "split_ms": _whole("Milliseconds of green and the interstage after it.", 1),
            **{
                name: {"type": "boolean", "default": False, "description": meaning}
                for name, meaning in flags.items()
            },
        },
        optional=tuple(flags),
    )


def _object(
    properties: dict[str, dict[str, object]], optional: tuple[str, ...] = ()
) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _text(description: str) -> dict[str, object]:
    return {"type": "string", "description": description}


def _whole(description: str, least: int, most: int | None = None) -> dict[str, object]:
    bounds = {"minimum": least} if most is None else {"minimum": least, "maximum": most}
    return {"type": "integer", **bounds, "description": description}


def _list_of(items: dict[str, object], description: str) -> dict[str, object]:
    return {"type": "array", "items": items, "description": description}
