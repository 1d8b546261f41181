"""Errors as problem+json (RFC 9457), each with a sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from controller.violations import InvalidError
from edge.corridors.errors import CorridorError
from edge.errors import EdgeError, OrderRefusedError

MEDIA = "application/problem+json"
STATUS_OF = {
    "unknown-corridor": 404,
    "unknown-preview": 404,
    "unknown-site": 404,
    "expired-preview": 410,
    "over": 409,
    "vehicle-busy": 409,
}
"""By code of a :class:`CorridorError`; every other one is 422."""
_HELP = {
    400: ("bad-request", "The body can't be read: send JSON in UTF-8."),
    404: ("not-found", "Nothing is there: check the address."),
    405: ("method-not-allowed", "That address does not take this method."),
    408: ("too-slow", "The request did not come to its end: send it anew."),
    413: ("too-large", "A request has at most 256 KiB: send less."),
}
ERRORS_MAX = 20
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong, with a code for programs and a sentence for people",
        "content": {
            MEDIA: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail", "code"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "code": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""How the description of the interface puts it."""


class ProblemError(Exception):
    """An answer that is an error; *extra* are further members of the document."""

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.extra = extra

    def document(self) -> dict[str, object]:
        """The body of the answer."""
        title = self.code.replace("-", " ").capitalize()
        return {
            "type": f"tag:greenband,2026:problem:{self.code}",
            "title": title,
            "status": self.status,
            "detail": str(self),
            "code": self.code,
            **self.extra,
        }

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(
            self.document(), status_code=self.status, headers=self.headers, media_type=MEDIA
        )


def too_many(what: str, wait_s: float) -> ProblemError:
    """429, with the time to wait."""
    seconds = max(1, math.ceil(wait_s))
    return ProblemError(
        429,
        "too-many-requests",
        f"Your agency has sent too many {what}: wait {seconds} s, then try again. "
        "A cancellation is never held back.",
        {"Retry-After": str(seconds)},
        retry_after_s=seconds,
    )


def from_corridor(error: CorridorError) -> ProblemError:
    """What the desk says, with the status that suits it."""
    return ProblemError(STATUS_OF.get(error.code, 422), error.code, sentence(str(error)))


def sentence(words: str) -> str:
    """*words* as a whole sentence; a name in front stays as it is."""
    first = words.partition(" ")[0]
    begun = words[:1].upper() + words[1:] if first.isalpha() else words
    return begun if begun.endswith((".", "…", "!", "?")) else f"{begun}."


def install(app: FastAPI) -> None:
    """Have every error of *app* answered as a problem."""

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(CorridorError)
    async def _corridor(request: Request, error: CorridorError) -> JSONResponse:
        return from_corridor(error).response()

    @app.exception_handler(InvalidError)
    async def _invalid(request: Request, error: InvalidError) -> JSONResponse:
        return ProblemError(422, "invalid", sentence(str(error))).response()

    @app.exception_handler(EdgeError)
    async def _edge(request: Request, error: EdgeError) -> JSONResponse:
        status, code = 503, "not-now"
        if isinstance(error, OrderRefusedError):
            status, code = 409, "refused-by-site"
        return ProblemError(status, code, sentence(str(error))).response()

    @app.exception_handler(RequestValidationError)
    async def _request(request: Request, error: RequestValidationError) -> JSONResponse:
        is_json = "json" in request.headers.get("content-type", "")
        return from_validation(error, is_json=is_json).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        return from_http(error).response()


def from_http(error: HTTPException) -> ProblemError:
    """What the framework says, in our words."""
    phrase = HTTPStatus(error.status_code).phrase
    usual = phrase.lower().replace(" ", "-"), f"{phrase}."
    code, words = _HELP.get(error.status_code, usual)
    return ProblemError(error.status_code, code, words, error.headers)


def from_validation(error: RequestValidationError, *, is_json: bool = True) -> ProblemError:
    """What is wrong with a request, first fault first."""
    found = [_fault(each) for each in error.errors()[:ERRORS_MAX]]
    first = found[0] if found else {"where": "body", "what": "it can't be read"}
    words = f"{first['where']}: {first['what']}. Correct it and send it again."
    if first["where"] == "body" and not is_json:
        words = "The body is not taken for JSON: send it with Content-Type: application/json."
    return ProblemError(422, "bad-request", words, errors=found)


def _fault(said: Mapping[str, Any]) -> dict[str, str]:
    where, what = ".".join(str(part) for part in said["loc"][1:]), said["msg"]
    if said["type"] == "json_invalid":
        where, what = "", f"it is not JSON from character {where} on"
    return {"where": _printable(where) or "body", "what": _printable(what)}


def _printable(text: str) -> str:
    """*text* without what can't be sent: JSON may name half a character."""
    return text.encode(errors="replace").decode()
