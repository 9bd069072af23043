"""PutMetricAlarm and its siblings."""

from typing import Any

from modelyard.control.hosting.alarms.alarms import COMPARISONS, MetricAlarms
from modelyard.control.hosting.alarms.records import Alarm
from modelyard.facades.aws.cloudwatch.metrics import STATISTICS, check_period, dimensions_shown, invalid, metric_of
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action

_NEEDED = ("MetricName", "Namespace", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator")
_PARTLY = "On one metric and one of its plain statistics. Actions are not carried out: rollbacks look at the alarm."
_MOST_SECONDS = 3600
_MOST_RECORDS = 100


class AlarmOperations:
    """Alarms on metrics."""

    def __init__(self, alarms: MetricAlarms) -> None:
        self._alarms = alarms

    @operation("cloudwatch", "PutMetricAlarm", Action.OPERATE, partly=_PARTLY)
    def put_metric_alarm(self, call: Call, request: Request) -> Answer:
        """A new alarm, or another meaning for one."""
        missing = [name for name in _NEEDED if name not in request]
        if missing:
            raise invalid(f"The alarm needs {', '.join(missing)}; alarms on expressions are not carried out.")
        if request["ComparisonOperator"] not in COMPARISONS or request.get("Statistic") not in STATISTICS:
            raise invalid(f"Statistic must be one of {', '.join(STATISTICS)}, compared with a fixed threshold.")
        check_period(request["Period"])
        periods = int(request["EvaluationPeriods"])
        if request["Period"] * periods > _MOST_SECONDS:
            raise invalid("Period times EvaluationPeriods must be an hour at most.")
        alarm = Alarm(
            metric=metric_of(request),
            statistic=request["Statistic"],
            comparison=request["ComparisonOperator"],
            threshold=request["Threshold"],
            period_seconds=request["Period"],
            periods=periods,
            breaching=int(request.get("DatapointsToAlarm") or periods),
            missing=request.get("TreatMissingData", "missing"),
        )
        self._alarms.put(call.project, request["AlarmName"], alarm)
        return {}

    @operation("cloudwatch", "DescribeAlarms", Action.READ, partly="Metric alarms only.")
    def describe_alarms(self, call: Call, request: Request) -> Answer:
        """With their state, which is worked out now."""
        names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix", "")
        limit = request.get("MaxRecords", _MOST_RECORDS)
        after = request.get("NextToken", "")
        shown: list[dict[str, Any]] = []
        for name, alarm in self._alarms.list(call.project):
            if name <= after or not name.startswith(prefix) or (names and name not in names):
                continue
            described = self._described(call, name, alarm)
            if request.get("StateValue", described["StateValue"]) != described["StateValue"]:
                continue
            if len(shown) == limit:
                return {"MetricAlarms": shown, "NextToken": shown[-1]["AlarmName"]}
            shown.append(described)
        return {"MetricAlarms": shown}

    @operation("cloudwatch", "DeleteAlarms", Action.OPERATE)
    def delete_alarms(self, call: Call, request: Request) -> Answer:
        """All of them, or none if one is not there."""
        absent = [name for name in request["AlarmNames"] if self._alarms.find(call.project, name) is None]
        if absent:
            raise AwsError("ResourceNotFound", f"There is no alarm {absent[0]}.", status=404)
        for name in request["AlarmNames"]:
            self._alarms.remove(call.project, name)
        return {}

    def _described(self, call: Call, name: str, alarm: Alarm) -> dict[str, Any]:
        standing = self._alarms.standing(call.project, alarm)
        return {
            "AlarmName": name,
            "AlarmArn": call.arn(f"alarm:{name}", "cloudwatch"),
            "ActionsEnabled": True,
            "StateValue": standing.state,
            "StateReason": standing.reason,
            "Namespace": alarm.metric.namespace,
            "MetricName": alarm.metric.name,
            "Dimensions": dimensions_shown(alarm.metric),
            "Statistic": alarm.statistic,
            "Period": alarm.period_seconds,
            "EvaluationPeriods": alarm.periods,
            "DatapointsToAlarm": alarm.breaching,
            "Threshold": alarm.threshold,
            "ComparisonOperator": alarm.comparison,
            "TreatMissingData": alarm.missing,
        }
