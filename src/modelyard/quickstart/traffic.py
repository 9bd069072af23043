"""The application of the story: it classifies images, and knows nothing of models, versions or retraining."""

import threading
import time
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from modelyard.errors import ModelyardError
from modelyard.quickstart.digits import Part
from modelyard.sdk.client import Client

BATCH = 8


@dataclass(slots=True)
class Tally:
    """What the application saw: rows right and wrong, requests, failures, and how long each request took."""

    rows: int = 0
    right: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Share of rows that were right."""
        return self.right / self.rows if self.rows else float("nan")

    def milliseconds(self, percent: float) -> float:
        """A percentile of the request times."""
        return float(np.percentile(self.seconds, percent) * 1000) if self.seconds else float("nan")


class Application:
    """Sends images, remembers the answers' ids, sends the truth later."""

    def __init__(self, client: Client, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint
        self.requests = 0
        self.failures = 0
        self.seconds: list[float] = []

    def classify(self, part: Part, *, with_truth: bool, batch: int = BATCH) -> Tally:
        """Classify every image in small batches; with `with_truth` the labels follow as feedback."""
        tally, truth = Tally(), {}
        for start in range(0, len(part.images), batch):
            labels = part.labels[start : start + batch]
            started = time.perf_counter()
            try:
                answer = self._client.predict(self._endpoint, part.images[start : start + batch])
            except ModelyardError as error:
                tally.failures.append(error.message)
                continue
            tally.seconds.append(time.perf_counter() - started)
            tally.models.append(answer.model)
            tally.rows += len(labels)
            tally.right += int(np.sum(np.array(answer.labels) == labels))
            truth[answer.inference_id] = [int(label) for label in labels]
        if with_truth and truth:
            self._client.feedback(self._endpoint, truth)
        self.requests += len(tally.seconds) + len(tally.failures)
        self.failures += len(tally.failures)
        self.seconds += tally.seconds
        return tally


class Background:
    """The same application, under way without a pause while the platform trains and switches."""

    def __init__(self, application: Application, part: Part) -> None:
        self._application = application
        self._part = part
        self._is_over = False
        self.tally = Tally()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()

    def _work(self) -> None:
        while not self._is_over:
            seen = self._application.classify(self._part, with_truth=False)
            for name in ("rows", "right", "failures", "seconds", "models"):
                setattr(self.tally, name, getattr(self.tally, name) + getattr(seen, name))
            time.sleep(0.02)
