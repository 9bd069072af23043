"""What the platform acknowledged, and what was done to it: the truth that the checks compare with."""

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Shared by all threads of a run; every method takes the lock.

    Attributes:
        datasets: (dataset, number) -> SHA-256 of the content that was uploaded.
        versions: (model, number) -> digest that the registry answered.
        jobs: ids of accepted training jobs.
        killed_jobs: ids of jobs of which a process was killed.
        aliases: (model, alias) -> number last acknowledged.
        feedback: inference id -> truth that was accepted.
        counts: what was done, for the report.
        faults: what was wrong, in words.
    """

    datasets: dict[tuple[str, int], str] = field(default_factory=dict)
    versions: dict[tuple[str, int], str] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    killed_jobs: set[str] = field(default_factory=set)
    aliases: dict[tuple[str, str], int] = field(default_factory=dict)
    feedback: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        """One more of `what`."""
        with self._lock:
            self.counts[what] += 1

    def fault(self, sentence: str) -> None:
        """Something that must not happen has happened."""
        with self._lock:
            if sentence not in self.faults:
                self.faults.append(sentence)

    def acknowledge_dataset(self, dataset: str, number: int, digest: str) -> None:
        """A dataset version was answered."""
        with self._lock:
            self.datasets[dataset, number] = digest
            self.counts["dataset versions"] += 1

    def acknowledge_version(self, model: str, number: int, digest: str) -> None:
        """A model version was answered."""
        with self._lock:
            if self.versions.setdefault((model, number), digest) != digest:
                self.faults.append(f"{model}:{number} has had two digests")
            self.counts["model versions"] += 1

    def acknowledge_job(self, job_id: str) -> None:
        """A job was accepted."""
        with self._lock:
            self.jobs.add(job_id)
            self.counts["jobs"] += 1

    def acknowledge_alias(self, model: str, alias: str, number: int) -> None:
        """An alias was set."""
        with self._lock:
            self.aliases[model, alias] = number
            self.counts["aliases"] += 1

    def acknowledge_feedback(self, truths: dict[str, int]) -> None:
        """Ground truth was accepted."""
        with self._lock:
            self.feedback.update(truths)
            self.counts["feedback items"] += len(truths)

    def kill_job(self, job_id: str) -> None:
        """A process of this job was killed."""
        with self._lock:
            self.killed_jobs.add(job_id)

    def known_versions(self) -> list[tuple[str, int]]:
        """(model, number) of acknowledged versions."""
        with self._lock:
            return sorted(self.versions)
