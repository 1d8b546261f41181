"""Pages from templates, with what all of them show."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from greenband.console.access import hub_of, note_refusal, session_of
from greenband.console.tokens import Scope
from greenband.version import greenband_version

NAVIGATION = (
    ("/", "Map"),
    ("/corridors", "Corridors"),
    ("/line", "Time–space"),
    ("/plans", "Plans"),
    ("/audit", "Audit"),
    ("/interface", "Interface"),
)


@functools.cache
def templates() -> Environment:
    """The templates of the console; what is missing in one is an error."""
    return Environment(
        loader=PackageLoader("greenband.console"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(
    request: Request, template: str, values: Mapping[str, object], status: int = 200
) -> HTMLResponse:
    """*template* filled with *values*, and with who is signed in."""
    hub = hub_of(request)
    caller = session_of(request)
    text = (
        templates()
        .get_template(template)
        .render(
            net=hub.centre.name,
            note=hub.centre.note,
            caller=caller,
            csrf=caller.session.csrf if caller and caller.session else "",
            may={scope.name.lower(): caller is not None and caller.may(scope) for scope in Scope},
            navigation=NAVIGATION,
            here=request.url.path,
            version=greenband_version(),
            **values,
        )
    )
    return HTMLResponse(text, status_code=status)


class NotShownError(Exception):
    """Whoever asks for a page gets *answer* instead of it."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


def shown_to(scope: Scope) -> Callable[[Request], Awaitable[None]]:
    """A dependency: before anything is looked up for a page, who asks has to be signed in."""

    async def check(request: Request) -> None:
        caller = session_of(request)
        if caller is None:
            raise NotShownError(RedirectResponse("/login", 303))
        if not caller.may(scope):
            missing = {"missing_scope": scope.value}
            note_refusal(hub_of(request), caller, request.url.path, missing)
            words = (
                f"The token of {caller.agency} is not good for {scope.value}: ask for one that is."
            )
            values = {"title": "Not allowed", "words": words}
            raise NotShownError(page(request, "message.html.j2", values, 403))

    return check
