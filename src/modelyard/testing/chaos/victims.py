"""Chooses processes and kills them."""

import random
from dataclasses import dataclass

from modelyard.testing.chaos.ledger import Ledger
from modelyard.testing.chaos.platform import Platform
from modelyard.types.processes import ProcessState

WEIGHTS = {"control": 7, "gateway": 4, "worker": 4, "job": 5, "up": 1}


@dataclass(frozen=True)
class Victim:
    """A process about to be killed."""

    kind: str
    pid: int
    process_id: str = ""


class Killer:
    """SIGKILL by chance, from one seed."""

    def __init__(self, platform: Platform, ledger: Ledger, chance: random.Random) -> None:
        self._platform = platform
        self._ledger = ledger
        self._chance = chance

    def kill_one(self) -> str | None:
        """Kill a process of a kind drawn by weight, or of another kind if there is none; its kind."""
        kinds = list(WEIGHTS)
        while kinds:
            kind = self._chance.choices(kinds, [WEIGHTS[name] for name in kinds])[0]
            victims = self._victims(kind)
            if victims and self._kill(self._chance.choice(victims)):
                return kind
            kinds.remove(kind)
        return None

    def _victims(self, kind: str) -> list[Victim]:
        if kind in ("worker", "job"):
            labels = {"replica", "kind"} if kind == "worker" else {"job"}  # a model host has a kind
            states = [state for state in self._platform.engine().list() if state.is_alive and labels & {*state.labels}]
            return [victim for state in states for victim in self._of_process(kind, state)]
        pid = self._platform.pids().get(kind)
        return [Victim(kind, pid)] if pid is not None else []

    def _of_process(self, kind: str, state: ProcessState) -> list[Victim]:
        """The command and its supervisor, equally likely."""
        supervisor = self._platform.records().holder(state.id)
        pids = (state.pid, supervisor)
        return [Victim(kind, pid, state.id) for pid in pids if pid is not None]

    def _kill(self, victim: Victim) -> bool:
        if victim.kind == "job":
            self._ledger.kill_job(victim.process_id.rpartition("-")[0])
        return self._platform.kill(victim.pid)
