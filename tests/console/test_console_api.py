"""The console's HTTP interface, attacked and used: the real server, over mutual TLS, with SUMO."""

import json
import re
import sqlite3
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.console.console_server import running_console
from tests.edge.sites import make_certificates

JUNCTIONS = {"oak", "station", "mill", "market", "school", "ring"}
WISH = {"vehicle": "ambulance-1", "from": "east-ring", "to": "oak-west", "reason": "incident 1"}


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    make_certificates(folder, "console", "dispatch")
    options = (
        *("--tls-cert", folder / "console.pem", "--tls-key", folder / "console.key"),
        *("--client-ca", folder / "ca.pem"),
    )
    with running_console(folder, *options) as running:
        yield running


@pytest.fixture(scope="module")
def machine(console):
    """The TLS of a machine that has a certificate."""
    context = ssl.create_default_context(cafile=console.folder / "ca.pem")
    context.load_cert_chain(console.folder / "dispatch.pem", console.folder / "dispatch.key")
    return context


@pytest.fixture
def call(console, machine):
    """call("GET", "/v1/sites", token=…): None sends no token."""
    with httpx.Client(base_url=console.address, verify=machine, timeout=20) as client:

        def send(method, path, token=console.admin, key=None, headers=None, **more):
            sent = dict(headers or {})
            if token:
                sent["Authorization"] = f"Bearer {token}"
            if key:
                sent["Idempotency-Key"] = key
            return client.request(method, path, headers=sent, **more)

        yield send


@pytest.fixture
def opened(call):
    """Opens a corridor for a vehicle; every one is cancelled afterwards."""
    ids = []

    def open_one(vehicle="ambulance-1", token=None, key=None, **wish):
        body = {"wish": {**WISH, "vehicle": vehicle, **wish}}
        more = {} if token is None else {"token": token}
        answer = call(
            "POST", "/v1/corridors", key=key or f"key-{vehicle}-{time.time_ns()}", json=body, **more
        )
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
        return answer.json()

    yield open_one
    for each in ids:
        call("DELETE", f"/v1/corridors/{each}", params={"reason": "end of the test"})


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["code"] == code
    assert re.search(r"[.…]$", document["detail"]), document["detail"]
    return document["detail"]


def events(client, path, token, until):
    """The documents of an event stream, until one of them is *until*."""
    with client.stream("GET", path, headers={"Authorization": f"Bearer {token}"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])
                if until():
                    return


# Without a certificate, without a token, with a wrong one


def test_without_a_certificate_of_the_authority_nothing_answers(console):
    context = ssl.create_default_context(cafile=console.folder / "ca.pem")
    refused = (httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)
    with httpx.Client(base_url=console.address, verify=context) as client, pytest.raises(refused):
        client.get("/healthz")


def test_every_address_but_the_health_wants_a_token(call):
    paths = call("GET", "/v1/openapi.json", token=None).json()["paths"]
    asked = 0
    for path, methods in paths.items():
        for method in methods:
            where = path.replace("{corridor_id}", "x").replace("{site}", "oak")
            answer = call(method.upper(), where, token=None, json={})
            if path == "/healthz":
                assert answer.status_code == 200
                continue
            problem(answer, 401, "no-token")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            asked += 1
    assert asked >= 16


def test_a_forged_revoked_or_expired_token_does_not_count(call, console):
    token_id, text = console.token("Agency A", "view")
    other_id, _ = console.token("Agency B", "view")
    assert call("GET", "/v1/sites", token=text).status_code == 200
    secret = text.split("_", 2)[2]
    for forged in (
        text[:-1] + ("A" if text[-1] != "A" else "B"),
        f"gb_{other_id}_{secret}",
        f"gb_{token_id}_",
        f"xx_{token_id}_{secret}",
        "gb_" + "0" * 10 + "_" + secret,
        secret,
    ):
        problem(call("GET", "/v1/sites", token=forged), 401, "no-token")
    console.revoke(token_id)
    problem(call("GET", "/v1/sites", token=text), 401, "no-token")
    _, short = console.token("Agency C", "view", days=1e-6)
    time.sleep(0.1)
    problem(call("GET", "/v1/sites", token=short), 401, "no-token")


