"""What must be true after every restart, whatever was killed."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import httpx

from modelyard.engines.base import ProcessNotFoundError
from modelyard.testing.chaos.caller import PROJECT, Caller
from modelyard.testing.chaos.ledger import Ledger
from modelyard.testing.chaos.platform import Platform
from modelyard.testing.chaos.work import ENDPOINT, FINAL, JOBS, MODEL, OPERATIONS, REGISTRY

CONVERGENCE_SECONDS = 30.0
QUIET_SECONDS = 180.0


class Checks:
    """Each check returns what is wrong, in words."""

    def __init__(self, platform: Platform, ledger: Ledger) -> None:
        self._platform = platform
        self._ledger = ledger
        self._caller = Caller(platform.home, ledger)
        self._read: set[str] = set()  # contents that were whole when they were read

    def close(self) -> None:
        """Close connections."""
        self._caller.close()

    def is_up(self) -> bool:
        """Whether control answers through the gateway."""
        try:
            answer = self._caller.send("GET", f"{JOBS}/jobs", params={"limit": 1}, timeout=5.0)
        except (httpx.TransportError, OSError, ValueError):
            return False
        return answer.status_code == httpx.codes.OK

    def after_restart(self) -> None:
        """The control plane's records and the machine's processes agree, now or within CONVERGENCE_SECONDS."""
        self._converge(self._running_without_process)
        self._converge(self.process_without_record)
        self._converge(self._sandboxed_without_supervisor)

    def everything(self, *, is_last: bool = True) -> None:
        """Nothing that was acknowledged is lost, no version is half there, no job made two versions.

        Contents are read once while the run goes on, and all of them again at its end.
        """
        if is_last:
            self._read.clear()
        for check in (
            self._lost_datasets,
            self._half_versions,
            self._lost_versions,
            self._lost_jobs,
            self._lost_aliases,
        ):
            self._report(check())

    def at_rest(self) -> None:
        """With nobody killing: all jobs end, the endpoint serves, what was said about jobs is true."""
        deadline = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < deadline:
            open_jobs = [job["id"] for job in self._jobs() if job["status"] not in FINAL]
            is_served = self._is_served()
            if not open_jobs and is_served:
                break
            time.sleep(0.5)
        else:
            self._report([f"after {QUIET_SECONDS:g} s of rest jobs {open_jobs} are open; endpoint served: {is_served}"])
        self._report(self._untrue_failures())
        self._report(self._lost_feedback())

    def after_stop(self) -> None:
        """A clean stop leaves no process."""
        self._converge(self._platform.survivors)

    def _converge(self, check: Callable[[], list[str]]) -> None:
        deadline = time.monotonic() + CONVERGENCE_SECONDS
        while (wrong := check()) and time.monotonic() < deadline:
            time.sleep(0.2)
        self._report(wrong)

    def _report(self, wrong: list[str]) -> None:
        for sentence in wrong:
            self._ledger.fault(sentence)

    def _running_without_process(self) -> list[str]:
        jobs = self._caller.items(f"{JOBS}/jobs", status="RUNNING")
        replicas = [replica for endpoint in self._endpoints() for replica in endpoint["replicas"]]
        claims = {f"{job['id']}-{job['attempt']}": f"job {job['id']} is RUNNING" for job in jobs}
        claims |= {one["process"]: f"replica {one['id']} is READY" for one in replicas if one["status"] == "READY"}
        return [f"{claim} and has no process" for process_id, claim in claims.items() if not self._is_alive(process_id)]

    def process_without_record(self) -> list[str]:
        """Processes that live though no job or replica of the records is theirs."""
        alive = [state for state in self._platform.engine().list() if state.is_alive]
        jobs = {f"{job['id']}-{job['attempt']}": job for job in self._jobs()}
        replicas = {replica["process"] for endpoint in self._endpoints() for replica in endpoint["replicas"]}
        wrong = []
        for state in alive:
            if "job" in state.labels and jobs.get(state.id, {"status": "FAILED"})["status"] in FINAL:
                wrong.append(f"process {state.id} of job {state.labels['job']} lives, its job does not")
            if "replica" in state.labels and state.id not in replicas:
                wrong.append(f"process {state.id} lives and is no endpoint's replica")
        return wrong

    def _sandboxed_without_supervisor(self) -> list[str]:
        return [
            f"process {pid} of {process_id} lives without a supervisor"
            for pid, process_id in self._platform.marked().items()
            if not self._is_alive(process_id)
        ]

    def _is_alive(self, process_id: str) -> bool:
        try:
            return self._platform.engine().state(process_id).is_alive
        except ProcessNotFoundError:
            return False

    def _lost_datasets(self) -> list[str]:
        wrong = []
        for (dataset, number), digest in dict(self._ledger.datasets).items():
            path = f"{REGISTRY}/datasets/{dataset}/versions/{number}/content"
            if not self._is_whole(path, digest):
                wrong.append(f"dataset {dataset}:{number} is lost or changed")
        return wrong

    def _half_versions(self) -> list[str]:
        wrong = []
        for model in self._caller.items(f"{REGISTRY}/models"):
            versions = self._caller.items(f"{REGISTRY}/models/{model['name']}/versions")
            numbers = sorted(version["number"] for version in versions)
            latest = self._caller.get(f"{REGISTRY}/models/{model['name']}")["latest"]  # after them: it may have grown
            if numbers and latest < numbers[-1]:
                wrong.append(f"model {model['name']} says its newest version is {latest}, there is {numbers[-1]}")
            makers = [version["lineage"]["job"] for version in versions if model["name"] == MODEL]
            wrong += [f"job {job} made two versions" for job in set(makers) if makers.count(job) > 1]
            for version in versions:
                wrong += self._bad_files(model["name"], version)
        return wrong

    def _bad_files(self, model: str, version: dict[str, Any]) -> list[str]:
        wrong = []
        files = version["files"]
        for file in files:
            path = f"{REGISTRY}/models/{model}/versions/{version['number']}/files/{file['path']}"
            if not self._is_whole(path, file["digest"]):
                wrong.append(f"{model}:{version['number']} lacks {file['path']}")
        return wrong if files else [f"{model}:{version['number']} has no files"]

    def _is_whole(self, path: str, digest: str) -> bool:
        """Whether the content at `path` is there with this SHA-256."""
        if path not in self._read:
            content = self._caller.call("GET", path, expect=(404, 500)).content
            if hashlib.sha256(content).hexdigest() != digest:
                return False
            self._read.add(path)
        return True

    def _lost_versions(self) -> list[str]:
        wrong = []
        for (model, number), digest in dict(self._ledger.versions).items():
            answer = self._caller.call("GET", f"{REGISTRY}/models/{model}/versions/{number}", expect=(404,))
            if answer.status_code == httpx.codes.NOT_FOUND or answer.json()["digest"] != digest:
                wrong.append(f"model version {model}:{number} is lost or changed")
        return wrong

    def _lost_jobs(self) -> list[str]:
        known = {job["id"]: job for job in self._jobs()}
        wrong = [f"job {job_id} is lost" for job_id in set(self._ledger.jobs) - set(known)]
        for job in known.values():
            if job["status"] == "COMPLETED":
                _, _, number = job["result"]["model_version"].partition(":")
                path = f"{REGISTRY}/models/{MODEL}/versions/{number}"
                if self._caller.call("GET", path, expect=(404,)).status_code == httpx.codes.NOT_FOUND:
                    wrong.append(f"job {job['id']} is COMPLETED and its model version is not there")
        return wrong

    def _lost_aliases(self) -> list[str]:
        wrong = []
        for (model, alias), number in dict(self._ledger.aliases).items():
            found = self._caller.get(f"{REGISTRY}/models/{model}")["aliases"].get(alias)
            # The thread that sets it may be one ahead of what we copied, never behind.
            if found is None or found < number:
                wrong.append(f"alias {model}@{alias} points to {found}, acknowledged was {number}")
        return wrong

    def _lost_feedback(self) -> list[str]:
        """Ground truth of captured inferences is shown; an inference of a killed gateway may have lost its capture."""
        wrong = []
        sample = list(self._ledger.feedback)[-200:]
        for inference_id in sample:
            path = f"{OPERATIONS}/endpoints/{ENDPOINT}/inferences/{inference_id}"
            answer = self._caller.call("GET", path, expect=(404,))
            if answer.status_code == httpx.codes.OK and answer.json()["feedback"] != [
                f"c{self._ledger.feedback[inference_id]}"
            ]:
                wrong.append(f"the truth of inference {inference_id} is lost: {answer.json()['feedback']}")
            self._ledger.count(
                "captures kept" if answer.status_code == httpx.codes.OK else "captures lost with a gateway"
            )
        return wrong

    def _untrue_failures(self) -> list[str]:
        return [
            f"job {job['id']} is FAILED though nobody killed it: {job['end']}"
            for job in self._jobs()
            if job["status"] == "FAILED" and job["id"] not in self._ledger.killed_jobs
        ]

    def _is_served(self) -> bool:
        endpoints = self._endpoints()
        return bool(endpoints) and all(endpoint["status"] == "READY" for endpoint in endpoints)

    def _jobs(self) -> list[dict[str, Any]]:
        return self._caller.items(f"{JOBS}/jobs")

    def _endpoints(self) -> list[dict[str, Any]]:
        return self._caller.items(f"/operations/v1/{PROJECT}/endpoints")
