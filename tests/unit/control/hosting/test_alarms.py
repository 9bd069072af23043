from datetime import timedelta

import pytest

from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.alarms.alarms import MetricAlarms
from modelyard.control.hosting.alarms.figures import EndpointFigures
from modelyard.control.hosting.alarms.records import Alarm, AlarmState, Metric, Statistics
from modelyard.control.hosting.alarms.series import KEPT, MetricSeries
from modelyard.control.hosting.records import ENDPOINT, HostedEndpoint, to_content
from modelyard.errors import UnavailableError
from modelyard.kit.clock import FakeClock
from modelyard.kit.foreign_names import container_name, own_name
from modelyard.types.serving.hosting import Composition, CompositionMode, HostedVariant, ModelContainer

ERRORS = Metric(namespace="App", name="Errors", dimensions=(("Stage", "live"),))
P = "default"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def documents(database, clock) -> DocumentService:
    return DocumentService(database, DocumentRepository(), clock)


@pytest.fixture
def series(documents, clock) -> MetricSeries:
    return MetricSeries(documents, clock)


@pytest.fixture
def alarms(documents, series, clock) -> MetricAlarms:
    return MetricAlarms(documents, series, clock)


def one(value: float) -> Statistics:
    return Statistics(1.0, value, value, value)


def alarm(**changes) -> Alarm:
    known = {
        "metric": ERRORS,
        "statistic": "Sum",
        "comparison": "GreaterThanThreshold",
        "threshold": 5.0,
        "period_seconds": 60,
        "periods": 1,
        "breaching": 1,
    }
    return Alarm(**(known | changes))


def test_values_of_a_period_are_joined_and_old_ones_forgotten(series, clock):
    series.add(P, ERRORS, one(2.0), unit="Count")
    series.add(P, ERRORS, Statistics(3.0, 9.0, 1.0, 5.0))
    start = clock.now() - timedelta(seconds=30)
    unit, found = series.periods(P, ERRORS, start, start + timedelta(minutes=1), 60)
    assert (unit, found) == ("Count", {start: Statistics(4.0, 11.0, 1.0, 5.0)})
    assert found[start].named("Average") == 11.0 / 4
    assert series.periods("other", ERRORS, start, start + timedelta(minutes=1), 60) == ("None", {})
    clock.sleep(KEPT.total_seconds() + 60)
    series.add(P, ERRORS, one(1.0))
    assert len(next(iter(series.list(P))).buckets) == 1


def test_an_alarm_goes_off_with_its_metric_and_is_over_with_the_next_quiet_period(alarms, series, clock):
    alarms.put(P, "high", alarm())
    assert alarms.standing(P, alarm()).state is AlarmState.UNKNOWN
    series.add(P, ERRORS, one(9.0))
    assert "Alarm high: 1 of the last 1 periods were out of bounds (the last of them 9" in alarms.firing(P, ["high"])
    clock.sleep(120)
    series.add(P, ERRORS, one(1.0))
    assert alarms.standing(P, alarm()).state is AlarmState.OK
    assert alarms.firing(P, ["high", "gone"]) == ""


def test_so_many_of_the_last_periods_must_be_out_of_bounds(alarms, series, clock):
    wanted = alarm(periods=3, breaching=2)
    for value, state in ((9.0, AlarmState.OK), (1.0, AlarmState.OK), (9.0, AlarmState.ALARM)):
        series.add(P, ERRORS, one(value))
        assert alarms.standing(P, wanted).state is state
        clock.sleep(60)


@pytest.mark.parametrize(
    ("missing", "state"),
    [("missing", AlarmState.UNKNOWN), ("notBreaching", AlarmState.OK), ("breaching", AlarmState.ALARM)],
)
def test_periods_without_values_count_as_the_alarm_says(alarms, missing, state):
    assert alarms.standing(P, alarm(missing=missing)).state is state


def text(answered: int, failed: int, bad: int, endpoint: str = "Churn") -> str:
    where = f'project="{P}",endpoint="{own_name(endpoint)}",variant='
    name = own_name("AllTraffic")
    return f"""# TYPE modelyard_inference_requests counter
modelyard_inference_requests_total{{{where}"{name}"}} {answered}
# TYPE modelyard_inference_failures counter
modelyard_inference_failures_total{{{where}"{name}.new",code="model_status_500"}} {failed}
modelyard_inference_failures_total{{{where}"",code="overloaded"}} {bad}
# TYPE modelyard_inference_latency_seconds histogram
modelyard_inference_latency_seconds_sum{{{where}"{name}"}} {answered * 0.002}
"""


def test_what_the_gateway_counts_becomes_the_metrics_of_endpoints(documents, series, clock):
    hosted = HostedEndpoint(label="one", variants=(HostedVariant(name="AllTraffic", model="Churn"),))
    documents.create(ENDPOINT, P, "Churn", to_content(hosted))
    texts = iter([text(5, 0, 0), text(15, 3, 1), None, text(15, 3, 1), text(1, 0, 0)])

    def source() -> str:
        found = next(texts)
        if found is None:
            raise UnavailableError("no gateway", hint="Wait.")
        return found

    figures = EndpointFigures(documents, series, source, lambda *_: None)
    for _ in range(4):
        figures.look()

    def total(name: str) -> float:
        metric = Metric(
            namespace="AWS/SageMaker",
            name=name,
            dimensions=(("EndpointName", "Churn"), ("VariantName", "AllTraffic")),
        )
        end = clock.now() + timedelta(minutes=1)
        _, found = series.periods(P, metric, end - timedelta(minutes=2), end, 120)
        return next(iter(found.values())).named("Average" if name == "ModelLatency" else "Sum")

    assert (total("Invocations"), total("Invocation4XXErrors"), total("Invocation5XXErrors")) == (14, 1, 3)
    assert total("ModelLatency") == pytest.approx(2000)
    figures.look()  # the gateway has begun anew
    assert total("Invocations") == 15


@pytest.mark.parametrize(("mode", "asked"), [(CompositionMode.SERIAL, 4), (CompositionMode.DIRECT, 8)])
def test_what_containers_are_asked_counts_for_their_endpoint(documents, series, clock, mode, asked):
    variants = (HostedVariant(name="AllTraffic", model="Row"),)
    containers = tuple(ModelContainer(image=name, hostname=name) for name in ("scaler", "booster"))
    whole = HostedEndpoint(label="one", variants=variants, composition=Composition(mode=mode, containers=containers))
    documents.create(ENDPOINT, P, "Row", to_content(whole))
    parts = [container_name("Row", each.hostname) for each in containers]
    for part in parts:
        documents.create(ENDPOINT, P, part, to_content(HostedEndpoint(label="", variants=variants)))
    texts = iter(["\n".join(text(count, 0, 0, endpoint=part) for part in parts) for count in (0, 4)])
    figures = EndpointFigures(documents, series, lambda: next(texts), lambda *_: None)
    for _ in range(2):
        figures.look()
    end = clock.now() + timedelta(minutes=1)

    def value(endpoint: str, name: str, statistic: str) -> float:
        dimensions = (("EndpointName", endpoint), ("VariantName", "AllTraffic"))
        metric = Metric(namespace="AWS/SageMaker", name=name, dimensions=dimensions)
        _, found = series.periods(P, metric, end - timedelta(minutes=2), end, 120)
        return next(iter(found.values())).named(statistic)

    assert value("Row", "Invocations", "Sum") == asked
    assert value(parts[0], "Invocations", "Sum") == 4
    both = value("Row", "ModelLatency", "Average") * asked
    assert both == pytest.approx(sum(value(part, "ModelLatency", "Average") * 4 for part in parts))
