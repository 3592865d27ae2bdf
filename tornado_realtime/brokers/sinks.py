"""How every broker hands a publication to its sink."""

from __future__ import annotations

import logging

from tornado_realtime.brokers.base import Sink
from tornado_realtime.publication import Publication

logger = logging.getLogger(__name__)


def deliver(sink: Sink, publication: Publication) -> None:
    """Hand ``publication`` over, and survive a sink that breaks its promise not to raise.

    One bad publication must neither end the reader of all others nor tell a publisher that the
    broker refused what it took.
    """
    try:
        sink(publication)
    except Exception:  # the sink's bug; the broker goes on
        logger.exception("the sink failed on channel %r", publication.channel)
