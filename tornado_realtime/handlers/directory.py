"""``GET /internal/channels`` and ``GET /internal/users/ID``: who is where, on every node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_realtime.errors import QuestionError
from tornado_realtime.handlers.asking import AskingHandler, decoded, nodes_of
from tornado_realtime.hub.directory import Place


class ChannelsHandler(AskingHandler):
    """The channels that have subscribers, a page at a time."""

    async def found(self, rest: str) -> Mapping[str, Any]:
        """See AskingHandler."""
        query = self.query("prefix", "after", "limit")
        limit = query.size("limit")
        page = await self.door.hub.directory.channels(query.text("prefix"), query.text("after"), limit)
        channels = [{"name": name, "subscribers": count} for name, count in page.subscribers.items()]
        answer: dict[str, Any] = {"channels": channels}
        if page.after is not None:
            answer["next"] = page.after
        return answer | {"nodes": nodes_of(page.answered, page.missing)}


class UserHandler(AskingHandler):
    """The connections of one user; somebody of whom nothing is known has none."""

    async def found(self, rest: str) -> Mapping[str, Any]:
        """See AskingHandler."""
        user, limit = decoded(rest, "the user's id"), self.query("limit").size("limit")
        if not user:
            raise QuestionError("a user's id belongs at the end of the path", 404)
        there = await self.door.hub.directory.user(user, limit)
        return {
            "user": user,
            "count": there.count,
            "connections": list(map(_connection, there.places)),
            "nodes": nodes_of(there.answered, there.missing),
        }


def _connection(place: Place) -> dict[str, Any]:
    client = {"client": place.client} if place.client else {}
    return {"node": place.node, **client, "wire": place.wire, "channels": list(place.channels)}
