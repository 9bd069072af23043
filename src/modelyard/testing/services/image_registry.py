"""A registry of images of one's own for tests: Debian's docker-registry on loopback, with name and password."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "reader", "let me in"
_HASHED = "$2b$04$9bKXqEV5TlaiELIMnmvtSeryXnL1nh/On.6cqdKWKP2i4XMlSM4yW"
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRegistry:
    """A running registry. `host` has its port; it speaks plain HTTP."""

    host: str


@contextmanager
def image_registry(folder: Path) -> Iterator[ImageRegistry]:
    """A registry that is gone after the block. `folder` is made."""
    folder.mkdir(parents=True)
    (folder / "users").write_text(f"{USER}:{_HASHED}\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    configuration = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "users")}},
    }
    (folder / "config.yml").write_text(json.dumps(configuration))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(port, process, folder / "log")
        yield ImageRegistry(host=f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-2000:]) from None
            time.sleep(0.05)
        else:
            return
