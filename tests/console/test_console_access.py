"""Tokens, limits, sessions and the audit, without a server."""

import json
import sqlite3

import pytest

from edge.audit_chain import AuditEntry
from edge.audit_chain import append as append_link
from edge.errors import EdgeError, StoreError
from edge.store_schema import open_database as open_store
from greenband.console.answers import Answers
from greenband.console.audit_book import AuditBook
from greenband.console.database import FILE, open_database
from greenband.console.guard import host_name
from greenband.console.limits import Kind, Limits, Rate
from greenband.console.problems import ProblemError
from greenband.console.server import ServerSettings
from greenband.console.sessions import Sessions
from greenband.console.tokens import DAY_MS, Scope, Tokens

NOW_MS = 1_800_000_000_000


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / FILE)
    yield opened
    opened.close()


def test_only_the_digest_of_a_token_is_stored(db, tmp_path):
    tokens = Tokens(db)
    token, text = tokens.create("Fire brigade", frozenset({Scope.VIEW}), NOW_MS, 1.0)
    secret = text.split("_", 2)[2]
    assert len(secret) == 43, "256 bits"
    db.close()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
    again = Tokens(open_database(tmp_path / FILE))
    assert again.check(text, NOW_MS) == token
    assert again.check(text, NOW_MS + DAY_MS - 1) == token
    assert again.check(text, NOW_MS + DAY_MS) is None


def test_admin_is_good_for_everything_and_view_for_nothing_else(db):
    tokens = Tokens(db)
    admin, _ = tokens.create("A", frozenset({Scope.ADMIN}), NOW_MS, 1.0)
    viewer, _ = tokens.create("B", frozenset({Scope.VIEW}), NOW_MS, 1.0)
    assert all(admin.allows(scope) for scope in Scope)
    assert [scope for scope in Scope if viewer.allows(scope)] == [Scope.VIEW]


@pytest.mark.parametrize(
    ("agency", "scopes", "days"),
    [("", {Scope.VIEW}, 1), ("A\n", {Scope.VIEW}, 0), ("A", set(), 1), ("A\x00b", {Scope.VIEW}, 1)],
)
def test_a_token_that_makes_no_sense_is_not_made(db, agency, scopes, days):
    with pytest.raises(EdgeError):
        Tokens(db).create(agency, frozenset(scopes), NOW_MS, days)
    assert Tokens(db).all() == ()


def test_the_token_commands_make_list_and_revoke(inline, tmp_path):
    words = ("--state", tmp_path / "state")
    made = inline("token", "create", "Fire brigade", "--scope", "view", *words)
    assert made.returncode == 0
    text = made.stdout.strip()
    assert text.startswith("gb_")
    assert text not in made.stderr
    listed = json.loads(inline("token", "list", "--json", *words).stdout)
    assert [(each["agency"], each["state"]) for each in listed] == [("Fire brigade", "counts")]
    assert text.split("_", 2)[2] not in inline("token", "list", *words).stdout
    assert inline("token", "revoke", listed[0]["id"], *words).returncode == 0
    listed = json.loads(inline("token", "list", "--json", *words).stdout)
    assert listed[0]["state"] == "revoked"
    refused = inline("token", "create", "A", "--scope", "root", *words)
    assert refused.returncode == 2
    assert "choose from view" in refused.stderr
    unknown = inline("token", "revoke", "nobody", *words)
    assert unknown.returncode == 1
    shown = inline("audit", "show", tmp_path / "state" / FILE, "--json")
    actions = [each["action"] for each in json.loads(shown.stdout)]
    assert actions == ["token created", "token revoked"]


def test_a_bucket_empties_refills_and_is_each_agencys_own():
    limits = Limits({Kind.REQUEST: Rate(60, 3)})
    waits = [limits.take("A", Kind.REQUEST, 1_000) for _ in range(5)]
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits[3] == pytest.approx(1.0)
    assert limits.take("B", Kind.REQUEST, 1_000) == 0.0
    assert limits.take("A", Kind.PREVIEW, 1_000) == 0.0
    assert limits.take("A", Kind.REQUEST, 2_001) == 0.0
    assert limits.take("A", Kind.REQUEST, 2_002) > 0.9
    assert [limits.take("A", Kind.REQUEST, 99_000) for _ in range(4)][3] > 0.0


