"""Channels, their subscribers, and the fan-out to them."""

from tornado_realtime.hub.admission import Quotas
from tornado_realtime.hub.heart import Heart
from tornado_realtime.hub.hub import Hub

__all__ = ["Heart", "Hub", "Quotas"]
