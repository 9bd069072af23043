"""Builders of model versions for tests: small, complete, different where a test says so."""

from collections.abc import Callable
from typing import Any

import pytest

from modelyard.types.models import ArtifactFormat, Manifest, Metric, ModelCard
from modelyard.types.signatures import DataType, Signature, TensorSpec


def make_manifest(**card: Any) -> Manifest:
    signature = Signature(
        inputs=(TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 8, 8)),),
        outputs=(
            TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,)),
            TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("zero", "one")),
        ),
    )
    metrics = tuple(Metric(name=name, value=value) for name, value in card.pop("metrics", {}).items())
    fields = {"task": "image-classification", "metrics": metrics, **card}
    return Manifest(
        artifact="model.onnx", artifact_format=ArtifactFormat.ONNX, signature=signature, card=ModelCard(**fields)
    )


@pytest.fixture
def manifest() -> Callable[..., Manifest]:
    """`manifest(metrics={"accuracy": 0.97}, tags=("x",))`: a manifest with these card fields."""
    return make_manifest
