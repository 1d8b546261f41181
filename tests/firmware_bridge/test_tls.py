"""TLS: who has no certificate of the authority gets nothing."""

import asyncio
import ssl
import subprocess
from dataclasses import replace

import pytest

from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import TlsEnd, host_and_port
from firmware_bridge.errors import LinkError, SetupError
from firmware_bridge.line import Line
from firmware_bridge.tls import server_context
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
        for name in ("cabinet", "edge"):
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
                "2",
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
        with pytest.raises(LinkError, match=r"cannot be reached: .*certificate verify failed"):
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
    monkeypatch.setattr("firmware_bridge.server.HANDSHAKE_S", 0.2)

    async def main():
        async with running(cabinet(), end(papers, "cabinet")) as device:
            host, port = host_and_port(device.addresses[0].partition(" ")[2], 0)
            reader, writer = await asyncio.open_connection(host, port)
            assert await asyncio.wait_for(reader.read(), 3) == b""
            writer.close()

    asyncio.run(main())
