from __future__ import annotations

import asyncio
import gzip
import logging
import os
import sys
from io import StringIO
from pathlib import Path

import pytest

from tornado_realtime.errors import RealtimeError
from tornado_realtime.site.logsink import FileSink, NoSink, StreamSink, put_aside, tidy
from tornado_realtime.site.logspec import RollSpec

PLAIN = RollSpec(size_bytes=20, compress=False)


def test_lines_are_appended_with_the_given_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "access.log"

    async def main() -> None:
        for line in ("first", "sécond \udcff"):
            sink = FileSink(str(path), 0o640, RollSpec())
            await sink.start()
            sink.write(line)
            await sink.stop()
            sink.write("too late")

    asyncio.run(main())
    assert path.read_bytes().split(b"\n")[:2] == [b"first", "sécond \\udcff".encode()]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_full_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    now = [1_700_000_000.0]

    async def main() -> None:
        sink = FileSink(str(path), 0o600, PLAIN, clock=lambda: now[0])
        await sink.start()
        for number in range(5):
            now[0] += 1
            sink.write(f"line {number} ..")
        await sink.stop()

    asyncio.run(main())
    assert path.read_text() == "line 4 ..\n"
    assert [old.read_text() for old in put_aside(path)] == [
        "line 2 ..\nline 3 ..\n",
        "line 0 ..\nline 1 ..\n",
    ]
    assert put_aside(path)[0].name == "access-2023-11-14T22-13-25.000000.log"


def test_old_files_are_packed_and_some_go(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    now = 1_700_000_000.0
    for hour in range(5):
        old = tmp_path / f"access-2023-11-14T0{hour}-00-00.000000.log"
        old.write_text(f"hour {hour}")
        os.utime(old, (now, now - (5 - hour) * 3600))
    (tmp_path / "access-notes.log").write_text("not ours")
    (tmp_path / "other-2023.log").write_text("not ours")
    tidy(path, RollSpec(keep=3), now)
    assert [gzip.decompress(old.read_bytes()) for old in put_aside(path)] == [b"hour 4", b"hour 3", b"hour 2"]
    assert int(put_aside(path)[0].stat().st_mtime) == now - 3600
    tidy(path, RollSpec(keep=0, keep_seconds=2 * 3600.0), now)
    assert len(put_aside(path)) == 2
    assert (tmp_path / "access-notes.log").exists()
    assert (tmp_path / "other-2023.log").exists()


def test_a_file_that_cannot_be_opened_is_an_error_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sink = FileSink(str(tmp_path / "file" / "access.log"), 0o600, RollSpec())
    with pytest.raises(RealtimeError, match="cannot open the log file"):
        asyncio.run(sink.start())


def test_a_full_disk_is_told_once_and_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        sink = FileSink("/dev/full", 0o600, RollSpec(size_bytes=0))
        await sink.start()
        sink.write("one")
        sink.write("two")
        await sink.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [record.message for record in caplog.records] == [
        "Cannot write the log file /dev/full: No space left on device; lines are lost"
    ]


def test_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = StringIO(), StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    StreamSink("stdout").write("to out")
    StreamSink("stderr").write("to err")
    assert (out.getvalue(), err.getvalue()) == ("to out\n", "to err\n")
    assert not StreamSink("stdout").is_terminal
    out.close()
    StreamSink("stdout").write("nobody reads")


def test_discarding() -> None:
    NoSink().write("gone")
    assert not NoSink.is_terminal
