"""What the containers of CreateModel mean."""

from typing import Any

import pytest

from modelyard.facades.aws.sagemaker.hosting.containers import composition_of, containers_of
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.types.serving.hosting import CompositionMode

ONE: dict[str, Any] = {"Image": "one"}
MULTI: dict[str, Any] = {"Image": "one", "Mode": "MultiModel", "ModelDataUrl": "s3://b/folder/"}


def test_one_container_serves_alone():
    for request in ({"PrimaryContainer": ONE}, {"Containers": [ONE]}):
        assert composition_of(request) is None
        assert [each.image for each in containers_of(request)] == ["one"]


def test_a_container_of_many_models_has_targets():
    composition = composition_of({"PrimaryContainer": MULTI})
    assert composition.mode is CompositionMode.TARGETS
    assert composition.containers[0].data_url == "s3://b/folder/"


@pytest.mark.parametrize(
    ("execution", "mode"),
    [
        ({}, CompositionMode.SERIAL),
        ({"Mode": "Serial"}, CompositionMode.SERIAL),
        ({"Mode": "Direct"}, CompositionMode.DIRECT),
    ],
)
def test_several_containers_have_hostnames_and_a_mode(execution: dict[str, str], mode: CompositionMode):
    containers = [ONE, {"Image": "two", "ContainerHostname": "last"}]
    composition = composition_of({"Containers": containers, "InferenceExecutionConfig": execution})
    assert composition.mode is mode
    assert [each.hostname for each in composition.containers] == ["container-1", "last"]


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        ([{}], "needs an Image"),
        ([ONE] * 16, "at most 15"),
        ([ONE, {"Image": "two", "ContainerHostname": "container-1"}], "of its own"),
        ([ONE, MULTI], "must be the only one"),
        ([{**MULTI, "ModelDataUrl": "folder"}], "needs a ModelDataUrl"),
    ],
)
def test_containers_that_do_not_go_together_are_refused(containers: list[dict[str, Any]], words: str):
    with pytest.raises(AwsError, match=words):
        composition_of({"Containers": containers})
