"""Quality over time: every metric that the answers allow, stretch by stretch, with 95 % intervals."""

from datetime import datetime, timedelta

import numpy as np

from modelyard.algorithms.evaluation.metrics import measure
from modelyard.control.captures.batches import BatchFilter, check_range
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.feedback.labelled import LabelledReader, LabelledRows
from modelyard.control.feedback.quality import parse_window
from modelyard.control.feedback.service import EndpointReader, label
from modelyard.kit.clock import Clock
from modelyard.runtimes.base import Tensors
from modelyard.types.models import Metric, Task
from modelyard.types.monitoring import QualityPoint

_MOST_ROWS = 5_000


class QualityHistory:
    """Computes metrics over time. Safe from any thread."""

    def __init__(
        self, labelled: LabelledReader, registry: RegistryClient, endpoints: EndpointReader, clock: Clock
    ) -> None:
        self._labelled = labelled
        self._registry = registry
        self._endpoints = endpoints
        self._clock = clock

    def points(self, project: str, endpoint: str, window: str, stretches: int) -> list[QualityPoint]:
        """Each version's metrics in equal stretches of time, oldest first; stretches without labels are left out.

        The intervals hold for each stretch by itself. Whether quality has fallen is for a monitor with the detector
        `quality` to say, which may be asked as often as one likes.

        Args:
            project: of the endpoint.
            endpoint: its name.
            window: how far back: "24h", "7d".
            stretches: into how many parts.

        Raises:
            NotFoundError: no such endpoint.
            WindowInvalidError: the window cannot be read.
        """
        self._endpoints.get(project, endpoint)
        until = self._clock.now()
        length = parse_window(window) / stretches
        found: list[QualityPoint] = []
        for index in range(stretches):
            since = until - length * (stretches - index)
            wanted = BatchFilter(project=project, endpoint=endpoint, since=since, until=since + length)
            check_range(wanted)
            found += self._stretch(wanted, since, length)
        return found

    def _stretch(self, wanted: BatchFilter, since: datetime, length: timedelta) -> list[QualityPoint]:
        by_version: dict[str, list[LabelledRows]] = {}
        for rows in self._labelled.read(wanted, with_inputs=False):
            if rows.labels and rows.has_answers:
                by_version.setdefault(rows.version, []).append(rows)
        return [
            QualityPoint(
                model_version=version,
                metric=metric.name,
                since=since,
                until=since + length,
                n=metric.n or 0,
                value=metric.value,
                low=metric.low,
                high=metric.high,
            )
            for version, parts in sorted(by_version.items())
            for metric in self._measured(wanted.project, version, parts)
        ]

    def _measured(self, project: str, version: str, parts: list[LabelledRows]) -> tuple[Metric, ...]:

        names = set.intersection(*(set(part.outputs) for part in parts))
        outputs: Tensors = {name: np.concatenate([part.outputs[name] for part in parts])[:_MOST_ROWS] for name in names}
        labels = [value for part in parts for value in part.labels][:_MOST_ROWS]
        if "prediction" in outputs:
            numbers = np.array([_number(value) for value in labels])
            is_known = np.isfinite(numbers)
            known = {name: tensor[is_known] for name, tensor in outputs.items()}
            return measure(Task.TABULAR_REGRESSION, known, numbers[is_known], ()) if is_known.any() else ()
        if "label" not in outputs:
            return ()
        answered = [label(value) for value in outputs["label"].reshape(-1).tolist()]
        outputs = {**outputs, "label": np.array(answered, dtype=object)}
        classes = self._registry.model_version(project, version).manifest.signature.class_names
        truth = np.array([label(value) for value in labels], dtype=object)
        return measure(Task.OTHER, outputs, truth, classes)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")
