import dataclasses
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import plan_json
from edge import config, links_json
from edge.certificates import authorities_out_of_date
from edge.errors import ConfigError
from edge.settings import CABINETS_MAX
from edge.toml_lines import key_lines, line_of
from firmware_bridge.ends import SerialEnd, TcpEnd, TlsEnd
from optimizer.links import Link
from tests.edge.sites import (
    HEAD,
    KEY,
    cabinet_table,
    make_certificates,
    plan,
    write_site,
)


def faults(path):
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    return caught.value.problems


def line_with(path, text):
    lines = path.read_text().splitlines()
    return next(k for k, line in enumerate(lines, start=1) if text in line)


def test_a_whole_file_is_read_with_everything_that_it_names(tmp_path):
    make_certificates(tmp_path, "north-1")
    links = [
        Link(upstream="J1", exit="e", downstream="J2", approach="w", travel_s=20.0),
        Link(upstream="J2", exit="e", downstream="J9", approach="w", travel_s=30.5),
        Link(upstream="J8", exit="e", downstream="J9", approach="w", travel_s=30.0),
    ]
    (tmp_path / "links.json").write_text(links_json.to_json(links))
    (tmp_path / "orders.key").write_text(KEY)
    (tmp_path / "old.key").write_text("ab" * 32)
    for name in ("orders.key", "old.key"):
        (tmp_path / name).chmod(0o600)
    tls = 'ca_file = "ca.pem"\ncert_file = "north-1.pem"\nkey_file = "north-1.key"\n'
    text = (
        'name = "north-1"\n[store]\npath = "edge.db"\nevents_days = 3\n'
        f'[broker]\nurl = "mqtts://broker.example"\n{tls}orders_key_file = "orders.key"\n'
        'orders_next_key_file = "old.key"\n'
        '[neighbours]\nlinks_file = "links.json"\nedges = { south-2 = ["J9"] }\n'
        f"[link_tls]\n{tls}"
        + cabinet_table("J1", "tls://10.0.0.1")
        + cabinet_table("J2", "rtu:///dev/ttyUSB7?baud=9600&parity=E", 3)
        + cabinet_table("J3", "tcp://10.0.0.1:1502", 3)
    )
    read = config.load(write_site(tmp_path, text, "J1", "J2", "J3"))
    assert [each.name for each in read.cabinets] == ["J1", "J2", "J3"]
    assert isinstance(read.cabinets[0].link, TlsEnd)
    assert read.cabinets[0].link.port == 802
    assert read.cabinets[1].link == SerialEnd("/dev/ttyUSB7", 9600, "E")
    assert read.cabinets[2].link == TcpEnd("10.0.0.1", 1502)
    assert read.cabinets[2].key == bytes.fromhex(KEY)
    assert read.cabinets[0].plan == plan("J1")
    assert (read.broker.host, read.broker.port) == ("broker.example", 8883)
    assert read.store.path == tmp_path / "edge.db"
    assert read.store.events_days == 3
    assert read.order_keys == (bytes.fromhex(KEY), bytes.fromhex("ab" * 32))
    assert read.links == tuple(links[:2])
    assert read.neighbours.edges == {"south-2": ("J9",)}
    assert not read.remarks
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.name = "other"


