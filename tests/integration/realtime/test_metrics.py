"""GET /internal/metrics over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect


def _read(text: str) -> dict[str, float]:
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("tornado_realtime_"): float(value) for name, value in lines}


@pytest.mark.gen_test
async def test_what_happens_is_counted(http_client: AsyncHTTPClient, base_url: str) -> None:
    client = await websocket_connect(base_url.replace("http", "ws") + "/ws")
    await client.write_message('{"action":"subscribe","channel":"news"}')
    heard = None
    while heard is None:
        await http_client.fetch(
            base_url + "/internal/broadcast?channel=news&message=hi", method="POST", body=""
        )
        heard = await client.read_message()
    answer = await http_client.fetch(base_url + "/internal/metrics")
    found = _read(answer.body.decode())
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert found["connections"] == found["connections_opened_total"] == found["channels"] == 1
    assert found["messages_total"] == 1
    assert found["publications_total"] == found["deliveries_total"] == 1
    assert found["delivered_bytes_total"] == 4
    client.close()


@pytest.mark.gen_test
async def test_only_get(http_client: AsyncHTTPClient, base_url: str) -> None:
    answer = await http_client.fetch(
        base_url + "/internal/metrics", method="POST", body="", raise_error=False
    )
    assert answer.code == 405


@pytest.mark.parametrize("options", [{"broadcast_secret": "s"}])
@pytest.mark.gen_test
async def test_the_one_rule_holds(
    http_client: AsyncHTTPClient, base_url: str, options: dict[str, Any]
) -> None:
    url = base_url + "/internal/metrics"
    assert (await http_client.fetch(url, raise_error=False)).code == 403
    assert (await http_client.fetch(url, headers={"X-Broadcast-Secret": "s"})).code == 200
