"""The doctor's findings on this machine and on broken settings."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from modelyard.server.doctor import fences
from modelyard.server.doctor.examination import examine
from modelyard.server.doctor.findings import FindingStatus
from modelyard.settings import Settings


def finding(name, **settings):
    return next(found for found in examine(Settings(**settings)) if found.name == name)


def test_every_finding_that_is_not_ok_says_what_to_do(tmp_path):
    findings = examine(Settings(home=tmp_path / "home", port=0))
    assert len({found.name for found in findings}) == len(findings)
    for found in findings:
        assert found.message
        assert found.status is FindingStatus.OK or found.advice


def test_looking_changes_nothing(tmp_path):
    examine(Settings(home=tmp_path / "home", port=0))
    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_open_to_others_is_a_warning(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    found = finding("state directory", home=home)
    assert found.status is FindingStatus.WARN
    assert "chmod" in found.advice
    home.chmod(0o700)
    assert finding("state directory", home=home).status is FindingStatus.OK
    (home / "admin.token").write_text("x")
    (home / "admin.token").chmod(0o644)
    assert finding("state directory", home=home).status is FindingStatus.WARN


def test_a_machine_without_tunnels_is_told_what_gangs_need(tmp_path, monkeypatch):
    for device, words in ((tmp_path / "tun", "is missing"), (Path("/dev/null"), "is there")):
        monkeypatch.setattr(fences, "_TUN", device)
        found = finding("gangs", home=tmp_path)
        assert words in found.message
        assert found.status is FindingStatus.OK
        assert ("modprobe tun" in found.advice) is (words == "is missing")


def test_a_taken_port_is_a_failure(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert finding("port", home=tmp_path, port=port).status is FindingStatus.FAIL
    assert finding("port", home=tmp_path, port=port).status is FindingStatus.OK


def test_a_platform_that_runs_is_found_where_it_listens_and_not_where_it_would_by_default(tmp_path):
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{own.getsockname()[1]}"
        (tmp_path / "run" / "gateway.json").write_text(json.dumps({"url": url}))
        port = other.getsockname()[1]
        found = finding("port", home=tmp_path, port=port)
        assert (found.status, found.message.endswith(url)) == (FindingStatus.OK, True)
        own.close()
        assert finding("port", home=tmp_path, port=port).status is FindingStatus.FAIL, "it was killed, and left a file"


def test_accelerators_are_told(tmp_path):
    assert "There are none" in finding("accelerators", home=tmp_path, gpus="none").message
    assert "counted, no more" in finding("accelerators", home=tmp_path, gpus="900,901").message
    assert finding("accelerators", home=tmp_path, gpus="all").status is FindingStatus.FAIL


def test_the_password_of_a_database_is_not_shown(tmp_path):
    found = finding("database", home=tmp_path, database_url="postgresql://user:hunter2@host/db")
    assert "hunter2" not in found.message


def test_packages_that_sandboxes_would_compile_again_and_again_are_a_warning(tmp_path, monkeypatch):
    package = tmp_path / "packages" / "sklearn"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    assert finding("bytecode", home=tmp_path).status is FindingStatus.WARN
    advice = finding("bytecode", home=tmp_path).advice.split("    ")[0]
    subprocess.run(advice.split(), check=True)
    assert finding("bytecode", home=tmp_path).status is FindingStatus.OK
