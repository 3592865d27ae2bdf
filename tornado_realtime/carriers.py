"""From settings to the broker of one realtime instance."""

from __future__ import annotations

from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import ConfigError
from tornado_realtime.settings import Settings
from tornado_realtime.traits import Slow, Traits, TraitsTable


def traits_of(settings: Settings) -> TraitsTable:
    """What is kept of which channel, and what its slow clients get."""
    usual = Slow(settings.slow_consumer)
    return TraitsTable(((rule.pattern, rule.traits(usual)) for rule in settings.channels), Traits(slow=usual))


def make_broker(settings: Settings) -> Broker:
    """What carries publications; it is not started."""
    if settings.driver == "memory":
        return MemoryBroker(traits_of(settings))
    # Loading the Redis client takes a tenth of a second that only its users should pay.
    from tornado_realtime.brokers.redis import RedisBroker, Timing

    timing = Timing(canary=settings.canary)
    return RedisBroker(
        settings.redis_address,
        publish_timeout=settings.publish_timeout,
        timing=timing,
        traits=traits_of(settings),
        interop=settings.interop,
        replicas=settings.replicas,
        answer_bytes=settings.send_queue_bytes,  # more would not be sent
        presence_lease=settings.presence_lease,
    )


def check_broker(settings: Settings) -> None:
    """Make sure that a broker can be made, so that a bad address is a configuration error with its place.

    Raises:
        ConfigError: It cannot.
    """
    try:
        make_broker(settings)
    except ConfigError as error:
        segment = settings.place("redis_address")
        if segment is not None:
            raise segment.error(error.message) from error
        raise
