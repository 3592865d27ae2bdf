"""One client on a socket that does what the test says."""

from __future__ import annotations

import errno

import pytest

from tests.support.connections import AGAIN, NotingOwner, ScriptedConnection, opcodes, payloads
from tests.unit.wire.client_frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame
from tornado_realtime.connection import Limits, Phase
from tornado_realtime.wire.frames import Batch, close_frame, pong_frame, text_frame

BROKEN_PIPE = OSError(errno.EPIPE, "Broken pipe")
BYE = close_frame(1001, "bye")
HELLO = text_frame(b"hello")


def batch(*texts: bytes) -> Batch:
    return Batch.of([text_frame(text) for text in texts])


# -- out -----------------------------------------------------------------------------------------


def test_what_the_socket_takes_leaves_no_outbox() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    connection.offer(batch(b"one", b"two"))
    connection.send(HELLO)
    assert payloads(connection.sent) == [b"one", b"two", b"hello"]
    assert len(connection.writes) == 2
    assert connection.queued_frames == 0
    assert owner.notes == []


@pytest.mark.parametrize("taken", [AGAIN, 0, 1, 6, 7, 13])
def test_what_the_socket_refuses_waits_and_goes_out_in_order(taken: int | OSError) -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner, taken)
    connection.offer(batch(b"hello", b"world"))
    assert connection.asked_to_write()
    connection.offer(batch(b"later"))
    assert owner.notes == ["backlogged"]
    connection.on_writable()
    assert payloads(connection.sent) == [b"hello", b"world", b"later"]
    assert connection.queued_frames == 0
    assert not connection.asked_to_write()
    assert owner.notes == ["backlogged", "drained"]


def test_nothing_is_written_past_a_backlog() -> None:
    connection = ScriptedConnection(NotingOwner(), 3)
    connection.offer(batch(b"hello"))
    written = connection.sent
    connection.send(HELLO)
    connection.receive(client_frame(b"x", PING))
    assert connection.sent == written
    assert connection.queued_frames == 3


@pytest.mark.parametrize("script", [(AGAIN, 2, 3, AGAIN), (AGAIN, AGAIN, 1, AGAIN, 100, AGAIN)])
def test_a_socket_that_opens_little_by_little(script: tuple[int | OSError, ...]) -> None:
    connection = ScriptedConnection(NotingOwner(), *script)
    connection.offer(batch(b"one", b"two"))
    connection.offer(batch(b"three"))
    for _ in script:
        connection.on_writable()
    assert payloads(connection.sent) == [b"one", b"two", b"three"]
    assert connection.queued_frames == 0


def test_writable_without_an_outbox_is_nothing() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    connection.on_writable()
    assert (connection.writes, owner.notes, connection.phase) == ([], [], Phase.OPEN)


def test_the_peer_is_gone_at_the_first_write() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner, BROKEN_PIPE)
    connection.send(HELLO)
    assert owner.notes == ["closing", "closed"]
    assert (connection.phase, connection.releases) == (Phase.CLOSED, 1)


def test_the_peer_is_gone_at_a_later_write() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner, 1, BROKEN_PIPE)
    connection.send(HELLO)
    connection.on_writable()
    assert owner.notes == ["backlogged", "closing", "drained", "closed"]
    assert connection.releases == 1


# -- the bounds ----------------------------------------------------------------------------------


def test_frames_are_bounded() -> None:
    owner = NotingOwner(Limits(outbox_frames=3))
    owner.on_overflow = lambda connection: connection.close(close_frame(None), discard=True)
    connection = ScriptedConnection(owner, AGAIN)
    connection.offer(batch(b"1", b"2"))
    connection.offer(batch(b"3"))
    assert "overflowed" not in owner.notes
    connection.offer(batch(b"4"))
    assert owner.notes == ["backlogged", "overflowed", "closing", "drained"]
    assert payloads(connection.sent) == [b""]


def test_bytes_are_bounded() -> None:
    owner = NotingOwner(Limits(outbox_bytes=20))
    connection = ScriptedConnection(owner, AGAIN)
    connection.offer(batch(b"x" * 8))
    connection.offer(batch(b"y" * 8))
    assert connection.outbox is not None
    assert connection.outbox.size_bytes == 20
    connection.offer(batch(b""))
    assert owner.notes == ["backlogged", "overflowed"]


