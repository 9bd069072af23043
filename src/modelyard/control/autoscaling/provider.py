"""The contract of what starts and ends machines, and the one implementation: a program of the operator's."""

import os
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from modelyard.types.compute.autoscaling import NodeKind

_LAST_WORDS = 300


class NodeProvider(ABC):
    """Starts and ends nodes. Every method returns at once; all may be repeated, also after a crash of the caller."""

    @abstractmethod
    def start(self, name: str, kind: NodeKind) -> None:
        """Have a machine join the cluster under this name, unless that is under way."""

    @abstractmethod
    def end(self, name: str, kind: str) -> None:
        """Have the machine of this name end, unless that is under way. It may never have come."""

    @abstractmethod
    def start_fault(self, name: str) -> str:
        """What went wrong when it was started, in words; "" if nothing did, or not yet."""

    @abstractmethod
    def is_ended(self, name: str) -> bool | None:
        """Whether it has ended; None: it has not been tried, or has gone wrong, so it is to be tried again."""

    @abstractmethod
    def forget(self, name: str) -> None:
        """It has ended, and nobody will ask about it any more."""


class CommandProvider(NodeProvider):
    """Runs `PROGRAM start NAME KIND` and `PROGRAM end NAME KIND`; exit code 0 means done. For one thread.

    Args:
        program: of the operator's.
        environment: added to what it inherits.
        logs: folder in which its output is kept, a file for each node.
    """

    def __init__(self, program: str, environment: Mapping[str, str], logs: Path) -> None:
        self._program = program
        self._environment = environment
        self._logs = logs
        self._runs: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self._faults: dict[str, str] = {}

    def start(self, name: str, kind: NodeKind) -> None:
        """See `NodeProvider.start`. `MODELYARD_NODE_OPTIONS` is what `modelyard cluster start` is to be given."""
        if ("start", name) not in self._runs:
            self._run("start", name, kind.name, {"MODELYARD_NODE_OPTIONS": start_options(name, kind)})

    def end(self, name: str, kind: str) -> None:
        """See `NodeProvider.end`."""
        if ("end", name) not in self._runs:
            self._run("end", name, kind, {})

    def start_fault(self, name: str) -> str:
        """See `NodeProvider.start_fault`."""
        code = self._code("start", name)
        return self._faults.get(name, "") or (self._last_words(name, code) if code else "")

    def is_ended(self, name: str) -> bool | None:
        """See `NodeProvider.is_ended`."""
        if ("end", name) not in self._runs:
            return None
        code = self._code("end", name)
        if code:
            del self._runs["end", name]
            return None
        return code == 0

    def forget(self, name: str) -> None:
        """See `NodeProvider.forget`."""
        self._faults.pop(name, None)
        for verb in ("start", "end"):
            if self._code(verb, name) is not None:
                del self._runs[verb, name]

    def _code(self, verb: str, name: str) -> int | None:
        run = self._runs.get((verb, name))
        return None if run is None else run.poll()

    def _run(self, verb: str, name: str, kind: str, more: Mapping[str, str]) -> None:
        with self._log(name).open("ab") as log:
            try:
                self._runs[verb, name] = subprocess.Popen(
                    [self._program, verb, name, kind],
                    env={**os.environ, **self._environment, **more},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                self._faults[name] = f"{self._program} cannot be run: {error.strerror}"

    def _log(self, name: str) -> Path:
        return self._logs / f"node-{name}.log"

    def _last_words(self, name: str, code: int) -> str:
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return f"{self._program} ended with code {code}: {lines[-1][-_LAST_WORDS:] if lines else 'it said nothing'}"


def start_options(name: str, kind: NodeKind) -> str:
    """The options of `modelyard cluster start` that make a node of this kind."""
    options: dict[str, object] = {
        "name": name,
        "cpus": int(kind.cpus),
        "memory": kind.memory_bytes >> 20,
        "gpus": kind.gpus,
        "gpu-kind": re.sub(r"[^A-Za-z0-9]+", "-", kind.traits.gpu_kind),  # a shell parts words at spaces
        "gpu-memory": kind.traits.gpu_memory_bytes >> 20,
    }
    words = [f"--{option} {value}" for option, value in options.items() if value != ""]
    return " ".join([*words, *(f"--label {name}={value}" for name, value in kind.traits.labels.items())])
