"""Search expressions over records."""

from datetime import UTC, datetime

import pytest

from modelyard.facades.aws.sagemaker.search.expressions import check, matches, sort_key
from modelyard.facades.aws.wire.errors import AwsError

RECORD = {
    "TrainingJobName": "wine-1",
    "TrainingJobStatus": "Completed",
    "CreationTime": datetime(2026, 1, 2, tzinfo=UTC),
    "BillableTimeInSeconds": 30,
    "EnableManagedSpotTraining": False,
    "HyperParameters": {"num_round": "10", "tree.depth": "3"},
    "Tags": [{"Key": "team", "Value": "red"}],
    "FinalMetricDataList": [{"MetricName": "validation:auc", "Value": 0.91}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/train"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/test"}}},
    ],
}


def term(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    return {"Name": name, "Operator": operator} | ({} if value is None else {"Value": value})


@pytest.mark.parametrize(
    ("chosen", "is_found"),
    [
        ({"Name": "TrainingJobStatus", "Value": "Completed"}, True),
        ({"Name": "FailureReason"}, False),
        (term("TrainingJobName", "Contains", "wine"), True),
        (term("TrainingJobName", "In", "beer-1, wine-1"), True),
        (term("TrainingJobName", "NotEquals", "wine-1"), False),
        (term("FailureReason", "NotEquals", "x"), True),
        (term("FailureReason", "NotExists"), True),
        (term("Tags.team", "Equals", "red"), True),
        (term("Tags.owner", "Exists"), False),
        (term("HyperParameters.num_round", "Equals", "10"), True),
        (term("HyperParameters.tree.depth", "Equals", "3"), True),
        (term("Metrics.validation:auc", "GreaterThan", "0.9"), True),
        (term("Metrics.validation:auc", "LessThanOrEqualTo", "0.9"), False),
        (term("BillableTimeInSeconds", "Equals", "30"), True),
        (term("EnableManagedSpotTraining", "Equals", "false"), True),
        (term("CreationTime", "GreaterThanOrEqualTo", "2026-01-02T00:00:00"), True),
        (term("CreationTime", "LessThan", "2026-01-02T00:00:00Z"), False),
        (term("InputDataConfig.ChannelName", "Equals", "test"), True),
    ],
)
def test_a_filter_compares_by_the_type_of_its_property(chosen, is_found):
    assert matches(RECORD, {"Filters": [chosen]}) is is_found


def test_filters_are_joined_nested_and_put_into_expressions():
    yes, no = term("TrainingJobStatus", "Equals", "Completed"), term("TrainingJobStatus", "Equals", "Failed")
    assert not matches(RECORD, {"Filters": [yes, no]})
    assert matches(RECORD, {"Filters": [yes, no], "Operator": "Or"})
    assert matches(RECORD, {"SubExpressions": [{"Filters": [no, yes], "Operator": "Or"}], "Filters": [yes]})
    uri = "InputDataConfig.DataSource.S3DataSource.S3Uri"
    for channel, is_found in (("train", True), ("test", False)):
        both = [term("InputDataConfig.ChannelName", "Equals", channel), term(uri, "Equals", "s3://b/train")]
        assert (
            matches(RECORD, {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": both}]}) is is_found
        )
    assert matches(RECORD, {})


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (term("TrainingJobName", "GreaterThan", "a"), "numbers and times only"),
        (term("BillableTimeInSeconds", "Contains", "3"), "texts only"),
        (term("BillableTimeInSeconds", "GreaterThan", "many"), "not a value"),
        (term("CreationTime", "LessThan", "soon"), "not a value"),
        (term("TrainingJobName", "Equals"), "needs a Value"),
    ],
)
def test_what_cannot_be_compared_is_refused(chosen, words):
    with pytest.raises(AwsError, match=words):
        matches(RECORD, {"Filters": [chosen]})


def test_unknown_properties_and_too_many_filters_are_refused():
    properties = frozenset(RECORD)
    check({"Filters": [term("Tags.any", "Exists"), term("Metrics.loss", "Exists")]}, properties)
    with pytest.raises(AwsError, match="Unknown property name: Colour"):
        check({"SubExpressions": [{"Filters": [term("Colour", "Exists")]}]}, properties)
    with pytest.raises(AwsError, match="may have 50 filters"):
        check({"Filters": [term("Tags.any", "Exists")] * 51}, properties)


def test_records_without_the_property_come_first():
    ordered = sorted([{"n": 2}, {}, {"n": 1}], key=lambda each: sort_key(each, "n"))
    assert ordered == [{}, {"n": 1}, {"n": 2}]
