"""A node is lost while jobs run and requests come: `python loss.py HOME SWITCH`, on the node of the platform.

The platform runs on node `a`. Prints one JSON object of what was seen; judges nothing.
"""

import json
import sys
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from nodes import NAMES, Nodes

from modelyard.errors import ModelyardError
from modelyard.quickstart.digits import load_digits
from modelyard.sdk.client import Client
from modelyard.types.endpoints import Variant
from modelyard.types.jobs import Job
from modelyard.types.processes import NodeChoice, Resources

NAME = "digits"
CALLERS, JOBS, REPLICAS = 6, 3, 3
SHORT: dict[str, Any] = {"layers": "32", "epochs": 3}
LONG: dict[str, Any] = {"layers": "256,128", "epochs": 400, "mini_batch_size": 16}
SPREAD = Resources(placement=NodeChoice.SPREAD)
PATIENCE_SECONDS = 240.0


class Load:
    """Callers that ask without a pause and never ask twice."""

    def __init__(self, client: Client, images: Any) -> None:
        self._client = client
        self._images = images
        self._is_over = False
        self.answers: list[float] = []
        self.failures: list[tuple[float, str]] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._is_over:
            try:
                self._client.predict(NAME, self._images)
            except ModelyardError as error:
                self.failures.append((time.monotonic(), f"{error.code}: {error.message}"))
            else:
                self.answers.append(time.monotonic())
            time.sleep(0.02)  # the three machines are one


def until(look: Any, what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.1)
    return found


def placed(nodes: Nodes, module: str) -> Counter[str]:
    """How many processes that run `module` each node has."""
    found: Counter[str] = Counter()
    for name in NAMES:
        for pid in nodes.processes(name):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:  # it has ended
                continue
            found[name] += words[1:3] == [b"-m", module.encode()]
    return found


def main() -> None:
    home = Path(sys.argv[1])
    nodes = Nodes(home, sys.argv[2])
    client = Client(home=home, token=(home / "admin.token").read_text().strip())
    digits = load_digits()
    client.datasets.upload(NAME, {"images": digits.training.images, "labels": digits.training.labels})
    started = time.monotonic()
    job = train(client, SHORT, wait=True)
    first_job = time.monotonic() - started
    version = str(job.result["model_version"])
    started = time.monotonic()
    client.endpoints.create(NAME, [variant(version)])
    until(lambda: is_ready(client), "all replicas are ready")
    deployed = time.monotonic() - started
    jobs = [train(client, LONG, wait=False) for _ in range(JOBS)]
    until(lambda: all(client.jobs.get(each.id).status == "RUNNING" for each in jobs), "the jobs run")
    replicas = placed(nodes, "modelyard.dataplane.worker")
    running = placed(nodes, "modelyard.algorithms.run")
    victim = max(NAMES[1:], key=lambda name: (min(replicas[name], running[name]), replicas[name]))
    with Load(client, digits.clean.images[:2]) as load:
        until(lambda: len(load.answers) > 50, "answers")
        before = len(load.answers)
        killed_at = time.monotonic()
        nodes.kill(victim)
        noticed = until(lambda: not is_ready(client) and time.monotonic(), "the loss is noticed")
        moments: dict[str, float] = {}

        def are_both_over() -> bool:
            if is_ready(client):
                moments.setdefault("replaced", time.monotonic())
            if retries(client, jobs):
                moments.setdefault("retried", time.monotonic())
            return len(moments) == 2

        until(are_both_over, "the replica is replaced and a job tried again")
        replaced, retried = moments["replaced"], moments["retried"]
        time.sleep(1.0)
    ended = [client.jobs.wait(each.id, timeout_seconds=PATIENCE_SECONDS) for each in jobs]
    later = [moment for moment in load.answers if moment > replaced]
    sys.stdout.write(
        json.dumps(
            {
                "first_job_seconds": round(first_job, 1),
                "deployed_seconds": round(deployed, 1),
                "victim": victim,
                "replicas": replicas,
                "jobs": running,
                "answers_before": before,
                "answers": len(load.answers),
                "answers_after_replacement": len(later),
                "failures": [(round(at - killed_at, 2), words) for at, words in load.failures],
                "noticed_seconds": round(noticed - killed_at, 1),
                "replaced_seconds": round(replaced - killed_at, 1),
                "retried_seconds": round(retried - killed_at, 1),
                "ended": [(each.status, each.attempt) for each in ended],
                "longest_pause": round(longest_pause(load.answers), 2),
            }
        )
    )


def train(client: Client, hyperparameters: dict[str, Any], *, wait: bool) -> Job:
    resources = Resources(cpus=1, placement=NodeChoice.SPREAD)
    return client.jobs.train(
        "image-classification", NAME, model=NAME, hyperparameters=hyperparameters, resources=resources, wait=wait
    )


def variant(version: str) -> Variant:
    model, _, number = version.partition(":")
    return Variant(name="main", model=model, number=int(number), replicas=REPLICAS, resources=SPREAD)


def is_ready(client: Client) -> bool:
    """Whether all replicas are there."""
    endpoint = client.endpoints.get(NAME)
    ready = [each for each in endpoint.replicas if each.status == "READY"]
    return len(ready) == REPLICAS


def retries(client: Client, jobs: list[Job]) -> bool:
    return any(client.jobs.get(each.id).attempt > 1 for each in jobs)


def longest_pause(moments: list[float]) -> float:
    return max((after - before for before, after in pairwise(sorted(moments))), default=0.0)


if __name__ == "__main__":
    main()
