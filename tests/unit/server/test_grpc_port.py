"""gRPC is there when its libraries are, unless it is turned off; who asks for it without them is told what to do."""

from pathlib import Path

import pytest

from modelyard.dataplane.gateway.config import read_config
from modelyard.server import gateway
from modelyard.settings import Settings


@pytest.mark.parametrize(
    ("asked", "is_installed", "configured"),
    [(0, True, 0), (0, False, None), (-1, True, None), (8001, True, 8001), (8001, False, 8001)],
)
def test_the_port_follows_from_what_is_asked_and_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int, is_installed: bool, configured: int | None
):
    monkeypatch.setattr(gateway, "is_installed", lambda: is_installed)
    settings = Settings(home=tmp_path, grpc_port=asked)
    settings.layout.create()
    gateway.write_configs(settings)
    assert read_config(gateway.config_file(tmp_path)).grpc_port == configured


def test_a_port_without_the_libraries_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(gateway, "is_installed", lambda: False)
    settings = Settings(home=tmp_path, grpc_port=8001)
    settings.layout.create()
    gateway.write_configs(settings)
    assert gateway.main(["--home", str(tmp_path)]) == gateway.EXIT_CONFIG_INVALID
    assert "modelyard[grpc]" in capsys.readouterr().err
