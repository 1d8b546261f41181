"""The console handled roughly: what is no JSON, too long, too large or never there."""

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import time
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request

from greenband.console import guard, problems
from greenband.console.database import FILE
from greenband.console.guard import Guard
from tests.console.console_server import running_console

WISH = {"vehicle": "ambulance-1", "from": "east-ring", "to": "oak-west", "reason": "incident 1"}
JSON = {"Content-Type": "application/json"}
HALF = "\\ud800"
"""In JSON the first half of a character, which is no text."""


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    with running_console(tmp_path_factory.mktemp("rough")) as running:
        yield running


@pytest.fixture
def call(console):
    with httpx.Client(base_url=console.address, timeout=20) as client:

        def send(method, path, token=console.admin, **more):
            headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
            return client.request(method, path, headers=headers, **more)

        yield send


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert re.search(r"[.…]$", document["detail"]), document["detail"]
    return document["detail"]


def test_a_body_in_pieces_is_bounded_like_one_that_says_its_length(call):
    def pieces():
        for _ in range(40):
            yield b" " * 10_000

    for path in ("/v1/corridors:preview", "/login"):
        problem(call("POST", path, content=pieces(), headers=JSON), 413, "too-large")


def test_what_is_no_json_is_told_what_to_send(call):
    path = "/v1/corridors:preview"
    text = json.dumps(WISH)
    assert "application/json" in problem(call("POST", path, content=text), 422, "bad-request")
    broken = call("POST", path, content=b'{"a": 1 "b"}', headers=JSON)
    assert "not JSON from character 8" in problem(broken, 422, "bad-request")
    latin = call("POST", path, content='{"vehicle": "ü"}'.encode("latin-1"), headers=JSON)
    assert "UTF-8" in problem(latin, 400, "bad-request")
    deep = call("POST", path, content=b"[" * 100_000, headers=JSON)
    problem(deep, 400, "bad-request")


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("POST", "/v1/corridors:preview", f'{{"vehicle": "a{HALF}"}}'),
        ("POST", "/v1/corridors:preview", f'{{"vehicle": "a", "{HALF}": 1}}'),
        ("PATCH", "/v1/corridors/x", f'{{"to": "{HALF}"}}'),
        ("POST", "/v1/corridors/x/position", f'{{"speed_m_per_s": 1, "utc_ms": 1{"0" * 400}}}'),
        ("POST", "/v1/corridors/x/position", '{"speed_m_per_s": 1e400}'),
        ("POST", "/v1/sites/oak/plans:rollback", f'{{"sequence_no": 1{"0" * 100}}}'),
    ],
)
def test_numbers_and_texts_that_nothing_can_hold_are_bad_requests(call, method, path, text):
    problem(call(method, path, content=text, headers=JSON), 422, "bad-request")


def test_an_address_that_takes_another_method_names_it(call):
    answer = call("PUT", "/v1/corridors/x")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


def test_an_audit_from_beyond_its_end_is_empty_or_refused(call, console):
    _, looker = console.token("Curious", "view")
    problem(call("GET", "/v1/audit", token=looker), 403, "missing-scope")
    assert call("GET", "/v1/audit", params={"after": 2**62}).json() == []
    problem(call("GET", "/v1/audit", params={"after": 2**63}), 422, "bad-request")
    first = call("GET", "/v1/audit", params={"after": 0, "most": 1}).json()
    assert [each["number"] for each in first] == [1]


def test_many_faults_at_once_do_not_make_a_long_answer(call):
    body = {f"key {k}": 1 for k in range(5_000)}
    answer = call("POST", "/v1/corridors:preview", json=body)
    problem(answer, 422, "bad-request")
    assert len(answer.json()["errors"]) == 20


def test_a_plan_with_a_name_that_no_page_can_show_is_refused(call):
    plan = call("GET", "/v1/sites/oak/plans").json()[0]["plan"]
    for name in ("", "x" * 201, "two\nlines"):
        answer = call("POST", "/v1/sites/oak/plans", json={"plan": {**plan, "name": name}})
        assert "name" in problem(answer, 422, "invalid")
    half = json.dumps({"plan": {**plan, "name": "NAME"}}).replace("NAME", HALF)
    problem(call("POST", "/v1/sites/oak/plans", content=half, headers=JSON), 422, "invalid")
    problem(
        call("POST", "/v1/sites/oak/plans", json={"plan": {**plan, "site": "mill"}}),
        422,
        "invalid",
    )


def test_going_back_to_a_plan_that_never_was_is_not_put_on_record_as_done(call):
    answer = call("POST", "/v1/sites/oak/plans:rollback", json={"sequence_no": 77})
    assert "77" in problem(answer, 404, "unknown-plan")
    rows = call("GET", "/v1/audit", params={"corridor": "oak"}).json()
    assert "plan rolled back" not in [each["action"] for each in rows]


