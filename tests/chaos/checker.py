"""The verdict on a history. Pure: the same history always gets the same one.

On channels with a history nothing is lost at all, whatever a node marks: neither for who stays connected, nor
for who recovers. The rule for plain channels: nothing arrives twice or out of order, nothing is lost outside
the interruptions that the nodes themselves marked, nothing is acknowledged while Redis was away, nothing that
was rejected arrives, and every request gets an answer. An unknown publication may arrive or not, at any
time, but once; so it has no part in order and loss.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, pairwise

from tests.chaos.history import Hearing, History, Message, Outcome, Sending, Span


@dataclass(frozen=True, slots=True)
class Limits:
    """How long what may take, in seconds.

    Attributes:
        answer: From a publish request to its answer.
        red: From the beginning of a deafness to a ``/ready`` that says so.
        recovery: From the end of the fault until everybody hears everything.
        early: By how much a mark may begin before the fault: a node knows only when it last heard something.
        marks: Whether there may be marks; some faults must not interrupt anything. Where there may be,
            nothing refused and nothing marked means that the fault did not happen.
    """

    answer: float
    red: float
    recovery: float
    early: float
    marks: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be.

    Attributes:
        kind: One of a few, for the table.
        text: What exactly.
    """

    kind: str
    text: str


@dataclass(slots=True)
class Verdict:
    """What a run came to.

    Attributes:
        outcomes: Publications by outcome.
        delivered: Messages that clients got, those of every client counted.
        lost: Acknowledged messages that a client missed, inside marked interruptions or not.
        late: Unknown publications that arrived.
        recovered: Messages that clients got by asking for what they missed.
        recovery: Seconds from the end of the fault until everybody heard everybody; None if that never was.
        marked: The longest marked interruption of each node.
        red: Seconds from the beginning of the first deafness until ``/ready`` said so, the slowest node's.
        findings: What must not be; none in a good run.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    delivered: int = 0
    lost: int = 0
    late: int = 0
    recovered: int = 0
    recovery: float | None = None
    marked: dict[str, float] = field(default_factory=dict)
    red: float | None = None
    findings: list[Finding] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """How many findings of one kind."""
        return sum(finding.kind == kind for finding in self.findings)


def judge(history: History, limits: Limits) -> Verdict:
    """Look at everything."""
    sendings = {sending.message: sending for sending in history.sendings}
    verdict = Verdict(Counter(sending.outcome for sending in history.sendings))
    verdict.recovered = history.recovered
    heard = {message for message, _ in history.deliveries()}
    verdict.delivered = sum(len(hearing.heard) for hearing in history.hearings)
    verdict.late = sum(
        sending.outcome == "unknown" and sending.message in heard for sending in sendings.values()
    )
    for span in history.marks:
        verdict.marked[span.node] = max(span.seconds, verdict.marked.get(span.node, 0.0))
    verdict.findings += [Finding("complaint", text) for text in history.complaints]
    verdict.findings += _false_acknowledgements(history)
    verdict.findings += _unanswered(history, limits.answer)
    verdict.findings += _needless_marks(history, limits)
    if limits.marks and not history.marks and not verdict.outcomes.keys() - {"acknowledged"}:
        verdict.findings.append(Finding("no effect", "nothing was refused, and nothing marked"))
    for client, hearings in history.clients().items():
        verdict.findings += _duplicates(client, hearings)
        verdict.findings += _ghosts(client, hearings, sendings)
        verdict.findings += _disorder(client, hearings, sendings)
        for miss in _misses(client, hearings, sendings, history.streams):
            if miss.sending.message.channel in history.streams:
                verdict.findings.append(Finding("stream loss", miss.text))
                continue
            verdict.lost += 1
            if not any(span.concerns(miss.node) and miss.falls_into(span) for span in history.marks):
                verdict.findings.append(Finding("loss", miss.text))
    verdict.findings += _disagreements(history, sendings)
    verdict.recovery = _recovery(history, sendings)
    verdict.findings += _too_late(verdict.recovery, limits.recovery)
    verdict.findings += _dead(history)
    verdict.red = _redness(history, limits.red, verdict.findings)
    return verdict


# -- publishing ----------------------------------------------------------------------------------------


def _false_acknowledgements(history: History) -> Iterator[Finding]:
    for sending in history.sendings:
        if sending.outcome != "acknowledged":
            continue
        for span in history.away:
            concerns = span.concerns(sending.node, sending.message.channel)
            if concerns and span.holds(sending.at, sending.answered):
                since = sending.at - span.start
                text = f"{sending.node} took {_name(sending.message)} {since:.2f} s after {span.why}"
                yield Finding("false ack", text)
                break


def _unanswered(history: History, limit: float) -> Iterator[Finding]:
    for sending in history.sendings:
        took = sending.answered - sending.at
        if took > limit and not _stopped(history, sending.node, sending.at, sending.answered):
            yield Finding(
                "no answer", f"{sending.node} left {_name(sending.message)} waiting for {took:.1f} s"
            )


def _needless_marks(history: History, limits: Limits) -> Iterator[Finding]:
    """A node that marks everything excuses everything."""
    for span in history.marks:
        early = history.began - span.start
        if not limits.marks:
            yield Finding(
                "false mark", f"{span.node} marked {span.seconds:.1f} s, though nothing was interrupted"
            )
        elif early > limits.early:
            yield Finding("false mark", f"{span.node} marked what was {early:.1f} s before the fault")


def _stopped(history: History, node: str, start: float, end: float) -> bool:
    return any(span.concerns(node) and span.touches(start, end) for span in history.stopped)


# -- what each client heard ----------------------------------------------------------------------------


def _duplicates(client: str, hearings: Iterable[Hearing]) -> Iterator[Finding]:
    times = Counter(message for hearing in hearings for message, _ in hearing.heard)
    for message, count in times.items():
        if count > 1:
            yield Finding("duplicate", f"{client} got {_name(message)} {count} times")


def _ghosts(client: str, hearings: Iterable[Hearing], sendings: dict[Message, Sending]) -> Iterator[Finding]:
    for hearing in hearings:
        for message, _ in hearing.heard:
            sending = sendings.get(message)
            if sending is None:
                yield Finding("ghost", f"{client} got {_name(message)}, which nobody sent")
            elif sending.outcome == "rejected":
                yield Finding("ghost", f"{client} got {_name(message)}, which was rejected: {sending.reason}")


def _disorder(
    client: str, hearings: Iterable[Hearing], sendings: dict[Message, Sending]
) -> Iterator[Finding]:
    """An author sends one after another, so their numbers must rise, over whatever node each went."""
    last: dict[tuple[str, int], Message] = {}
    for message in _acknowledged(hearings, sendings):
        before = last.setdefault((message.channel, message.author), message)
        if message.number < before.number:
            yield Finding("disorder", f"{client} got {_name(message)} after {_name(before)}")
        else:
            last[message.channel, message.author] = message


def _acknowledged(hearings: Iterable[Hearing], sendings: dict[Message, Sending]) -> Iterator[Message]:
    """In the order in which each arrived first."""
    seen: set[Message] = set()
    for message, _ in chain.from_iterable(hearing.heard for hearing in hearings):
        is_new = message not in seen
        seen.add(message)
        if is_new and message in sendings and sendings[message].outcome == "acknowledged":
            yield message


@dataclass(frozen=True, slots=True)
class _Miss:
    """A message that a client should have got over one connection."""

    client: str
    node: str
    sending: Sending

    def falls_into(self, span: Span) -> bool:
        return span.touches(self.sending.at, self.sending.answered)

    @property
    def text(self) -> str:
        name = _name(self.sending.message)
        return f"{self.client} at {self.node} missed {name}, which {self.sending.node} had acknowledged"


def _misses(
    client: str, hearings: list[Hearing], sendings: dict[Message, Sending], streams: frozenset[str]
) -> Iterator[_Miss]:
    """What lies between things heard over one connection; or after the last one, if it is still open.

    A client listens for certain from the first message of a channel that it hears. On a stream all
    connections are one to a client that recovers.
    """
    got = {message for hearing in hearings for message, _ in hearing.heard}
    taken = _by_channel(sending for sending in sendings.values() if sending.outcome == "acknowledged")
    bounds: dict[str, tuple[float, float]] = {}
    for hearing in hearings:
        bounds = {
            channel: span for channel, span in bounds.items() if hearing.recovers and channel in streams
        }
        for message, at in hearing.heard:
            start = bounds[message.channel][0] if message.channel in bounds else at
            until = sendings[message].at if message in sendings else at
            bounds[message.channel] = start, until
        for channel, (start, until) in bounds.items():
            end = float("inf") if hearing.closed is None else until
            for sending in taken.get(channel, ()):
                if start < sending.at and sending.answered < end and sending.message not in got:
                    yield _Miss(client, hearing.node, sending)


def _by_channel(sendings: Iterable[Sending]) -> dict[str, list[Sending]]:
    found: dict[str, list[Sending]] = defaultdict(list)
    for sending in sendings:
        found[sending.message.channel].append(sending)
    return found


def _disagreements(history: History, sendings: dict[Message, Sending]) -> Iterator[Finding]:
    """Everybody hears the messages of a channel in one order, whoever wrote them."""
    orders: dict[str, dict[str, dict[Message, int]]] = defaultdict(dict)  # channel, client, place in line
    for client, hearings in history.clients().items():
        for message in _acknowledged(hearings, sendings):
            order = orders[message.channel].setdefault(client, {})
            order[message] = len(order)
    for by_client in orders.values():
        for (one, first), (other, second) in combinations(by_client.items(), 2):
            for before, after in pairwise(message for message in second if message in first):
                if first[after] < first[before]:
                    text = f"{other} got {_name(before)} before {_name(after)}, {one} the other way round"
                    yield Finding("disorder", text)


# -- afterwards ----------------------------------------------------------------------------------------


def _recovery(history: History, sendings: dict[Message, Sending]) -> float | None:
    """When the last refusal was over, everybody heard every author, and every node took something."""
    after = [sending for sending in history.sendings if sending.at > history.restored]
    moments = [history.restored, *(one.answered for one in after if one.outcome != "acknowledged")]
    taken: dict[str, float] = {}
    for one in after:
        if one.outcome == "acknowledged":
            taken.setdefault(one.node, one.answered)
    if taken.keys() < {one.node for one in history.sendings}:
        return None
    moments += taken.values()
    authors = {(sending.message.channel, sending.message.author) for sending in history.sendings}
    for hearings in history.clients().values():
        if hearings[-1].closed is not None:
            return None
        first: dict[tuple[str, int], float] = {}
        for message, at in hearings[-1].heard:
            if message in sendings and sendings[message].at > history.restored:
                first.setdefault((message.channel, message.author), at)
        listened = {key for key in authors if key[0] in history.streams or not hearings[-1].recovers}
        if first.keys() < listened:
            return None
        moments += first.values()
    return max(moments) - history.restored


def _too_late(recovery: float | None, limit: float) -> Iterator[Finding]:
    if recovery is None:
        yield Finding("no recovery", "at the end somebody still did not hear every author")
    elif recovery > limit:
        yield Finding("no recovery", f"it took {recovery:.1f} s, more than {limit:g} s")


def _redness(history: History, limit: float, findings: list[Finding]) -> float | None:
    """Judge ``/ready`` and ``/live``; how long the slowest node took to say that it was deaf."""
    slowest: float | None = None
    ready = [probe for probe in history.probes if probe.path == "/ready"]
    for node in sorted({probe.node for probe in ready}):
        for span in (_until_healed(history, span, node) for span in history.deaf if span.concerns(node)):
            answers = [probe for probe in ready if probe.node == node and span.start <= probe.at <= span.end]
            red = next((probe.at - span.start for probe in answers if probe.status != 200), None)
            if red is not None:
                slowest = max(slowest or 0.0, red)
            if (span.seconds if red is None else red) > limit:
                said = "stayed ready" if red is None else f"said so only after {red:.1f} s"
                findings.append(Finding("not red", f"{node} {said}, {span.why}; {limit:g} s are allowed"))
        last = next(probe for probe in reversed(ready) if probe.node == node)
        if last.status != 200 and not _stopped(history, node, last.at, last.answered):
            findings.append(Finding("not green", f"{node} was not ready at the end: {last.status}"))
    return slowest


def _until_healed(history: History, span: Span, node: str) -> Span:
    """A deafness ends when the fault does, or before that when the node found a way around it."""
    marks = [
        each.end for each in history.marks if each.concerns(node) and each.touches(span.start, span.start)
    ]
    return replace(span, end=min(span.end, *marks)) if marks else span


def _dead(history: History) -> Iterator[Finding]:
    for probe in history.probes:
        is_dead = probe.path == "/live" and probe.status != 200
        if is_dead and not _stopped(history, probe.node, probe.at, probe.answered):
            yield Finding("not live", f"{probe.node} answered /live with {probe.status}")


def _name(message: Message) -> str:
    return f"{message.channel} #{message.author}.{message.number}"


KINDS: tuple[str, ...] = (
    "no run",
    "no effect",
    "loss",
    "stream loss",
    "duplicate",
    "disorder",
    "ghost",
    "false ack",
    "false mark",
    "no answer",
    "no recovery",
    "not red",
    "not green",
    "not live",
    "complaint",
)
