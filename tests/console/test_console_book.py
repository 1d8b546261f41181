"""The console's file under stress, and what is shown of it: no server, real SQLite."""

import asyncio
import json
import sqlite3
import subprocess
import time
import types

import httpx
import pytest

from edge.centre.values import SiteLive
from edge.corridors.values import Corridor, CorridorState, Wish
from edge.errors import EdgeError
from greenband.console.app import build_app
from greenband.console.audit_book import AuditBook
from greenband.console.database import FILE, open_database, writing
from greenband.console.history import SiteHistory
from greenband.console.hub import Hub
from greenband.console.server import ServerSettings, run_server
from greenband.console.sessions import OF_ONE_TOKEN_MAX, Sessions
from greenband.console.tokens import Scope

NOW_MS = 1_800_000_000_000


@pytest.fixture
def hub(tmp_path):
    made = Hub(None, tmp_path)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path):
    """A console's file with three entries in its audit."""
    db = open_database(tmp_path / FILE)
    for k in range(3):
        AuditBook(db).note(NOW_MS + k, f"actor {k}", "did", "thing", {"k": k})
    db.close()
    return tmp_path / FILE


def test_another_writer_does_not_stop_the_console_and_no_entry_is_lost(hub, tmp_path):
    hub.note("A", "before", "thing")
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began_s = time.monotonic()
    for k in range(20):
        hub.note("A", "meanwhile", "thing", {"k": k})
    assert time.monotonic() - began_s < 1.0
    assert "locked" in hub.audit_fault
    other.execute("ROLLBACK")
    time.sleep(1.1)
    hub.note("A", "after", "thing")
    assert hub.audit_fault == ""
    rows = hub.audit.read(most=100)
    assert [row.entry.action for row in rows] == ["before", *["meanwhile"] * 20, "after"]
    assert [row.detail["k"] for row in rows[1:21]] == list(range(20))


