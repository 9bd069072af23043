"""One container from its making to its removal, as its supervisor sees it."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import docker.types

from modelyard.engines.containers.plan import ContainerPlan

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_RAISED = (docker.errors.DockerException, OSError)
_ASK_AGAIN_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0  # while a daemon is restarted


class RunningContainer:
    """A started container whose output and end are waited for in threads of its own.

    Args:
        client: of the API. The threads have connections of their own to it.
        plan: what to run.
        take_output: gets its output, piece by piece, in one of its threads.
        on_change: called in one of its threads once it has ended.

    Raises:
        docker.errors.DockerException: it cannot be made, or not be started.
    """

    def __init__(
        self,
        client: "DockerClient",
        plan: ContainerPlan,
        take_output: Callable[[bytes], None],
        on_change: Callable[[], None],
    ) -> None:
        self.plan = plan
        self.exit_code: int | None = None
        self.is_lost = False
        self.ended_at = 0.0
        self._pid: int | None = None
        self._client = client
        self._take_output = take_output
        self._on_change = on_change
        self._container = _create(client, plan)
        try:
            output = self._container.attach(stream=True, stdout=True, stderr=True)
            self._container.start()
        except _RAISED:
            self.remove()
            raise
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._reader.start()
        self._waiter.start()

    @property
    def has_ended(self) -> bool:
        """Whether it is over, and how it ended is known."""
        return self.ended_at > 0

    def pid(self) -> int | None:
        """Its first process as this machine sees it; None if the daemon's machine is another one, or it has ended."""
        with contextlib.suppress(*_RAISED):
            self._container.reload()
            pid = int(self._container.attrs["State"].get("Pid") or 0)
            if pid and str(self._container.id) in _read(f"/proc/{pid}/cgroup"):
                self._pid = pid
                return pid
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send its first process a signal; no effect once it has ended."""
        with contextlib.suppress(*_RAISED):
            self._container.kill(number.name)

    def was_out_of_memory(self) -> bool:
        """What the daemon says. Podman says False always where there are control groups of version 1."""
        with contextlib.suppress(*_RAISED):
            self._container.reload()
            return bool(self._container.attrs["State"].get("OOMKilled"))
        return False

    def usage(self) -> tuple[float, int] | None:
        """Processor seconds so far and bytes of memory now, as the daemon says; None if it does not know."""
        with contextlib.suppress(*_RAISED, KeyError):
            answer = self._client.api.stats(self._container.id, stream=False, one_shot=True)
            memory = answer["memory_stats"]
            cached = memory.get("stats", {})
            inactive = cached.get("inactive_file", cached.get("total_inactive_file", 0))
            return answer["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, max(0, memory["usage"] - inactive)
        return None

    def finish(self, patience_seconds: float) -> None:
        """Wait for its end and the rest of its output."""
        self._waiter.join(patience_seconds)
        self._reader.join(patience_seconds)

    def remove(self) -> None:
        """End it if it lives, and forget it."""
        with contextlib.suppress(*_RAISED):
            self._container.remove(force=True, v=True)

    def _read(self, output: Any) -> None:
        with contextlib.suppress(*_RAISED, ValueError):
            for piece in output:
                self._take_output(piece)

    def _wait(self) -> None:
        """Until it has ended. While the daemon does not answer, it lives as long as its process is seen to."""
        silent_since: float | None = None
        while self.exit_code is None and not self.is_lost:
            try:
                self.exit_code = int(self._client.api.wait(self._container.id)["StatusCode"])
            except docker.errors.NotFound:
                self.is_lost = True
            except _RAISED:
                silent_since = silent_since or time.monotonic()
                time.sleep(_ASK_AGAIN_SECONDS)
                if not self._is_seen() and time.monotonic() - silent_since > _PATIENCE_SECONDS:
                    self.is_lost = True
        self.ended_at = time.monotonic()
        self._on_change()

    def _is_seen(self) -> bool:
        return bool(self._pid) and str(self._container.id) in _read(f"/proc/{self._pid}/cgroup")


def _create(client: "DockerClient", plan: ContainerPlan) -> "Container":
    options = dict(plan["options"])
    options["mounts"] = [docker.types.Mount(one["Target"], one["Source"], type="bind", read_only=one["ReadOnly"])
                         for one in options["mounts"]]  # fmt: skip
    options["ulimits"] = [docker.types.Ulimit(**{k.lower(): v for k, v in one.items()}) for one in options["ulimits"]]
    options["log_config"] = docker.types.LogConfig(type=options["log_config"]["Type"])
    container: Container = client.containers.create(plan["image"], name=plan["name"], **options)
    return container


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8")
    return ""
