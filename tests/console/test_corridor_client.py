"""``greenband corridor …`` against a console that really runs."""

import json

import pytest

from tests.console.console_server import running_console


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    with running_console(tmp_path_factory.mktemp("console"), speed=10) as running:
        yield running


@pytest.fixture
def corridor(console, inline):
    """corridor("list", …) as somebody who may do everything; token=… as somebody else."""

    def run(*words, token=None, env=None):
        text = console.admin if token is None else token
        known = {"GREENBAND_URL": console.address, "GREENBAND_TOKEN": text, "COLUMNS": "150"}
        return inline("corridor", *words, env={**known, **(env or {})})

    return run


@pytest.fixture
def opened(corridor):
    """A corridor from one end of the arterial to the other, cancelled afterwards."""
    words = ("--to", "oak-west", "--from", "east-ring", "--reason", "incident 1")
    found = corridor("open", "ambulance-1", *words, "--json")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    yield document
    assert corridor("cancel", document["id"]).returncode == 0


def test_a_corridor_from_the_preview_to_its_end(corridor):
    shown = corridor("preview", "ambulance-1", "--to", "oak-west", "--from", "east-ring")
    assert shown.returncode == 0, shown.stderr
    assert "sooner" in shown.stdout
    number = shown.stderr.split("--preview ")[1].strip()
    opened = corridor("open", "--preview", number, "--reason", "incident 1")
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout.count("granted") + opened.stdout.count("held") >= 3
    name = opened.stderr.split("watch ")[1].strip()
    assert name in corridor("list").stdout
    again = corridor("open", "--preview", number)
    assert again.returncode == 1
    assert f"opened already, as corridor {name}" in again.stderr
    for words in (
        ("position", name, "--street", "east-ring", "--at", 20, "--speed", 10),
        ("reroute", name, "--to", "oak-west"),
        ("show", name),
        ("end", name),
    ):
        answer = corridor(*words, "--json")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["id"] == name


def test_watch_follows_until_it_is_over(corridor, opened):
    assert corridor("cancel", opened["id"], "--reason", "false alarm").returncode == 0
    watched = corridor("watch", opened["id"])
    assert watched.returncode == 0, watched.stderr
    lines = watched.stdout.splitlines()
    assert any("released" in line for line in lines)
    assert "cancelled" in lines[-1]
    every = corridor("watch", opened["id"], "--json").stdout.splitlines()
    assert json.loads(every[-1])["state"] == "cancelled"


def test_what_the_console_refuses_is_one_sentence_and_exit_code_1(corridor, console, opened):
    looker = console.token("Onlooker", "view")[1]
    stranger = console.token("Police", "view", "corridor:cancel")[1]
    for words, sentence, more in (
        (("preview", "nobody", "--to", "oak-west"), "There is no vehicle 'nobody'", {}),
        (("preview", "ambulance-1", "--to", "moon"), "There is no street 'moon'", {}),
        (("show", "nothing"), "There is no corridor 'nothing'", {}),
        (("watch", "a?b#c"), "There is no corridor 'a?b#c'", {}),
        (("open", "doctor-1", "--to", "oak-west"), "not good for", {"token": looker}),
        (("cancel", opened["id"]), "belongs to demo", {"token": stranger}),
        (("list",), "Send a token that counts", {"token": "gb_0_0"}),
    ):
        answer = corridor(*words, **more)
        assert answer.returncode == 1, words
        assert sentence in answer.stderr, answer.stderr
        assert len(answer.stderr.splitlines()) == 1
        assert not answer.stdout


def test_an_agency_that_may_not_look_still_gets_its_corridor(corridor, console):
    token = console.token("Ambulances", "corridor:request", "corridor:cancel")[1]
    found = corridor("open", "ambulance-2", "--to", "oak-west", "--json", token=token)
    assert found.returncode == 0, found.stderr
    name = json.loads(found.stdout)["id"]
    assert corridor("cancel", name, token=token).returncode == 0


def test_wrong_use_is_told_before_anything_is_sent(corridor, tmp_path):
    url = "--url"
    for words, sentence in (
        (("open",), "either the vehicle or --preview"),
        (("preview", "x"), "either --to or --route"),
        (("preview", "x", "--route", "a,b", "--from", "c"), "leave --from out"),
        (("open", "--preview", "1", "--to", "a"), "a preview has its way"),
        (("reroute", "1"), "either --to or --route"),
        (("position", "1", "--speed", 1), "either --street and --at"),
        (("position", "1", "--speed", 1, "--place", "here"), "no place such as"),
        (("list", url, "ftp://x"), "is no address"),
        (("list", url, "http://traffic.example"), "could read the token"),
        (("list", url, "https://127.0.0.1:1", "--cert", tmp_path / "a"), "belong together"),
    ):
        answer = corridor(*words)
        assert answer.returncode == 2, (words, answer.stderr)
        assert sentence in answer.stderr
    without = corridor("list", token="")
    assert without.returncode == 2
    assert "--token-file" in without.stderr


def test_the_token_stands_in_a_file_and_is_never_printed(corridor, console, tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{console.admin}\n")
    assert corridor("list", "--token-file", file, token="").returncode == 0
    assert corridor("list", "--token-file", tmp_path / "none", token="").returncode == 1
    nobody = corridor("list", "--url", "http://127.0.0.1:9")
    assert nobody.returncode == 1
    assert "nothing listens" in nobody.stderr
    assert console.admin not in nobody.stderr


def test_who_answers_but_is_no_console_is_recognised(corridor, console):
    answer = corridor("list", "--url", f"{console.address}/static/none?")
    assert answer.returncode == 1