def test_what_waits_is_written_before_the_end(tmp_path, inline):
    hub = Hub(None, tmp_path)
    with sqlite3.connect(tmp_path / FILE, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        hub.note("A", "late", "thing")
        other.execute("ROLLBACK")
    hub.close()
    assert inline("audit", "verify", tmp_path / FILE).stdout.startswith("1 entries")


def test_a_disk_that_was_full_is_written_again(file):
    db = open_database(file)
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    book = AuditBook(db)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        for _ in range(100):
            book.note(NOW_MS, "A", "did", "thing", {"much": "x" * 500})
    db.execute("PRAGMA max_page_count = 100000")
    before = book.read(most=1)[0].number
    book.note(NOW_MS, "A", "did", "again")
    assert book.read(most=1)[0].number == before + 1
    db.close()


def test_a_transaction_that_can_not_be_ended_leaves_none_open(file):
    db = open_database(file)
    with pytest.raises(sqlite3.OperationalError), writing(db):
        db.execute("ROLLBACK")
    assert not db.in_transaction
    db.close()


def test_half_a_character_from_outside_is_written_all_the_same(file, inline):
    db = open_database(file)
    AuditBook(db).note(NOW_MS, "junction J\ud800", "answered", "c1", {"why": "\udfff"})
    db.close()
    assert inline("audit", "verify", file).stdout.startswith("4 entries")


def test_an_audit_is_read_to_its_end_part_by_part(file):
    book = AuditBook(open_database(file))
    assert [row.number for row in book.read(most=2)] == [2, 3]
    assert [row.number for row in book.read(after=0, most=2)] == [1, 2]
    assert [row.number for row in book.read(after=2, most=2)] == [3]
    assert book.read("other", after=0) == ()


def test_what_somebody_wrote_into_it_stays_words(tmp_path, inline):
    db = open_database(tmp_path / FILE)
    AuditBook(db).note(NOW_MS, "A\x1b[2J", "did [/bold]", "[conceal]c1", {"reason": "[red][/x]"})
    db.execute("DROP TRIGGER audit_is_not_changed")
    AuditBook(db).note(NOW_MS, "B", "did", "c2")
    db.execute("UPDATE audit SET detail = 'no JSON' WHERE id = 2")
    db.close()
    shown = inline("audit", "show", tmp_path / FILE, env={"COLUMNS": "200"})
    assert shown.returncode == 0, shown.stderr
    assert "\x1b" not in shown.stdout
    for words in ("did [/bold]", "[conceal]c1", "[red][/x]", "no JSON"):
        assert words in shown.stdout
    inline("token", "create", "Fire [/brigade]", "--state", tmp_path)
    listed = inline("token", "list", "--state", tmp_path, env={"COLUMNS": "200"})
    assert "Fire [/brigade]" in listed.stdout


def test_a_damaged_file_is_a_sentence(file, inline):
    page_bytes = 4_096
    text = bytearray(file.read_bytes())
    for begin in range(page_bytes, len(text), page_bytes):
        text[begin : begin + 200] = b"\xff" * 200
    file.write_bytes(text)
    for words in (("verify", file), ("show", file)):
        done = inline("audit", *words)
        assert done.returncode == 1, done.stdout
        assert "damaged" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("digest", ["a", "1234567", "not-a-digest"])
def test_a_digest_that_any_audit_would_have_is_refused(file, inline, digest):
    done = inline("audit", "verify", file, "--digest", digest)
    assert done.returncode == 2
    assert "at least the first 8" in done.stderr


def test_who_signs_in_again_and_again_signs_out_only_themselves():
    sessions = Sessions()
    mine = sessions.begin("mine", NOW_MS)
    theirs = [sessions.begin("theirs", NOW_MS) for _ in range(3 * OF_ONE_TOKEN_MAX)]
    assert sessions.find(mine, NOW_MS) is not None
    assert [sessions.find(each, NOW_MS) is not None for each in theirs].count(
        True
    ) == OF_ONE_TOKEN_MAX
    assert sessions.find(theirs[-1], NOW_MS) is not None


def live(utc_ms, stage, green_ms):
    aspects = ("green",) if stage else ("red",)
    return SiteLive(
        site="J", utc_ms=utc_ms, reachable=True, stage=stage, green_ms=green_ms, aspects=aspects
    )


def test_a_clock_that_was_put_back_does_not_freeze_the_history():
    history = SiteHistory()
    history.look(live(NOW_MS + 3_600_000, "A", 1_000))
    history.look(live(NOW_MS, "B", 1_000))
    history.look(live(NOW_MS + 1_000, "B", 2_000))
    assert [(run.stage, run.green_ms) for run in history.stages] == [("B", 2_000)]
    assert [shown.utc_ms for shown in history.shown] == [NOW_MS]


def test_every_loopback_address_needs_no_name_and_everywhere_always_does(tmp_path):
    for host in ("::1", "127.0.0.1", "127.0.0.2", "localhost"):
        assert ServerSettings(host=host).hosts
    assert "[::1]" in ServerSettings(host="::1").hosts
    pem = tmp_path / "a.pem"
    pem.write_text("")
    with pytest.raises(EdgeError, match="--host-name"):
        ServerSettings(host="0.0.0.0", tls_cert=pem, tls_key=pem)
    with pytest.raises(EdgeError, match="is no name"):
        ServerSettings(host="0.0.0.0", names=("traffic.example:443",))
    with pytest.raises(EdgeError, match=r"none\.pem is not there"):
        ServerSettings(tls_cert=tmp_path / "none.pem", tls_key=pem)
    assert json.dumps(ServerSettings(host="10.0.0.5", tls_cert=pem, tls_key=pem).hosts)


def test_a_key_with_a_password_is_an_error_and_no_question(tmp_path, hub):
    words = "req -x509 -newkey rsa:2048 -passout pass:secret -subj /CN=localhost"
    files = ["-keyout", tmp_path / "a.key", "-out", tmp_path / "a.pem"]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    settings = ServerSettings(port=0, tls_cert=tmp_path / "a.pem", tls_key=tmp_path / "a.key")
    with pytest.raises(EdgeError, match="can't be used"):
        asyncio.run(run_server(hub, settings))


class OneSecondOfNothing:
    """A centre of which something can't be followed, once."""

    sites = live = types.MappingProxyType({})

    def __init__(self):
        self.asked = 0

    @property
    def corridors(self):
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("not this time")
        return {}

    def now_utc_ms(self):
        return NOW_MS

    async def changed(self):
        await asyncio.sleep(0.01)


def test_what_can_not_be_followed_once_does_not_end_the_following(tmp_path):
    async def follow():
        hub = Hub(OneSecondOfNothing(), tmp_path)
        task = asyncio.create_task(hub.run())
        while hub.centre.asked < 5 and not task.done():
            await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        hub.close()

    asyncio.run(follow())


def corridor(number, state):
    wish = Wish(vehicle=f"v{number}", role="fire", level=1, origin="a", destination="b")
    return Corridor(
        id=str(number),
        wish=wish,
        caller="A",
        state=state,
        route=("a", "b"),
        passages=(),
        opened_utc_ms=NOW_MS,
        until_utc_ms=NOW_MS,
    )


def test_of_a_thousand_corridors_that_are_over_the_last_are_listed(tmp_path):
    states = [CorridorState.ACTIVE, *[CorridorState.CLOSED] * 1_000, CorridorState.ACTIVE]
    made = {str(k): corridor(k, state) for k, state in enumerate(states)}
    centre = types.SimpleNamespace(corridors=made, sites={}, now_utc_ms=lambda: NOW_MS)

    async def ask():
        hub = Hub(centre, tmp_path)
        _, text = hub.tokens.create("A", frozenset({Scope.VIEW}), hub.utc_ms(), 1.0)
        transport = httpx.ASGITransport(build_app(hub, ["localhost"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            may = {"Authorization": f"Bearer {text}"}
            answer = await client.get("/v1/corridors", headers=may)
        hub.close()
        return [each["id"] for each in answer.json()]

    wanted = ["1001", *(str(number) for number in range(1_000, 950, -1)), "0"]
    assert asyncio.run(ask()) == wanted


def test_many_who_ask_for_the_longest_line_look_for_it_once(hub, monkeypatch):
    asked = []
    monkeypatch.setattr("greenband.console.hub.longest_line", asked.append)
    hub.centre = types.SimpleNamespace(streets="the map")

    async def ask():
        await asyncio.gather(*(hub.main_line() for _ in range(5)))

    asyncio.run(ask())
    assert asked == ["the map"]
