"""TLS: who has no certificate of the authority gets nothing."""

import asyncio
import re
import ssl
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import TlsEnd, host_and_port
from firmware_bridge.errors import LinkError, SetupError
from firmware_bridge.line import Line
from firmware_bridge.server import SESSIONS_MAX
from firmware_bridge.tls import server_context
from firmware_bridge.tls_door import HANDSHAKES_MAX
from tests.firmware_bridge.rig import KEY, SITE, cabinet, new_plan, running


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A folder with two authorities, and certificates of each for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("papers")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for authority in ("ca", "other"):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(
            "req",
            "-x509",
            *key,
            "-keyout",
            f"{authority}.key",
            "-out",
            f"{authority}.pem",
            "-subj",
            f"/CN={authority}",
            "-days",
            "2",
        )
        for name in ("cabinet", "edge", "expired"):
            stem = f"{authority}-{name}"
            openssl(
                "req",
                *key,
                "-keyout",
                f"{stem}.key",
                "-out",
                f"{stem}.csr",
                "-subj",
                f"/CN={name}",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            )
            openssl(
                "x509",
                "-req",
                "-in",
                f"{stem}.csr",
                "-CA",
                f"{authority}.pem",
                "-CAkey",
                f"{authority}.key",
                "-out",
                f"{stem}.pem",
                "-days",
                "-1" if name == "expired" else "2",
                "-copy_extensions",
                "copy",
            )
    return folder


def end(folder, name, authority="ca", address="127.0.0.1:0", trusts="ca"):
    files = (folder / f"{authority}-{name}.pem", folder / f"{authority}-{name}.key")
    return TlsEnd(*host_and_port(address, 802), *files, folder / f"{trusts}.pem")


def over_tls(papers, act, **edge):
    async def main():
        async with running(cabinet(), end(papers, "cabinet")) as device:
            address = device.addresses[0].partition(" ")[2]
            line = Line(end(papers, "edge", address=address, **edge))
            try:
                return await act(CabinetClient(line, 1, SITE, KEY))
            finally:
                await line.close()

    return asyncio.run(main())


def test_an_edge_with_a_certificate_is_served(papers):
    async def act(client):
        await client.identify()
        now_ms = (await client.poll()).now.utc_ms
        result = await client.upload_plan(new_plan(2, valid_to_utc_ms=now_ms + 10_000_000))
        assert result.accepted

    over_tls(papers, act)


def test_an_edge_of_another_authority_is_not(papers):
    async def act(client):
        for _ in range(2):
            with pytest.raises(LinkError, match=r"cabinet crossroads: .*(answer|reached)"):
                await client.poll()
            await asyncio.sleep(0.6)

    over_tls(papers, act, authority="other")


def test_a_cabinet_of_another_authority_is_not_believed(papers):
    async def act(client):
        with pytest.raises(
            LinkError, match=r"cannot be reached: its certificate is not accepted .self-signed"
        ):
            await client.poll()

    over_tls(papers, act, authority="ca", trusts="other")


def test_plain_tcp_at_a_tls_port_gets_nothing(papers):
    async def main():
        async with running(cabinet(), end(papers, "cabinet")) as device:
            host, port = host_and_port(device.addresses[0].partition(" ")[2], 0)
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(bytes.fromhex("0001 0000 0006 01 03 0064 0001"))
            answer = await asyncio.wait_for(reader.read(), 5)
            assert b"\x03\x02" not in answer
            writer.close()

    asyncio.run(main())


def test_without_a_client_certificate_there_is_no_service(papers):
    async def main():
        async with running(cabinet(), end(papers, "cabinet")) as device:
            host, port = host_and_port(device.addresses[0].partition(" ")[2], 0)
            context = ssl.create_default_context(cafile=papers / "ca.pem")
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            writer.write(bytes.fromhex("0001 0000 0006 01 03 0064 0001"))
            try:
                answer = await asyncio.wait_for(reader.read(), 5)
            except (ssl.SSLError, ConnectionError):
                answer = b""
            assert answer == b""
            writer.close()

    asyncio.run(main())


