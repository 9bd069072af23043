"""CatBoost's own binary format (.cbm), through CatBoost, an extra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Runtime, Tensor, Tensors
from modelyard.runtimes.formats.answers import classifier_outputs, classify, regress, regressor_outputs, table_input
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature


class CatboostPredictor(Predictor):
    """Not thread-safe."""

    def __init__(self, model: Any, signature: Signature, threads: int) -> None:
        self._model = model
        self._signature = signature
        self._threads = threads

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Label and probabilities of a classifier, a prediction of the others."""
        is_classifier = bool(self._signature.class_names)
        kind = "Probability" if is_classifier else "RawFormulaVal"
        try:
            values = self._model.predict(inputs["numeric"], prediction_type=kind, thread_count=self._threads)
        except Exception as error:  # CatBoost's own errors and those of its bindings have no common base
            raise PredictionFailedError(error) from error
        return classify(self._signature, np.asarray(values)) if is_classifier else regress(np.asarray(values))


class CatboostRuntime(Runtime):
    """Loads binary models on numeric columns."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.CATBOOST

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: damaged, or another number of features than the signature's.
        """
        model = open_model(artifact)
        width = signature.inputs[0].shape[-1]
        if len(model.feature_names_) != width:
            raise ArtifactInvalidError(
                f"the artifact takes {len(model.feature_names_)} features, its signature says {width}",
                hint="Register the bare artifact and let the signature be inferred.",
            )
        return CatboostPredictor(model, signature, threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """Feature names and classes from the model.

        Raises:
            ArtifactInvalidError: damaged, or a model on categories or texts.
        """
        model = open_model(artifact)
        names = [str(name) for name in model.feature_names_]
        named = [] if names == [str(number) for number in range(len(names))] else names
        inputs = table_input(named, len(names), allows_missing=True)
        classes = np.asarray(model.classes_)
        if not classes.size:
            probe = np.asarray(model.predict(np.zeros((1, len(names)), dtype=np.float32)))
            return Signature(inputs=inputs, outputs=regressor_outputs(probe.shape[1] if probe.ndim > 1 else 1))
        is_number = classes.dtype.kind in "iu"
        outputs = classifier_outputs([str(name) for name in classes], DataType.INT64 if is_number else DataType.BYTES)
        return Signature(inputs=inputs, outputs=outputs)


def open_model(artifact: Path) -> Any:
    """A catboost.CatBoost on numeric columns.

    Raises:
        ArtifactInvalidError: CatBoost is not installed, cannot read the file, or the model takes other columns.
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
    if model.get_cat_feature_indices() or model.get_text_feature_indices():
        raise ArtifactInvalidError(
            "the CatBoost model takes categories or texts, numeric columns are served",
            hint="Encode them in front of the model, or train boosted trees here: they take categories.",
        )
    return model
