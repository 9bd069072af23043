"""What a monitor compares traffic with: the training data, last week's traffic, or another endpoint's."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.masked import is_masked, masked_columns
from modelyard.control.captures.parquet import Captured, concatenate
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.checking.references import References
from modelyard.control.monitors.checking.windows import serving_version
from modelyard.control.monitors.errors import BaselineTooSmallError
from modelyard.drift.reference import ReferenceSketch, build_reference
from modelyard.kit.clock import Clock
from modelyard.runtimes.base import Tensors
from modelyard.types.monitoring import Monitor

TRAINING, PREVIOUS_WEEK, ENDPOINT = "training", "previous-week", "endpoint/"
_ROWS = 20_000


class Baselines:
    """References of monitors. Safe from any thread."""

    def __init__(
        self,
        references: References,
        registry: RegistryClient,
        endpoints: EndpointReader,
        captures: CaptureService,
        clock: Clock,
    ) -> None:
        self._references = references
        self._registry = registry
        self._endpoints = endpoints
        self._captures = captures
        self._clock = clock

    def get(self, monitor: Monitor, version: str) -> ReferenceSketch:
        """What the traffic of a version is compared with.

        Raises:
            BaselineTooSmallError: the traffic to compare with has too few rows.
            ReferenceMissingError, NotFoundError, UnavailableError: there is nothing to compare with.
        """
        personal = self._endpoints.get(monitor.project, monitor.endpoint).capture.personal_columns
        if monitor.baseline == TRAINING:
            return unmasked(self._references.get(monitor.project, version), personal)
        return unmasked(self._of_traffic(monitor, version, self._traffic(monitor, version)), personal)

    def _traffic(self, monitor: Monitor, version: str) -> BatchFilter:
        """The seven days up to yesterday, or another endpoint's newest rows."""
        if monitor.baseline == PREVIOUS_WEEK:
            now = self._clock.now()
            since, until = now - timedelta(days=8), now - timedelta(days=1)
            return BatchFilter(
                project=monitor.project, endpoint=monitor.endpoint, version=version, since=since, until=until
            )
        other = monitor.baseline.removeprefix(ENDPOINT)
        serving = serving_version(self._endpoints.get(monitor.project, other))
        return BatchFilter(project=monitor.project, endpoint=other, version=serving)

    def _of_traffic(self, monitor: Monitor, version: str, wanted: BatchFilter) -> ReferenceSketch:
        batches = [*self._captures.newest(wanted, rows=_ROWS)]
        parts = [part for batch in batches for part in _parts(batch)]
        masked = {name for batch in batches for item in batch for name in item.masked}
        layouts: dict[object, list[tuple[Tensors, Tensors]]] = {}
        for inputs, outputs in parts:
            shapes = tuple(sorted((name, t.shape[1:]) for name, t in (*inputs.items(), *outputs.items())))
            layouts.setdefault(shapes, []).append((inputs, outputs))
        largest = max(layouts.values(), key=lambda each: sum(map(_rows, each)), default=[])
        rows = sum(map(_rows, largest))
        if rows < monitor.minimum_rows:
            raise BaselineTooSmallError(
                f"The baseline '{monitor.baseline}' has {rows} rows of at least {monitor.minimum_rows}",
                hint="Wait until there is more traffic, or take the baseline 'training'.",
            )
        signature = self._registry.model_version(monitor.project, version).manifest.signature
        reference = build_reference(
            signature, _joined([each[0] for each in largest]), _joined([each[1] for each in largest])
        )
        return unmasked(reference, masked)


def unmasked(reference: ReferenceSketch, personal: Collection[str]) -> ReferenceSketch:
    """The reference without columns whose captures are masked: what was hashed or dropped says nothing of drift."""
    hidden, errors = masked_columns(reference.signature, personal), reference.errors

    def is_kept(name: str) -> bool:
        return not is_masked(name, hidden)

    return replace(
        reference,
        numbers={name: sketch for name, sketch in reference.numbers.items() if is_kept(name)},
        categories={name: sketch for name, sketch in reference.categories.items() if is_kept(name)},
        texts=tuple(name for name in reference.texts if is_kept(name)),
        sample={name: rows for name, rows in reference.sample.items() if is_kept(name)},
        errors=errors if errors is not None and all(map(is_kept, errors.columns)) else None,
    )


def _parts(batch: Sequence[Captured]) -> list[tuple[Tensors, Tensors]]:
    return [(inputs, outputs) for _, inputs, outputs in concatenate(batch)]


def _rows(part: tuple[Tensors, Tensors]) -> int:
    return len(next(iter(part[0].values()), ()))


def _joined(tensors: Sequence[Tensors]) -> Tensors:
    return {name: np.concatenate([each[name] for each in tensors]) for name in tensors[0]}
