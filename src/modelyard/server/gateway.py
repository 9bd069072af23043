"""The gateway process: `python -m modelyard.server.gateway --home DIR` puts the dialects into the data plane.

Imports nothing of control, storage or a model framework: what it does not load cannot break or slow inference down.
So its settings reach it as a plain file, which `write_config` makes in the process that has read them.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from modelyard.dataplane.gateway.config import GatewayConfig, Limits, read_config
from modelyard.dataplane.gateway.server import run
from modelyard.errors import ModelyardError
from modelyard.kit.files import write_atomic
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.protocols.open_inference.rest import OpenInferenceRest

if TYPE_CHECKING:
    from modelyard.settings import Settings  # reading settings takes pydantic, which the gateway does without

EXIT_CONFIG_INVALID = 2

_CONFIG = Path("run", "gateway-config.json")


def write_config(settings: "Settings") -> Path:
    """Write what the gateway of this state directory is to be started with; returns the file."""
    home = settings.layout
    config = GatewayConfig(
        host=settings.host,
        port=settings.port,
        control_socket=str(home.sockets / "control.sock"),
        routing=str(home.routing),
        demand=str(home.demand),
        spool=str(home.spool),
        address_file=str(home.run / "gateway.json"),
        spool_limit_bytes=settings.spool_limit_bytes,
        tls_certificate=str(settings.tls_certificate) if settings.tls_certificate else None,
        tls_key=str(settings.tls_key) if settings.tls_key else None,
        is_insecure_allowed=settings.insecure,
        limits=Limits(max_request_bytes=settings.max_request_bytes),
    )
    path = home.root / _CONFIG
    write_atomic(path, msgspec.json.encode(config), mode=0o600)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.server.gateway", description=__doc__)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--home", type=Path, help="state directory, in which write_config was called")
    chosen.add_argument("--config", type=Path, help="JSON file: dataplane.gateway.config.GatewayConfig")
    options = parser.parse_args(arguments)
    try:
        config = read_config(options.config or options.home / _CONFIG)
    except ModelyardError as error:
        sys.stderr.write(f"gateway: {error.code}: {error.message}. {error.hint}\n")
        return EXIT_CONFIG_INVALID
    return run(config, (OpenInferenceRest(), Invocations()))


if __name__ == "__main__":
    sys.exit(main())
