r"""Signed requests of agencies and vehicles: who may ask the centre for what, over a broker.

The broker is not trusted. Every request carries its own proof, as an order to an edge does
(:mod:`edge.orders`): HMAC-SHA256 with the agency's key over the exact bytes of what it says. ::

    {"schema": 1, "signed": "{\"agency\":\"fire\",\"sequence_no\":7,…}", "hmac_sha256": "9f…"}

What is signed has ``agency``, ``sequence_no``, ``issued_utc_ms``, ``verb`` and ``content``. A
request is refused if it is forged, damaged, on another agency's topic, not younger than all before
it by its number, older than half a minute, or beyond what its agency may ask. Its number is spent
with that, whatever comes of it: what was refused can't be played again later. Answers are signed
with the same key, and can't be taken for requests.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from edge.config_words import first_in_json
from edge.errors import EdgeError
from edge.order_numbers import OrderNumbers
from edge.orders import NUMBER_MAX

SCHEMA = 1
REQUEST_BYTES_MAX = 65_536
FRESH_MS = 30_000
"""So far from our clock a request may have been issued, before or after."""
Verb = Literal["preview", "open", "position", "reroute", "cancel", "end"]
VERBS: tuple[Verb, ...] = get_args(Verb)
_REQUEST = b"greenband corridor request 1\n"
_ANSWER = b"greenband corridor answer 1\n"
"""Nothing else that is signed with the same key can pass for the one or the other."""
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_KIND = "request"
_LOST = (
    "which requests were taken has been lost, and this may be one of them: issue it anew, under "
    "a higher number"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """Who may ask; *name* is its topic as well. ``verbs``: what it may ask for."""

    name: str
    keys: tuple[bytes, ...] = field(repr=False)
    verbs: frozenset[str] = frozenset(VERBS)


@checked_dataclass(frozen=True, slots=True, config=_STRICT)
class Request:
    """What a signed request says."""

    agency: str
    sequence_no: int
    issued_utc_ms: int
    verb: str
    content: dict[str, object]


class RequestRefusedError(EdgeError):
    """A request that is not carried out; *code* says in a word why.

    *request* is what it says, where it is proven that its agency has said it.
    """

    def __init__(self, code: str, sentence: str, request: Request | None = None) -> None:
        self.code = code
        self.request = request
        super().__init__(sentence)


_READ = TypeAdapter(Request)


def sign_request(request: Request, key: bytes) -> bytes:
    """The request as an agency sends it."""
    said = {name: getattr(request, name) for name in Request.__slots__}
    return _signed(said, key, _REQUEST)


def sign_answer(said: Mapping[str, object], key: bytes) -> bytes:
    """An answer as the centre sends it."""
    return _signed(said, key, _ANSWER)


def read_answer(payload: bytes, keys: Sequence[bytes]) -> dict[str, object]:
    """What an answer says; raises :class:`RequestRefusedError` if it is not the centre's."""
    said: dict[str, object] = json.loads(_proven(payload, keys, _ANSWER))
    return said


class RequestGate:
    """Lets pass what may be carried out for *agencies*, each request once.

    *numbers* remembers the last one of each agency; whoever carries out saves it.
    """

    def __init__(self, agencies: Sequence[Agency], numbers: OrderNumbers) -> None:
        self._agencies = {agency.name: agency for agency in agencies}
        self._numbers = numbers

    def check(self, topic_agency: str, payload: bytes, now_utc_ms: int) -> Request:
        """The request in *payload*, which came on the topic of *topic_agency*.

        Raises :class:`RequestRefusedError`.
        """
        agency = self._agencies.get(topic_agency)
        if agency is None:
            raise RequestRefusedError("agency", f"there is no agency {topic_agency!r} here")
        signed = _proven(payload, agency.keys, _REQUEST)
        try:
            request = _READ.validate_json(signed, strict=True)
        except ValidationError as error:
            raise RequestRefusedError("form", first_in_json(error, "request")) from None
        if request.agency != agency.name:
            raise RequestRefusedError(
                "agency", f"it says that it is from {request.agency!r}, not {agency.name!r}"
            )
        self._spend(request, signed, now_utc_ms)
        if request.verb not in VERBS:
            words = f"{request.verb!r} is not one of: {', '.join(VERBS)}"
            raise RequestRefusedError("verb", words, request)
        if request.verb not in agency.verbs:
            raise RequestRefusedError(
                "missing-scope",
                f"{agency.name} may not {request.verb}: ask traffic management to allow it",
                request,
            )
        return request

    def _spend(self, request: Request, signed: bytes, now_utc_ms: int) -> None:
        """Raise unless it is new and fresh; from now on, nothing older of its agency is."""
        number = request.sequence_no
        if not 0 <= number <= NUMBER_MAX:
            words = f"sequence_no {number} is outside 0..{NUMBER_MAX}"
            raise RequestRefusedError("form", words, request)
        last, _ = self._numbers.accepted.get((request.agency, _KIND), (-1, b""))
        if number <= last:
            words = f"number {number} came after {last} was taken: count on, and send it again"
            raise RequestRefusedError("replay", words, request)
        ahead_ms = request.issued_utc_ms - now_utc_ms
        if abs(ahead_ms) > FRESH_MS:
            off = f"{abs(ahead_ms) / 1_000:.0f} s {'ahead' if ahead_ms > 0 else 'ago'}"
            words = f"it was issued {off}, by its own clock: set that clock, and send it again"
            raise RequestRefusedError("stale", words, request)
        if request.issued_utc_ms <= self._numbers.floor_utc_ms:
            raise RequestRefusedError("replay", _LOST, request)
        self._numbers.note(request.agency, _KIND, number, hashlib.sha256(signed).digest())


def _signed(said: Mapping[str, object], key: bytes, context: bytes) -> bytes:
    text = _text(said)
    proof = hmac.new(key, context + text.encode(), hashlib.sha256).hexdigest()
    return _text({"schema": SCHEMA, "signed": text, "hmac_sha256": proof}).encode()


def _text(said: Mapping[str, object]) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _proven(payload: bytes, keys: Sequence[bytes], context: bytes) -> bytes:
    """What was signed with one of *keys*, to the byte."""
    if len(payload) > REQUEST_BYTES_MAX:
        raise RequestRefusedError("form", f"it is larger than {REQUEST_BYTES_MAX} bytes")
    try:
        message = json.loads(payload)
        signed, given = message["signed"].encode(), message["hmac_sha256"].encode("ascii")
        known = message["schema"] == SCHEMA
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        known = False
    if not known:
        raise RequestRefusedError("form", f"it is no request of schema {SCHEMA}")
    proofs = [hmac.new(key, context + signed, hashlib.sha256).hexdigest() for key in keys]
    matches = [hmac.compare_digest(proof.encode(), given) for proof in proofs]
    if not any(matches):
        raise RequestRefusedError("signature", "it is not signed with the key of this agency")
    return bytes(signed)
