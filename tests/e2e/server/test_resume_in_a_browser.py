"""A real browser keeps the ticket of a 101, and comes back with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.support.chromium import chromium
from tests.support.roads import free_port
from tests.support.running import running

OPENS = """() => new Promise((done) => {
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onopen = () => { done('open'); socket.close(); };
  socket.onclose = (event) => done(`closed ${event.code}`);
})"""


@contextmanager
def application() -> Iterator[tuple[str, list[str]]]:
    """An endpoint that lets everybody in who has a session, and the cookies that it was asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.headers.get("Cookie", ""))
            body = b'{"id":"ada"}' if "session=" in asked[-1] else b""
            self.send_response(200 if body else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()


def test_the_browser_keeps_a_ticket_and_it_ends_with_the_login(tmp_path: Path) -> None:
    port = free_port()
    with application() as (url, asked):
        caddyfile = (
            f"http://localhost:{port} {{\n\tbind 127.0.0.1\n\trespond / page\n"
            f"\tgo_handler {{\n\t\tauth_endpoint {url}\n\t\tresume 10m\n\t}}\n}}\n"
        )
        with running(tmp_path, caddyfile), chromium() as browser:
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"http://localhost:{port}/")
            assert page.evaluate(OPENS) == "closed 1006"
            page.evaluate("document.cookie = 'session=1'")
            assert [page.evaluate(OPENS) for _ in range(3)] == ["open"] * 3
            assert asked == ["", "session=1"]
            (ticket,) = (
                each for each in context.cookies(f"http://localhost:{port}/ws") if each["name"] != "session"
            )
            assert (ticket["name"], ticket["path"]) == ("REALTIME_TICKET", "/ws")
            assert (ticket["httpOnly"], ticket["sameSite"], ticket["secure"]) == (True, "Strict", False)
            assert page.evaluate("document.cookie") == "session=1"
            page.evaluate("document.cookie = 'session=1; Max-Age=0'")  # logging out
            assert page.evaluate(OPENS) == "closed 1006"
            assert asked == ["", "session=1", ""]
