"""A platform under test, and what the loop does with it: train on a table, look at a version, measure an endpoint."""

import tempfile
from pathlib import Path

import numpy as np

from modelyard.algorithms.bundles import predict
from modelyard.kit.files import write_atomic
from modelyard.runtimes.bundle import load_bundle
from modelyard.sdk.client import Client
from modelyard.testing.loop.concepts import TARGET, Concept, Table
from modelyard.testing.loop.sabotage import ORDER
from modelyard.testing.loop.traffic import Traffic

ALGORITHM = "linear-classification"
TEST_ROWS = 3000
_REQUEST_ROWS = 250
_JOB_SECONDS = 300.0


class Workplace:
    """A client with a folder for files on their way, and the state directory of the platform."""

    def __init__(self, client: Client, folder: Path, home: Path) -> None:
        self.client = client
        self.folder = folder
        self._order = home / ORDER

    def order(self, kind: str) -> None:
        """From now on training jobs are sabotaged in this way; "": not at all."""
        if kind:
            write_atomic(self._order, kind.encode())
        else:
            self._order.unlink(missing_ok=True)

    def train(self, table: Table, name: str, *, model: str, algorithm: str = ALGORITHM) -> str:
        """The ref of a version trained on a new version of the dataset `name`."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            path = Path(folder, f"{name}.csv")
            path.write_text(table.csv())
            version = self.client.datasets.upload(name, path)
        job = self.client.jobs.train(
            algorithm,
            f"{name}:{version.number}",
            model=model,
            target=TARGET,
            wait=True,
            timeout_seconds=_JOB_SECONDS,
        )
        return str(job.result["model_version"])

    def accuracy_of(self, ref: str, table: Table) -> float:
        """Accuracy of a version that need not be deployed."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            self.client.models.download(ref, folder)
            _, predictor = load_bundle(Path(folder))
            answers = predict(predictor, tensors(table))["label"]
        return float(np.mean([str(answer) == label for answer, label in zip(answers, table.labels, strict=True)]))


def tensors(table: Table) -> dict[str, np.ndarray]:
    """The inputs of a model of these tables."""
    regions = np.array(table.regions, dtype=object)[:, None]
    return {"numeric": np.asarray(table.numbers, dtype=np.float32), "categorical": regions}


def live_accuracy(traffic: Traffic, concept: Concept, random: np.random.Generator, rows: int = TEST_ROWS) -> float:
    """Accuracy of an endpoint on fresh rows, whose truth it is not told."""
    shares = [traffic.send(concept.draw(_REQUEST_ROWS, random), with_truth=False) for _ in range(rows // _REQUEST_ROWS)]
    return float(np.nanmean(shares))
