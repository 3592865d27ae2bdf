"""The checker finds each fault in a history that has it, and none in one that has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import Limits, judge
from tests.chaos.history import Hearing, History, Message, Outcome, Probe, Sending, Span

LIMITS = Limits(answer=3.0, red=10.0, recovery=20.0, early=12.0)
CLIENTS = {"alice": "node-0", "bob": "node-1"}


def sent(number: int, outcome: Outcome = "acknowledged", author: int = 0) -> Sending:
    """The ``number``-th message of an author: sent at second ``number``, answered a moment later."""
    node = f"node-{number % 2}"
    return Sending(Message("news", author, number), node, float(number), number + 0.1, outcome, "away")


def asked(node: str, path: str, at: float, status: int) -> Probe:
    return Probe(node, path, at, at + 0.01, status)


def good() -> History:
    """Forty seconds with a fault from second 10 to 20: what was sent then was refused, and marked."""
    history = History(began=10.0, restored=20.0)
    history.away = [Span(10.0, 20.0, why="Redis was killed")]
    history.deaf = list(history.away)
    history.marks = [Span(9.8, 20.4, node) for node in CLIENTS.values()]
    for number in range(40):
        history.sendings.append(sent(number, "rejected" if 10 <= number < 20 else "acknowledged"))
    for client, node in CLIENTS.items():
        hearing = Hearing(client, node)
        hearing.heard = [
            (one.message, one.answered) for one in history.sendings if one.outcome == "acknowledged"
        ]
        history.hearings.append(hearing)
    for second in range(40):
        for node in CLIENTS.values():
            status = 503 if 15 <= second <= 21 else 200
            history.probes += [
                asked(node, "/ready", float(second), status),
                asked(node, "/live", float(second), 200),
            ]
    return history


def alice(history: History) -> list[tuple[Message, float]]:
    return history.hearings[0].heard


def answered(history: History, number: int, outcome: Outcome, node: str = "") -> None:
    before = history.sendings[number]
    history.sendings[number] = replace(before, outcome=outcome, node=node or before.node)


def heard(history: History, number: int) -> tuple[Message, float]:
    return Message("news", 0, number), number + 0.1


def kinds(history: History, limits: Limits = LIMITS) -> list[str]:
    return [finding.kind for finding in judge(history, limits).findings]


def test_a_good_run_has_figures_and_no_findings() -> None:
    verdict = judge(good(), LIMITS)
    assert verdict.findings == []
    assert verdict.outcomes == {"acknowledged": 30, "rejected": 10}
    assert verdict.delivered == 60
    assert verdict.lost == verdict.late == 0
    assert verdict.recovery == pytest.approx(2.1)  # each node in turn
    assert verdict.red == pytest.approx(5.0)
    assert verdict.marked == {"node-0": pytest.approx(10.6), "node-1": pytest.approx(10.6)}


def lose(history: History) -> None:
    del alice(history)[5]


def lose_the_last(history: History) -> None:
    del alice(history)[-1]


def lose_before_a_hang_up(history: History) -> None:
    lose(history)
    history.hearings[0].closed = 12.0
    history.hearings[0].heard, rest = alice(history)[:9], alice(history)[9:]
    history.hearings.append(Hearing("alice", "node-1", rest))


def lose_at_a_node_without_marks(history: History) -> None:
    lose_in_a_mark(history)
    history.marks = history.marks[1:]


def stream(history: History) -> None:
    """The channel has a history, and alice recovers."""
    history.streams = frozenset({"news"})
    for hearing in history.hearings:
        hearing.recovers = hearing.client == "alice"


def lose_on_a_stream(history: History) -> None:
    stream(history)
    lose(history)


def lose_on_a_stream_in_a_mark(history: History) -> None:
    stream(history)
    lose_in_a_mark(history)


def lose_on_a_stream_between_connections(history: History) -> None:
    hang_up_and_come_back(history)
    stream(history)


def repeat_on_a_stream_over_another_connection(history: History) -> None:
    repeat_over_another_connection(history)
    stream(history)


def repeat(history: History) -> None:
    alice(history).insert(7, alice(history)[6])


def repeat_over_another_connection(history: History) -> None:
    history.hearings[0].closed = 30.0
    history.hearings.append(Hearing("alice", "node-1", [heard(history, 3), *alice(history)[15:]]))
    history.hearings[0].heard = alice(history)[:15]


def repeat_an_unknown(history: History) -> None:
    answered(history, 4, "unknown")
    alice(history).append((Message("news", 0, 4), 39.5))


def swap(history: History) -> None:
    got = alice(history)
    got[3], got[4] = got[4], got[3]


def disagree(history: History) -> None:
    """Two authors: each in order, but not for everybody in the same one."""
    second = [sent(number, author=1) for number in range(40)]
    history.sendings += second
    for hearing in history.hearings:
        pairs = [(one.message, one.answered) for one in second if not 10 <= one.message.number < 20]
        hearing.heard = [each for pair in zip(hearing.heard, pairs, strict=True) for each in pair]
    for one in [each for each in history.sendings if 10 <= each.at < 20]:
        history.sendings[history.sendings.index(one)] = replace(one, outcome="rejected")
    got = alice(history)
    got[8], got[9] = got[9], got[8]


def acknowledge_what_cannot_be(history: History) -> None:
    answered(history, 14, "acknowledged")
    for hearing in history.hearings:
        hearing.heard.insert(10, heard(history, 14))


def acknowledge_behind_a_broken_line(history: History) -> None:
    history.away = [Span(10.0, 20.0, "node-1", "its line was cut")]
    answered(history, 15, "acknowledged", "node-1")


def acknowledge_on_a_broken_channel(history: History) -> None:
    history.away = [Span(0.0, 5.0, why="its shard was killed", channels=frozenset({"news"}))]


def acknowledge_on_another_channel(history: History) -> None:
    history.away = [Span(0.0, 5.0, why="its shard was killed", channels=frozenset({"sports"}))]


def deliver_what_was_rejected(history: History) -> None:
    alice(history).insert(10, heard(history, 12))


def deliver_what_nobody_sent(history: History) -> None:
    alice(history).insert(10, heard(history, 99))


def hang(history: History) -> None:
    history.sendings[12] = replace(history.sendings[12], answered=16.0)


def never_recover(history: History) -> None:
    history.hearings[0].heard = alice(history)[:10]
    history.marks = [Span(9.8, 99.0, "node-0"), *history.marks]


def one_node_stays_away(history: History) -> None:
    for number in range(21, 40, 2):
        answered(history, number, "unknown")


def recover_late(history: History) -> None:
    history.sendings[37] = replace(history.sendings[37], at=41.0, answered=41.1, outcome="rejected")
    history.sendings.sort(key=lambda one: one.message)
    for hearing in history.hearings:
        hearing.heard = [(message, at) for message, at in hearing.heard if message.number != 37]


def stay_green(history: History) -> None:
    history.probes = [replace(probe, status=200) for probe in history.probes]
    history.deaf = [Span(8.0, 20.0, "node-1", "its line was cut")]


def turn_red_late(history: History) -> None:
    history.deaf = [Span(2.0, 20.0, "node-0", "its line was cut")]


def stay_red(history: History) -> None:
    history.probes.append(asked("node-0", "/ready", 40.0, 503))


def die(history: History) -> None:
    history.probes.append(asked("node-0", "/live", 15.0, 0))


def mark_everything(history: History) -> None:
    history.marks.append(Span(-5.0, 45.0, "node-0"))


def complain(history: History) -> None:
    history.complaints.append("node-0 logged: Traceback")


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lose, "loss"),
        (lose_the_last, "loss"),
        (lose_before_a_hang_up, "loss"),
        (lose_at_a_node_without_marks, "loss"),
        (lose_on_a_stream, "stream loss"),
        (lose_on_a_stream_in_a_mark, "stream loss"),
        (lose_on_a_stream_between_connections, "stream loss"),
        (repeat, "duplicate"),
        (repeat_on_a_stream_over_another_connection, "duplicate"),
        (repeat_over_another_connection, "duplicate"),
        (repeat_an_unknown, "duplicate"),
        (swap, "disorder"),
        (disagree, "disorder"),
        (acknowledge_what_cannot_be, "false ack"),
        (acknowledge_behind_a_broken_line, "false ack"),
        (acknowledge_on_a_broken_channel, "false ack"),
        (deliver_what_was_rejected, "ghost"),
        (deliver_what_nobody_sent, "ghost"),
        (hang, "no answer"),
        (never_recover, "no recovery"),
        (one_node_stays_away, "no recovery"),
        (recover_late, "no recovery"),
        (stay_green, "not red"),
        (turn_red_late, "not red"),
        (stay_red, "not green"),
        (die, "not live"),
        (mark_everything, "false mark"),
        (complain, "complaint"),
    ],
)
def test_each_damage_is_found_and_named(damage: Callable[[History], None], kind: str) -> None:
    history = good()
    damage(history)
    assert set(kinds(history)) == {kind}


def lose_in_a_mark(history: History) -> None:
    """What was acknowledged in the last moment before Redis died."""
    history.sendings[9] = replace(history.sendings[9], at=9.9, answered=10.05)
    del alice(history)[9]


def hear_an_unknown_late(history: History) -> None:
    answered(history, 12, "unknown")
    alice(history).insert(13, (Message("news", 0, 12), 24.0))


def miss_an_unknown(history: History) -> None:
    answered(history, 12, "unknown")


def come_late(history: History) -> None:
    history.hearings[0].heard = alice(history)[4:]


def hang_up_and_come_back(history: History) -> None:
    """What was sent while the client was nowhere is its own business."""
    rest = alice(history)[18:]
    history.hearings[0].closed = 25.0
    history.hearings[0].heard = alice(history)[:15]
    history.hearings.append(Hearing("alice", "node-1", rest))


def stop_a_node(history: History) -> None:
    """It leaves a request, and probes, without an answer."""
    history.stopped = [Span(10.0, 20.0, "node-0", "it was killed")]
    history.sendings[12] = replace(history.sendings[12], answered=18.0, outcome="unknown")
    history.probes.append(asked("node-0", "/live", 15.0, 0))
    history.probes.append(Probe("node-0", "/live", 9.9, 10.1, 0))


def find_a_way_around(history: History) -> None:
    """A new connection, and green again between two probes."""
    history.probes = [replace(probe, status=200) for probe in history.probes]
    history.away, history.deaf = [], [Span(10.0, 29.0, "node-0", "its line was cut")]
    history.marks.append(Span(9.0, 12.0, "node-0"))


def be_deaf_for_a_moment(history: History) -> None:
    """Too short to be seen by probes."""
    history.deaf.append(Span(25.0, 26.0, "node-0", "its line was cut"))


def recover_over_another_connection(history: History) -> None:
    history.hearings[0].closed = 25.0
    history.hearings[0].heard, rest = alice(history)[:15], alice(history)[15:]
    history.hearings.append(Hearing("alice", "node-1", rest))
    stream(history)


def come_back_to_a_stream_without_asking(history: History) -> None:
    hang_up_and_come_back(history)
    history.streams = frozenset({"news"})


@pytest.mark.parametrize(
    "event",
    [
        recover_over_another_connection,
        come_back_to_a_stream_without_asking,
        lose_in_a_mark,
        hear_an_unknown_late,
        miss_an_unknown,
        come_late,
        hang_up_and_come_back,
        stop_a_node,
        be_deaf_for_a_moment,
        find_a_way_around,
        acknowledge_on_another_channel,
    ],
)
def test_what_may_be_is_no_finding(event: Callable[[History], None]) -> None:
    history = good()
    event(history)
    assert kinds(history) == []


def test_losses_in_marks_and_late_unknowns_are_counted() -> None:
    history = good()
    lose_in_a_mark(history)
    hear_an_unknown_late(history)
    verdict = judge(history, LIMITS)
    assert (verdict.lost, verdict.late) == (1, 1)


def test_a_loss_on_a_stream_is_not_counted_among_those_that_may_be() -> None:
    history = good()
    lose_on_a_stream_in_a_mark(history)
    history.recovered = 3
    verdict = judge(history, LIMITS)
    assert (verdict.lost, verdict.count("stream loss"), verdict.recovered) == (0, 1, 3)


def test_where_nothing_is_interrupted_nothing_may_be_marked() -> None:
    assert set(kinds(good(), replace(LIMITS, marks=False))) == {"false mark"}


def test_a_fault_that_did_nothing_is_none() -> None:
    history = good()
    history.away, history.deaf, history.marks = [], [], []
    for number in range(10, 20):
        answered(history, number, "acknowledged")
    for hearing in history.hearings:
        hearing.heard = [(one.message, one.answered) for one in history.sendings]
    assert kinds(history) == ["no effect"]
    assert kinds(history, replace(LIMITS, marks=False)) == []


def test_a_message_is_read_as_it_was_written() -> None:
    message = Message("room-1", 2, 3)
    assert Message.parse(message.text(padding=10)) == message
