"""A client of a realtime server, for programs in Python, on Tornado's WebSocket client.

::

    async with Client("wss://example.com", token=token) as client:
        async for message in client.subscribe("news", last=10):
            print(message.channel, message.payload)

It comes back by itself when the connection is lost, and gets what it missed on channels that keep a history:
every message once, in order. docs/client.md tells the rest.

::

    values          what comes out
    address         where the server is
    backoff         when to try again
    reading         messages of the server as Python values
    dialing         the handshake, and what its failures mean
    channel         one subscribed channel: where it stands, and what a message does to that
    desk            all of them
    subscription    what is iterated over
    requests        what was asked and not answered yet
    client          the connection, and the one task that keeps it
    publisher       publishing as an application does, without a connection of its own
"""

from tornado_realtime.client.client import Client, State
from tornado_realtime.client.publisher import Published, Publisher
from tornado_realtime.client.subscription import Subscription
from tornado_realtime.client.values import (
    Author,
    Event,
    History,
    Joined,
    Left,
    Message,
    Missed,
    Present,
    Subscribed,
    Welcome,
)
from tornado_realtime.publication import Position

__all__ = [
    "Author",
    "Client",
    "Event",
    "History",
    "Joined",
    "Left",
    "Message",
    "Missed",
    "Position",
    "Present",
    "Published",
    "Publisher",
    "State",
    "Subscribed",
    "Subscription",
    "Welcome",
]
