import errno
import os

import pytest

from greenband.files import ensure_writable, read_text, replacing, write_text
from greenband.names import file_name, scenario_name


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_failure_keeps_the_old_file_and_leaves_no_scrap(tmp_path, failure):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(failure), replacing(path) as scratch:
        scratch.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_of_the_file(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(OSError, match=r"a\.json") as caught, replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_known_beforehand(tmp_path):
    with pytest.raises(IsADirectoryError):
        ensure_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        ensure_writable(tmp_path / "file" / "report.html")
    ensure_writable(tmp_path / "new" / "report.html")
    assert not list((tmp_path / "new").iterdir())


def test_a_pipe_is_written_and_never_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    ensure_writable(pipe)
    write_text(pipe, "hello")
    assert os.read(reader, 100) == b"hello"
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(OSError, match="no plain file"), replacing(pipe):
        raise AssertionError("not reached")
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_keeps_pointing(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text(tmp_path / "link", "hello")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "hello"


def test_only_text_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OSError, match="UTF-8"):
        read_text(tmp_path / "a")


@pytest.mark.parametrize("name", ["GS_1", "cluster_12_34", "J-1.a"])
def test_plain_names_of_junctions_stay(name):
    assert file_name(name) == name


def test_names_of_junctions_make_safe_and_different_file_names():
    names = ["a/b#2", "a_b_2", "a b 2", "..", "", ".hidden", "x" * 300, "x" * 301, "kreuz 1/ä"]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(names)
    for each in made:
        assert each
        assert not each.startswith(".")
        assert "/" not in each
        assert len(each.encode()) < 200


def test_scenario_names():
    assert scenario_name("cologne8") == "cologne8"
    assert scenario_name("a/b.net.xml.gz") == "b"
    assert scenario_name("a/b.sumocfg") == "b"
