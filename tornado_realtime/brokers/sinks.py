"""How every broker hands things to its sink, and survives one that breaks its promise not to raise.

One bad publication must neither end the reader of all others nor tell a publisher that the broker
refused what it took.
"""

from __future__ import annotations

import logging

from tornado_realtime.brokers.base import Sink
from tornado_realtime.brokers.presence import PresenceSink
from tornado_realtime.members import Change
from tornado_realtime.publication import Gap, Publication

logger = logging.getLogger(__name__)


def deliver(sink: Sink, publication: Publication) -> None:
    """Hand ``publication`` over."""
    try:
        sink.deliver(publication)
    except Exception:  # the sink's bug; the broker goes on
        logger.exception("the sink failed on channel %r", publication.channel)


def told(sink: Sink, message: bytes) -> None:
    """Hand a node message over."""
    try:
        sink.told(message)
    except Exception:  # the sink's bug; the broker goes on
        logger.exception("the sink failed on a node message")


def missed(sink: Sink, gap: Gap) -> None:
    """Say that publications may have been missed."""
    try:
        sink.missed(gap)
    except Exception:  # the sink's bug; the broker goes on
        logger.exception("the sink failed when it was told of a gap")


def changed(sink: PresenceSink, change: Change) -> None:
    """Say that somebody came, went, or has more connections or fewer."""
    try:
        sink.changed(change)
    except Exception:  # the sink's bug; the store goes on
        logger.exception("the sink failed on who is present on %r", change.channel)


def unsure(sink: PresenceSink, channel: str) -> None:
    """Say that changes may have been missed."""
    try:
        sink.unsure((channel,))
    except Exception:  # the sink's bug; the store goes on
        logger.exception("the sink failed on who is present on %r", channel)