def test_frames_that_went_out_make_room() -> None:
    owner = NotingOwner(Limits(outbox_frames=2))
    connection = ScriptedConnection(owner, AGAIN, 3, AGAIN)
    connection.offer(batch(b"1", b"2"))
    connection.on_writable()
    connection.offer(batch(b"3"))
    assert owner.notes == ["backlogged"]
    connection.offer(batch(b"4"))
    assert owner.notes == ["backlogged", "overflowed"]


def test_one_batch_above_the_bounds_goes_to_a_client_that_has_no_outbox() -> None:
    owner = NotingOwner(Limits(outbox_frames=1, outbox_bytes=10))
    connection = ScriptedConnection(owner, 5)
    connection.offer(batch(b"x" * 100))
    assert owner.notes == ["backlogged"]
    connection.offer(batch(b"hello"))
    assert owner.notes == ["backlogged", "overflowed"]


def test_an_overflow_at_a_frame_s_boundary_sends_the_close_frame_only() -> None:
    owner = NotingOwner(Limits(outbox_frames=2))
    owner.on_overflow = lambda connection: connection.close(close_frame(None), discard=True)
    connection = ScriptedConnection(owner, 3)
    connection.offer(batch(b"1", b"2", b"3"))
    connection.offer(batch(b"4"))
    assert payloads(connection.sent) == [b"1", b""]
    assert list(opcodes(connection.sent)) == [0x81, 0x88]
    assert owner.notes == ["backlogged", "overflowed", "closing", "drained"]


def test_an_overflow_inside_a_frame_finishes_that_frame_first() -> None:
    owner = NotingOwner(Limits(outbox_frames=2))
    owner.on_overflow = lambda connection: connection.close(close_frame(None), discard=True)
    connection = ScriptedConnection(owner, 4)
    connection.offer(batch(b"1", b"222", b"3"))
    connection.offer(batch(b"4"))
    assert len(connection.sent) == 4
    connection.on_writable()
    assert payloads(connection.sent) == [b"1", b"222", b""]
    assert connection.phase is Phase.CLOSING


# -- in ------------------------------------------------------------------------------------------


def test_messages_reach_the_owner() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    data = client_frame(b"one") + client_frame(b"\xff", BINARY)
    for byte in data:
        connection.receive(bytes((byte,)))
    assert owner.messages == [(b"one", True), (b"\xff", False)]


def test_pings_between_fragments_are_answered() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    connection.receive(client_frame(b"on", TEXT, fin=False) + client_frame(b"p", PING))
    assert connection.sent == pong_frame(b"p")
    connection.receive(client_frame(b"e", CONTINUATION))
    assert owner.messages == [(b"one", True)]


def test_a_pong_is_noted() -> None:
    connection = ScriptedConnection(NotingOwner())
    connection.awaiting_pong = True
    connection.receive(client_frame(b"data"))
    assert connection.awaiting_pong
    connection.receive(client_frame(b"", PONG))
    assert not connection.awaiting_pong


@pytest.mark.parametrize("code", [None, 1000, 1001, 3000, 4999])
def test_the_peer_s_close_is_answered_with_its_code(code: int | None) -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    payload = b"" if code is None else code.to_bytes(2) + b"reason"
    connection.receive(client_frame(payload, CLOSE) + client_frame(b"after"))
    assert connection.sent == close_frame(code)
    assert owner.notes == ["closing", "closed"]
    assert owner.messages == []


def test_the_answer_to_a_close_waits_for_the_socket() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner, 3)
    connection.offer(batch(b"hello", b"world"))
    connection.receive(client_frame(b"", CLOSE))
    assert connection.stage == "CLOSING"
    connection.on_writable()
    assert payloads(connection.sent) == [b"hello", b""]
    assert connection.stage == "CLOSED"


def test_the_answer_to_a_close_waits_for_a_stream_that_still_writes() -> None:
    connection = ScriptedConnection(NotingOwner(), writing=True)
    connection.receive(client_frame(b"", CLOSE))
    assert connection.stage == "CLOSING"
    connection.still_writing = False
    connection.on_writable()
    assert connection.stage == "CLOSED"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x", 1002),  # unmasked
        (client_frame(b"", 0x3), 1002),
        (b"\xc1" + client_frame(b"x")[1:], 1002),
        (client_frame(b"x", CONTINUATION), 1002),
        (client_frame(b"\x03\xee", CLOSE), 1002),  # 1006
        (client_frame(b"\xff"), 1007),
        (client_frame(b"x" * 513), 1009),
        (client_frame(b"x" * 512, TEXT, fin=False) + client_frame(b"x", CONTINUATION), 1009),
    ],
)
def test_broken_rules_are_told_apart_by_the_close_code(data: bytes, code: int) -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    connection.receive(client_frame(b"before") + data + client_frame(b"after"))
    assert connection.sent == close_frame(code)
    assert owner.messages == [(b"before", True)]
    assert owner.notes == ["closing"]
    assert connection.hung_up
    connection.receive(client_frame(b"more") + client_frame(b"", CLOSE))
    assert owner.messages == [(b"before", True)]


