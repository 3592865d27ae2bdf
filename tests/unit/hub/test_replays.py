"""What was missed, as frames: as much as can be sent, and encoded once for all who missed the same."""

from __future__ import annotations

import pytest

from tests.support.stream_world import World, near
from tornado_realtime.connection import Limits
from tornado_realtime.hub import replays as replays_of
from tornado_realtime.publication import Publication
from tornado_realtime.wire.base import Wire


def encodings(monkeypatch: pytest.MonkeyPatch, wire: type[Wire]) -> list[Publication]:
    """Note what is encoded for a wire from here on."""
    noted: list[Publication] = []
    encode = wire.encode

    def noting(self: Wire, publication: Publication) -> bytes | None:
        noted.append(publication)
        return encode(self, publication)

    monkeypatch.setattr(wire, "encode", noting)
    return noted


@pytest.mark.parametrize(
    ("limits", "published", "missed"),
    [
        (Limits(outbox_frames=4), 3, True),
        (Limits(outbox_frames=4), 4, False),
        (Limits(outbox_bytes=2048 + 3 * 60), 3, True),
        (Limits(outbox_bytes=2048 + 3 * 60), 4, False),
        (Limits(), 101, False),
    ],
)
def test_what_is_too_much_or_gone_is_not_recovered(limits: Limits, published: int, missed: bool) -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        since = client.ear().position
        client.say("unsubscribe")
        world.publish(published)
        client.say("subscribe", since=since)
        ack = client.ear().acks[-1]
        assert (ack["recovered"], ack["replay"]) == (missed, published if missed else 0)
        assert (ack["offset"], len(client.ear().got)) == (published, ack["replay"])
        world.publish()
        await world.settle()
        assert client.ear().got[-1] == (published + 1, published + 1)

    near(test, limits)


def test_the_newest_few_are_cut_to_what_can_be_sent() -> None:
    async def test(world: World) -> None:
        world.publish(20)
        for size, got in ((0, []), (2, [19, 20]), (2**53 - 1, [*range(14, 21)])):
            client = world.client()
            client.say("subscribe", since={"last": size})
            assert client.offsets == got
            assert client.ear().acks[-1]["recovered"] is True
        client = world.client()
        world.publish(1)
        world.broker.publish_now(Publication("log", b'"%b"' % (b"x" * 3000)))
        client.say("subscribe", since={"last": 3})
        assert client.offsets == [20, 21, 22][3 - client.ear().acks[-1]["replay"] :]

    near(test, Limits(outbox_frames=8, outbox_bytes=6000))


def test_nobody_encodes_what_is_too_much_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        since = client.ear().position
        client.say("unsubscribe")
        for _ in range(50):
            world.broker.publish_now(Publication("log", b'"%b"' % (b"x" * 1000)))
        encoded = encodings(monkeypatch, type(client.wire))
        client.say("subscribe", since=since)
        assert client.ear().acks[-1]["recovered"] is False
        assert encoded == []
        client.say("subscribe", since={"last": 50})
        assert client.offsets == [*range(44, 51)]
        assert len(encoded) == 19 + 7

    near(test, Limits(outbox_bytes=10_000))


def test_equal_replays_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        encoded = encodings(monkeypatch, type(world.client().wire))
        world.publish(10)
        epoch = world.broker._streams.position("log").epoch
        clients = [world.client() for _ in range(50)]
        for client in clients:
            client.say("subscribe", since={"epoch": epoch, "offset": 4})
        assert len(encoded) == 6
        assert all(client.offsets == [5, 6, 7, 8, 9, 10] for client in clients)

    near(test)


@pytest.mark.parametrize(("name", "most"), [("SHARED_BYTES", 200), ("MOST_SHARED", 3)])
def test_shared_replays_do_not_pile_up(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    monkeypatch.setattr(replays_of, name, most)

    async def test(world: World) -> None:
        world.publish(10)
        epoch = world.broker._streams.position("log").epoch
        replays = world.hub._recovery._joining._replays
        for offset in range(10):
            world.client().say("subscribe", since={"epoch": epoch, "offset": offset})
            sizes = [sum(len(batch.data) for batch in made) for made in replays._kept.values()]
            assert replays._size_bytes == sum(sizes)
            assert (sum(sizes) if name == "SHARED_BYTES" else len(sizes)) <= most

    near(test)