def test_files_that_cannot_be_used_are_named(papers, tmp_path):
    good = end(papers, "cabinet")
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    for changes, message in (
        ({"cert": tmp_path / "none.pem"}, "certificate .*none.pem cannot be read: No such file"),
        ({"key": tmp_path}, "key .* cannot be read: Is a directory"),
        ({"ca": text}, "authority .*text.pem is no certificate in PEM form"),
        ({"cert": text}, r"certificate .*text.pem and key .* cannot be used together"),
        ({"key": papers / "other-edge.key"}, "cannot be used together .key values mismatch"),
    ):
        with pytest.raises(SetupError, match=message):
            server_context(replace(good, **changes))


def test_who_never_shows_a_certificate_is_hung_up_on(papers, monkeypatch):
    monkeypatch.setattr("firmware_bridge.tls_door.HANDSHAKE_S", 0.2)

    async def main():
        async with running(cabinet(), end(papers, "cabinet")) as device:
            host, port = host_and_port(device.addresses[0].partition(" ")[2], 0)
            reader, writer = await asyncio.open_connection(host, port)
            assert await asyncio.wait_for(reader.read(), 3) == b""
            writer.close()

    asyncio.run(main())


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_crowd_that_never_speaks_keeps_nobody_out(papers, monkeypatch):
    """Hundreds of connections without a handshake: few stay open, and an edge gets through."""
    monkeypatch.setattr("firmware_bridge.tls_door.HANDSHAKE_S", 2.0)

    async def main():
        notes = []
        async with running(cabinet(), end(papers, "cabinet"), notes=notes) as device:
            address = device.addresses[0].partition(" ")[2]
            host, port = host_and_port(address, 0)
            before = open_files()
            line = Line(end(papers, "edge", address=address))
            client = CabinetClient(line, 1, SITE, KEY)
            crowd = [await asyncio.open_connection(host, port) for _ in range(HANDSHAKES_MAX * 4)]
            await asyncio.sleep(0.1)
            await client.identify()
            theirs = open_files() - before - len(crowd)
            assert theirs <= HANDSHAKES_MAX + 4
            async with asyncio.timeout(5):
                for reader, writer in crowd:
                    with suppress(ConnectionError):
                        assert await reader.read() == b""
                    writer.close()
            assert (await client.poll()).boot_no == 1
            assert [note for note in notes if "tls" in note and "refused" in note] == [
                "tls: 127.0.0.1 is refused: it shows no certificate within 2 s"
            ]
            await line.close()

    asyncio.run(main())


def test_a_crowd_at_the_door_does_not_end_sessions_inside(papers):
    async def act(client):
        await client.identify()
        host, port = client.line.end.host, client.line.end.port
        crowd = [await asyncio.open_connection(host, port) for _ in range(SESSIONS_MAX + 5)]
        await client.poll()
        assert client.line.metrics.connections == 1
        for _, writer in crowd:
            writer.close()

    over_tls(papers, act)


@pytest.mark.parametrize(
    ("edge", "why"),
    [
        ({"name": "expired"}, "certificate has expired"),
        ({"authority": "other"}, "(unable to get|self-signed certificate|unknown ca)"),
    ],
)
def test_both_ends_name_an_edge_whose_certificate_is_refused(papers, edge, why):
    async def main():
        notes = []
        async with running(cabinet(), end(papers, "cabinet"), notes=notes) as device:
            address = device.addresses[0].partition(" ")[2]
            files = {"name": "edge"} | edge
            line = Line(end(papers, **files, address=address))
            client = CabinetClient(line, 1, SITE, KEY)
            with pytest.raises(LinkError, match=r"cabinet crossroads: .* refuses this certificate"):
                await client.poll()
            with suppress(LinkError):
                await client.poll()
            told = [note for note in notes if "127.0.0.1 is refused" in note]
            assert len(told) == 1
            assert re.search(f"its certificate is not accepted .{why}", told[0])
            await line.close()

    asyncio.run(main())


def test_a_cabinet_whose_certificate_has_expired_is_named(papers):
    async def main():
        async with running(cabinet(), end(papers, "expired")) as device:
            line = Line(end(papers, "edge", address=device.addresses[0].partition(" ")[2]))
            with pytest.raises(
                LinkError,
                match=r"cabinet crossroads: .* its certificate is not accepted .* has expired",
            ):
                await CabinetClient(line, 1, SITE, KEY).poll()
            await line.close()

    asyncio.run(main())
