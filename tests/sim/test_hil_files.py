"""The files of a run are those that daemon and cabinets take."""

from dataclasses import replace

import pytest

from controller import site_json
from edge.config import load
from firmware_bridge.ends import SerialEnd, TcpEnd, TlsEnd
from sim.hil.files import (
    INDEX,
    CabinetEntry,
    write_cabinets,
    write_links,
    write_papers,
    write_site_toml,
)
from sim.network import derive_network


@pytest.fixture(scope="module")
def network(crossroads):
    return derive_network(crossroads.with_name("crossroads.net.xml"))


def loaded(network, folder, link, *, tls=False, **changes):
    junction = replace(network.junctions[0], **changes)
    network = replace(network, junctions=(junction,))
    papers = write_papers(folder / "certs") if tls else None
    files = write_cabinets(network, folder)[junction.id]
    write_links(network, folder / "links.json")
    path = write_site_toml(
        folder,
        [CabinetEntry(junction, link, 1, files)],
        broker_url="mqtt://127.0.0.1:1883",
        http="127.0.0.1:0",
        papers=papers,
    )
    config = load(path)
    return junction, files, config


@pytest.mark.parametrize(
    ("link", "end"),
    [
        ("tcp://127.0.0.1:1502", TcpEnd("127.0.0.1", 1502)),
        ("rtu:///dev/pts/3?baud=115200", SerialEnd("/dev/pts/3", 115_200)),
    ],
)
def test_the_daemon_reads_what_the_bench_writes(network, tmp_path, link, end):
    junction, files, config = loaded(network, tmp_path, link)
    cabinet = config.cabinets[0]
    assert cabinet.link == end
    assert cabinet.site == replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
    assert cabinet.plan == junction.shipped_plan
    assert not cabinet.keep_order
    assert files.key.stat().st_mode & 0o077 == 0
    assert not any("chmod" in remark for remark in config.remarks)


def test_an_index_says_whose_files_they_are(network, tmp_path):
    files = write_cabinets(network, tmp_path)
    head, *rows = (tmp_path / "sites" / INDEX).read_text().splitlines()
    assert head.split("\t")[:2] == ["junction", "site"]
    assert len(rows) == len(network.junctions)
    for row, junction in zip(rows, network.junctions, strict=True):
        name, *names = row.split("\t")
        assert name == junction.id
        mine = files[name]
        log = mine.state.with_suffix(".log")
        expected = (mine.site, mine.cold_site, mine.plan, mine.key, log)
        assert [tmp_path / "sites" / each for each in names] == list(expected)


def test_certificates_are_made_for_tls(network, tmp_path):
    _, _, config = loaded(network, tmp_path, "tls://127.0.0.1:8020", tls=True)
    assert isinstance(config.cabinets[0].link, TlsEnd)


def test_an_order_of_stages_that_has_to_be_kept_is_kept(network, tmp_path):
    count = len(network.junctions[0].shipped_plan.stages)
    greens = ((7.0, 40.0), *((5.0, float("inf")),) * (count - 1))
    changes = {"keep_order": True, "shipped_greens_s": greens}
    junction, _, config = loaded(network, tmp_path, "tcp://127.0.0.1:1", **changes)
    cabinet = config.cabinets[0]
    names = [entry.stage for entry in junction.shipped_plan.stages]
    assert cabinet.keep_order
    assert cabinet.greens_s == dict(zip(names, greens, strict=True))


def test_a_cabinet_that_comes_back_starts_up_as_one_does(network, tmp_path):
    """Both site files are of one site: the daemon goes on with it."""
    junction, files, _ = loaded(network, tmp_path, "tcp://127.0.0.1:1")
    warm, cold = (site_json.from_json(p.read_text()) for p in (files.site, files.cold_site))
    assert (warm.startup_flash_ms, warm.startup_red_ms) == (0, 0)
    assert cold == junction.intersection
    assert cold.startup_flash_ms > 0
    assert warm.digest == cold.digest