def test_who_is_revoked_hears_no_more_of_a_stream_either(call, console, machine):
    token_id, text = console.token("Listener", "view")
    with httpx.Client(base_url=console.address, verify=machine, timeout=10) as client:
        heard = 0
        for document in events(client, "/v1/events", text, lambda: False):
            assert set(document["sites"]) == JUNCTIONS
            heard += 1
            if heard == 1:
                console.revoke(token_id)
        assert 1 <= heard < 20


@pytest.mark.parametrize(
    ("method", "path", "body", "missing"),
    [
        ("POST", "/v1/corridors:preview", WISH, "corridor:request"),
        ("POST", "/v1/corridors", {"wish": WISH}, "corridor:request"),
        ("POST", "/v1/corridors/x/position", {"speed_m_per_s": 1}, "corridor:request"),
        ("PATCH", "/v1/corridors/x", {"to": "oak-west"}, "corridor:request"),
        ("POST", "/v1/corridors/x:end", None, "corridor:request"),
        ("DELETE", "/v1/corridors/x", None, "corridor:cancel"),
        ("POST", "/v1/sites/oak/plans", {"plan": {}}, "plan:write"),
        ("POST", "/v1/sites/oak/plans:rollback", {"sequence_no": 0}, "plan:write"),
        ("GET", "/v1/audit", None, "audit:read"),
    ],
)
def test_a_token_without_the_scope_is_refused_and_put_on_record(
    call, viewer, method, path, body, missing
):
    detail = problem(call(method, path, token=viewer, json=body), 403, "missing-scope")
    assert missing in detail
    last = call("GET", "/v1/audit", params={"most": 1}).json()[-1]
    assert (last["action"], last["detail"]) == ("not allowed", {"missing_scope": missing})


@pytest.fixture(scope="module")
def viewer(console):
    return console.token("Watchers", "view")[1]


@pytest.fixture(scope="module")
def police(console):
    return console.token("Police", "view", "corridor:request", "corridor:cancel")[1]


# Hosts, pages elsewhere, cookies


def test_another_host_name_and_anothers_page_are_refused(call):
    problem(call("GET", "/v1/sites", headers={"Host": "evil.example"}), 421, "wrong-host")
    answer = call(
        "POST", "/v1/corridors:preview", json=WISH, headers={"Origin": "https://evil.example"}
    )
    problem(answer, 403, "wrong-origin")
    problem(call("POST", "/login", token=None, headers={"Origin": "null"}), 403, "wrong-origin")


def test_a_cookie_reads_but_changes_nothing_without_the_pages_secret(call, console, machine):
    with httpx.Client(base_url=console.address, verify=machine) as browser:
        assert browser.get("/").headers["location"] == "/login"
        assert browser.post("/login", data={"token": "gb_no_token"}).status_code == 401
        signed_in = browser.post("/login", data={"token": console.admin})
        cookie = signed_in.headers["set-cookie"].lower()
        for part in ("httponly", "samesite=strict", "secure", "path=/"):
            assert part in cookie
        page = browser.get("/").text
        csrf = re.search(r'name="csrf-token" content="([^"]+)"', page)[1]
        assert browser.get("/v1/sites").status_code == 200
        for secret in ({}, {"X-CSRF-Token": "guess"}, {"X-CSRF-Token": csrf[:-1]}):
            answer = browser.post("/v1/corridors:preview", json=WISH, headers=secret)
            problem(answer, 403, "wrong-page")
        answer = browser.post("/v1/corridors:preview", json=WISH, headers={"X-CSRF-Token": csrf})
        assert answer.status_code == 200
        problem(browser.post("/logout", data={"csrf": "guess"}), 403, "wrong-page")
        browser.post("/logout", data={"csrf": csrf})
        problem(browser.get("/v1/sites"), 401, "no-token")
    with httpx.Client(base_url=console.address, verify=machine) as forger:
        forger.cookies.set("greenband_session", "forged")
        problem(forger.get("/v1/sites"), 401, "no-token")


