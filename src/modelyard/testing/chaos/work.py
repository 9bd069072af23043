"""What users do all the time: upload, train, register, deploy, predict, send the truth. One thread for each."""

import hashlib
import random
import threading
import time
from collections.abc import Callable

import httpx

from modelyard.settings import Home
from modelyard.testing.chaos.caller import PROJECT, Caller, GaveUpError, StoppedError
from modelyard.testing.chaos.ledger import Ledger

REGISTRY, JOBS, OPERATIONS = f"/registry/v1/{PROJECT}", f"/jobs/v1/{PROJECT}", f"/operations/v1/{PROJECT}"
ENDPOINT = "chaos"
MODEL = "chaos"
FINAL = ("COMPLETED", "FAILED", "STOPPED")
_ROWS = 120
_STOPPED_SHARE = 0.15


class Work:
    """Threads that work until told to stop. What they saw acknowledged is in the ledger."""

    def __init__(self, home: Home, ledger: Ledger, seed: int) -> None:
        self._home = home
        self._ledger = ledger
        self._callers: list[Caller] = []
        roles = (self._train, self._train, self._register, self._deploy, self._predict)
        self._threads = [
            threading.Thread(target=self._repeat, args=(role, self._caller(), random.Random(f"{seed}-{index}")))  # noqa: S311
            for index, role in enumerate(roles)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all threads."""
        for caller in self._callers:
            caller.is_stopping = True
        for thread in self._threads:
            thread.join()
        for caller in self._callers:
            caller.close()

    def _caller(self) -> Caller:
        self._callers.append(Caller(self._home, self._ledger))
        return self._callers[-1]

    def _repeat(self, role: Callable[[Caller, random.Random], None], caller: Caller, chance: random.Random) -> None:
        while not caller.is_stopping:
            try:
                role(caller, chance)
            except StoppedError:
                return
            except GaveUpError as error:
                self._ledger.fault(str(error))
            except httpx.HTTPStatusError as error:
                request, answer = error.request, error.response
                self._ledger.fault(f"{request.method} {request.url.path} was refused: {answer.text[:300]}")
                time.sleep(1.0)

    def _train(self, caller: Caller, chance: random.Random) -> None:
        """Upload a table, train on it, see the job through."""
        number = self._add_dataset(caller, chance)
        body = {
            "algorithm": "linear-classification",
            "model": MODEL,
            "channels": {"train": {"dataset": MODEL, "number": number}},
            "target": "label",
            "seed": chance.randrange(1 << 30),
        }
        job = caller.create(f"{JOBS}/training-jobs", body)
        self._ledger.acknowledge_job(job["id"])
        if chance.random() < _STOPPED_SHARE:
            time.sleep(chance.uniform(0, 3))
            caller.call("POST", f"{JOBS}/jobs/{job['id']}/stop", expect=(409,))
            self._ledger.count("stops")
        while job["status"] not in FINAL:
            time.sleep(0.3)
            job = caller.get(f"{JOBS}/jobs/{job['id']}")
        if job["status"] == "COMPLETED":
            version = caller.get(
                f"{REGISTRY}/models/{MODEL}/versions/{job['result']['model_version'].partition(':')[2]}"
            )
            self._ledger.acknowledge_version(MODEL, version["number"], version["digest"])

    def _add_dataset(self, caller: Caller, chance: random.Random) -> int:
        content = table(chance)
        upload = caller.create(f"{REGISTRY}/uploads", {"filename": "rows.csv", "size_bytes": len(content)})
        send(caller, upload["id"], content)
        version = caller.create(f"{REGISTRY}/datasets/{MODEL}/versions", {"upload": upload["id"]})
        number = int(version["number"])
        self._ledger.acknowledge_dataset(MODEL, number, hashlib.sha256(content).hexdigest())
        return number

    def _register(self, caller: Caller, chance: random.Random) -> None:
        """Register a copy of a trained version under another name, as somebody with a bundle of his own does."""
        sources = [known for known in self._ledger.known_versions() if known[0] == MODEL]
        time.sleep(chance.uniform(0.2, 1.5))
        if not sources:
            return
        _, number = chance.choice(sources)
        source = caller.get(f"{REGISTRY}/models/{MODEL}/versions/{number}")
        files = {}
        for file in source["files"]:
            content = caller.call("GET", f"{REGISTRY}/models/{MODEL}/versions/{number}/files/{file['path']}").content
            upload = caller.create(f"{REGISTRY}/uploads", {"filename": "file", "size_bytes": len(content)})
            send(caller, upload["id"], content)
            files[file["path"]] = upload["id"]
        body = {"files": files, "card": {"description": f"copy {chance.random()}"}}
        version = caller.create(f"{REGISTRY}/models/{MODEL}-copy/versions", body)
        self._ledger.acknowledge_version(version["model"], version["number"], version["digest"])
        caller.call("PUT", f"{REGISTRY}/models/{MODEL}-copy/aliases/champion", json={"number": version["number"]})
        self._ledger.acknowledge_alias(f"{MODEL}-copy", "champion", version["number"])

    def _deploy(self, caller: Caller, chance: random.Random) -> None:
        """Make the endpoint, then move it from version to version."""
        time.sleep(chance.uniform(1.0, 5.0))
        known = self._ledger.known_versions()
        if not known:
            return
        model, number = chance.choice(known)
        variants = [{"name": "main", "model": f"{model}:{number}", "replicas": chance.choice((1, 1, 2))}]
        path = f"{OPERATIONS}/endpoints"
        if caller.call("GET", f"{path}/{ENDPOINT}", expect=(404,)).status_code == httpx.codes.NOT_FOUND:
            caller.create(path, {"name": ENDPOINT, "variants": variants, "capture_share": 1.0})
        else:
            # 409: a rollout is under way, which is no fault.
            caller.call("PATCH", f"{path}/{ENDPOINT}", json={"variants": variants}, expect=(409,))
        self._ledger.count("deployments")

    def _predict(self, caller: Caller, chance: random.Random) -> None:
        """Ask for predictions one after the other and send the truth of some."""
        truths: dict[str, int] = {}
        for _ in range(40):
            inference_id = self._ask(caller, chance)
            if inference_id is not None:
                truths[inference_id] = chance.randrange(2)
        if truths:
            items = [{"inference_id": key, "truth": [f"c{value}"]} for key, value in truths.items()]
            caller.call("POST", f"{OPERATIONS}/endpoints/{ENDPOINT}/feedback", json={"items": items})
            self._ledger.acknowledge_feedback(truths)

    def _ask(self, caller: Caller, chance: random.Random) -> str | None:
        """One prediction; the inference id if it was answered. Refusals are counted: chaos is no outage-free time."""
        if caller.is_stopping:
            raise StoppedError
        row = [chance.gauss(0, 1) for _ in range(3)]
        body = {"inputs": [{"name": "numeric", "shape": [1, 3], "datatype": "FP32", "data": row}]}
        try:
            answer = caller.send("POST", f"/v2/models/{ENDPOINT}/infer", json=body)
        except (httpx.TransportError, OSError, ValueError):
            self._ledger.count("predictions without answer")
            time.sleep(0.05)
            return None
        time.sleep(0.02)
        if answer.status_code == httpx.codes.OK:
            self._ledger.count("predictions answered")
            return answer.headers["X-Modelyard-Inference-Id"]
        self._ledger.count(f"predictions refused with {answer.status_code}")
        if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            self._ledger.fault(f"a prediction was answered with 500: {answer.text[:300]}")
        return None


def send(caller: Caller, upload_id: str, content: bytes) -> None:
    """Send an upload's content from where it is, however often it is interrupted."""
    path = f"{REGISTRY}/uploads/{upload_id}"
    while True:
        offset = int(caller.get(path)["offset"])
        if offset >= len(content):
            return
        # 409: an attempt that seemed lost had arrived; ask again how far it came.
        caller.call("PATCH", path, content=content[offset:], headers={"Upload-Offset": str(offset)}, expect=(409,))


def table(chance: random.Random) -> bytes:
    """A small CSV whose label depends on its columns."""
    lines = ["a,b,c,label"]
    for _ in range(_ROWS):
        row = [chance.gauss(0, 1) for _ in range(3)]
        lines.append(",".join(f"{value:.6f}" for value in row) + f",c{int(sum(row) > 0)}")
    return ("\n".join(lines) + "\n").encode()
