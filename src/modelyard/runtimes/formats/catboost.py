"""CatBoost's own binary format (.cbm), through CatBoost, an extra.

A category is whatever text stands for it: CatBoost takes the number 3 and the text "3" for the same one. The file keeps
hashes of categories, not their texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelyard.runtimes.base import (
    ArtifactInvalidError,
    PredictionFailedError,
    Predictor,
    Runtime,
    Tensor,
    Tensors,
    numpy_dtype,
)
from modelyard.runtimes.formats.answers import classifier_outputs, classify, regress, regressor_outputs, table_input
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class _Features:
    """Where the columns of requests stand among the features of a model.

    Attributes:
        names: of all features; empty if they have none.
        numeric: positions of numbers.
        categorical: positions of categories.
    """

    names: tuple[str, ...]
    numeric: tuple[int, ...]
    categorical: tuple[int, ...]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs of a signature: numbers, and categories as texts."""
        if not self.categorical:
            return table_input(self.names, len(self.numeric), allows_missing=True)
        kinds = (("numeric", DataType.FP32, self.numeric), ("categorical", DataType.BYTES, self.categorical))
        return tuple(
            TensorSpec(
                name=name,
                datatype=datatype,
                shape=(-1, len(positions)),
                columns=tuple(self.names[position] for position in positions),
                allows_missing=True,
            )
            for name, datatype, positions in kinds
            if positions
        )

    def data(self, inputs: Mapping[str, Tensor]) -> Any:
        """A batch as CatBoost takes it."""
        if not self.categorical:
            return inputs["numeric"]

        import catboost  # noqa: PLC0415 - an extra

        texts = inputs["categorical"]
        table = np.empty((len(texts), len(self.numeric) + len(self.categorical)), dtype=object)
        table[:, self.categorical] = texts
        if self.numeric:
            table[:, self.numeric] = inputs["numeric"]
        return catboost.Pool(table, cat_features=list(self.categorical))


class CatboostPredictor(Predictor):
    """Not thread-safe."""

    def __init__(self, model: Any, signature: Signature, threads: int) -> None:
        self._model = model
        self._features = _features(model)
        self._signature = signature
        self._threads = threads

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Label and probabilities of a classifier, a prediction of the others."""
        is_classifier = bool(self._signature.class_names)
        kind = "Probability" if is_classifier else "RawFormulaVal"
        try:
            data = self._features.data(inputs)
            values = self._model.predict(data, prediction_type=kind, thread_count=self._threads)
        except Exception as error:  # CatBoost's own errors and those of its bindings have no common base
            raise PredictionFailedError(error) from error
        return classify(self._signature, np.asarray(values)) if is_classifier else regress(np.asarray(values))


class CatboostRuntime(Runtime):
    """Loads binary models on numbers and categories."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.CATBOOST

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: damaged, or other features than the signature's.
        """
        model = open_model(artifact)
        own, said = _widths(_features(model).inputs), _widths(signature.inputs)
        if own != said:
            raise ArtifactInvalidError(
                f"the artifact takes {own}, its signature says {said}",
                hint="Register the bare artifact and let the signature be inferred.",
            )
        return CatboostPredictor(model, signature, threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """Feature names and classes from the model.

        Raises:
            ArtifactInvalidError: damaged, or a model on texts.
        """
        model = open_model(artifact)
        features = _features(model)
        classes = np.asarray(model.classes_)
        if not classes.size:
            zero = {spec.name: np.zeros((1, spec.shape[-1]), numpy_dtype(spec.datatype)) for spec in features.inputs}
            probe = np.asarray(model.predict(features.data(zero)))
            outputs = regressor_outputs(probe.shape[1] if probe.ndim > 1 else 1)
            return Signature(inputs=features.inputs, outputs=outputs)
        is_number = classes.dtype.kind in "iu"
        outputs = classifier_outputs([str(name) for name in classes], DataType.INT64 if is_number else DataType.BYTES)
        return Signature(inputs=features.inputs, outputs=outputs)


def has_categories(model: Any) -> bool:
    """True if a catboost.CatBoost takes categories."""
    return bool(model.get_cat_feature_indices())


def _features(model: Any) -> _Features:
    names = [str(name) for name in model.feature_names_]
    categorical = tuple(model.get_cat_feature_indices())
    is_named = names != [str(number) for number in range(len(names))]
    return _Features(
        names=tuple(names) if is_named or categorical else (),
        numeric=tuple(position for position in range(len(names)) if position not in categorical),
        categorical=categorical,
    )


def _widths(inputs: tuple[TensorSpec, ...]) -> str:
    """The inputs in words."""
    return " and ".join(f"{spec.shape[-1]} in '{spec.name}'" for spec in inputs)


def open_model(artifact: Path) -> Any:
    """A catboost.CatBoost on numbers and categories.

    Raises:
        ArtifactInvalidError: CatBoost is not installed, cannot read the file, or the model takes other features.
    """
    try:
        import catboost  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ArtifactInvalidError(
            "the artifact is a CatBoost model, and CatBoost is not installed here",
            hint="Install modelyard[catboost] where the platform runs, or save the model as ONNX: "
            "model.save_model('model.onnx', format='onnx').",
        ) from error
    model = catboost.CatBoost()
    try:
        model.load_model(str(artifact), format="cbm")
    except catboost.CatBoostError as error:
        raise ArtifactInvalidError(
            f"CatBoost cannot read the artifact: {str(error)[:200]}",
            hint="Save it again with model.save_model('model.cbm').",
        ) from error
    if model.get_text_feature_indices() or model.get_embedding_feature_indices():
        raise ArtifactInvalidError(
            "the CatBoost model takes texts or embeddings; numbers and categories are served",
            hint="Compute features of them in front of the model and train it on those.",
        )
    return model