def test_a_session_ends_and_a_code_signs_in_once():
    sessions = Sessions()
    code = sessions.invite("t1", NOW_MS)
    assert sessions.accept("guess", NOW_MS) is None
    assert sessions.accept(code, NOW_MS) == "t1"
    assert sessions.accept(code, NOW_MS) is None
    late = sessions.invite("t1", NOW_MS)
    assert sessions.accept(late, NOW_MS + 600_000) is None
    secret = sessions.begin("t1", NOW_MS)
    session = sessions.find(secret, NOW_MS)
    assert session is not None
    assert sessions.find(session.csrf, NOW_MS) is None
    assert sessions.find(secret, session.until_utc_ms) is None
    sessions.end(secret)
    assert sessions.find(secret, NOW_MS) is None


def test_an_answer_is_repeated_for_a_day_and_for_its_own_agency(db):
    answers = Answers(db)
    assert answers.begin("A", "k", b"body", NOW_MS) is None
    with pytest.raises(ProblemError, match="being carried out"):
        answers.begin("A", "k", b"body", NOW_MS)
    answers.keep("A", "k", b"body", {"id": "c"}, NOW_MS)
    answers.leave("A", "k")
    assert json.loads(answers.begin("A", "k", b"body", NOW_MS + 1)) == {"id": "c"}
    with pytest.raises(ProblemError, match="another request"):
        answers.begin("A", "k", b"other", NOW_MS + 1)
    assert answers.begin("B", "k", b"other", NOW_MS + 1) is None
    assert answers.begin("A", "k", b"other", NOW_MS + DAY_MS) is None


def test_two_processes_write_one_chain(tmp_path, inline):
    one, other = open_database(tmp_path / FILE), open_database(tmp_path / FILE)
    for k in range(10):
        AuditBook((one, other)[k % 2]).note(NOW_MS + k, f"actor {k}", "did", "thing", {"k": k})
    done = inline("audit", "verify", tmp_path / FILE)
    assert done.returncode == 0
    assert done.stdout.startswith("10 entries, the chain holds")


def test_the_audit_of_an_edge_is_verified_as_well(tmp_path, inline):
    path = tmp_path / "edge.db"
    db, _, _ = open_store(path)
    last = (0, bytes(32))
    for k in range(3):
        last = append_link(db, AuditEntry(NOW_MS + k, "edge", "order", "J1", "{}"), last)
    assert inline("audit", "verify", path).stdout.startswith("3 entries")
    db.execute("DELETE FROM audit WHERE id = 2")
    broken = inline("audit", "verify", path)
    assert broken.returncode == 1
    assert "entry 2 is missing" in broken.stderr


def test_a_file_without_an_audit_is_named(tmp_path, inline):
    assert "is not there" in inline("audit", "verify", tmp_path / "no.db").stderr
    (tmp_path / "text.db").write_text("no database " * 100)
    assert "has no audit" in inline("audit", "show", tmp_path / "text.db").stderr
    other = tmp_path / "other" / FILE
    other.parent.mkdir()
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE things (id)")
    with pytest.raises(StoreError, match="not a console's file"):
        open_database(other)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:8080", "127.0.0.1"),
        ("LOCALHOST", "localhost"),
        ("[::1]:80", "[::1]"),
        ("evil.example:80", "evil.example"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(host, name):
    assert host_name(host) == name


def test_settings_that_would_leave_the_door_open_are_refused(tmp_path):
    with pytest.raises(EdgeError, match="--host-name"):
        ServerSettings(host="0.0.0.0")
    with pytest.raises(EdgeError, match="belong together"):
        ServerSettings(tls_cert=tmp_path)
    with pytest.raises(EdgeError, match="needs TLS"):
        ServerSettings(client_ca=tmp_path)
    everywhere = ServerSettings(host="0.0.0.0", names=("traffic.example",))
    assert "traffic.example" in everywhere.hosts
    assert "0.0.0.0" not in everywhere.hosts


def test_serve_says_in_a_sentence_what_it_can_not_do(inline, tmp_path):
    assert "--demo" in inline("serve").stderr
    done = inline("serve", "--demo", "--scenario", "nowhere", "--state", tmp_path)
    assert done.returncode == 1
    assert "unknown scenario" in done.stderr
