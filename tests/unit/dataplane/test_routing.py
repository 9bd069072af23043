"""The routing table as a file."""

from pathlib import Path

import pytest

from modelyard.dataplane.errors import RoutingTableInvalidError
from modelyard.dataplane.gateway.config import GatewayConfigError, read_config
from modelyard.dataplane.routing import TableFollower, read_table, write_table
from modelyard.testing.serving import token
from modelyard.types.routing import RouteEndpoint, RoutingTable

TABLE = RoutingTable(
    generation=3, endpoints=(RouteEndpoint(project="p", name="e", variants=()),), tokens=(token("t", "s"),)
)


def test_a_table_comes_back_as_it_was_written_and_is_private(tmp_path: Path):
    path = tmp_path / "routing.json"
    write_table(path, TABLE)
    assert read_table(path) == TABLE
    assert path.stat().st_mode & 0o077 == 0


def test_a_follower_reads_each_table_once_and_survives_damage(tmp_path: Path):
    path = tmp_path / "routing.json"
    follower = TableFollower(path)
    assert follower.poll() is None
    write_table(path, TABLE)
    assert follower.poll() == TABLE
    assert follower.poll() is None
    path.write_bytes(b'{"generation": "x"}')
    with pytest.raises(RoutingTableInvalidError, match="generation"):
        follower.poll()
    assert follower.poll() is None
    write_table(path, TABLE)
    assert follower.poll() == TABLE


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "no gateway configuration"),
        ("{}", "control_socket"),
        ('{"control_socket": "c", "routing": "r", "spool": "s", "address_file": "a", "host": "0.0.0.0"}', "TLS"),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why(tmp_path: Path, content: str, word: str):
    path = tmp_path / "gateway.json"
    path.write_text(content)
    with pytest.raises(GatewayConfigError, match=word):
        read_config(path)
