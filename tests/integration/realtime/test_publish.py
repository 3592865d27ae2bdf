"""POST /internal/broadcast: every check in its order, with its words (wire.md A1, A2, A6)."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httputil import HTTPHeaders

from tests.support.realtime_world import TunedRealtime, serving
from tornado_realtime.brokers.base import Broker, Health, Sink
from tornado_realtime.errors import BrokerClosedError, BrokerUnavailableError
from tornado_realtime.publication import PLAIN, Publication, Taken
from tornado_realtime.realtime import Realtime
from tornado_realtime.wire.form import FORM_TYPE

PATH = "/internal/broadcast"
GOOD = b"channel=news&message=hello"


@pytest.fixture
def published(instance: Realtime, monkeypatch: pytest.MonkeyPatch) -> list[Publication]:
    """What reaches the broker."""
    found: list[Publication] = []

    async def publish(publication: Publication, key: str) -> Taken:
        found.append(publication)
        return PLAIN

    monkeypatch.setattr(instance.hub.broker, "publish", publish)
    return found


async def post(client: AsyncHTTPClient, url: str, body: bytes = GOOD, **headers: str) -> HTTPResponse:
    fields = {"Content-Type": FORM_TYPE} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.fetch(url, raise_error=False, method="POST", body=body, headers=fields)


def refused(response: HTTPResponse, status: int, text: str) -> None:
    assert (response.code, response.body) == (status, f"{text}\n".encode())
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in response.headers
    assert "Allow" not in response.headers


@pytest.mark.gen_test
async def test_accepted(http_client: AsyncHTTPClient, base_url: str, published: list[Publication]) -> None:
    response = await post(http_client, base_url + PATH)
    assert (response.code, response.body) == (202, b"")
    assert response.headers["Content-Length"] == "0"
    assert "Content-Type" not in response.headers
    assert "Server" not in response.headers
    assert "Etag" not in response.headers
    assert published == [Publication("news", b"hello")]


RIGHT: dict[str, tuple[bytes, str, Publication]] = {
    "escapes": (b"channel=a%20b+c&message=%3Cz%C3%BC%3E", "", Publication("a b c", "<zü>".encode())),
    "the query alone": (b"", "?channel=q&message=m", Publication("q", b"m")),
    "the body before the query": (GOOD, "?channel=q&message=m", Publication("news", b"hello")),
    "both together": (b"channel=b", "?channel=q&message=m", Publication("b", b"m")),
    "the first value": (b"channel=a&channel=b&message=1&message=2", "", Publication("a", b"1")),
    "more fields": (b"x=1&channel=a&y&message=m&&", "", Publication("a", b"m")),
    "an equals sign": (b"channel=a&message=b=c", "", Publication("a", b"b=c")),
    "white space": (b"channel=+&message=%0A", "", Publication(" ", b"\n")),
}


@pytest.mark.gen_test
@pytest.mark.parametrize(("body", "query", "publication"), RIGHT.values(), ids=RIGHT)
async def test_forms(
    http_client: AsyncHTTPClient,
    base_url: str,
    published: list[Publication],
    body: bytes,
    query: str,
    publication: Publication,
) -> None:
    assert (await post(http_client, base_url + PATH + query, body)).code == 202
    assert published == [publication]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "kind", [FORM_TYPE, FORM_TYPE.upper(), f"{FORM_TYPE}; charset=utf-8", f" {FORM_TYPE};"]
)
async def test_content_types_that_are_forms(
    http_client: AsyncHTTPClient, base_url: str, published: list[Publication], kind: str
) -> None:
    assert (await post(http_client, base_url + PATH, Content_Type=kind)).code == 202


MULTIPART = b'--x\r\nContent-Disposition: form-data; name="channel"\r\n\r\nnews\r\n--x--\r\n'
MISSING: dict[str, tuple[bytes, str, str]] = {
    "no body": (b"", FORM_TYPE, ""),
    "no message": (b"channel=news", FORM_TYPE, ""),
    "no channel": (b"message=hello", FORM_TYPE, ""),
    "empty channel": (b"channel=&message=hello", FORM_TYPE, ""),
    "empty first": (b"channel=&channel=news&message=hello", FORM_TYPE, ""),
    "empty body field before a full query": (b"channel=&message=x", FORM_TYPE, "?channel=news"),
    "other case": (b"Channel=news&Message=hello", FORM_TYPE, ""),
    "json": (b'{"channel":"news","message":"hello"}', "text/json", ""),
    "json without a body": (b"", "application/json", ""),
    "multipart": (MULTIPART, "multipart/form-data; boundary=x", ""),
    "no content type": (GOOD, "", ""),
    "text": (GOOD, "text/plain", ""),
}


@pytest.mark.gen_test
@pytest.mark.parametrize(("body", "kind", "query"), MISSING.values(), ids=MISSING)
async def test_missing(
    http_client: AsyncHTTPClient,
    base_url: str,
    published: list[Publication],
    body: bytes,
    kind: str,
    query: str,
) -> None:
    response = await post(http_client, base_url + PATH + query, body, Content_Type=kind)
    refused(response, 400, "Missing channel or message")
    assert published == []


UNREADABLE = {
    "half an escape": (b"channel=news&message=%zz", "", FORM_TYPE),
    "half an escape at the end": (b"channel=news&message=hello%4", "", FORM_TYPE),
    "half an escape in another field": (GOOD + b"&x=%", "", FORM_TYPE),
    "semicolon": (b"channel=news;message=hello", "", FORM_TYPE),
    "half an escape in the query": (GOOD, "?x=%zz", FORM_TYPE),
    "semicolon in the query": (GOOD, "?a;b", FORM_TYPE),
    "malformed content type": (GOOD, "", "text/"),
    "malformed parameter": (GOOD, "", f"{FORM_TYPE}; charset"),
}


@pytest.mark.gen_test
@pytest.mark.parametrize(("body", "query", "kind"), UNREADABLE.values(), ids=UNREADABLE)
async def test_unreadable(
    http_client: AsyncHTTPClient,
    base_url: str,
    published: list[Publication],
    body: bytes,
    query: str,
    kind: str,
) -> None:
    response = await post(http_client, base_url + PATH + query, body, Content_Type=kind)
    refused(response, 400, "Bad Request")
    assert published == []


@pytest.mark.gen_test
@pytest.mark.parametrize("body", [b"channel=news&message=%ff", b"channel=%ff&message=hello"])
async def test_text_that_is_not_utf8(
    http_client: AsyncHTTPClient, base_url: str, published: list[Publication], body: bytes
) -> None:
    refused(await post(http_client, base_url + PATH, body), 400, "channel and message must be UTF-8")
    assert published == []


@pytest.mark.gen_test
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_another_method(http_client: AsyncHTTPClient, base_url: str, method: str) -> None:
    response = await http_client.fetch(
        f"{base_url}{PATH}?channel=news&message=hello",
        raise_error=False,
        method=method,
        body=b"" if method in ("PUT", "PATCH") else None,
        allow_nonstandard_methods=True,
    )
    if method == "HEAD":
        assert (response.code, response.body) == (405, b"")
    else:
        refused(response, 405, "Method Not Allowed")


# -- the order of the checks -----------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("options", [{"broadcast_secret": "s3crët"}])
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("s3crët", 202),
        ("s3cret", 403),
        ("", 403),
        (None, 403),
        ("s3crët ", 202),
        ("S3CRËT", 403),
        ("s3crëtx", 403),
    ],
)
async def test_the_secret(
    http_client: AsyncHTTPClient,
    base_url: str,
    published: list[Publication],
    given: str | None,
    status: int,
) -> None:
    headers = {"X_Forwarded_For": "1.1.1.1"}
    if given is not None:
        headers["X_Broadcast_Secret"] = given.encode().decode("latin-1")
    # With a secret everything else about the sender does not matter.
    response = await post(http_client, base_url + PATH, GOOD, Cookie="a=b", **headers)
    if status == 403:
        refused(response, 403, "Forbidden")
        assert published == []
    else:
        assert (response.code, len(published)) == (202, 1)


@pytest.mark.gen_test
@pytest.mark.parametrize("options", [{"broadcast_secret": "s3cret"}])
async def test_the_secret_comes_before_the_method(
    instance: Realtime, http_client: AsyncHTTPClient, base_url: str
) -> None:
    refused(await http_client.fetch(base_url + PATH, raise_error=False), 403, "Forbidden")
    secret = {"X-Broadcast-Secret": "s3cret"}
    refused(
        await http_client.fetch(base_url + PATH, raise_error=False, headers=secret), 405, "Method Not Allowed"
    )


@pytest.mark.gen_test
@pytest.mark.parametrize("options", [{"broadcast_secret": "s3cret"}])
async def test_the_first_secret_counts(
    instance: Realtime, http_client: AsyncHTTPClient, base_url: str
) -> None:
    for values, status in ((("s3cret", "other"), 202), (("other", "s3cret"), 403)):
        headers = HTTPHeaders({"Content-Type": FORM_TYPE})
        for value in values:
            headers.add("X-Broadcast-Secret", value)
        response = await http_client.fetch(
            base_url + PATH, raise_error=False, method="POST", body=GOOD, headers=headers
        )
        assert response.code == status


# -- sizes -----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("options", [{"max_publication_size": 10}])
@pytest.mark.parametrize(
    ("channel", "message", "status"),
    [
        ("c", "x" * 10, 202),
        ("c", "x" * 11, 413),
        ("c", "ü" * 5, 202),
        ("c", "ü" * 5 + "x", 413),
        ("c" * 255, "x", 202),
        ("c" * 256, "x", 400),
        ("c%0A", "x", 400),
    ],
)
async def test_max_publication_size(
    http_client: AsyncHTTPClient,
    base_url: str,
    published: list[Publication],
    channel: str,
    message: str,
    status: int,
) -> None:
    body = f"channel={channel}&message={quote(message)}".encode()
    response = await post(http_client, base_url + PATH, body)
    assert (response.code, len(published)) == (status, 1 if status == 202 else 0)
    if status == 413:
        refused(response, 413, "a message has at most 10 bytes")


@pytest.mark.gen_test
async def test_the_default_of_max_publication_size(
    http_client: AsyncHTTPClient, base_url: str, published: list[Publication]
) -> None:
    for size, status in ((1 << 20, 202), ((1 << 20) + 1, 413)):
        response = await post(http_client, base_url + PATH, b"channel=c&message=" + b"x" * size)
        assert response.code == status
    assert [len(publication.data) for publication in published] == [1 << 20]


@pytest.mark.gen_test
@pytest.mark.parametrize("options", [{"max_publication_size": "20MB"}])
async def test_forms_of_10_mb_and_no_more(
    http_client: AsyncHTTPClient, base_url: str, published: list[Publication]
) -> None:
    start = b"channel=c&message="
    whole = start + b"x" * (10 * 1024 * 1024 - len(start))
    assert (await post(http_client, base_url + PATH, whole)).code == 202
    assert [len(publication.data) for publication in published] == [10 * 1024 * 1024 - len(start)]


@pytest.mark.gen_test
async def test_a_form_above_10_mb_is_refused_before_it_is_read(instance: Realtime) -> None:
    async with serving(instance) as world:
        for length in (str(10 * 1024 * 1024 + 1), "99999999"):
            client = await world.connect()
            head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
            await client.send(f"{head}Content-Length: {length}\r\n\r\nchannel=c".encode())
            answered = await client.answer()
            assert (answered.status, answered.body) == (400, b"Bad Request\n")


@pytest.mark.gen_test
async def test_a_form_above_10_mb_without_a_length(
    instance: Realtime, published: list[Publication], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(instance) as world:
        client = await world.connect()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
        await client.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        await client.send(b"12\r\nchannel=c&message=\r\n")
        for _ in range(11):
            await client.send(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
        await client.send(b"0\r\n\r\n")
        answered = await client.answer()
        assert (answered.status, answered.body) == (400, b"Bad Request\n")
        # The connection is good for the next one.
        again = await client.request("POST", PATH, f"Content-Type: {FORM_TYPE}", body=GOOD)
        assert again.status == 202
    assert published == [Publication("news", b"hello")]
    assert caplog.records == []


@pytest.mark.gen_test
async def test_10_mb_of_something_else_are_not_kept(http_client: AsyncHTTPClient, base_url: str) -> None:
    response = await post(http_client, base_url + PATH, b"x" * 11_000_000, Content_Type="text/plain")
    refused(response, 400, "Missing channel or message")


@pytest.mark.gen_test
@pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "-1", "abc"])
async def test_lengths_that_make_no_sense(instance: Realtime, length: str) -> None:
    async with serving(instance) as world:
        client = await world.connect()
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
        await client.send(f"{head}Content-Length: {length}\r\n\r\n".encode("latin-1"))
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 400")


# -- a broker that cannot publish --------------------------------------------------------------------------


class BrokenBroker(Broker):
    """Refuses everything."""

    error: Exception = BrokerUnavailableError("Redis at localhost:6379 does not answer", 2.6)

    async def start(self, sink: Sink) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, publication: Publication, key: str = "") -> Taken:
        raise self.error

    async def tell(self, message: bytes, to: str = "") -> int:
        return 1

    @property
    def health(self) -> Health:
        return Health(True)

    def subscribe(self, channel: str) -> None: ...

    def unsubscribe(self, channel: str) -> None: ...


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("error", "reason", "after"),
    [
        (BrokenBroker.error, "Redis at localhost:6379 does not answer", "3"),
        (BrokerUnavailableError("away", 0.01), "away", "1"),
        (BrokerUnavailableError("no answer", 1.0, "unknown"), "no answer", "1"),
        (BrokerClosedError("closed"), "the server is shutting down", "1"),
    ],
)
async def test_a_broker_that_cannot_publish(error: Exception, reason: str, after: str) -> None:
    class Broken(BrokenBroker):
        pass

    class Instance(TunedRealtime):
        broker = Broken

    Broken.error = error
    async with serving(Instance()) as world:
        answered = await world.post()
        assert answered.status == 503
        assert answered.header("Retry-After") == after
        assert answered.header("Content-Type") == "application/json"
        said = json.loads(answered.body)
        if reason == "no answer":
            reason += "; the same request may publish it twice, as it has no Idempotency-Key"
            assert said["outcome"] == "unknown"
        else:
            assert said["outcome"] == "rejected"
        assert said == {"accepted": False, "outcome": said["outcome"], "reason": reason}


@pytest.mark.gen_test
@pytest.mark.parametrize("closed", [True, False])
async def test_before_start_and_after_close(closed: bool) -> None:
    realtime = Realtime()
    async with serving(realtime, start=closed) as world:
        await realtime.close()
        for answered in (await world.post(), await world.knock()):
            assert (answered.status, answered.body) == (503, b"Service Unavailable\n")
            assert answered.header("Retry-After") == "1"


@pytest.mark.gen_test
async def test_what_is_published_arrives(instance: Realtime) -> None:
    async with serving(instance) as world:
        client = await world.open("news")
        for number in range(20):
            assert (await world.post(body=b"channel=news&message=%d" % number)).status == 202
        assert [await client.text() for _ in range(20)] == [b"%d" % number for number in range(20)]
