"""The supervisor with the real php-fpm: how it starts, what it survives, what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.open_folder import open_folder
from tests.support.processes import members, processes, wait_until
from tornado_realtime.errors import ConfigError, GatewayError
from tornado_realtime.site.fastcgi_client import ClientLimits
from tornado_realtime.site.php_account import choose
from tornado_realtime.site.phpfpm import PhpFpm
from tornado_realtime.site.phpfpm_setup import FpmOptions

WHO = """<?php
echo json_encode(['pid' => getmypid(), 'uid' => posix_geteuid(), 'env' => getenv(), 'server' => $_SERVER,
    'memory' => ini_get('memory_limit'), 'path' => ini_get('include_path')]);
"""


@pytest.fixture
def site() -> Iterator[Path]:
    """A folder of scripts that every user can read."""
    with open_folder() as folder:
        scripts = {
            "who.php": WHO,
            "slow.php": "<?php usleep(400000); echo 'done';",
            "hang.php": "<?php while (true) { sleep(1); }",
            "log.php": "<?php error_log('an error_log'); file_put_contents('php://stderr', \"raw line\\n\");",
            "fatal.php": "<?php nonsense();",
        }
        for name, text in scripts.items():
            (folder / name).write_text(text)
        yield folder


@asynccontextmanager
async def running(
    site: Path,
    environ: dict[str, str] | None = None,
    limits: ClientLimits | None = None,
    user: str = "",
    **options: Any,
) -> AsyncIterator[PhpFpm]:
    fpm = PhpFpm(FpmOptions(choose(site, user), workers=2, **options), environ, limits)
    await fpm.start()
    try:
        yield fpm
    finally:
        await fpm.stop()


async def ask(fpm: PhpFpm, script: Path, **params: str) -> tuple[int, bytes]:
    given = {"SCRIPT_FILENAME": str(script), "REQUEST_METHOD": "GET", **params}
    async with fpm.open(given) as answer:
        return answer.head.status, b"".join([piece async for piece in answer])


async def who(fpm: PhpFpm, site: Path, **params: str) -> dict[str, Any]:
    status, body = await ask(fpm, site / "who.php", **params)
    assert status == 200
    return dict(json.loads(body))


def test_runs_scripts_behind_a_socket_of_our_own(site: Path) -> None:
    async def main() -> None:
        async with running(site) as fpm:
            assert fpm.ready
            assert fpm.folder is not None
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in fpm.folder.iterdir()}
            assert modes["php.sock"] == 0o600
            assert stat.S_IMODE(fpm.folder.stat().st_mode) == 0o700
            assert fpm.folder.stat().st_uid == os.geteuid()
            assert (await who(fpm, site))["pid"] in {process.pid for process in members(fpm.pid or 0)}

    asyncio.run(main())


def test_php_has_the_environment_and_the_variables_but_no_file_has_them(site: Path) -> None:
    async def main() -> None:
        environ = {"PATH": os.environ["PATH"], "MY_SECRET": "s3cret", "NOTIFY_SOCKET": "/nowhere"}
        async with running(site, environ, ini=(("memory_limit", "77M"), ("include_path", "/a:/b c"))) as fpm:
            told = await who(fpm, site, FROM_ENV="value")
            assert (told["env"]["MY_SECRET"], told["server"]["MY_SECRET"]) == ("s3cret", "s3cret")
            assert (told["env"]["FROM_ENV"], told["server"]["FROM_ENV"]) == ("value", "value")
            assert "NOTIFY_SOCKET" not in told["env"]
            assert (told["memory"], told["path"]) == ("77M", "/a:/b c")
            assert fpm.folder is not None
            texts = [path.read_text() for path in fpm.folder.iterdir() if path.is_file()]
            assert texts
            assert not any("s3cret" in text for text in texts)

    asyncio.run(main())


def expected_uid(owner: int, readable: bool) -> int:
    """Who runs the scripts, told by the rule and not by the code."""
    if os.geteuid() != 0:
        return os.geteuid()
    if not readable:
        return 0
    return owner or pwd.getpwnam("www-data").pw_uid


@pytest.mark.parametrize("owner", [0, 12345])
@pytest.mark.parametrize("readable", [True, False])
def test_as_whom_scripts_run(
    site: Path, caplog: pytest.LogCaptureFixture, owner: int, readable: bool
) -> None:
    if os.geteuid() == 0:
        root = site / "root"
        root.mkdir(mode=0o755)
        (root / "who.php").write_text(WHO)
        os.chown(root, owner, owner)
        site.chmod(0o755 if readable else 0o700)
    else:
        root = site

    async def main() -> None:
        async with running(root) as fpm:
            assert (await who(fpm, root))["uid"] == expected_uid(owner, readable)

    asyncio.run(main())
    warnings = [record for record in caplog.records if "cannot read" in record.getMessage()]
    assert len(warnings) == (1 if os.geteuid() == 0 and not readable else 0)


def test_the_option_user_decides(site: Path) -> None:
    wanted = 23456 if os.geteuid() == 0 else os.geteuid()

    async def main() -> None:
        async with running(site, user=str(wanted)) as fpm:
            assert (await who(fpm, site))["uid"] == wanted

    asyncio.run(main())


def test_a_user_that_does_not_exist(site: Path) -> None:
    with pytest.raises(ConfigError, match="there is no user"):
        choose(site, "who-is-this")


def test_an_ini_that_cannot_be(site: Path) -> None:
    with pytest.raises(ConfigError, match="php_ini"):
        PhpFpm(FpmOptions(choose(site), ini=(("a", "b\nc"),)))


def test_what_scripts_log_is_in_our_log_once(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running(site) as fpm:
            assert (await ask(fpm, site / "log.php"))[0] == 200
            status, body = await ask(fpm, site / "fatal.php")
            assert (status, b"nonsense" in body) == (500, False)
            while "nonsense" not in caplog.text:
                await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert caplog.text.count("an error_log") == 1
    assert caplog.text.count("raw line") == 1
    assert "nonsense" in caplog.text
    assert "ready to handle connections" in caplog.text


def test_a_worker_that_is_killed_is_replaced(site: Path) -> None:
    async def main() -> None:
        async with running(site) as fpm:
            slow = asyncio.create_task(ask(fpm, site / "hang.php"))
            await asyncio.sleep(0.1)
            workers = {process.pid for process in members(fpm.pid or 0) if process.parent == fpm.pid}
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(GatewayError) as caught:
                await slow
            assert caught.value.status == 502
            wait_until(lambda: not workers & {process.pid for process in members(fpm.pid or 0)})
            assert (await who(fpm, site))["pid"] not in workers

    asyncio.run(main())


def test_a_master_that_is_killed_is_started_again(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running(site) as fpm:
            old = fpm.pid
            assert old is not None
            before = (await who(fpm, site))["pid"]
            os.kill(old, signal.SIGKILL)
            while fpm.ready:
                await asyncio.sleep(0.01)
            told = await who(fpm, site)
            assert told["pid"] != before
            assert fpm.pid not in (None, old)
            assert members(old) == []

    asyncio.run(main())
    assert "was ended by signal 9; it is started again in 0.1 seconds" in caplog.text


def test_a_guard_that_is_killed_is_no_reason_to_go_unguarded(site: Path) -> None:
    async def main() -> None:
        async with running(site) as fpm:
            old = fpm.pid
            (guard,) = [process for process in members(old or 0) if "php-fpm-guard" in process.command]
            os.kill(guard.pid, signal.SIGKILL)
            while fpm.ready:
                await asyncio.sleep(0.01)
            assert (await who(fpm, site))["pid"]
            assert any("php-fpm-guard" in process.command for process in members(fpm.pid or 0))
            assert members(old or 0) == []

    asyncio.run(main())


def test_stopping_lets_a_request_end_and_leaves_nothing(site: Path) -> None:
    async def main() -> None:
        fpm = PhpFpm(FpmOptions(choose(site)))
        await fpm.start()
        group, folder = fpm.pid, fpm.folder
        assert group is not None
        assert folder is not None
        slow = asyncio.create_task(ask(fpm, site / "slow.php"))
        await asyncio.sleep(0.1)
        await fpm.stop()
        assert await slow == (200, b"done")
        assert members(group) == []
        assert not folder.exists()
        assert (fpm.ready, fpm.pid, fpm.folder) == (False, None, None)
        with pytest.raises(GatewayError):
            await ask(fpm, site / "who.php")
        await fpm.stop()
        await fpm.start()
        assert (await who(fpm, site))["pid"]
        await fpm.stop()

    asyncio.run(main())


def test_stopping_does_not_wait_for_a_script_that_hangs(site: Path) -> None:
    async def main() -> None:
        fpm = PhpFpm(FpmOptions(choose(site), stop_timeout=0.2))
        await fpm.start()
        group = fpm.pid
        hanging = asyncio.create_task(ask(fpm, site / "hang.php"))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await fpm.stop()
        assert time.monotonic() - started < 4
        with pytest.raises(GatewayError):
            await hanging
        assert members(group or 0) == []

    asyncio.run(main())


OWNER = """
import asyncio, sys
from pathlib import Path
from tornado_realtime.site.php_account import choose
from tornado_realtime.site.phpfpm import PhpFpm
from tornado_realtime.site.phpfpm_setup import FpmOptions

