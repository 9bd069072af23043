"""Pipelines that were trained on pandas frames and pick columns by name are compiled and answer as in pandas."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from frames import PIPELINES, customers, leaves, tensors_of
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor
from modelyard.runtimes.bundle import load_bundle, read_compilation
from modelyard.runtimes.formats.onnx import OnnxPredictor
from modelyard.runtimes.formats.skops import SkopsPredictor, estimator_signature
from modelyard.runtimes.inspect import inspect
from modelyard.types.compilation import VariantState
from modelyard.types.models import Manifest
from modelyard.types.signatures import Signature

TRAINED_ON = customers()


def registered(pipeline: Any, folder: Path) -> tuple[Manifest, Predictor]:
    skops.io.dump(pipeline, folder / "model.skops")
    (folder / "bundle").mkdir()
    inspect(folder / "model.skops", folder / "bundle")
    return load_bundle(folder / "bundle")


def assert_answers_as_in_pandas(predictor: Predictor, signature: Signature, pipeline: Pipeline, frame: Any) -> None:
    answer = predictor.predict(tensors_of(frame, signature))
    np.testing.assert_array_equal(answer["label"], pipeline.predict(frame))
    np.testing.assert_allclose(answer["probabilities"], pipeline.predict_proba(frame), atol=1e-5)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_over_named_columns_is_compiled_and_answers_as_in_pandas(name: str, tmp_path: Path) -> None:
    pipeline = PIPELINES[name]().fit(TRAINED_ON, leaves(TRAINED_ON))
    manifest, predictor = registered(pipeline, tmp_path)
    assert isinstance(predictor, OnnxPredictor)
    seen, unseen = customers(seed=1), customers(rows=50, seed=2)
    unseen["city"], unseen["children"] = "utrecht", 9
    for frame in (TRAINED_ON, seen, unseen):
        assert_answers_as_in_pandas(predictor, manifest.signature, pipeline, frame)
        native = SkopsPredictor(pipeline, manifest.signature, threads=1)
        assert_answers_as_in_pandas(native, manifest.signature, pipeline, frame)
    assert {column for spec in manifest.signature.inputs for column in spec.columns} <= set(TRAINED_ON.columns)


def test_it_is_served_by_what_is_faster_than_the_pipeline_itself(tmp_path: Path) -> None:
    registered(PIPELINES["one-hot, logistic regression"]().fit(TRAINED_ON, leaves(TRAINED_ON)), tmp_path)
    compilation = read_compilation(tmp_path / "bundle")
    assert compilation is not None
    times = {
        name: next(timing.microseconds for timing in variant.timings if timing.batch == 1)
        for variant in compilation.variants
        if (name := variant.name) in ("original", compilation.served)
    }
    assert times[compilation.served] * 5 < times["original"]


def test_only_the_columns_that_may_be_missing_may_be_missing() -> None:
    pipeline = PIPELINES["the remaining columns pass"]().fit(TRAINED_ON, leaves(TRAINED_ON))
    inputs = estimator_signature(pipeline).inputs
    assert [(spec.name, spec.columns, spec.allows_missing) for spec in inputs] == [
        ("numeric", ("income", "age"), True),
        ("numeric_required", ("children",), False),
        ("categorical", ("city", "plan"), True),
    ]


def test_a_category_that_the_pipeline_refuses_is_refused_by_the_compiled_form_too(tmp_path: Path) -> None:
    columns = ColumnTransformer([("texts", OneHotEncoder(), ["plan"]), ("age", SimpleImputer(), ["age"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(TRAINED_ON, leaves(TRAINED_ON))
    manifest, predictor = registered(pipeline, tmp_path)
    assert isinstance(predictor, OnnxPredictor)
    frame = TRAINED_ON.assign(plan="another")
    with pytest.raises(ValueError, match="unknown categories"):
        pipeline.predict(frame)
    with pytest.raises(PredictionFailedError):
        predictor.predict(tensors_of(frame, manifest.signature))


def test_what_the_converter_gets_wrong_is_not_served_and_the_card_says_so(tmp_path: Path) -> None:
    columns = ColumnTransformer([("age", SimpleImputer(add_indicator=True), ["age"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(TRAINED_ON, leaves(TRAINED_ON))
    manifest, predictor = registered(pipeline, tmp_path)
    assert isinstance(predictor, SkopsPredictor)
    assert_answers_as_in_pandas(predictor, manifest.signature, pipeline, TRAINED_ON)
    compilation = read_compilation(tmp_path / "bundle")
    assert compilation is not None
    onnx = compilation.variant("onnx")
    assert onnx is not None
    assert onnx.state in (VariantState.DIFFERS, VariantState.FAILED)
    assert manifest.card.findings == (f"served by skops itself and not as ONNX: {onnx.reason}",)


def test_a_step_that_names_columns_further_back_is_refused_with_what_to_do() -> None:
    scaled = StandardScaler().set_output(transform="pandas")
    columns = ColumnTransformer([("age", "passthrough", ["age"])])
    pipeline = make_pipeline(scaled, columns, LogisticRegression())
    numbers = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "income": [1.0, 1.0, 2.0, 2.0]})
    pipeline.fit(numbers, [0, 1, 0, 1])
    with pytest.raises(ArtifactInvalidError, match="picks its columns by name") as caught:
        estimator_signature(pipeline)
    assert "skl2onnx.to_onnx" in caught.value.hint
