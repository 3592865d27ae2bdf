"""Requests as bytes: the two that the fast lane serves, and many that are nearly such."""

from __future__ import annotations

import jwt

from tests.unit.wire.client_frames import client_frame

SECRET = "s3cret"
JWT_SECRET = "a secret of at least thirty-two bytes"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
FORM = b"channel=news&message=hello+there%21"
JSON = b'{"channel": "news", "message": {"hello": "there!"}}'


def token(subject: str = "u7", **claims: object) -> str:
    """A login."""
    return jwt.encode({"sub": subject, **claims}, JWT_SECRET)


def head(line: str, *fields: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


def publish_fields(*changes: str, body: bytes = FORM) -> list[str]:
    """The fields of a publish request; a change replaces the field of its name, ``-Name`` removes it."""
    return changed(
        {
            "Host": "localhost",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Broadcast-Secret": SECRET,
            "Content-Length": str(len(body)),
        },
        changes,
    )


def upgrade_fields(*changes: str) -> list[str]:
    """The fields of a handshake, changed in the same way."""
    return changed(
        {
            "Host": "localhost",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
            "Cookie": f"theme=dark; AUTH_TOKEN={token()}",
        },
        changes,
    )


def changed(fields: dict[str, str], changes: tuple[str, ...]) -> list[str]:
    """The lines of ``fields`` after ``changes``; what is new comes at the end."""
    for change in changes:
        name, _, value = change.partition(": ")
        fields.pop(name.removeprefix("-"), None)
        if not name.startswith("-"):
            fields[name] = value
    return [f"{name}: {value}" for name, value in fields.items()]


def publish(*changes: str, body: bytes = FORM, line: str = "POST /internal/broadcast HTTP/1.1") -> bytes:
    """A publish request."""
    return head(line, *publish_fields(*changes, body=body)) + body


def upgrade(*changes: str, line: str = "GET /ws HTTP/1.1") -> bytes:
    """A handshake."""
    return head(line, *upgrade_fields(*changes))


def publish_json(*changes: str, body: bytes = JSON) -> bytes:
    """A publish request in JSON."""
    return publish("Content-Type: application/json", *changes, body=body)


def _batch(size: int) -> bytes:
    return b'{"batch":[%b]}' % b",".join(b'{"channel":"c","message":%d}' % number for number in range(size))


PUBLISH = publish()
PUBLISH_JSON = publish_json()
LENGTH_FIRST = publish("-X-Broadcast-Secret", f"X-Broadcast-Secret: {SECRET}", "User-Agent: x")
"""A publish request whose length is followed by what matters."""
UPGRADE = upgrade()
PAGE = head("GET /page?x=1 HTTP/1.1", "Host: localhost")
V1_SUBSCRIBE = client_frame(b'{"action":"subscribe","id":1,"channel":"a"}')
V1 = "Sec-WebSocket-Protocol: realtime.v1.json"
LAST = head("GET /last HTTP/1.1", "Host: localhost", "Connection: close")
CLOSE_FRAME = b"\x88\x82aaaa" + bytes((0x03 ^ 0x61, 0xE8 ^ 0x61))


def doubled(request: bytes, line: bytes) -> bytes:
    """``request`` with one more line at the end of its head."""
    return request.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)


def _fields_form(count: int) -> bytes:
    return b"&".join([FORM, *(b"x%d=" % number for number in range(count))])