def test_the_printed_link_signs_in_once(console, machine):
    with httpx.Client(base_url=console.address, verify=machine) as browser:
        assert browser.get(console.link).headers["location"] == "/"
        assert browser.get("/").status_code == 200
    with httpx.Client(base_url=console.address, verify=machine) as late:
        assert "used already" in late.get(console.link).text
        assert late.get("/").headers["location"] == "/login"


def test_every_answer_protects_itself(call):
    for path in ("/healthz", "/login", "/v1/sites", "/static/live.js", "/nowhere"):
        headers = call("GET", path, token=None).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["strict-transport-security"]
        assert "server" not in headers
    problem(call("GET", "/docs"), 404, "not-found")


# Corridors


def test_a_corridor_is_acknowledged_by_every_junction_reported_and_cancelled(
    call, console, machine
):
    preview = call("POST", "/v1/corridors:preview", json=WISH)
    assert preview.status_code == 200
    shown = preview.json()
    assert {each["site"] for each in shown["junctions"]} == JUNCTIONS
    assert shown["eta_s"] < shown["without_s"]
    assert shown["expires_s"] == pytest.approx(60.0, abs=3.0)
    body = {"preview_id": shown["preview_id"], "reason": "incident 4711"}
    began_s = time.monotonic()
    answer = call("POST", "/v1/corridors", key="first", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert made["state"] == "pending"
    assert answer.headers["location"] == f"/v1/corridors/{made['id']}"
    states = []
    with httpx.Client(base_url=console.address, verify=machine, timeout=30) as client:
        path = f"/v1/corridors/{made['id']}/events"
        for said in events(client, path, console.admin, lambda: states[-1] == "active"):
            if not states or states[-1] != said["state"]:
                states.append(said["state"])
            if said["state"] == "granted" and said["acknowledged"] == 6:
                assert time.monotonic() - began_s < 5.0
    assert states[-2:] == ["granted", "active"]
    used = call("POST", "/v1/corridors", key="second", json=body)
    assert made["id"] in problem(used, 409, "already-opened")
    ended = call("DELETE", f"/v1/corridors/{made['id']}", params={"reason": "stood down"})
    assert ended.json()["state"] in {"recovering", "cancelled"}
    again = call("DELETE", f"/v1/corridors/{made['id']}")
    assert again.status_code == 200
    rows = call("GET", "/v1/audit", params={"corridor": made["id"]}).json()
    assert rows[0]["action"] == "corridor requested"
    assert rows[0]["detail"]["reason"] == "incident 4711"
    assert set(rows[0]["detail"]["junctions"]) == JUNCTIONS
    answered = {row["actor"] for row in rows if row["detail"].get("answer") == "granted"}
    assert answered == {f"junction {name}" for name in JUNCTIONS}
    assert any(row["detail"].get("reason") == "stood down" for row in rows)
    text = call("GET", "/v1/audit", params={"corridor": made["id"], "format": "csv"}).text
    assert text.splitlines()[0].startswith("number,utc_ms,actor")
    assert len(text.splitlines()) == len(rows) + 1


def test_the_same_key_repeats_the_answer_and_no_corridor(call):
    body = {"wish": {**WISH, "vehicle": "engine-3", "from": "west-oak", "to": "ring-east"}}
    first = call("POST", "/v1/corridors", key="again", json=body)
    assert first.status_code == 201
    second = call("POST", "/v1/corridors", key="again", json=body)
    assert second.status_code == 201
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json()
    body["wish"]["reason"] = "another"
    problem(call("POST", "/v1/corridors", key="again", json=body), 409, "key-reused")
    problem(call("POST", "/v1/corridors", json=body), 400, "no-idempotency-key")
    problem(call("POST", "/v1/corridors", key="new", json=body), 409, "vehicle-busy")
    call("DELETE", f"/v1/corridors/{first.json()['id']}")


def test_one_request_sent_twenty_times_at_once_opens_one_corridor(call):
    body = {"wish": {**WISH, "vehicle": "doctor-1", "from": "west-oak", "to": "ring-east"}}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: call("POST", "/v1/corridors", key="burst", json=body), range(20))
        )
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    call("DELETE", f"/v1/corridors/{made.pop()}")


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"vehicle": "nobody"}, "unknown-vehicle", "call sign"),
        ({"to": "Nowhere Street"}, "unknown-street", "Nowhere Street"),
        ({"to": {"x_m": 90_000, "y_m": 0}}, "unknown-street", "away"),
        ({"from": "ring-east", "to": "west-oak"}, "no-route", ""),
        ({"from": "west-oak", "to": "west-oak.pocket"}, "no-signals", ""),
        ({"vehicle": "police-7", "level": 14}, "bad-wish", "level 6"),
        ({"level": 99}, "bad-request", "level"),
        ({"max_duration_s": 1e9}, "bad-request", "max_duration_s"),
        ({"colour": "blue"}, "bad-request", "colour"),
        ({"to": None}, "bad-wish", "To is missing"),
        ({"route": ["east-ring", "oak-west"]}, "no-route", ""),
    ],
)
def test_a_wish_that_can_not_be_met_is_a_sentence(call, changed, code, words):
    answer = call("POST", "/v1/corridors:preview", json={**WISH, **changed})
    assert words in problem(answer, 422, code)