def test_512_bytes_are_no_mistake() -> None:
    owner = NotingOwner()
    ScriptedConnection(owner).receive(client_frame(b"x" * 512))
    assert owner.messages == [(b"x" * 512, True)]


def test_after_a_broken_rule_the_half_sent_frame_is_finished_then_it_hangs_up() -> None:
    connection = ScriptedConnection(NotingOwner(), 4)
    connection.send(HELLO)
    connection.receive(client_frame(b"\xff"))
    assert not connection.hung_up
    connection.on_writable()
    assert connection.sent == HELLO + close_frame(1007)
    assert connection.hung_up


def test_a_message_that_closes_the_connection_is_the_last_one() -> None:
    class Closer(NotingOwner):
        def received(self, connection: ScriptedConnection, message: bytes, is_text: bool) -> None:  # type: ignore[override]
            super().received(connection, message, is_text)
            connection.close(BYE)

    owner = Closer()
    connection = ScriptedConnection(owner)
    connection.receive(client_frame(b"one") + client_frame(b"two") + client_frame(b"p", PING))
    assert owner.messages == [(b"one", True)]
    assert connection.sent == BYE


def test_a_message_that_aborts_the_connection_is_the_last_one() -> None:
    class Aborter(NotingOwner):
        def received(self, connection: ScriptedConnection, message: bytes, is_text: bool) -> None:  # type: ignore[override]
            super().received(connection, message, is_text)
            connection.abort()

    owner = Aborter()
    connection = ScriptedConnection(owner)
    connection.receive(client_frame(b"one") + client_frame(b"two") + b"\x81\x01x")
    assert owner.messages == [(b"one", True)]
    assert connection.sent == b""


# -- end -----------------------------------------------------------------------------------------


def test_goodbye_waits_for_the_peer_s_answer() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    connection.close(BYE)
    assert (connection.sent, owner.notes, connection.phase) == (BYE, ["closing"], Phase.CLOSING)
    connection.receive(client_frame(b"late") + client_frame(b"", PING))
    assert owner.messages == []
    connection.receive(client_frame(b"\x03\xe9", CLOSE))
    assert connection.sent == BYE
    assert owner.notes == ["closing", "closed"]


def test_goodbye_comes_behind_what_is_queued() -> None:
    connection = ScriptedConnection(NotingOwner(), AGAIN)
    connection.send(HELLO)
    connection.close(BYE)
    connection.on_writable()
    assert connection.sent == HELLO + BYE
    assert connection.phase is Phase.CLOSING


def test_only_the_first_goodbye_is_said() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner)
    connection.close(BYE)
    connection.close(close_frame(1012))
    assert connection.sent == BYE
    assert owner.notes == ["closing"]


def test_goodbye_to_a_peer_that_is_gone() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner, BROKEN_PIPE)
    connection.close(BYE)
    assert owner.notes == ["closing", "closed"]
    assert connection.releases == 1


def test_a_broken_rule_after_goodbye_hangs_up() -> None:
    connection = ScriptedConnection(NotingOwner())
    connection.close(BYE)
    connection.receive(b"\x81\x01x")
    assert connection.sent == BYE
    assert connection.hung_up


def test_abort_is_once() -> None:
    owner = NotingOwner()
    connection = ScriptedConnection(owner, AGAIN)
    connection.send(HELLO)
    connection.abort()
    connection.abort()
    connection.close(BYE)
    connection.on_writable()
    assert owner.notes == ["backlogged", "closing", "drained", "closed"]
    assert (connection.releases, connection.writes) == (1, [])


def test_a_connection_has_no_dictionary() -> None:
    """Many thousands of them are alive."""
    from tornado_realtime.connection import Connection, LeanConnection, StreamConnection

    for kind in (Connection, LeanConnection, StreamConnection):
        assert "__slots__" in vars(kind)
        assert not hasattr(kind, "__dict__") or "__dict__" not in dir(kind)