WELL_SHAPED: dict[str, tuple[bytes, ...]] = {
    "publish": (PUBLISH, LAST),
    "twice": (PUBLISH, PUBLISH, LAST),
    "pipelined": (PUBLISH * 5 + LAST,),
    "another length": (PUBLISH, publish(body=FORM + b"!" * 100), publish(body=b"message=1&channel=2"), LAST),
    "under a key": (publish(body=FORM + b"&key=k"), publish(body=FORM + b"&key="), PUBLISH, LAST),
    "but one": (publish(body=FORM + b"&exclude=c9"), publish(body=FORM + b"&exclude="), LAST),
    "json under a key": (
        publish_json(body=b'{"channels":["a","b"],"message":1,"key":"k","exclude":"c9"}'),
        publish_json(body=b'{"channel":"a","message":1,"key":""}'),
        LAST,
    ),
    "another secret": (PUBLISH, publish("X-Broadcast-Secret: s3creT"), LAST),
    "length first": (LENGTH_FIRST, LENGTH_FIRST, LENGTH_FIRST[:150], LENGTH_FIRST[150:], LAST),
    "another secret behind the length": (
        LENGTH_FIRST,
        LENGTH_FIRST.replace(b"s3cret", b"s3creT"),
        LAST,
    ),
    "more behind the length": (LENGTH_FIRST, doubled(LENGTH_FIRST, b"Connection: close")),
    "less behind the length": (LENGTH_FIRST, LENGTH_FIRST.replace(b"User-Agent: x\r\n", b""), LAST),
    "odd length later": (
        LENGTH_FIRST,
        LENGTH_FIRST.replace(b": 35", b": 35 "),
        LENGTH_FIRST.replace(b": 35", b": +35"),
    ),
    "no length later": (LENGTH_FIRST, LENGTH_FIRST.replace(b": 35", b":"), LAST),
    "head split": (PUBLISH[:9], PUBLISH[9:60], PUBLISH[60:], LAST),
    "at the line break": (PUBLISH[:36], PUBLISH[36:], LAST),
    "end of head split": (PUBLISH[: -len(FORM) - 2], PUBLISH[-len(FORM) - 2 :], LAST),
    "body split": (PUBLISH[:-9], PUBLISH[-9:-3], PUBLISH[-3:], LAST),
    "body apart": (PUBLISH[: -len(FORM)], FORM, LAST),
    "two in three": (PUBLISH[:70], PUBLISH[70:] + PUBLISH[:150], PUBLISH[150:], LAST),
    "then a page": (PUBLISH + PAGE + PUBLISH, PUBLISH, LAST),
    "then a handshake": (PUBLISH + UPGRADE, CLOSE_FRAME),
    "handshake after publish": (PUBLISH, UPGRADE, CLOSE_FRAME),
    "handshake": (UPGRADE, CLOSE_FRAME),
    "handshake with more": (UPGRADE + CLOSE_FRAME,),
    "handshake split": (UPGRADE[:7], UPGRADE[7:130], UPGRADE[130:], CLOSE_FRAME),
    "by bearer": (upgrade("-Cookie", f"Authorization: Bearer {token('u8')}"), CLOSE_FRAME),
    "browser": (
        upgrade(
            "Origin: http://localhost",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
            "Accept-Encoding: gzip, deflate",
            "Accept-Language: en-US,en;q=0.9",
            "Cache-Control: no-cache",
            "Pragma: no-cache",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "Sec-Fetch-Site: same-origin",
            "Connection: keep-alive, Upgrade",
        ),
        CLOSE_FRAME,
    ),
    "v1": (upgrade(V1), client_frame(b'{"action":"ping","id":1}'), CLOSE_FRAME),
    "v1 with more": (
        upgrade(V1) + client_frame(b'{"action":"subscribe","id":1,"channel":"a"}') + CLOSE_FRAME,
    ),
    "v1 beside a token": (
        upgrade("-Cookie", f"Sec-WebSocket-Protocol: bearer.{token('u8')}, realtime.v1.json"),
        CLOSE_FRAME,
    ),
    "unknown subprotocols": (upgrade("Sec-WebSocket-Protocol: chat, realtime.v2.json"), CLOSE_FRAME),
    "behind a proxy": (upgrade("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"), CLOSE_FRAME),
    "charset": (publish("Content-Type: application/x-www-form-urlencoded; charset=UTF-8"), LAST),
    "type in capitals": (publish("Content-Type: Application/X-WWW-Form-Urlencoded"), LAST),
    "keep-alive": (publish("Connection: Keep-Alive", "Accept: */*", "User-Agent: curl/8"), LAST),
    "spaces": (publish("Content-Length: \t 35 \t", "Host:  localhost "), LAST),
    "zeros": (publish("Content-Length: 00000035"), LAST),
    "ipv6 host": (publish("Host: [::1]:80"), LAST),
    "wishes without a receipt": (publish(body=FORM + b"&wait=delivered&timeout=never"), LAST),
    "json wishes without a receipt": (publish_json(body=JSON[:-1] + b',"wait":"delivered"}'), LAST),
    "utf-8": (publish(body="channel=café&message=żółw".encode()), LAST),
    "escaped utf-8": (publish(body=b"channel=caf%C3%A9&message=%00%E2%82%AC"), LAST),
    "large": (publish(body=b"channel=a&message=" + b"x" * 60_000), LAST),
    "json": (PUBLISH_JSON, PUBLISH_JSON, LAST),
    "json and forms": (PUBLISH_JSON * 3 + PUBLISH + PUBLISH_JSON, PUBLISH, PUBLISH_JSON, LAST),
    "json split": (PUBLISH_JSON[:-9], PUBLISH_JSON[-9:-3], PUBLISH_JSON[-3:], LAST),
    "json in capitals": (publish_json("Content-Type: Application/JSON; Charset=utf-8"), LAST),
    "json to channels": (publish_json(body=b'{"channels":["a","b"],"message":"caf\\u00e9"}'), LAST),
    "json batch": (publish_json(body=_batch(700)), publish_json(body=_batch(3)) * 2, LAST),
}
"""What the lane serves, as long as the Caddyfile lets it; every case ends its connection."""

