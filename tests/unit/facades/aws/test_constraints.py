"""What a service's model demands of members beyond their types."""

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from modelyard.facades.aws.wire.constraints import in_words, violations

TRAIN = (
    ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
    .operation_model("CreateTrainingJob")
    .input_shape
)


@pytest.mark.parametrize(
    ("members", "where", "constraint"),
    [
        ({"TrainingJobName": "bad_name"}, "trainingJobName", "regular expression pattern"),
        ({"TrainingJobName": "x" * 64}, "trainingJobName", "length less than or equal to 63"),
        ({"RoleArn": "arn:aws:s3:::not-a-role-at-all"}, "roleArn", "regular expression pattern"),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "Files"}},
            "algorithmSpecification.trainingInputMode",
            "enum",
        ),
        (
            {"ResourceConfig": {"VolumeSizeInGB": -1}},
            "resourceConfig.volumeSizeInGB",
            "value greater than or equal to 0",
        ),
        ({"InputDataConfig": [{"ChannelName": "a b"}]}, "inputDataConfig.1.member.channelName", "pattern"),
        ({"Tags": [{"Key": "k", "Value": "v"}] * 51}, "tags", "length less than or equal to 50"),
        ({"HyperParameters": {"k": "v" * 2501}}, "hyperParameters.k.member", "less than or equal to 2500"),
    ],
)
def test_each_constraint_is_told_with_its_member(members, where, constraint):
    (found,) = violations(members, TRAIN)
    assert f"at '{where}' failed to satisfy constraint" in found
    assert constraint in found
    assert in_words([found]).startswith("1 validation error detected: Value ")


def test_what_the_model_allows_passes_and_instance_types_are_open():
    members = {
        "TrainingJobName": "good-name-1",
        "RoleArn": "arn:aws:iam::123456789012:role/service-role/Name",
        "ResourceConfig": {"InstanceType": "ml.of-tomorrow.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "Tags": [{"Key": "größe", "Value": ""}],  # a pattern of Java's that Python does not read counts for nothing
    }
    assert violations(members, TRAIN) == []
    assert violations({}, None) == []
