"""Looks at the address: whether the platform listens there, or could."""

import errno
import json
import socket
from urllib.parse import urlsplit

from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings

_ANSWER_SECONDS = 2.0


def look_at_port(settings: Settings) -> Finding:
    """A platform that runs may listen elsewhere than the settings say: `--port 0` lets the system choose."""
    if address := _own_address(settings):
        return Finding("port", FindingStatus.OK, f"The platform of this state directory listens at {address}")
    if settings.port == 0:
        return Finding("port", FindingStatus.OK, "The system will choose one")
    address = f"{settings.host}:{settings.port}"
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            means = (
                "is taken by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used: {error.strerror}"
            )
            return Finding("port", FindingStatus.FAIL, f"{address} {means}", "Choose another with --port, or --port 0.")
    return Finding("port", FindingStatus.OK, f"{address} is free")


def _own_address(settings: Settings) -> str:
    """Where this state directory's platform listens now; what a killed one has left behind does not count."""
    try:
        told = json.loads((settings.layout.run / "gateway.json").read_bytes())["url"]
        parts = urlsplit(str(told))
        socket.create_connection((parts.hostname, parts.port), _ANSWER_SECONDS).close()
    except (OSError, ValueError, KeyError):
        return ""
    return str(told)
