"""The audit over HTTP, as JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from greenband.console import documents
from greenband.console.access import BEARER, Caller, allowed, hub_of
from greenband.console.audit_book import ROWS_MAX
from greenband.console.problems import RESPONSES
from greenband.console.tokens import Scope

router = APIRouter(
    prefix="/v1", tags=["audit"], dependencies=[Depends(BEARER)], responses=RESPONSES
)
Reader = Annotated[Caller, Depends(allowed(Scope.AUDIT_READ))]
_COLUMNS = ("number", "utc_ms", "actor", "action", "subject", "detail", "digest")
NUMBER_MAX = 2**63 - 1
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@router.get("/audit")
async def audit(
    request: Request,
    caller: Reader,
    corridor: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[int | None, Query(ge=0, le=NUMBER_MAX)] = None,
    most: Annotated[int, Query(ge=1, le=ROWS_MAX)] = 200,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """The newest entries, oldest first; of one corridor, site or vehicle if one is named.

    With *after*, those that follow that number: so it can be read to its end, part by part.
    """
    written = hub_of(request).audit.read(corridor, after=after, most=most)
    rows = [documents.written(each) for each in written]
    if format == "json":
        return JSONResponse(rows)
    name = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(as_csv(rows), media_type="text/csv; charset=utf-8", headers=name)


def as_csv(rows: list[dict[str, Any]]) -> str:
    """*rows* for a spreadsheet, which must not take a text for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        detail = json.dumps(row["detail"], ensure_ascii=False, sort_keys=True)
        writer.writerow(_plain({**row, "detail": detail}[name]) for name in _COLUMNS)
    return text.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