def test_unknown_things_are_404_and_an_old_preview_is_410(call, police):
    preview = call("POST", "/v1/corridors:preview", json=WISH).json()["preview_id"]
    stolen = call("POST", "/v1/corridors", key="s", token=police, json={"preview_id": preview})
    problem(stolen, 404, "unknown-preview")
    for method, path in (
        ("GET", "/v1/corridors/none"),
        ("GET", "/v1/corridors/none/events"),
        ("DELETE", "/v1/corridors/none"),
        ("POST", "/v1/corridors/none:end"),
    ):
        problem(call(method, path), 404, "unknown-corridor")
    problem(call("GET", "/v1/sites/none"), 404, "unknown-site")
    problem(call("GET", "/v1/none"), 404, "not-found")
    time.sleep(6.2)  # a minute of the simulation
    answer = call("POST", "/v1/corridors", key="late", json={"preview_id": preview})
    problem(answer, 410, "expired-preview")


def test_positions_are_checked_and_another_agency_can_not_send_them(call, opened, police):
    made = opened("ambulance-2", **{"from": "market_n-market", "to": "ring-east"})
    path = f"/v1/corridors/{made['id']}/position"
    here = {"street": "market_n-market", "at_m": 5, "speed_m_per_s": 8}
    answer = call("POST", path, json=here)
    assert answer.status_code == 200
    assert answer.json()["position"]["street"] == "market_n-market"
    now_ms = answer.json()["now_utc_ms"]
    ahead = call("POST", path, json={**here, "utc_ms": now_ms + 600_000})
    assert "ahead" in problem(ahead, 422, "clock-skew")
    behind = call("POST", path, json={**here, "utc_ms": now_ms - 600_000})
    assert "behind" in problem(behind, 422, "clock-skew")
    problem(call("POST", path, json={"speed_m_per_s": 8}), 422, "bad-position")
    problem(call("POST", path, token=police, json=here), 403, "another-agency")
    problem(call("DELETE", f"/v1/corridors/{made['id']}", token=police), 403, "another-agency")
    changed = call("PATCH", f"/v1/corridors/{made['id']}", json={"to": "oak-west"})
    assert changed.json()["route"][-1] == "oak-west"
    ended = call("POST", f"/v1/corridors/{made['id']}:end")
    assert ended.json()["state"] in {"recovering", "closed"}


def test_flooding_is_held_back_for_one_agency_and_a_cancel_never(call, console):
    _, flooder = console.token("Flooders", "view", "corridor:request", "corridor:cancel")
    body = {"wish": {**WISH, "vehicle": "police-7", "from": "mill_n-mill", "to": "ring-east"}}
    made = call("POST", "/v1/corridors", token=flooder, key="mine", json=body).json()["id"]
    refused = [
        answer
        for k in range(40)
        if (answer := call("POST", "/v1/corridors", token=flooder, key=f"f{k}", json=body))
        and answer.status_code == 429
    ]
    assert len(refused) >= 25
    assert "wait" in problem(refused[-1], 429, "too-many-requests")
    assert 1 <= int(refused[-1].headers["retry-after"]) <= 60
    for _ in range(60):
        answer = call("DELETE", f"/v1/corridors/{made}", token=flooder)
        assert answer.status_code == 200
    preview = call("POST", "/v1/corridors:preview", json=WISH)
    assert preview.status_code == 200, "another agency is not held back"


