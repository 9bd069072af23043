"""Hands the accelerators of this machine out, each to one process at a time, or to several that share it by parts."""

import fcntl
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.local.records import Records
from modelyard.engines.machines import Gpu, find_gpus, this_machine
from modelyard.errors import UnavailableError
from modelyard.settings import Home
from modelyard.types.compute.nodes import Node, NodeUse
from modelyard.types.processes import ProcessSpec

_ROUNDING = 1e-9
_SECONDS_UNTIL_NEXT_LOOK = 60.0  # of a machine that showed none: asking a driver that does not answer takes seconds


class GpusBusyError(UnavailableError):
    """The machine has as many accelerators as were asked for, but other processes have them."""

    code = "gpus_busy"


class GpuPool:
    """Safe from any thread and from several control processes at once: the processes' records say who has what.

    Args:
        home: the state directory; its processes and its containers share the accelerators.
        gpus: those that may be handed out; None: all of this machine, also if their driver comes up later.
    """

    def __init__(self, home: Home, gpus: Sequence[Gpu] | None) -> None:
        self._is_final = gpus is not None
        self._gpus = find_gpus() if gpus is None else gpus
        self._found_at = time.monotonic()
        self._lock = home.run / "gpus.lock"
        self._records = [Records(home.processes), Records(home.containers)]

    @property
    def gpus(self) -> Sequence[Gpu]:
        """Those that may be handed out."""
        if not self._gpus and not self._is_final and time.monotonic() - self._found_at > _SECONDS_UNTIL_NEXT_LOOK:
            self._found_at = time.monotonic()
            self._gpus = find_gpus()
        return self._gpus

    @property
    def machine(self) -> Node:
        """This machine, with nothing of it in use."""
        return this_machine(self.gpus)

    @contextmanager
    def lend(self, spec: ProcessSpec) -> Iterator[list[Gpu]]:
        """What a process gets; it is free for others again if its record was not made within the block.

        Raises:
            GpusBusyError: there is not enough left.
        """
        amount = gpus_of(spec)
        if not amount:
            yield []
            return
        self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._choose(amount)

    def node(self) -> Node:
        """This machine, with what of its accelerators processes have that nobody has planned on it."""
        machine = self.machine
        used = sum(gpus_of(spec) for spec, _ in self._holders() if not spec.node) if machine.gpus else 0.0
        return replace(machine, in_use=NodeUse(gpus=used))

    def _choose(self, amount: float) -> list[Gpu]:
        taken = self._taken()
        part, count = (amount, 1) if amount < 1 else (1.0, int(amount))
        free = [gpu for gpu in self.gpus if taken.get(gpu.id, 0.0) + part <= 1 + _ROUNDING]
        if len(free) < count:
            raise GpusBusyError(
                f"It asks for {amount:g} accelerators, and {len(free)} of {len(self.gpus)} have that much to spare",
                hint="Wait for a process that has one to end, or stop it: `modelyard endpoints list`, `jobs list`.",
            )
        return sorted(free, key=lambda gpu: -taken.get(gpu.id, 0.0))[:count]  # parts fill one that is shared already

    def _taken(self) -> Mapping[str, float]:
        taken: dict[str, float] = defaultdict(float)
        for spec, ids in self._holders():
            for each in ids:
                taken[each] += min(1.0, gpus_of(spec))
        return taken

    def _holders(self) -> Iterator[tuple[ProcessSpec, Sequence[str]]]:
        for records in self._records:
            for process_id in records.ids():
                with suppress(ProcessNotFoundError):  # removed meanwhile
                    record = records.record(process_id)
                    if record.gpus and records.holder(process_id) is not None:
                        yield record.spec, record.gpus


def gpus_of(spec: ProcessSpec) -> float:
    """How many a process asks for; of one with a program beside it, whichever of the two does."""
    beside = spec.sidecar.resources.gpus if spec.sidecar is not None else 0
    return spec.resources.gpus or beside
