"""Errors as problem+json (RFC 9457), each with a sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

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
    404: "Nothing is there: check the address.",
    405: "That address does not take this method.",
}


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
        return from_validation(error).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "-")
        sentence = _HELP.get(error.status_code, f"{phrase}.")
        return ProblemError(error.status_code, code, sentence).response()


def from_validation(error: RequestValidationError) -> ProblemError:
    """What is wrong with a request, first fault first."""
    found = [
        {"where": ".".join(str(part) for part in each["loc"][1:]) or "body", "what": each["msg"]}
        for each in error.errors()
    ]
    first = found[0] if found else {"where": "body", "what": "it can't be read"}
    return ProblemError(
        422,
        "bad-request",
        f"{first['where']}: {first['what']}. Correct it and send it again.",
        errors=found,
    )
