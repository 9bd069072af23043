"""The gateway process: `python -m modelyard.server.gateway --home DIR` puts the dialects into the data plane.

Imports nothing of control, storage or a model framework: what it does not load cannot break or slow inference down.
So its settings reach it as a plain file, which `write_configs` makes in the process that has read them.
"""

import argparse
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from modelyard.dataplane.gateway.config import GatewayConfig, GatewayConfigError, Limits, read_config
from modelyard.dataplane.gateway.dialect import Dialect
from modelyard.dataplane.gateway.server import Companion, run
from modelyard.errors import ModelyardError
from modelyard.kit.files import write_atomic
from modelyard.protocols.invocations.dialect import Invocations, InvocationsResponseStream
from modelyard.protocols.open_inference.generate import generate_dialects
from modelyard.protocols.open_inference.grpc.available import is_installed
from modelyard.protocols.open_inference.rest import OpenInferenceRest
from modelyard.protocols.open_inference.stream import OpenInferenceStream
from modelyard.protocols.openai.dialect import openai_dialects
from modelyard.protocols.pages.dialect import EndpointPages
from modelyard.protocols.tensorflow_serving.dialect import TensorFlowServing

if TYPE_CHECKING:
    from modelyard.settings import Settings  # reading settings takes pydantic, which the gateway does without

EXIT_CONFIG_INVALID = 2

FIRST = "gateway"
"""Name of the gateway that is always there; the second is "gateway-2", and so on."""


def write_configs(settings: "Settings") -> list[str]:
    """Write what each gateway of this state directory is to be started with; returns their names."""
    names = [FIRST, *(f"{FIRST}-{number}" for number in range(2, settings.gateways + 1))]
    for name in names:
        config = _config(settings, name)
        write_atomic(config_file(settings.layout.root, name), msgspec.json.encode(config), mode=0o600)
    return names


def config_file(home: Path, name: str = FIRST) -> Path:
    """Where a gateway's configuration is."""
    return home / "run" / "gateways" / f"{name}-config.json"


def address_file(home: Path, name: str = FIRST) -> Path:
    """Where a gateway says that it listens. The first one's is for everybody: all have the same address."""
    return home / "run" / "gateway.json" if name == FIRST else home / "run" / "gateways" / f"{name}.json"


def _config(settings: "Settings", name: str) -> GatewayConfig:
    home, number = settings.layout, settings.gateways
    limits = Limits(max_request_bytes=settings.max_request_bytes)
    shared = {"figures": str(home.figures / name), "rates": str(home.rates)} if number > 1 else {}
    has_grpc = settings.grpc_port > 0 or (settings.grpc_port == 0 and is_installed())
    return GatewayConfig(
        host=settings.host,
        port=settings.port,
        control_socket=str(home.sockets / "control.sock"),
        routing=str(home.routing),
        demand=str(home.demand / name),
        traffic=str(home.traffic),
        gateways=number,
        spool=str(home.spool),
        address_file=str(address_file(home.root, name)),
        spool_limit_bytes=settings.spool_limit_bytes,
        mask_key=_mask_key(home.mask_key),
        tls_certificate=str(settings.tls_certificate) if settings.tls_certificate else None,
        tls_key=str(settings.tls_key) if settings.tls_key else None,
        is_insecure_allowed=settings.insecure,
        grpc_port=settings.grpc_port if has_grpc else None,
        limits=replace(limits, max_buffered_bytes=max(limits.max_buffered_bytes // number, limits.max_request_bytes)),
        **shared,
    )


def _mask_key(path: Path) -> str:
    """The secret under which personal columns are hashed, made at the first start; equal values stay equal by it."""
    if not path.exists():
        write_atomic(path, secrets.token_hex(32).encode(), mode=0o600)
    return path.read_text().strip()


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.server.gateway", description=__doc__)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--home", type=Path, help="state directory, in which write_configs was called")
    chosen.add_argument("--config", type=Path, help="JSON file: dataplane.gateway.config.GatewayConfig")
    parser.add_argument("--name", default=FIRST, help="which of the gateways of the state directory this is")
    options = parser.parse_args(arguments)
    try:
        config = read_config(options.config or config_file(options.home, options.name))
        companions = _companions(config)
    except ModelyardError as error:
        sys.stderr.write(f"gateway: {error.code}: {error.message}. {error.hint}\n")
        return EXIT_CONFIG_INVALID
    return run(config, dialects(), companions)


def dialects() -> tuple[Dialect, ...]:
    """Every wire format over HTTP. Where paths of two start alike, the first answers for paths that neither knows."""
    return (
        OpenInferenceRest(),
        Invocations(),
        InvocationsResponseStream(),
        OpenInferenceStream(),
        EndpointPages(),
        TensorFlowServing(),
        *generate_dialects(),
        *openai_dialects(),
    )


def _companions(config: GatewayConfig) -> Sequence[Companion]:
    """Further servers: gRPC, if it is wanted.

    Raises:
        GatewayConfigError: it is wanted and its libraries are not installed.
    """
    if config.grpc_port is None:
        return ()
    if not is_installed():
        raise GatewayConfigError(
            "gRPC takes libraries that are not installed",
            hint="pip install 'modelyard[grpc]', or leave --grpc-port out.",
            field="grpc_port",
        )
    from modelyard.protocols.open_inference.grpc.server import GrpcServer  # noqa: PLC0415 - the extra's libraries

    return (GrpcServer(),)


if __name__ == "__main__":
    sys.exit(main())
