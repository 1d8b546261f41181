"""Streets between junctions as a JSON file, a list of :class:`optimizer.links.Link`.

::

    [{"upstream": "J1", "exit": "east", "downstream": "J2", "approach": "west", "travel_s": 21.5}]
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from optimizer.links import Link

_FIELDS = {field.name for field in dataclasses.fields(Link)}
_LINKS: TypeAdapter[list[Link]] = TypeAdapter(list[Link])


def to_json(links: Sequence[Link]) -> str:
    """*links* as JSON text, one to a line."""
    lines = [json.dumps(dataclasses.asdict(link), ensure_ascii=False) for link in links]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def from_json(text: str) -> tuple[Link, ...]:
    """The links in *text*; raises :class:`ValueError` with a sentence for the first fault."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from None
    for k, row in enumerate(rows if isinstance(rows, list) else ()):
        unknown = sorted(row.keys() - _FIELDS) if isinstance(row, dict) else ()
        if unknown:
            raise ValueError(f"link {k + 1}: unknown key {', '.join(unknown)}")
    try:
        return tuple(_LINKS.validate_json(text, strict=True))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place or 'file'}: {first['msg']}") from None