_ODD_PUBLISH: dict[str, bytes] = {
    "a key in the head": publish("Idempotency-Key: k"),
    "an empty key in the head": publish("Idempotency-Key: "),
    "bare lf": PUBLISH.replace(b"\r\n", b"\n"),
    "one bare lf": PUBLISH.replace(b"\r\nX-B", b"\nX-B"),
    "lf at the end": PUBLISH.replace(b"\r\n\r\n", b"\r\n\n"),
    "bare cr": PUBLISH.replace(b"s3cret", b"s3\rcret"),
    "space before colon": PUBLISH.replace(b"Host:", b"Host :"),
    "tab before colon": PUBLISH.replace(b"Content-Length:", b"Content-Length\t:"),
    "folded": PUBLISH.replace(b"X-Broadcast-Secret: s3cret", b"X-Broadcast-Secret:\r\n s3cret"),
    "folded host": PUBLISH.replace(b"localhost", b"local\r\n\thost"),
    "two hosts": doubled(PUBLISH, b"Host: localhost"),
    "two lengths": doubled(PUBLISH, b"Content-Length: 35"),
    "two different lengths": doubled(PUBLISH, b"content-length: 36"),
    "two secrets": doubled(PUBLISH, b"x-broadcast-secret: s3cret"),
    "two types": doubled(PUBLISH, b"content-type: text/plain"),
    "no host": publish("-Host"),
    "empty host": publish("Host: "),
    "bad host": publish("Host: a b"),
    "underscore": publish("Host: my_host"),
    "no length": publish("-Content-Length"),
    "length list": publish("Content-Length: 35, 35"),
    "negative": publish("Content-Length: -1"),
    "plus": publish("Content-Length: +35"),
    "hex": publish("Content-Length: 0x23"),
    "long length": publish("Content-Length: 000000035"),
    "underscored length": publish("Content-Length: 3_5"),
    "empty length": publish("Content-Length: "),
    "chunked": publish("-Content-Length", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked and length": publish("Transfer-Encoding: chunked"),
    "identity": publish("Transfer-Encoding: identity"),
    "expect": publish("Expect: 100-continue"),
    "te": publish("TE: trailers"),
    "upgrade h2c": publish("Upgrade: h2c", "Connection: Upgrade"),
    "for a receipt": publish("Accept: application/json"),
    "for a receipt of all": publish(
        "Accept: text/html;q=0, application/json", body=FORM + b"&wait=delivered"
    ),
    "json for a receipt": publish_json("Accept: application/json", body=JSON[:-1] + b',"timeout":0.5}'),
    "for a receipt too late": publish("Accept: application/json", body=FORM + b"&timeout=11"),
    "json for a receipt too late": publish_json(body=JSON[:-1] + b',"timeout":11}'),
    "close": publish("Connection: close"),
    "odd connection": publish("Connection: keep-alive, close"),
    "unknown field": publish("X-Anything: 1"),
    "origin": publish("Origin: http://localhost"),
    "forwarded": publish("X-Forwarded-For: 127.0.0.1"),
    "nul": publish("User-Agent: a\x00b"),
    "latin-1": publish("User-Agent: caf\xe9"),
    "no colon": doubled(PUBLISH, b"what"),
    "empty name": doubled(PUBLISH, b": x"),
    "lower method": publish(line="post /internal/broadcast HTTP/1.1"),
    "get": publish(line="GET /internal/broadcast HTTP/1.1"),
    "put": publish(line="PUT /internal/broadcast HTTP/1.1"),
    "old": publish("Connection: keep-alive", line="POST /internal/broadcast HTTP/1.0"),
    "odd version": publish(line="POST /internal/broadcast HTTP/1.2"),
    "http 2": publish(line="POST /internal/broadcast HTTP/2.0"),
    "no version": publish(line="POST /internal/broadcast"),
    "two spaces": publish(line="POST  /internal/broadcast HTTP/1.1"),
    "space behind": publish(line="POST /internal/broadcast HTTP/1.1 "),
    "query": publish(line="POST /internal/broadcast?channel=q HTTP/1.1"),
    "empty query": publish(line="POST /internal/broadcast? HTTP/1.1"),
    "fragment": publish(line="POST /internal/broadcast#x HTTP/1.1"),
    "absolute": publish(line="POST http://localhost/internal/broadcast HTTP/1.1"),
    "escaped": publish(line="POST /internal/%62roadcast HTTP/1.1"),
    "double slash": publish(line="POST //internal/broadcast HTTP/1.1"),
    "dots": publish(line="POST /x/../internal/broadcast HTTP/1.1"),
    "slash behind": publish(line="POST /internal/broadcast/ HTTP/1.1"),
    "capitals": publish(line="POST /Internal/Broadcast HTTP/1.1"),
    "empty line before": b"\r\n" + PUBLISH,
    "two line breaks before": b"\r\n\r\n" + PUBLISH,
    "no secret": publish("-X-Broadcast-Secret"),
    "wrong secret": publish("X-Broadcast-Secret: s3cre"),
    "no type": publish("-Content-Type"),
    "not json": publish_json(body=FORM),
    "json, empty channel": publish_json(body=b'{"channel":"","message":"b"}'),
    "json, nested deeply": publish_json(body=b'{"channel":"a","message":%b1%b}' % (b"[" * 9000, b"]" * 9000)),
    "json text": publish("Content-Type: text/json", body=JSON),
    "json with a query": publish_json().replace(b"broadcast ", b"broadcast?channel=q&message=m "),
    "json without a body": publish_json(body=b""),
    "half json": publish_json(body=JSON[:-1]),
    "an unknown key": publish_json(body=b'{"channel":"c","mesage":"m"}'),
    "half a batch": publish_json(body=_batch(300)[:-2] + b',{"channel":"c","message":""}]}'),
    "json not utf-8": publish_json(body=b'{"channel":"\xff","message":1}'),
    "json too large": publish_json(body=b'{"channel":"c","message":"%b"}' % (b"y" * 70_000)),
    "json too large for anybody": publish_json(body=b'{"channel":"c","message":"%b"}' % (b"y" * 1_100_000)),
    "too many": publish_json(body=b'{"channels":[%b"c"],"message":1}' % (b'"c",' * 10_000)),
    "bad type": publish("Content-Type: application/x-www-form-urlencoded; charset"),
    "multipart": publish("Content-Type: multipart/form-data; boundary=x"),
    "no body": publish(body=b""),
    "no channel": publish(body=b"message=x"),
    "no message": publish(body=b"channel=x&message="),
    "semicolon": publish(body=b"channel=x;message=y"),
    "bad escape": publish(body=b"channel=x&message=%zz"),
    "not utf-8": publish(body=b"channel=x&message=%ff"),
    "too large": publish(body=b"channel=x&message=" + b"y" * 50_000 + b"z" * 20_000),
    "too large for anybody": publish(body=b"channel=x&message=" + b"y" * 1_100_000),
    "ten thousand fields": publish(body=_fields_form(9_997)),
    "too many fields": publish(body=_fields_form(9_999)),
}

_ODD_UPGRADE: dict[str, bytes] = {
    "no host": upgrade("-Host"),
    "bad host": upgrade("Host: a b"),
    "empty host": upgrade("Host:"),
    "no cookie": upgrade("-Cookie"),
    "bad token": upgrade("Cookie: AUTH_TOKEN=x.y.z"),
    "expired": upgrade(f"Cookie: AUTH_TOKEN={token(exp=1)}"),
    "two cookies": doubled(UPGRADE, b"Cookie: a=b"),
    "foreign origin": upgrade("Origin: http://evil.example"),
    "other upgrade": upgrade("Upgrade: h2c"),
    "no upgrade": upgrade("-Upgrade"),
    "old version": upgrade("Sec-WebSocket-Version: 8"),
    "no key": upgrade("-Sec-WebSocket-Key"),
    "bad key": upgrade("Sec-WebSocket-Key: abc"),
    "two keys": doubled(UPGRADE, f"Sec-WebSocket-Key: {KEY}".encode()),
    "subprotocol": upgrade("Sec-WebSocket-Protocol: realtime.v1"),
    "with length": upgrade("Content-Length: 0"),
    "with body": upgrade("Content-Length: 5") + b"hello",
    "post": upgrade(line="POST /ws HTTP/1.1"),
    "old http": upgrade(line="GET /ws HTTP/1.0"),
    "query": upgrade(line="GET /ws?x=1 HTTP/1.1"),
    "escaped": upgrade(line="GET /%77s HTTP/1.1"),
    "absolute": upgrade(line="GET http://localhost/ws HTTP/1.1"),
    "slash": upgrade(line="GET /ws/ HTTP/1.1"),
    "capitals": upgrade(line="GET /WS HTTP/1.1"),
    "space before colon": UPGRADE.replace(b"Upgrade:", b"Upgrade :", 1),
    "bare lf": UPGRADE.replace(b"\r\n", b"\n"),
    "non-ascii cookie": upgrade("Cookie: name=\xe9"),
    "unknown field": upgrade("X-Anything: 1"),
}

ODD: dict[str, tuple[bytes, ...]] = {
    **{f"publish, {name}": (request, LAST) for name, request in _ODD_PUBLISH.items()},
    **{f"publish and then {name}": (PUBLISH, request + LAST) for name, request in _ODD_PUBLISH.items()},
    **{f"half a publish, {name}": (request[:-20], request[-20:]) for name, request in _ODD_PUBLISH.items()},
    **{f"handshake, {name}": (request, LAST) for name, request in _ODD_UPGRADE.items()},
    "page": (PAGE + LAST,),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",),
    "socks": (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",),
    "line breaks": (b"\r\n\r\n\r\n", LAST),
}
"""What is never the lane's."""
