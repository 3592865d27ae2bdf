"""uWebSockets, by its Python binding: ``socketify_server.py PORT``. Topics and joined writes are its own."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

# Installed for the benchmarks alone, and without type hints.
socketify: Any = importlib.import_module("socketify")


def on_message(client: Any, message: Any, _opcode: Any) -> None:
    """Subscribe to what is asked for."""
    client.subscribe(json.loads(message)["channel"])


def publish(app: Any) -> Any:
    """The handler of ``POST /publish?channel=NAME``: the body is the message."""

    def handler(response: Any, request: Any) -> None:
        channel = request.get_query("channel")

        def on_data(response: Any, chunk: bytes | None, is_end: bool) -> None:
            app.publish(channel, chunk, socketify.OpCode.TEXT)
            if is_end:
                response.write_status(202).end("")

        response.on_data(on_data)

    return handler


def main() -> None:
    """Serve until killed."""
    app = socketify.App()
    app.ws(
        "/ws",
        {
            "compression": socketify.CompressOptions.DISABLED,
            "max_backpressure": 64 * 1024 * 1024,
            "idle_timeout": 0,
            "message": on_message,
        },
    )
    app.post("/publish", publish(app))
    app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])}, lambda _config: None)
    app.run()


if __name__ == "__main__":
    main()
