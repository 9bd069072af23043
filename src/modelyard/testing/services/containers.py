"""A Podman of one's own for tests: its API on a socket, its images and containers in a folder, no registry needed."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 60.0
# Where the right to raise limits is missing, a default of Podman's that is higher than ours stops every container;
# runc also knows machines that mount both versions of control groups.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=4096:8192", "nproc=8192:16384"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_LEFT_OUT = ("__pycache__", "site-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "config-3")


@dataclass(kw_only=True)
class Podman:
    """A running service.

    Attributes:
        socket: URL of its API.
        folder: everything that it keeps.
        process: the service, once it was started.
    """

    socket: str
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    def command(self, *arguments: str, content: bytes | None = None) -> str:
        """Run `podman` on the same images and containers; what it printed."""
        done = subprocess.run(
            [*_podman(self.folder), *arguments],
            env=_environment(self.folder),
            input=content,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """The service is gone in the block, and back after it; its containers live on."""
        self._end(signal.SIGKILL)
        Path(self.socket.removeprefix("unix://")).unlink(missing_ok=True)
        yield
        self.start()

    def start(self) -> None:
        """Start the service, wait until it listens."""
        socket = Path(self.socket.removeprefix("unix://"))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_podman(self.folder), "system", "service", "--time", "0", self.socket],
                env=_environment(self.folder),
                cwd=self.folder,  # a container that runs out of memory leaves a file there
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _wait_for(socket, self.process)

    def stop(self) -> None:
        """End its containers, then the service."""
        self.command("rm", "--all", "--force", "--time", "0")
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()

    def load(self, reference: str, content: bytes, *changes: str) -> str:
        """Make an image out of a tar file; its id. `changes` are lines of a Containerfile (`CMD ["sh"]`)."""
        options = [word for change in changes for word in ("--change", change)]
        return self.command("import", "--quiet", *options, "-", reference, content=content)


@contextmanager
def podman_service(folder: Path, *, plain_registry: str = "") -> Iterator[Podman]:
    """A service that is gone after the block, with all its containers. `folder` is made; its path is short, please.

    Args:
        folder: everything that it keeps.
        plain_registry: host and port of a registry without TLS that it may speak with.
    """
    folder.mkdir(parents=True)
    (folder / "containers.conf").write_text(_CONFIGURATION)
    plain = f'[[registry]]\nlocation = "{plain_registry}"\ninsecure = true\n' if plain_registry else ""
    (folder / "registries.conf").write_text(plain)
    (folder / "auth.json").write_text("{}")
    podman = Podman(socket=f"unix://{folder / 'api.sock'}", folder=folder)
    try:
        podman.start()
        yield podman
    finally:
        podman.stop()
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def busybox_root() -> bytes:
    """A root folder of 2 MB with a shell, as a tar file. Needs Debian's busybox-static."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "cat", "sleep", "echo", "env", "id", "ls", "grep", "mkdir", "true"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return target.getvalue()


def python_root(files: Mapping[str, str]) -> bytes:
    """A root folder with this Python's standard library and `files` (path -> text), as a tar file."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        base = Path(sys.base_prefix)
        library = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
        binary = Path(sys.executable).resolve()
        tar.add(binary, "usr/bin/python3")
        tar.add(base / library, f"usr/{library}", filter=_kept)
        for path in sorted({*_libraries(binary), *_libraries(*(base / library / "lib-dynload").glob("_*.so"))}):
            tar.add(Path(path).resolve(), path.lstrip("/"))
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if any(part.startswith(_LEFT_OUT) for part in Path(entry.name).parts) else entry


def _libraries(*binaries: Path) -> set[str]:
    """Shared libraries that the programs are linked with, by the paths at which they are looked for."""
    shown = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    words = (word for line in shown.splitlines() for word in line.split())
    return {word for word in words if word.startswith("/") and ".so" in word and not word.endswith(":")}


def _podman(folder: Path) -> list[str]:
    return ["podman", "--root", str(folder / "root"), "--runroot", str(folder / "run")]


def _environment(folder: Path) -> dict[str, str]:
    files = {
        "CONTAINERS_CONF": folder / "containers.conf",
        "CONTAINERS_REGISTRIES_CONF": folder / "registries.conf",
        "REGISTRY_AUTH_FILE": folder / "auth.json",  # not that of whoever runs the tests
    }
    return {**os.environ, **{name: str(path) for name, path in files.items()}}


def _wait_for(socket: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not socket.is_socket():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((socket.parent / "log").read_text()[-2000:])
        time.sleep(0.05)


def _unmount(folder: Path) -> None:
    """Podman leaves its own storage mounted on itself."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", mount], check=False, capture_output=True)
