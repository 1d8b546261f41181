"""A caller of the console's HTTP interface, with nothing but the standard library.

No redirect is followed and no proxy asked: the token goes to the host that was named, or nowhere.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge.errors import EdgeError
from greenband.failures import UsageError

TOKEN_VARIABLE = "GREENBAND_TOKEN"
TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 16_777_216
LINE_BYTES_MAX = 4_194_304
Document = dict[str, Any]


class ConsoleRefusedError(EdgeError):
    """What the console said no to, in its own sentence; *code* as in the problem document."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class LineError(EdgeError):
    """Nothing answered, or the line broke before all of the answer was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAt:
    """Where a console is, and how to be let in."""

    url: str
    token: str = field(repr=False)
    context: ssl.SSLContext | None = None
    """For https; None: the certificates that this computer trusts."""


def console_at(
    url: str, token_file: Path | None, ca: Path | None, cert: Path | None, key: Path | None
) -> ConsoleAt:
    """The console at *url*; raises :class:`UsageError` and :class:`OSError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise UsageError(f"--url: {url!r} is no address such as http://127.0.0.1:8080")
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise UsageError(
            f"--url: everybody on the way to {parts.hostname} could read the token: write https://"
        )
    if (cert is None) != (key is None):
        raise UsageError("--cert and --key belong together: give both, or neither")
    context = None
    if parts.scheme == "https":
        try:
            context = ssl.create_default_context(cafile=ca)
            if cert is not None:
                context.load_cert_chain(cert, key)
        except ssl.SSLError as error:
            raise UsageError(f"the certificates can't be used ({error.reason})") from None
    return ConsoleAt(url=url.rstrip("/"), token=_token(token_file), context=context)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(file: Path | None) -> str:
    text = os.environ.get(TOKEN_VARIABLE, "") if file is None else file.read_text(encoding="utf-8")
    token = text.strip()
    if not token:
        raise UsageError(f"there is no token: give --token-file FILE, or set {TOKEN_VARIABLE}")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what was given as a token is none: it begins with gb_, in one line")
    return token


class ConsoleClient:
    """Asks the console at *place*."""

    def __init__(self, place: ConsoleAt) -> None:
        self._place = place
        parts = urlsplit(place.url)
        self._host, self._port = parts.hostname or "", parts.port
        self._is_tls, self._prefix = parts.scheme == "https", parts.path

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - a JSON document
        """The document that is answered.

        Raises :class:`ConsoleRefusedError` for a problem, :class:`LineError` where nothing answers.
        """
        line = self._line()
        try:
            answer = self._send(line, method, path, body, headers)
            text = answer.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from None
        finally:
            line.close()
        if answer.status >= 400:
            raise _refusal(answer.status, text)
        return self._document(text)

    def events(self, path: str) -> Iterator[tuple[str, Document]]:
        """Name and document of every server-sent event; raises as :meth:`ask` does."""
        line = self._line()
        try:
            answer = self._send(line, "GET", path, None, {"Accept": "text/event-stream"})
            if answer.status >= 400:
                raise _refusal(answer.status, answer.read(ANSWER_BYTES_MAX))
            name = "message"
            while text := answer.readline(LINE_BYTES_MAX):
                key, _, value = text.decode("utf-8").rstrip("\r\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    yield name, self._document(value.encode())
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            raise self._broken(error) from None
        finally:
            line.close()

    def _line(self) -> http.client.HTTPConnection:
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_S, context=self._place.context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)

    def _send(
        self,
        line: http.client.HTTPConnection,
        method: str,
        path: str,
        body: object,
        headers: dict[str, str] | None,
    ) -> http.client.HTTPResponse:
        sent = {"Authorization": f"Bearer {self._place.token}", **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            sent["Content-Type"] = "application/json"
        line.request(method, self._prefix + path, content, sent)
        return line.getresponse()

    def _document(self, text: bytes) -> Any:  # noqa: ANN401 - a JSON document
        try:
            return json.loads(text)
        except ValueError:
            raise LineError(
                f"what answers at {self._place.url} is no console: check --url"
            ) from None

    def _broken(self, error: Exception) -> LineError:
        if isinstance(error, ConnectionRefusedError):
            return LineError(
                f"nothing listens at {self._place.url}: start greenband serve, or give --url"
            )
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return LineError(f"no answer from {self._place.url} ({why}): check --url and the network")


def _refusal(status: int, text: bytes) -> ConsoleRefusedError:
    try:
        problem = json.loads(text)
        return ConsoleRefusedError(status, str(problem["code"]), str(problem["detail"]))
    except (ValueError, TypeError, KeyError):
        return ConsoleRefusedError(status, "unknown", f"the console answered with status {status}")
