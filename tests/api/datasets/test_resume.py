"""A server that is killed in the middle of an upload loses nothing that it had acknowledged."""

import hashlib
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from modelyard.control.uploads.api import PIECE_BYTES

SIZE = 40 << 20
HEADERS = {"Authorization": "Bearer any"}


@pytest.fixture
def listener():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening


@pytest.fixture
def start(listener, tmp_path):
    processes = []

    def run() -> subprocess.Popen:
        command = [sys.executable, Path(__file__).with_name("wiring.py"), tmp_path, str(listener.fileno())]
        processes.append(subprocess.Popen(command, pass_fds=[listener.fileno()]))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def test_a_killed_server_resumes_from_what_it_stored(listener, start, tmp_path):
    content = np.random.default_rng(0).bytes(SIZE)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/projects/default/uploads"
    with httpx.Client(headers=HEADERS, timeout=120) as client:
        server = start()
        upload = client.post(url, json={"filename": "big", "size_bytes": SIZE}).json()["id"]

        def stored() -> int:
            with httpx.Client(headers=HEADERS, timeout=120) as other:
                return other.get(f"{url}/{upload}").json()["offset"]

        def until_killed(offset: int) -> Iterator[bytes]:
            """11 MiB, and death as soon as a piece of them is stored."""
            yield content[offset : offset + (11 << 20)]
            while stored() == offset:
                time.sleep(0.02)
            server.kill()
            server.wait()
            yield content[offset + (11 << 20) :]

        for _ in range(3):
            offset = stored()
            with pytest.raises(httpx.TransportError):
                send(client, f"{url}/{upload}", offset, until_killed(offset))
            server = start()
            assert PIECE_BYTES <= stored() - offset <= 11 << 20, (
                "a counted piece was lost, or what never came is counted"
            )
        offset = stored()
        assert send(client, f"{url}/{upload}", offset, content[offset:]).json()["offset"] == SIZE
        # The content is no dataset: the refusal shows that it was put together.
        url = url.replace("uploads", "datasets/big/versions")
        assert client.post(url, json={"upload": upload}).json()["code"] == "dataset_format_unknown"
    pieces = counted_pieces(tmp_path / "registry.db", tmp_path / "objects")
    assert hashlib.sha256(b"".join(pieces)).hexdigest() == hashlib.sha256(content).hexdigest()
    assert max(len(piece) for piece in pieces) < PIECE_BYTES + (1 << 20), "a body was held in memory"


def send(client: httpx.Client, url: str, offset: int, content: bytes | Iterator[bytes]) -> httpx.Response:
    return client.patch(url, content=content, headers={"Upload-Offset": str(offset)})


def test_a_broken_connection_keeps_what_arrived(listener, start):
    start()
    address = listener.getsockname()
    url = f"http://127.0.0.1:{address[1]}/projects/default/uploads"
    with httpx.Client(headers=HEADERS, timeout=60) as client:
        upload = client.post(url, json={"filename": "f"}).json()["id"]
        with socket.create_connection(address) as connection:
            head = f"PATCH /projects/default/uploads/{upload} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
            connection.sendall(f"{head}Upload-Offset: 0\r\nContent-Length: 1000000\r\n\r\n".encode() + b"a" * 1000)
            time.sleep(0.2)
        deadline = time.monotonic() + 10
        while (offset := client.get(f"{url}/{upload}").json()["offset"]) == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert offset == 1000


def counted_pieces(database: Path, objects: Path) -> list[bytes]:
    connection = sqlite3.connect(database)
    keys = [key for (key,) in connection.execute('select key from upload_parts order by "offset"')]
    connection.close()
    return [(objects / key).read_bytes() for key in keys]