def test_a_large_body_and_no_json_are_refused(call):
    answer = call("POST", "/v1/corridors:preview", content=b"x" * 300_000)
    problem(answer, 413, "too-large")
    answer = call(
        "POST", "/v1/corridors:preview", content=b"{", headers={"Content-Type": "application/json"}
    )
    problem(answer, 422, "bad-request")


# Plans, sites, audit


def test_a_plan_is_pushed_and_taken_back(call):
    before = call("GET", "/v1/sites/oak/plans").json()
    plan = {**before[0]["plan"], "name": "evening"}
    pushed = call("POST", "/v1/sites/oak/plans", json={"plan": plan, "reason": "trial"})
    assert pushed.status_code == 201
    assert pushed.json()["state"] == "in force"
    first_no = before[-1]["sequence_no"]
    back = call(
        "POST", "/v1/sites/oak/plans:rollback", json={"sequence_no": first_no, "reason": "worse"}
    )
    assert back.status_code == 201
    after = call("GET", "/v1/sites/oak/plans").json()
    assert [each["state"] for each in after] == ["in force", "earlier", "earlier"]
    assert after[0]["name"] == before[-1]["name"]
    short = {**plan, "stages": [{**each, "split_ms": 1_000} for each in plan["stages"]]}
    answer = call("POST", "/v1/sites/oak/plans", json={"plan": short})
    problem(answer, 422, "invalid")


def test_sites_say_how_they_are_within_a_second(call):
    net = call("GET", "/v1/sites").json()
    assert set(net["sites"]) == JUNCTIONS
    for live in net["sites"].values():
        assert live["reachable"]
        assert live["age_ms"] <= 1_500
        assert live["rung"] == "adaptive"
        assert live["lanes"]
    one = call("GET", "/v1/sites/school").json()
    assert len(one["live"]["aspects"]) == len(one["groups"])
    line = call("GET", "/v1/line").json()
    assert line["stops"][0]["site"] in {"oak", "ring"}
    assert {stop["site"] for stop in line["stops"]} == JUNCTIONS
    assert any(stop["greens"] for stop in line["stops"])


def test_the_audit_holds_and_whoever_changes_it_is_found(call, console, inline, tmp_path):
    file = console.folder / "console.db"
    found = json.loads(inline("audit", "verify", file, "--json").stdout)
    assert found["entries"] > 10
    assert inline("audit", "verify", file, "--digest", found["digest"][:16]).returncode == 0
    last = json.loads(inline("audit", "show", file, "--last", "1", "--json").stdout)
    assert last[0]["digest"] == found["digest"]
    copy = tmp_path / "console.db"
    with sqlite3.connect(file) as live, sqlite3.connect(copy) as db:
        live.backup(db)
    db = sqlite3.connect(copy)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("UPDATE audit SET actor = 'somebody else' WHERE id = 3")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("DELETE FROM audit WHERE id = 3")
    db.execute("DROP TRIGGER audit_is_not_changed")
    db.execute("DROP TRIGGER audit_is_not_shortened")
    db.execute("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")
    db.commit()
    shorter = inline("audit", "verify", copy, "--digest", found["digest"])
    assert (shorter.returncode, "cut off" in shorter.stderr) == (1, True)
    db.execute("UPDATE audit SET actor = 'somebody else' WHERE id = 3")
    db.commit()
    db.close()
    changed = inline("audit", "verify", copy)
    assert (changed.returncode, "entry 3" in changed.stderr) == (1, True)


def test_no_secret_stands_in_the_log_or_in_the_file(call, console):
    secret = console.admin.split("_", 2)[2]
    log = console.log.read_text()
    assert secret not in log
    assert "Traceback" not in log
    for name in ("console.db", "console.db-wal"):
        assert secret.encode() not in (console.folder / name).read_bytes()
    assert (console.folder / "console.db").stat().st_mode & 0o077 == 0
    assert (console.folder / "demo.token").stat().st_mode & 0o077 == 0
