"""A week's table of plans as a JSON file: which plan runs when, on which days.

::

    {
      "schema": 1,
      "network": "arterial",
      "plans": [{"name": "1", "file": "plan-1.json"}],
      "day_types": [
        {"days": ["Mon", "Tue", "Wed", "Thu", "Fri"],
         "periods": [{"from": "00:00", "plan": "1"}, {"from": "06:30", "plan": "2"}]}
      ]
    }

Files are beside the table. A period lasts until the next one of its day begins, the last until
midnight; the times are those of the clock on the wall.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from sim.errors import PlanFileError
from sim.planning.counts import WEEKDAYS

SCHEMA = 1
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekPeriod:
    """From this minute of the day the plan of this name runs."""

    minute: int
    plan: str

    @property
    def clock(self) -> str:
        """Such as ``06:30``."""
        return f"{self.minute // 60:02}:{self.minute % 60:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayType:
    """Days of the week (0 is Monday) that share a table; the first period begins at midnight."""

    days: tuple[int, ...]
    periods: tuple[WeekPeriod, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekTable:
    """``plans``: name to file. ``day_types``: every day of the week stands in one."""

    network: str
    plans: tuple[tuple[str, str], ...]
    day_types: tuple[DayType, ...]


def to_json(table: WeekTable) -> str:
    """*table* as JSON text, ending in a newline."""
    return json.dumps(document(table), indent=2, ensure_ascii=False) + "\n"


def document(table: WeekTable) -> dict[str, object]:
    """*table* as the data of its file."""
    return {
        "schema": SCHEMA,
        "network": table.network,
        "plans": [{"name": name, "file": file} for name, file in table.plans],
        "day_types": [
            {
                "days": [WEEKDAYS[day] for day in each.days],
                "periods": [{"from": part.clock, "plan": part.plan} for part in each.periods],
            }
            for each in table.day_types
        ],
    }


def from_json(text: str, source: str = "week.json") -> WeekTable:
    """The table in *text*; raises :class:`PlanFileError` naming the place of the first fault."""
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise PlanFileError(f"{source}: schema is {content['schema']}, this version reads 1")
        table = WeekTable(
            network=content["network"],
            plans=tuple((each["name"], each["file"]) for each in content["plans"]),
            day_types=tuple(
                DayType(
                    days=tuple(WEEKDAYS.index(day) for day in each["days"]),
                    periods=tuple(
                        WeekPeriod(minute=_minute(part["from"], source), plan=part["plan"])
                        for part in each["periods"]
                    ),
                )
                for each in content["day_types"]
            ),
        )
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise PlanFileError(f"{source}: this is no week's table of plans ({error})") from None
    _require_whole(table, source)
    return table


def _minute(text: str, source: str) -> int:
    if not re.fullmatch(_CLOCK, text):
        raise PlanFileError(f"{source}: from {text!r} is no time of day such as 06:30")
    return int(text[:2]) * 60 + int(text[3:])


def _require_whole(table: WeekTable, source: str) -> None:
    """Every day once, every plan known, periods in order from midnight."""
    days = sorted(day for each in table.day_types for day in each.days)
    if days != list(range(7)):
        raise PlanFileError(f"{source}: every day of the week must stand in one of day_types")
    names = {name for name, _ in table.plans}
    for each in table.day_types:
        minutes = [part.minute for part in each.periods]
        where = f"{source}: day_types of {WEEKDAYS[each.days[0]]}"
        if not minutes or minutes[0] != 0 or sorted(set(minutes)) != minutes:
            raise PlanFileError(f"{where}: periods must begin at 00:00 and go on in order")
        unknown = [part.plan for part in each.periods if part.plan not in names]
        if unknown:
            raise PlanFileError(f"{where}: there is no plan {unknown[0]!r}")


def schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Greenband week's table of plans",
        "description": "Which plan runs when; a period lasts until the next one begins.",
        **_object(
            {
                "schema": {"const": SCHEMA},
                "network": {"type": "string", "description": "What the plans were made for."},
                "plans": _list(
                    _object({"name": {"type": "string"}, "file": {"type": "string"}}),
                    "Every plan, and its file (a network plan) beside this one.",
                ),
                "day_types": _list(
                    _object(
                        {
                            "days": _list({"enum": list(WEEKDAYS)}, "Days that are alike."),
                            "periods": _list(
                                _object(
                                    {
                                        "from": {"type": "string", "pattern": f"^{_CLOCK}$"},
                                        "plan": {"type": "string"},
                                    }
                                ),
                                "In order; the first begins at 00:00.",
                            ),
                        }
                    ),
                    "Every day of the week stands in one.",
                ),
            }
        ),
    }


def _object(properties: dict[str, dict[str, object]]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: dict[str, object], description: str) -> dict[str, object]:
    return {"type": "array", "items": items, "minItems": 1, "description": description}
