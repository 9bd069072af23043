"""TorchServe with a custom handler and its batching. Needs Java."""

import json
import os
import subprocess
from collections.abc import Mapping

from benchmarks.serving import environments
from benchmarks.serving.models import VERSIONS
from benchmarks.serving.peers.base import Peer
from benchmarks.serving.places import APPS

_BATCH = {"minWorkers": 1, "maxWorkers": 2, "batchSize": 32, "maxBatchDelay": 1, "responseTimeout": 60}


class TorchServe(Peer):
    """See the module."""

    name = "torchserve"
    about = "custom handler, batches of 32 within 1 ms"
    environment = environments.ALL["torchserve"]
    path = "/predictions/model"

    def prepare(self) -> None:
        """See Peer: an archive for each version, and the settings."""
        store = self.folder / "store"
        store.mkdir()
        for version in VERSIONS:
            options = {
                "--model-name": f"v{version}",
                "--version": f"{version}.0",
                "--serialized-file": str(self.model_file(version)),
                "--handler": str(APPS / "torchserve_handler.py"),
                "--export-path": str(store),
            }
            command = [
                self.environment.program("torch-model-archiver"),
                *(part for item in options.items() for part in item),
            ]
            subprocess.run(command, check=True, capture_output=True)
        lines = [
            f"{kind}_address=http://127.0.0.1:{self.port + index}"
            for index, kind in enumerate(("inference", "management", "metrics"))
        ]
        lines += [f"grpc_{kind}_port={self.port + 3 + index}" for index, kind in enumerate(("inference", "management"))]
        first = {"1.0": {"defaultVersion": True, "marName": "v1.mar", **_BATCH}}
        lines.append("models=" + json.dumps({"model": first}))
        (self.folder / "config.properties").write_text("\n".join(lines) + "\n")

    def commands(self) -> list[list[str]]:
        """See Peer."""
        options = ["--start", "--foreground", "--ncs", "--disable-token-auth", "--enable-model-api"]
        places = ["--ts-config", str(self.folder / "config.properties"), "--model-store", str(self.folder / "store")]
        return [[self.environment.program("torchserve"), *options, *places, "--models", "model=v1.mar"]]

    def variables(self) -> Mapping[str, str]:
        """See Peer."""
        logs = str(self.folder / "logs")
        own = str(self.environment.folder / "bin")
        path = os.pathsep.join((own, os.environ["PATH"]))
        return {"PATH": path, "TEMP": str(self.folder), "LOG_LOCATION": logs, "METRICS_LOCATION": logs}

    def deploy(self, version: int) -> bool:
        """See Peer."""
        query = (
            f"url=v{version}.mar&model_name=model&initial_workers=1&synchronous=true&batch_size=32&max_batch_delay=1"
        )
        management = self.port + 1
        self.post(f"/models?{query}", b"", port=management)
        self.post(f"/models/model/{version}.0/set-default", b"", method="PUT", port=management)
        return True
