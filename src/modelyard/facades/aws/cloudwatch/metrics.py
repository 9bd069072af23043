"""PutMetricData and what reads metrics."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from modelyard.control.hosting.alarms.records import BUCKET_SECONDS, Metric, Series, Statistics
from modelyard.control.hosting.alarms.series import MetricSeries
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action

STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_PERIODS = f"Periods are whole multiples of {BUCKET_SECONDS} s; values are kept for three hours; no percentiles"


class MetricOperations:
    """Metrics: values under a name."""

    def __init__(self, series: MetricSeries) -> None:
        self._series = series

    @operation("cloudwatch", "PutMetricData", Action.OPERATE, partly="Values older than three hours are not kept.")
    def put_metric_data(self, call: Call, request: Request) -> Answer:
        """Values, one by one or as statistics."""
        if request["Namespace"].startswith("AWS/"):
            raise invalid("Namespaces that begin with AWS/ are the platform's own.")
        data = [(metric_of({**datum, "Namespace": request["Namespace"]}), datum) for datum in request["MetricData"]]
        for metric, datum in data:
            for statistics in _statistics(datum):
                self._series.add(call.project, metric, statistics, datum.get("Timestamp"), datum.get("Unit", ""))
        return {}

    @operation("cloudwatch", "ListMetrics", Action.READ, partly="RecentlyActive has no effect; all come in one page.")
    def list_metrics(self, call: Call, request: Request) -> Answer:
        """Every metric that has values and the wanted name and dimensions."""
        wanted = [(each["Name"], each.get("Value")) for each in request.get("Dimensions", ())]
        found = [_shown(each) for each in self._series.list(call.project) if _is_wanted(each, request, wanted)]
        return {"Metrics": found}

    @operation("cloudwatch", "GetMetricStatistics", Action.READ, partly=f"{_PERIODS}.")
    def get_metric_statistics(self, call: Call, request: Request) -> Answer:
        """The statistics of each period that has values."""
        if request.get("ExtendedStatistics") or not request.get("Statistics"):
            raise invalid(f"Statistics must name some of {', '.join(STATISTICS)}; percentiles are not kept.")
        unit, found = self._periods(call, metric_of(request), request["StartTime"], request["EndTime"], request)
        points = [
            {"Timestamp": start, "Unit": unit, **{name: each.named(name) for name in request["Statistics"]}}
            for start, each in found.items()
        ]
        return {"Label": request["MetricName"], "Datapoints": points}

    @operation("cloudwatch", "GetMetricData", Action.READ, partly=f"{_PERIODS} and no expressions.")
    def get_metric_data(self, call: Call, request: Request) -> Answer:
        """One statistic of several metrics."""
        is_descending = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = []
        for query in request["MetricDataQueries"]:
            wanted = query.get("MetricStat")
            if wanted is None or wanted["Stat"] not in STATISTICS:
                raise invalid(f"Each query needs a MetricStat with one of {', '.join(STATISTICS)}; no expressions.")
            metric = metric_of(wanted["Metric"])
            _, found = self._periods(call, metric, request["StartTime"], request["EndTime"], wanted)
            starts = sorted(found, reverse=is_descending)
            if query.get("ReturnData", True):
                results.append(
                    {
                        "Id": query["Id"],
                        "Label": query.get("Label", metric.name),
                        "Timestamps": starts,
                        "Values": [found[start].named(wanted["Stat"]) for start in starts],
                        "StatusCode": "Complete",
                    }
                )
        return {"MetricDataResults": results}

    def _periods(
        self, call: Call, metric: Metric, start: datetime, end: datetime, request: Request
    ) -> tuple[str, dict[datetime, Statistics]]:
        period = request["Period"]
        check_period(period)
        first = datetime.fromtimestamp(start.timestamp() // period * period, start.tzinfo)
        return self._series.periods(call.project, metric, first, end, period)


def metric_of(request: dict[str, Any]) -> Metric:
    """The metric that Namespace, MetricName and Dimensions name."""
    dimensions = sorted((each["Name"], each["Value"]) for each in request.get("Dimensions", ()))
    return Metric(namespace=request["Namespace"], name=request["MetricName"], dimensions=tuple(dimensions))


def dimensions_shown(metric: Metric) -> list[dict[str, str]]:
    """Dimensions, as clients read them."""
    return [{"Name": name, "Value": value} for name, value in metric.dimensions]


def check_period(seconds: int) -> None:
    """Nothing if there are values for such a period.

    Raises:
        AwsError: it is shorter than what values are kept for, or no multiple of it.
    """
    if seconds < BUCKET_SECONDS or seconds % BUCKET_SECONDS:
        raise invalid(f"Period must be a multiple of {BUCKET_SECONDS} seconds, not {seconds}.")


def invalid(message: str) -> AwsError:
    """A request that CloudWatch does not take."""
    return AwsError("InvalidParameterValue", message)


def _statistics(datum: dict[str, Any]) -> Iterator[Statistics]:
    if "StatisticValues" in datum:
        told = datum["StatisticValues"]
        if told["SampleCount"] > 0:
            yield Statistics(told["SampleCount"], told["Sum"], told["Minimum"], told["Maximum"])
        return
    values = datum.get("Values") or ([datum["Value"]] if "Value" in datum else [])
    counts = datum.get("Counts") or [1.0] * len(values)
    if not values or len(values) != len(counts):
        raise invalid(f"{datum['MetricName']} needs a Value, StatisticValues, or Values with as many Counts.")
    for value, count in zip(values, counts, strict=True):
        yield Statistics(count, value * count, value, value)


def _is_wanted(series: Series, request: Request, wanted: list[tuple[str, str | None]]) -> bool:
    metric = series.metric
    own = dict(metric.dimensions)
    return (
        request.get("Namespace", metric.namespace) == metric.namespace
        and request.get("MetricName", metric.name) == metric.name
        and all(name in own and value in (None, own[name]) for name, value in wanted)
    )


def _shown(series: Series) -> dict[str, Any]:
    metric = series.metric
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions_shown(metric)}