CASES = {
    "a misspelt key": ("unit = 1", "unti = 1", "unti", 'did you mean "unit"'),
    "a wrong type": ("unit = 1", 'unit = "1"', "unit =", "not a whole number"),
    "a unit out of range": ("unit = 1", "unit = 248", "unit =", "at most 247"),
    "no link at all": ('link = "tcp://127.0.0.1:1502"\n', "", "[[cabinet]]", '"link" is missing'),
    "a link that is none": ("tcp://127.0.0.1:1502", "udp://x", "link =", "leads nowhere"),
    "a port out of range": ("127.0.0.1:1502", "127.0.0.1:70000", "link =", "is no address"),
    "port 0": ("127.0.0.1:1502", "127.0.0.1:0", "link =", "no port"),
    "an unknown setting of a line": (
        *("tcp://127.0.0.1:1502", "rtu:///dev/ttyS0?buad=9600", "link =", "unknown buad"),
    ),
    "unit 0, which is everybody": ("unit = 1", "unit = 0", "unit =", "at least 1"),
    "an empty name": ('name = "J1"', 'name = ""', 'name = ""', "is empty"),
    "TLS without certificates": ("tcp://127.0.0.1:1502", "tls://x", "link =", "[link_tls]"),
    "a file that is not there": ("J1.site.json", "J7.site.json", "site_file", "there is no file"),
    "the site of another cabinet": (
        *('name = "J1"', 'name = "J2"', "site_file", 'is the site "J1", not "J2"'),
    ),
    "an edge without a proper name": ("north-1", "north/1", 'name = "north', "letters, digits"),
    "a broker that is none": ("mqtt://", "http://", "url =", "is no broker"),
    "a password in the URL": ("mqtt://127", "mqtt://me:pw@127", "url =", "password_file"),
    "TLS without an authority": ("mqtt://", "mqtts://", "[broker]", "mqtts needs ca_file"),
    "a store where no file can be": ('"edge.db"', '"/proc/x.db"', "path =", "no file can be made"),
    "a store in no folder": ('"edge.db"', '"/no/such/edge.db"', "path =", "there is no folder"),
    "an unknown table": ("[store]", "[storage]\nx = 1\n[store]", "[storage]", 'mean "store"'),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_error_is_named_with_its_line(case, tmp_path):
    old, new, at, message = CASES[case]
    text = "# a comment\n" + HEAD + cabinet_table("J1")
    assert old in text
    path = write_site(tmp_path, text.replace(old, new, 1), "J1")
    found = faults(path)
    assert len(found) == 1, found
    assert found[0].line == line_with(path, at)
    assert message in found[0].message


def test_all_errors_come_at_once(tmp_path):
    text = (
        HEAD.replace("edge.db", "/no/such/edge.db").replace("mqtt:", "ftp:")
        + "[control]\nmax_green_s = 1\nbudget = 3\n"
        + cabinet_table("J1").replace("unit = 1", "unit = 999").replace("J1.key", "none.key")
        + cabinet_table("J2", "tcp://h", 2)
        + cabinet_table("J2", "tcp://h", 2)
        + cabinet_table("J3", "rtu:///dev/x?baud=9600", 1)
        + cabinet_table("J4", "rtu:///dev/x?baud=19200", 2)
    )
    path = write_site(tmp_path, text, "J1", "J2", "J3", "J4")
    lines = [str(each.message) for each in faults(path)]
    for part in (
        "no folder",
        "is no broker",
        "at least 5",
        'unknown key "budget"',
        "at most 247",
        "none.key",
        "the name is that of line 16 too",
        "unit 2 on tcp://h",
        "with other settings",
    ):
        assert any(part in line for line in lines), part
    assert len(lines) == 9


def test_what_is_in_the_files_is_checked_too(tmp_path):
    path = write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    short = plan("J1", offset_ms=90_000)
    (tmp_path / "J1.plan.json").write_text(plan_json.to_json(short))
    (tmp_path / "J1.key").write_text("secret")
    (tmp_path / "J1.site.json").write_text('{"schema": 1, "name": "J1"}')
    wheres = {(each.line, each.message.split(":")[0]) for each in faults(path)}
    assert (line_with(path, "site_file"), "J1.site.json") in wheres
    assert any(line == line_with(path, "key_file") for line, _ in wheres)
    write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    (tmp_path / "J1.plan.json").write_text(plan_json.to_json(short))
    (only,) = faults(path)
    assert only.line == line_with(path, "plan_file")
    assert "offset 90000 ms" in only.message


def test_certificates_are_tried(tmp_path):
    make_certificates(tmp_path, "a", "b")
    tls = 'ca_file = "a.key"\ncert_file = "a.pem"\nkey_file = "b.key"\n'
    text = HEAD.replace("mqtt:", "mqtts:") + tls + cabinet_table("J1")
    path = write_site(tmp_path, text, "J1")
    assert {each.line for each in faults(path)} == {
        line_with(path, "ca_file"),
        line_with(path, "cert_file"),
    }


def test_a_certificate_that_has_expired_is_named_and_keeps_nobody_from_controlling(tmp_path):
    make_certificates(tmp_path, "old", days=-1)
    make_certificates(tmp_path, "edge")
    tls = '[link_tls]\nca_file = "ca.pem"\ncert_file = "{0}.pem"\nkey_file = "{0}.key"\n'
    for name, expired in (("old", True), ("edge", False)):
        path = write_site(tmp_path, HEAD + tls.format(name) + cabinet_table("J1"), "J1")
        found = [each for each in config.load(path).remarks if "expired" in each]
        assert len(found) == expired
        if expired:
            assert f"cert_file: the certificate {tmp_path / 'old.pem'} has expired" in found[0]


def test_an_authority_that_has_expired_is_named(tmp_path):
    make_certificates(tmp_path, "edge")
    now_s = time.time()
    assert not authorities_out_of_date(tmp_path / "ca.pem", now_s)
    assert authorities_out_of_date(tmp_path / "ca.pem", now_s + 3 * 86_400) == "has expired"


def test_a_file_that_can_not_be_read_at_all(tmp_path):
    (only,) = faults(tmp_path / "none.toml")
    assert "No such file" in only.message
    path = tmp_path / "site.toml"
    path.write_text('name = "x"\n[store\n')
    (only,) = faults(path)
    assert only.line == 2
    assert "not TOML" in only.message
    path.write_bytes(b"\xff\xfe")
    (only,) = faults(path)
    assert "UTF-8" in only.message
    path.write_text("")
    assert {each.where for each in faults(path)} == {"name", "cabinet"}


def test_a_byte_order_mark_is_no_error(tmp_path):
    path = write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert config.load(path).name == "north-1"


def test_an_edge_needs_neither_store_nor_broker_but_what_is_sent_has_to_wait_somewhere(tmp_path):
    name = 'name = "north-1"\n'
    path = write_site(tmp_path, name + cabinet_table("J1"), "J1")
    read = config.load(path)
    assert read.store is None
    assert read.broker is None
    assert len(read.remarks) >= 2
    broker = '[broker]\nurl = "mqtt://127.0.0.1"\n'
    path = write_site(tmp_path, name + broker + cabinet_table("J1"), "J1")
    (only,) = faults(path)
    assert only.line == line_with(path, "[broker]")
    assert "add [store]" in only.message


def test_greens_that_the_site_can_not_have(tmp_path):
    good = HEAD + cabinet_table("J1") + "keep_order = true\ngreens_s = { A = [5, 30.5] }\n"
    (only,) = config.load(write_site(tmp_path, good, "J1")).cabinets
    assert only.keep_order
    assert only.greens_s == {"A": (5.0, 30.5)}


GREENS = {
    "{ Z = [5, 30] }": "there is no stage Z at J1 (known: A, B",
    "{ A = [-1, 30] }": "the shortest green, -1 s, is outside 0..600 s",
    "{ A = [5] }": "two numbers are needed",
    "{ A = [5, 30, 9] }": "two numbers are needed, the shortest and the longest green; here are 3",
    '{ A = "long" }': "such as [8, 45]",
    "{ A = [true, 30] }": "such as [8, 45]",
    "{ A = [45, 8] }": "the shortest green, 45 s, is above the longest, 8 s",
    "{ A = [5, 601] }": "the longest green, 601 s, is outside 0..600 s",
    "{ A = [5, nan] }": "the longest green, nan s, is outside",
    "{ A = [0, 1] }": "the longest green, 1 s, is below the",
    "{ A = [30.2, 30.8] }": "no whole second",
    "7": "not a table",
}


@pytest.mark.parametrize("wrong", GREENS)
def test_greens_that_nobody_can_have_are_named_once(wrong, tmp_path):
    text = HEAD + cabinet_table("J1") + f"greens_s = {wrong}\n"
    path = write_site(tmp_path, text, "J1")
    (only,) = faults(path)
    assert only.line == line_with(path, "greens_s")
    assert GREENS[wrong] in only.message
    for foreign in ("Input should", "Tuple", "validation", "bounds 0"):
        assert foreign not in only.message


def test_more_cabinets_than_one_edge_takes(tmp_path):
    tables = "".join(
        cabinet_table("J1").replace("unit = 1", f"unit = {1 + k % 247}").replace('"J1"', f'"J{k}"')
        for k in range(CABINETS_MAX + 1)
    )
    path = write_site(tmp_path, HEAD + tables, "J1")
    assert any("at most 200" in each.message for each in faults(path))


def test_remarks_are_no_errors(tmp_path):
    path = write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    (tmp_path / "J1.key").chmod(0o644)
    (tmp_path / "J1.plan.json").write_text(plan_json.to_json(plan("J1", offset_ms=None)))
    remarks = " ".join(config.load(path).remarks)
    assert "chmod 600" in remarks
    assert "not coordinated" in remarks
    assert "every order is refused" in remarks


def test_every_secret_that_others_can_read_is_a_remark(tmp_path):
    make_certificates(tmp_path, "north-1")
    (tmp_path / "orders.key").write_text(KEY)
    (tmp_path / "next.key").write_text(KEY)
    (tmp_path / "password").write_text("secret")
    text = (
        'name = "north-1"\n[store]\npath = "edge.db"\n[broker]\nurl = "mqtts://127.0.0.1:8883"\n'
        'ca_file = "ca.pem"\ncert_file = "north-1.pem"\nkey_file = "north-1.key"\n'
        'username = "north-1"\npassword_file = "password"\n'
        'orders_key_file = "orders.key"\norders_next_key_file = "next.key"\n'
        '[link_tls]\nca_file = "ca.pem"\ncert_file = "north-1.pem"\nkey_file = "links.key"\n'
    )
    (tmp_path / "links.key").write_bytes((tmp_path / "north-1.key").read_bytes())
    path = write_site(tmp_path, text + cabinet_table("J1"), "J1")
    secrets = ("north-1.key", "password", "orders.key", "next.key", "links.key", "J1.key")
    for name in secrets:
        (tmp_path / name).chmod(0o640)
    remarks = config.load(path).remarks
    for name in secrets:
        assert [each for each in remarks if f"/{name}: chmod 600" in each], (name, remarks)
    for name in secrets:
        (tmp_path / name).chmod(0o600)
    assert not config.load(path).remarks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ('{"a": 1}', "array"),
        ('[{"upstream": "J1"}]', "exit"),
        (
            '[{"upstream": 1, "exit": "", "downstream": "", "approach": "", "travel_s": 1}]',
            "string",
        ),
        ('[{"uptream": "J1"}]', "unknown key uptream"),
    ],
)
def test_links_that_can_not_be_read(text, message, tmp_path):
    (tmp_path / "links.json").write_text(text)
    head = HEAD + '[neighbours]\nlinks_file = "links.json"\n'
    path = write_site(tmp_path, head + cabinet_table("J1"), "J1")
    (only,) = faults(path)
    assert only.line == line_with(path, "links_file")
    assert message in only.message


