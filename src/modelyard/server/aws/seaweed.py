"""How SeaweedFS is started: its command line, ports, keys and who may use which bucket. One server, one disk."""

import json
import secrets
import socket
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from modelyard.kit.files import write_atomic
from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import SigningKey

ROOT_KEY = "MODELYARDROOT"
"""Access key of the platform itself, which may do everything in the store."""

ENCRYPTION_KEY = "MODELYARDSTORE"
"""Name of the secret by which the store encrypts objects of buckets that are to be encrypted."""

_GRPC_DISTANCE = 10_000  # SeaweedFS takes the port that lies so much higher, too
_FIRST_PORT, _LAST_PORT = 12_000, 22_000  # like those 10,000 above below what systems take for outgoing connections
_VOLUME_MIB = 128
_MOST_VOLUMES = 0  # as many as the disk has room for


@dataclass(frozen=True, slots=True)
class Ports:
    """Of its four servers, all on loopback."""

    master: int
    volume: int
    filer: int
    s3: int


def is_installed() -> bool:
    """Whether the program is there."""
    return _program().is_file()


def choose_ports(folder: Path) -> Ports:
    """The ports of the last start, for its servers know each other by them; free ones the first time."""
    file = folder / "ports.json"
    if file.exists():
        return Ports(**json.loads(file.read_bytes()))
    ports = Ports(*_free_ports(4))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(file, json.dumps(asdict(ports)).encode(), mode=0o600)
    return ports


def write_security(folder: Path) -> None:
    """Keys without which its inner servers, which listen on loopback too, take nothing from anybody."""
    file = folder / "security.toml"
    if file.exists():
        return
    parts = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    text = "\n".join(f'[{part}]\nkey = "{secrets.token_urlsafe(32)}"\n' for part in parts)
    write_atomic(file, text.encode(), mode=0o600)


def variables(encryption_key: str) -> dict[str, str]:
    """Of its environment.

    A new bucket makes one volume and not seven, of which a small disk has room for few. Without a key for
    encryption, a bucket that is to be encrypted (PutBucketEncryption) would take no object any more.
    """
    return {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1", "WEED_S3_SSE_KEY": encryption_key}


def command(folder: Path, ports: Ports, s3_socket: Path) -> list[str]:
    """The command line."""
    return [
        str(_program()),
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer=true",
        "-s3",
        *(f"-{name}.port={port}" for name, port in asdict(ports).items()),
        f"-s3.config={folder / 'identities.json'}",
        f"-s3.localSocket={s3_socket}",
        f"-filer.localSocket={s3_socket.with_name('s3-filer.sock')}",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-master.volumeSizeLimitMB={_VOLUME_MIB}",
        f"-volume.max={_MOST_VOLUMES}",
        "-master.telemetry=false",
    ]


def identities(keys: Sequence[SigningKey], owners: Mapping[str, Sequence[str]], root_secret: str) -> bytes:
    """Who may do what when the store is used directly: a key everything in its project's buckets, or only read them."""
    found = [_identity(ROOT_KEY, root_secret, ["Admin"])]
    for key in keys:
        actions = ("Read", "List") if key.role is Role.VIEWER else ("Admin",)
        allowed = [f"{action}:{bucket}" for bucket in owners.get(key.project, ()) for action in actions]
        found.append(_identity(key.id, key.secret, allowed))
    return json.dumps({"identities": found}, indent=1).encode()


def _identity(key_id: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {"name": key_id, "credentials": [{"accessKey": key_id, "secretKey": secret}], "actions": actions}


def _program() -> Path:
    return Path(sysconfig.get_path("scripts")) / "weed"


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    candidates = list(range(_FIRST_PORT, _LAST_PORT))
    while len(found) < count:
        port = secrets.choice(candidates)
        if port not in found and _is_free(port) and _is_free(port + _GRPC_DISTANCE):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
