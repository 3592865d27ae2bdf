"""Certificates that change while the server runs."""

from __future__ import annotations

from pathlib import Path

from tests.support.roads import server_of
from tornado_realtime.server.certificates import CertificateFiles


def test_a_change_is_noticed_once(tmp_path: Path) -> None:
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    certificate.write_text("1")
    key.write_text("1")
    files = CertificateFiles()
    assert not files.have_changed()
    files.follow(server_of(f"https://a.test {{\n tls {certificate} {key}\n}}").plan)
    assert not files.have_changed()
    key.write_text("12")
    assert [files.have_changed(), files.have_changed()] == [True, False]
    renewed = tmp_path / "new"
    renewed.write_text("1")
    renewed.replace(certificate)
    assert [files.have_changed(), files.have_changed()] == [True, False]
    certificate.unlink()
    assert [files.have_changed(), files.have_changed()] == [True, False]