def test_links_survive_their_file():
    links = (
        Link(upstream="a", exit="b", downstream="c", approach="d", travel_s=1.25),
        Link(
            *(),
            upstream="ä",
            exit="b",
            downstream="c",
            approach="d",
            travel_s=1.0,
            share=0.5,
            entries=(("x", 3.5),),
        ),
    )
    assert links_json.from_json(links_json.to_json(links)) == links


TRICKY = '''
# [not.a.table]
"quoted key" = 1
a.b . c = """
[no.header]
x = 1
"""
list = [
  "]", # ]
  { inner = "#" },
]
text = '[x]' # comment
[one.two]
k = 'it''
[[many]]
[[many]]
n = {p = 1}
[many.deep]
z = 1
[[many.deeper]]
z = 1
'''.replace("'it''", "'it'")


def test_lines_of_tricky_files():
    lines = key_lines(TRICKY)
    rows = TRICKY.splitlines()
    expected = {
        ("quoted key",): '"quoted key"',
        ("a", "b", "c"): "a.b . c",
        ("list",): "list = [",
        ("text",): "text =",
        ("one", "two", "k"): "k = ",
        ("many", 1, "n"): "n = {",
    }
    for path, start in expected.items():
        assert rows[lines[path] - 1].startswith(start)
    assert lines[("many", 0)] + 1 == lines[("many", 1)]
    assert lines["many", 1, "deep", "z"] == lines["many", 1, "deep"] + 1
    assert lines["many", 1, "deeper", 0, "z"] == len(rows)
    assert ("no", "header") not in lines
    assert ("x",) not in lines
    assert line_of(lines, ("list", 1, "inner")) == lines["list",]


