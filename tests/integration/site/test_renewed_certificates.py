"""Certificates that are renewed without a reload."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.support.certificates import make_tls_pair
from tests.support.roads import Road, road
from tornado_realtime.errors import ConfigError


async def ask(running: Road, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", running.port(), ssl=context, server_hostname="localhost"
    )
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


def test_new_clients_get_the_new_one_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        _, first = make_tls_pair(tmp_path)
        pem = tmp_path / "server.pem"
        async with road(f"https://localhost:0 {{\ntls {pem} {pem}\nrespond hello\n}}", lane=True) as running:
            assert (await ask(running, first)).endswith(b"hello")
            _, second = make_tls_pair(tmp_path)
            assert (await ask(running, first)).endswith(b"hello")
            running.ports.renew_certificates(running.generation)
            assert (await ask(running, second)).endswith(b"hello")
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(running, first)
            pem.write_text("rubbish")
            with pytest.raises(ConfigError, match="cannot be used"):
                running.ports.renew_certificates(running.generation)
            assert (await ask(running, second)).endswith(b"hello")

    asyncio.run(main())
