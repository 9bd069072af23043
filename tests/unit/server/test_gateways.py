"""What each of several gateways is started with."""

import socket
from pathlib import Path

import pytest

from modelyard.dataplane.gateway.config import Limits, read_config
from modelyard.kit.addresses import bound_socket
from modelyard.server.gateway import address_file, config_file, write_configs
from modelyard.settings import Settings


def test_several_gateways_share_address_rates_and_memory_and_nothing_else(tmp_path: Path):
    settings = Settings(home=tmp_path, gateways=3, port=1234, max_request_bytes=1 << 20)
    settings.layout.create()
    names = write_configs(settings)
    assert names == ["gateway", "gateway-2", "gateway-3"]
    configs = [read_config(config_file(tmp_path, name)) for name in names]
    for shared in ("port", "spool", "rates", "routing", "gateways"):
        assert len({getattr(each, shared) for each in configs}) == 1, shared
    for own in ("address_file", "demand", "figures"):
        assert len({getattr(each, own) for each in configs}) == 3, own
    assert {each.limits.max_buffered_bytes for each in configs} == {Limits().max_buffered_bytes // 3}
    assert address_file(tmp_path) == tmp_path / "run" / "gateway.json", "where clients look"


def test_one_gateway_shares_nothing(tmp_path: Path):
    settings = Settings(home=tmp_path)
    settings.layout.create()
    (name,) = write_configs(settings)
    config = read_config(config_file(tmp_path, name))
    assert (config.is_port_shared, config.figures, config.rates) == (False, "", "")


def test_only_those_who_share_a_port_get_it():
    with bound_socket("127.0.0.1", 0, is_shared=True) as one:
        port = one.getsockname()[1]
        with bound_socket("127.0.0.1", port, is_shared=True) as two:
            two.listen()
            with pytest.raises(OSError, match="in use"):
                bound_socket("127.0.0.1", port)
            with socket.create_connection(("127.0.0.1", port)):  # one that does not listen gets no callers
                two.accept()[0].close()