KEYS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
VALUES = st.one_of(
    st.integers(0, 99).map(str),
    st.text("ab#[]{}= '", max_size=12).map(lambda text: f'"{text}"'),
    st.text('ab#[]{}= "', max_size=12).map(lambda text: f"'{text}'"),
    st.lists(st.sampled_from(['"a]"', "1", '"#"']), max_size=3).map(
        lambda items: "[\n  " + ",\n  ".join(items) + "\n]" if items else "[]"
    ),
    st.text('ab#[]=\n" ', max_size=12)
    .filter(lambda text: '""' not in text and not text.endswith('"'))
    .map(lambda text: f'"""{text}"""'),
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_lines_are_those_where_the_keys_were_written(tables):
    rows, expected = [], {}
    for table, keys in tables.items():
        rows += ["# note", f"[{table}]"]
        expected[table,] = len(rows)
        for key, value in keys.items():
            written = f"{key} = {value}"
            expected[table, key] = len(rows) + 1
            rows += written.split("\n")
    lines = key_lines("\n".join(rows))
    del lines[()]
    assert lines == expected


def test_every_key_of_the_example_is_one_and_every_key_is_in_it():
    from importlib.resources import files

    text = files("edge").joinpath("deploy", "site.toml").read_text()
    tables = {**config._TABLES, "cabinet": config.CabinetSettings}
    sections = re.split(r"^#? ?\[+([a-z_]+)\]+$", text, flags=re.MULTILINE)
    for name, body in zip(sections[1::2], sections[2::2], strict=True):
        keys = set(re.findall(r"^(?:# )?([a-z_]+) =", body, flags=re.MULTILINE))
        assert keys == set(tables.pop(name).model_fields), name
    assert not tables


def test_every_key_and_every_topic_is_documented():
    from edge.topics import Topics

    text = (Path(__file__).resolve().parents[2] / "docs" / "edge.md").read_text()
    rows = text.split("## The ladder")[0]
    for model in (*config._TABLES.values(), config.CabinetSettings, config.EdgeNameSettings):
        for key in model.model_fields:
            assert f"`{key}`" in rows, key
    topics = Topics("E")
    for topic in (topics.state, topics.status, topics.log, topics.neighbours, topics.received):
        assert f"`{topic.removeprefix('greenband/v1/E/')}`" in text
