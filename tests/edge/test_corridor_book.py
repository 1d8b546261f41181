"""Corridors under way are on the disk, no others, and a disk that fails stops none."""

import sqlite3

import pytest

from edge.centre.corridor_book import CorridorBook
from edge.corridors.values import CorridorState
from edge.errors import StoreError
from tests.edge.corridor_city import MAIN, Town, ambulance


@pytest.fixture
def town():
    return Town()


def test_what_is_under_way_is_kept_with_what_is_left_of_its_way(tmp_path, town):
    path = tmp_path / "corridors.db"
    book = CorridorBook(path)
    going = town.desk.open(town.now, ambulance(reason="fire"), "dispatch")
    ended = town.desk.open(town.now, ambulance(vehicle="LF 1"), "page")
    book.keep(town.desk.corridors.values())
    assert {each.id for each in CorridorBook(path).kept} == {going.id, ended.id}
    town.desk.report(town.now, going.id, town.position("m1", 40.0))
    town.desk.end(town.now, ended.id)
    book.keep(town.desk.corridors.values())
    book.close()
    (kept,) = CorridorBook(path).kept
    assert (kept.id, kept.caller, kept.wish.reason) == (going.id, "dispatch", "fire")
    assert kept.opened_utc_ms == going.opened_utc_ms
    assert (kept.wish.origin, kept.wish.route) == ("m1", MAIN[1:])
    other = Town()
    resumed = other.desk.resume(town.now, kept.id, kept.wish, kept.caller, kept.opened_utc_ms)
    assert (resumed.id, resumed.state) == (going.id, CorridorState.PENDING)
    assert [passage.site for passage in resumed.passages] == ["J2", "J3", "J4"]


def test_a_disk_that_fails_is_tried_again(tmp_path, town):
    path = tmp_path / "corridors.db"
    book = CorridorBook(path)
    going = town.desk.open(town.now, ambulance(), "dispatch")
    with sqlite3.connect(path) as locked:
        locked.execute("ALTER TABLE corridors_under_way RENAME TO away")
    book.keep(town.desk.corridors.values())
    with sqlite3.connect(path) as locked:
        locked.execute("ALTER TABLE away RENAME TO corridors_under_way")
    book.keep(town.desk.corridors.values())
    assert [each.id for each in CorridorBook(path).kept] == [going.id]


def test_a_corridor_of_another_version_costs_only_itself(tmp_path, town):
    path = tmp_path / "corridors.db"
    book = CorridorBook(path)
    going = town.desk.open(town.now, ambulance(), "dispatch")
    book.keep(town.desk.corridors.values())
    book.close()
    with sqlite3.connect(path) as other:
        for k, wish in enumerate(('{"colour": "red", "route": []}', "{", "[]")):
            other.execute(
                "INSERT INTO corridors_under_way VALUES (?,?,?,?)", (f"x{k}", 1, "x", wish)
            )
    assert [each.id for each in CorridorBook(path).kept] == [going.id]


def test_a_book_that_can_not_be_opened_says_so(tmp_path):
    with pytest.raises(StoreError, match="can't be opened"):
        CorridorBook(tmp_path / "nowhere" / "corridors.db")
    (tmp_path / "torn.db").write_text("no database")
    with pytest.raises(StoreError, match="can't be opened"):
        CorridorBook(tmp_path / "torn.db")
