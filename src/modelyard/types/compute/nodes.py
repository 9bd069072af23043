"""Machines of an engine: what each has, what is in use there, and what a process may want of the one that runs it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

LOCAL_NODE = "local"
"""Name of the machine of an engine that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWish:
    """What a process wants of its machine, beyond amounts.

    Attributes:
        labels: it must carry all of them.
        gpu_kind: its accelerators must be of this kind, such as "A100".
        gpu_memory_bytes: each of them must have this much memory.
    """

    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    gpu_kind: str = ""
    gpu_memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTraits:
    """What tells a machine from others, beyond amounts.

    Attributes:
        labels: words of its owner.
        gpu_kind: of its accelerators, such as "A100-SXM4-40GB"; empty: unknown, or it has none.
        gpu_memory_bytes: memory of each of them; 0: unknown.
    """

    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    gpu_kind: str = ""
    gpu_memory_bytes: int = 0

    def lacks(self, wish: NodeWish) -> str:
        """The first wish that it does not fulfil, in words; "" if it fulfils all."""
        for name, value in wish.labels.items():
            if self.labels.get(name) != value:
                return f"the label {name}={value}"
        if not is_kind(self.gpu_kind, wish.gpu_kind):
            return f"GPUs of the kind '{wish.gpu_kind}'"
        if self.gpu_memory_bytes < wish.gpu_memory_bytes:
            return f"GPUs with {wish.gpu_memory_bytes / 2**30:g} GiB of memory"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUse:
    """What processes hold on a machine."""

    cpus: float = 0.0
    memory_bytes: int = 0
    gpus: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of an engine.

    Attributes:
        name: `ProcessSpec.node` names it so.
        cpus: cores that it gives, in use or not; memory and GPUs likewise.
        traits: what processes can ask for.
        in_use: what processes hold there that no `ProcessSpec.node` has put there: replicas, other programs of a
            cluster. On one machine only accelerators are held; cores and memory are shared.
        is_alive: whether it takes processes; one that is lost is named for as long as the engine remembers it.
    """

    name: str
    cpus: float
    memory_bytes: int
    gpus: int = 0
    traits: NodeTraits = field(default_factory=NodeTraits)
    in_use: NodeUse = field(default_factory=NodeUse)
    is_alive: bool = True


def is_kind(kind: str, wanted: str) -> bool:
    """Whether a kind of accelerator is what was wanted: "a100" is "NVIDIA A100-SXM4-40GB", "40GB A100" too."""
    return _words(wanted) <= _words(kind)


def _words(kind: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", kind.lower()))
