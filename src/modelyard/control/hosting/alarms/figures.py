"""What the gateway has counted of hosted endpoints, as SageMaker's metrics of endpoints.

Source: Amazon SageMaker Developer Guide, "Metrics for monitoring with CloudWatch", endpoint invocation metrics.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from modelyard import errors
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.alarms.records import Metric, Statistics
from modelyard.control.hosting.alarms.series import MetricSeries
from modelyard.control.hosting.records import ENDPOINT, HostedEndpoint, of_content
from modelyard.kit.foreign_names import container_name, is_part_of, own_name
from modelyard.types.serving.hosting import Composition, CompositionMode

NAMESPACE = "AWS/SageMaker"
_NEW = ".new"  # what a variant's name ends with while it takes over
_MICROSECONDS = 1e6
_CLIENT_FAULTS = (
    errors.InvalidInputError,
    errors.UnauthenticatedError,
    errors.PermissionDeniedError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.OverloadedError,
)
_CLIENT_STATUS = "model_status_4"
_COUNTERS = {
    "modelyard_inference_requests_total": "answered",
    "modelyard_inference_latency_seconds_sum": "seconds",
    "modelyard_inference_failures_total": "failed",
}


class Key(NamedTuple):
    """One counter; `variant` is empty for what failed before one was chosen."""

    project: str
    endpoint: str
    variant: str
    what: str


class EndpointFigures:
    """Adds to the metrics what was counted since the last look. Used from one thread.

    Args:
        documents: of hosted endpoints.
        series: gets the values.
        source: the gateway's figures in Prometheus' text form; raises TemporaryError when it does not answer.
        note_use: hears of each endpoint (project, name) that was asked since the last look.
    """

    def __init__(
        self,
        documents: DocumentService,
        series: MetricSeries,
        source: Callable[[], str],
        note_use: Callable[[str, str], None],
    ) -> None:
        self._documents = documents
        self._series = series
        self._source = source
        self._note_use = note_use
        self._before: dict[Key, float] | None = None

    def look(self) -> None:
        """What was counted before the first look is left out: nobody knows when that was."""
        try:
            counts = _counts(self._source())
        except errors.TemporaryError:
            return
        before, self._before = self._before, counts
        if before is None:
            return
        grown = {key: _grown(value, before.get(key, 0.0)) for key, value in counts.items()}
        for project in {key.project for key, value in grown.items() if value}:
            of_project = {key: value for key, value in grown.items() if key.project == project}
            documents = list(self._documents.every(ENDPOINT, project))
            for document in documents:
                hosted = of_content(document.content, HostedEndpoint)
                own = {key: value for key, value in of_project.items() if key.endpoint == own_name(document.name)}
                if any(own.values()):
                    self._note_use(project, document.name)
                if hosted.composition is not None:
                    parts = [each.name for each in documents if is_part_of(document.name, each.name)]
                    own = _of_parts(document.name, hosted.composition, parts, of_project)
                for variant in hosted.variants:
                    self._note(project, document.name, variant.name, own)

    def _note(self, project: str, endpoint: str, variant: str, grown: dict[Key, float]) -> None:
        name = own_name(variant)
        mine = {key: value for key, value in grown.items() if key.variant.removesuffix(_NEW) in ("", name)}
        answered = sum(value for key, value in mine.items() if key.what == "answered")
        seconds = sum(value for key, value in mine.items() if key.what == "seconds")
        client = sum(value for key, value in mine.items() if _is_failure(key, is_client=True))
        server = sum(value for key, value in mine.items() if _is_failure(key, is_client=False))
        dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        for what, count in (
            ("Invocations", answered + client + server),
            ("Invocation4XXErrors", client),
            ("Invocation5XXErrors", server),
        ):
            if count:
                self._add(project, Metric(namespace=NAMESPACE, name=what, dimensions=dimensions), count)
        if answered:
            mean = seconds / answered * _MICROSECONDS
            latency = Metric(namespace=NAMESPACE, name="ModelLatency", dimensions=dimensions)
            self._series.add(project, latency, Statistics(answered, mean * answered, mean, mean), unit="Microseconds")

    def _add(self, project: str, metric: Metric, count: float) -> None:
        self._series.add(project, metric, Statistics(count, count, 1.0, 1.0), unit="Count")


def _of_parts(
    endpoint: str, composition: Composition, parts: Sequence[str], grown: Mapping[Key, float]
) -> dict[Key, float]:
    """What the parts of an endpoint have counted, as the endpoint's: a request to containers in a row counts once."""
    names = {own_name(part) for part in parts}
    found = {key: value for key, value in grown.items() if key.endpoint in names}
    if composition.mode is not CompositionMode.SERIAL:
        return found
    last = own_name(container_name(endpoint, composition.containers[-1].hostname))
    return {key: value for key, value in found.items() if key.what != "answered" or key.endpoint == last}


def _counts(text: str) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            what = _COUNTERS.get(sample.name)
            labels = sample.labels
            if what is not None and labels.get("endpoint"):
                key = Key(labels["project"], labels["endpoint"], labels["variant"], labels.get("code", what))
                found[key] = sample.value
    return found


def _grown(now: float, before: float) -> float:
    """A counter that is smaller than before has begun anew."""
    return now - before if now >= before else now


def _is_failure(key: Key, *, is_client: bool) -> bool:
    if key.what in _COUNTERS.values():
        return False
    return is_client == (key.what.startswith(_CLIENT_STATUS) or key.what in _client_codes())


def _client_codes() -> set[str]:
    """Codes of errors that are the caller's."""
    return {kind.code for family in _CLIENT_FAULTS for kind in _below(family)}


def _below(family: type[errors.ModelyardError]) -> Iterator[type[errors.ModelyardError]]:
    yield family
    for kind in family.__subclasses__():
        yield from _below(kind)
