"""The gRPC server beside the gateway's HTTP one: on the same event loop, on a port of its own."""

from collections.abc import Mapping
from pathlib import Path

import grpc

from modelyard.dataplane.gateway.config import GatewayConfig
from modelyard.dataplane.gateway.inference import Inference
from modelyard.protocols.open_inference.grpc.service import InferenceServicer

_OVERHEAD_BYTES = 1 << 16  # names and shapes around the tensors


class GrpcServer:
    """See dataplane.gateway.server.Companion."""

    def __init__(self) -> None:
        self._server: grpc.aio.Server | None = None

    async def start(self, inference: Inference, config: GatewayConfig) -> Mapping[str, object]:
        """Listen; returns {"grpc_port": ...}.

        Raises:
            OSError: the port cannot be bound.
        """
        size = inference.limits.max_request_bytes + _OVERHEAD_BYTES
        options = (
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", int(config.is_port_shared)),
        )
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((InferenceServicer(inference).handler(),))
        host = f"[{config.host}]" if ":" in config.host else config.host
        address = f"{host}:{config.grpc_port}"
        try:
            credentials = _credentials(config)
            port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address} for gRPC: {error}") from error
        await server.start()
        self._server = server
        return {"grpc_port": port}

    async def stop(self, grace_seconds: float) -> None:
        """Finish what is under way, for `grace_seconds` at most."""
        if self._server is not None:
            await self._server.stop(grace_seconds)


def _credentials(config: GatewayConfig) -> grpc.ServerCredentials | None:
    """TLS with the certificate that HTTP has."""
    if not (config.tls_certificate and config.tls_key):
        return None
    return grpc.ssl_server_credentials(
        ((Path(config.tls_key).read_bytes(), Path(config.tls_certificate).read_bytes()),)
    )
