"""The Redis broker over TLS, bad addresses, and the tests' support when redis-server is not there."""

from __future__ import annotations

import datetime
import ipaddress
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import Collector, run
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.errors import BrokerUnavailableError, ConfigError
from tornado_realtime.publication import Publication
from tornado_realtime.realtime import Realtime


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.datetime.now(datetime.UTC)
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(place, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def test_a_message_over_tls_also_when_redis_hangs_at_the_end(
    make_redis: MakeServer, certificate: tuple[Path, Path]
) -> None:
    server = make_redis(certificate=certificate, password="pw")
    server.start()
    broker = RedisBroker(f"{server.address}?ssl_ca_certs={certificate[0]}")

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await broker.publish(Publication("news", b"x" * 1_000_000))
        await sink.wait_for(1)
        server.pause()
        began = time.monotonic()
        await broker.close()
        assert time.monotonic() - began < 0.5

    run(scenario(), broker)


def test_a_certificate_nobody_vouches_for_is_refused(
    make_redis: MakeServer, certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    server = make_redis(certificate=certificate)
    server.start()
    broker = RedisBroker(server.address)

    async def scenario() -> None:
        await broker.start(Collector())
        with pytest.raises(BrokerUnavailableError):
            await broker.publish(Publication("news", b"x"))

    run(scenario(), broker)
    assert "certificate" in caplog.text.lower()


def test_a_redis_that_wants_a_certificate_of_ours(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    authorities = ["--tls-auth-clients", "yes", "--tls-ca-cert-file", str(certificate[0])]
    server = RedisServer(tmp_path, certificate=certificate, options=authorities)
    address = f"{server.address}?ssl_ca_certs={certificate[0]}"
    ours = f"&ssl_certfile={certificate[0]}&ssl_keyfile={certificate[1]}"
    without, broker = RedisBroker(address), RedisBroker(address + ours)

    async def scenario() -> None:
        await without.start(Collector())
        with pytest.raises(BrokerUnavailableError):
            await without.publish(Publication("news", b"x"))
        await broker.start(Collector())
        await broker.publish(Publication("news", b"x"))

    try:
        server.start()
        run(scenario(), without, broker)
    finally:
        server.stop()


def test_a_name_that_the_certificate_is_not_for_is_refused_unless_one_says_so(
    make_redis: MakeServer, certificate: tuple[Path, Path]
) -> None:
    server = make_redis(certificate=certificate)
    server.start()
    address = f"rediss://localhost:{server.port}?ssl_ca_certs={certificate[0]}"
    strict, lax = RedisBroker(address), RedisBroker(f"{address}&ssl_check_hostname=false")

    async def scenario() -> None:
        await strict.start(Collector())
        with pytest.raises(BrokerUnavailableError):
            await strict.publish(Publication("news", b"x"))
        await lax.start(Collector())
        await lax.publish(Publication("news", b"x"))

    run(scenario(), strict, lax)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sentinel://h1,h2", "the name of the master is missing"),
        ("redis-cluster://h1,h2/1", "a cluster has no databases"),
        ("rediss://h?ssl_ca_certs=/no/such.pem", "ssl_ca_certs names '/no/such.pem', which does not exist"),
        ("sentinels://h/m?ssl_keyfile=/no/such.pem", "ssl_keyfile names"),
        ("redis://h:port", "the port is not a number"),
    ],
)
def test_a_bad_address_is_an_error_with_its_place(address: str, says: str) -> None:
    text = f"go_handler {{\n\tdriver redis\n\tredis_address {address}\n}}\n"
    with pytest.raises(ConfigError) as caught:
        Realtime.from_caddyfile(text)
    assert says in caught.value.message
    assert (caught.value.file, caught.value.line) == ("go_handler", 3)


def test_a_cluster_over_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cluster = RedisCluster(tmp_path, password="pw", certificate=certificate)
    broker = RedisBroker(f"{cluster.address}?ssl_ca_certs={certificate[0]}")

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for name in "abcdef":  # some at every primary
            broker.subscribe(name)
            await broker.publish(Publication(name, name.encode()))
        await sink.wait_for(6)

    try:
        cluster.start()
        run(scenario(), broker)
    finally:
        cluster.stop()


def test_sentinels_over_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    group = Sentinels(tmp_path, sentinels=1, password="pw", certificate=certificate)
    broker = RedisBroker(group.address)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await broker.publish(Publication("news", b"x"))
        await sink.wait_for(1)

    try:
        group.start()
        run(scenario(), broker)
    finally:
        group.stop()


def test_a_missing_redis_server_fails_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="redis-server is missing"):
        RedisServer(tmp_path).start()
