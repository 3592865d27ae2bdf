"""nginx on loopback, with the servers that a test describes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.php_app import wait_for_port

FRAME = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/servers.conf;
}}
"""


def nginx_program() -> str:
    """The installed one; its absence fails the run and says so."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise RuntimeError("nginx is missing: install the package nginx-light (make test does)")
    return found


@contextmanager
def nginx(folder: Path, servers: str, port: int) -> Iterator[None]:
    """Run nginx until the block ends.

    Args:
        folder: Made for it.
        servers: Its ``server`` blocks.
        port: One that they listen on.
    """
    folder.mkdir()
    (folder / "servers.conf").write_text(servers, encoding="utf-8")
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder), encoding="utf-8")
    files = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen([nginx_program(), *files])
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.terminate()
        process.wait(10)