async def main():
    fpm = PhpFpm(FpmOptions(choose(Path(sys.argv[1]))))
    await fpm.start()
    print(fpm.pid, fpm.folder, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("master_too", [False, True])
def test_nothing_outlives_us(site: Path, master_too: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(site)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        group = int(pid)
        wait_until(lambda: len(members(group)) >= 4)
        if master_too:
            owner.send_signal(signal.SIGSTOP)
            os.kill(group, signal.SIGKILL)
        owner.kill()
    wait_until(lambda: members(group) == [] and not Path(folder).exists())


def test_all_workers_busy_means_waiting(site: Path) -> None:
    async def main() -> None:
        async with running(site) as fpm:
            answers = await asyncio.gather(*(ask(fpm, site / "slow.php") for _ in range(4)))
            assert answers == [(200, b"done")] * 4

    asyncio.run(main())


def test_a_script_that_hangs_is_given_up_by_us_and_killed_by_php_fpm(site: Path) -> None:
    async def main() -> None:
        limits = ClientLimits(read_timeout=0.2)
        async with running(site, limits=limits, request_timeout=1.0) as fpm:
            for _ in range(2):
                with pytest.raises(GatewayError) as caught:
                    await ask(fpm, site / "hang.php")
                assert caught.value.status == 504
            async with asyncio.timeout(5):
                while await asks_in_vain(fpm, site):
                    pass

    asyncio.run(main())


async def asks_in_vain(fpm: PhpFpm, site: Path) -> bool:
    try:
        return not (await who(fpm, site))["pid"]
    except GatewayError:
        return True


def script(folder: Path, text: str) -> str:
    path = folder / "php-fpm-fake"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("exit 78", "exit code 78"),
        ("sleep 0.1; exit 78", "exit code 78"),
        ("echo bad config >&2; exec sleep 30", "takes no requests"),
    ],
)
def test_a_program_that_does_not_work(
    site: Path, caplog: pytest.LogCaptureFixture, text: str, outcome: str
) -> None:
    async def main() -> None:
        limits, program = ClientLimits(connect_timeout=0.1), script(site, text)
        async with running(site, limits=limits, program=program, start_timeout=0.3) as fpm:
            assert not fpm.ready
            with pytest.raises(GatewayError) as caught:
                await ask(fpm, site / "who.php")
            assert caught.value.status == 502
            folder = str(fpm.folder)
        assert not [process for process in processes() if folder in process.command]

    asyncio.run(main())
    assert outcome in caplog.text
    assert ("bad config" in caplog.text) == ("bad config" in text)


def test_no_program_at_all(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running(site, program="/nonexistent/php-fpm") as fpm:
            assert "php-fpm is not installed" in fpm.problem
            with pytest.raises(GatewayError):
                await ask(fpm, site / "who.php")

    asyncio.run(main())
    assert "/nonexistent/php-fpm was not found" in caplog.text