def test_a_cancel_counts_once_however_often_and_however_long_winded(call):
    key = {"Idempotency-Key": "one"}
    opened = call("POST", "/v1/corridors", json={"wish": WISH}, headers=key)
    assert opened.status_code == 201
    again = call("POST", "/v1/corridors", json={"wish": WISH}, headers=key)
    assert again.headers["location"] == opened.headers["location"]
    name = opened.json()["id"]
    for _ in range(20):
        answer = call("DELETE", f"/v1/corridors/{name}", params={"reason": "stood down " * 100})
        assert answer.status_code == 200, answer.text
    rows = call("GET", "/v1/audit", params={"corridor": name}).json()
    (cancelled,) = [each for each in rows if each["action"] == "corridor cancelled"]
    assert len(cancelled["detail"]["reason"]) == 500


def test_signing_in_is_limited_by_agency_and_a_new_session_ends_the_one_before(console):
    _, text = console.token("Door rattlers", "view")
    with httpx.Client(base_url=console.address) as browser:
        browser.post("/login", data={"token": text})
        first = browser.cookies["greenband_session"]
        statuses = [browser.post("/login", data={"token": text}).status_code for _ in range(40)]
        assert statuses[0] == 303
        assert statuses[-1] == 429
        assert "too often" in browser.post("/login", data={"token": text}).text
        assert browser.get("/").status_code == 200
    with httpx.Client(base_url=console.address, cookies={"greenband_session": first}) as late:
        assert late.get("/").headers["location"] == "/login"
    with httpx.Client(base_url=console.address) as other:
        assert other.post("/login", data={"token": console.admin}).status_code == 303


@pytest.mark.parametrize(
    "path", ["/", "/sites/oak", "/sites/none", "/corridors/none", "/plans", "/audit", "/interface"]
)
def test_a_page_says_nothing_to_who_is_not_signed_in(console, path):
    answer = httpx.get(console.address + path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert answer.text == ""


def test_a_page_without_the_scope_is_refused_and_put_on_record(console, call):
    _, text = console.token("Lookers", "view")
    with httpx.Client(base_url=console.address) as browser:
        browser.post("/login", data={"token": text})
        assert browser.get("/plans").status_code == 200
        assert browser.get("/audit").status_code == 403
    last = call("GET", "/v1/audit", params={"most": 1}).json()[-1]
    assert (last["action"], last["subject"]) == ("not allowed", "/audit")


def test_the_description_says_how_to_get_in_and_how_it_goes_wrong(call):
    description = call("GET", "/v1/openapi.json").json()
    schemes = description["components"]["securitySchemes"]
    assert [each["scheme"] for each in schemes.values()] == ["bearer"]
    for path, methods in description["paths"].items():
        for method in methods.values():
            if path == "/healthz":
                continue
            assert method["security"], path
            assert "application/problem+json" in method["responses"]["default"]["content"]
            assert "422" not in method["responses"]


def test_what_nobody_expected_is_a_problem_too_and_tells_nothing(call, console):
    db = sqlite3.connect(console.folder / FILE, isolation_level=None)
    db.execute("ALTER TABLE answers RENAME TO elsewhere")
    try:
        key = {"Idempotency-Key": "two"}
        answer = call("POST", "/v1/corridors?code=4711", json={"wish": WISH}, headers=key)
    finally:
        db.execute("ALTER TABLE elsewhere RENAME TO answers")
        db.close()
    said = problem(answer, 500, "failed")
    assert "answers" not in said
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    log = console.log.read_text()
    assert "no such table: answers" in log
    assert console.admin not in log
    assert "4711" not in log


def test_who_says_nothing_or_not_all_is_let_go_and_who_listens_is_not(console):
    place = urlsplit(console.address)
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection((place.hostname, place.port), 30))
            for _ in range(3)
        ]
        silent, halting, listening = lines
        halting.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in halting.recv(4_096)
        halting.sendall(b"GET /healthz HTTP/1.1\r\n")
        head = (
            f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {console.admin}"
        )
        listening.sendall(f"{head}\r\n\r\n".encode())
        for each in (silent, halting):
            with contextlib.suppress(ConnectionResetError):
                while each.recv(4_096):
                    pass
        assert 4.0 < time.monotonic() - began_s < 15.0
        listening.settimeout(5.0)
        while len(listening.recv(65_536)) == 65_536:
            pass  # what came meanwhile
        assert listening.recv(65_536)


# The guard alone


def answered(app, body=()):
    """What the guard around *app* answers to a request with *body*: status, headers, document."""
    sent, waiting = [], list(body)

    async def receive():
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60)
        raise AssertionError("somebody waited for it")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/x",
        "query_string": b"code=secret",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(Guard(app, ["localhost"])(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"].decode()


def test_who_never_ends_a_request_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(guard, "BODY_S", 0.05)

    app = FastAPI()
    problems.install(app)

    @app.post("/x")
    async def read(request: Request):
        return str(await request.body())

    begun = {"type": "http.request", "body": b"{", "more_body": True}
    status, _, body = answered(app, [begun])
    assert (status, json.loads(body)["code"]) == (408, "too-slow")
