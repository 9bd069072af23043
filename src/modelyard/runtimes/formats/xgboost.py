"""XGBoost's own format (JSON or UBJSON), through XGBoost."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Runtime, Tensor, Tensors
from modelyard.runtimes.formats.answers import (
    classifier_outputs,
    classify,
    regress,
    regressor_outputs,
    sigmoid,
    softmax,
    table_input,
)
from modelyard.runtimes.formats.ubjson import UbjsonDamagedError, check_ubjson
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature


class XgboostPredictor(Predictor):
    """Not thread-safe."""

    def __init__(self, booster: Any, signature: Signature, threads: int) -> None:
        self._booster = booster
        self._signature = signature
        self._threads = threads
        self._objective = objective(booster)

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Label and probabilities for classification objectives, a prediction for the others."""
        import xgboost  # noqa: PLC0415 - 0.5 s, needed by this format only

        booster = self._booster
        data = xgboost.DMatrix(
            inputs["numeric"],
            feature_names=booster.feature_names,
            feature_types=booster.feature_types,
            nthread=self._threads,
        )
        try:
            values = booster.predict(data, output_margin=is_classifier(self._objective))
        except xgboost.core.XGBoostError as error:
            raise PredictionFailedError(error) from error
        if not is_classifier(self._objective):
            return regress(values)
        return classify(self._signature, softmax(values) if values.ndim > 1 else sigmoid(values))


class XgboostRuntime(Runtime):
    """Loads JSON and UBJSON models."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.XGBOOST

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: damaged, or another number of features than the signature's.
        """
        booster = open_booster(artifact)
        booster.set_param({"nthread": threads})
        width = signature.inputs[0].shape[-1]
        if booster.num_features() != width:
            raise ArtifactInvalidError(
                f"the artifact takes {booster.num_features()} features, its signature says {width}",
                hint="Register the bare artifact and let the signature be inferred.",
            )
        return XgboostPredictor(booster, signature, threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """Feature names and classes from the model; class names are the numbers that XGBoost trains on.

        Raises:
            ArtifactInvalidError: damaged.
        """
        booster = open_booster(artifact)
        inputs = table_input(booster.feature_names or (), booster.num_features(), allows_missing=True)
        if is_classifier(objective(booster)):
            names = [str(number) for number in range(max(2, _class_count(booster)))]
            return Signature(inputs=inputs, outputs=classifier_outputs(names))
        return Signature(inputs=inputs, outputs=regressor_outputs(max(1, _class_count(booster))))


def open_booster(artifact: Path) -> Any:
    """An xgboost.Booster.

    Raises:
        ArtifactInvalidError: XGBoost cannot read the file.
    """
    import xgboost  # noqa: PLC0415 - 0.5 s, needed by this format only

    _check_whole(artifact)
    booster = xgboost.Booster()
    try:
        # From a buffer XGBoost looks at the content; from a path it believes the file's name.
        booster.load_model(bytearray(artifact.read_bytes()))
        booster.num_features()
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        reason = next((line for line in str(error).splitlines() if "Check failed" in line or "Error" in line), "")
        raise _damaged(reason[-200:] or "it is damaged") from error
    return booster


def _check_whole(artifact: Path) -> None:
    with artifact.open("rb") as file:
        head = file.read(2)
    try:
        if head != b"{" and head[1:2] in b"LliIU#$":
            check_ubjson(artifact)
    except UbjsonDamagedError as error:
        raise _damaged(str(error)) from error


def _damaged(reason: str) -> ArtifactInvalidError:
    return ArtifactInvalidError(
        f"XGBoost cannot read the artifact: {reason}", hint="Save it again with booster.save_model('model.ubj')."
    )


def objective(booster: Any) -> str:
    """The name of the booster's objective ("binary:logistic")."""
    return str(_learner(booster)["objective"]["name"])


def is_classifier(name: str) -> bool:
    """True for objectives whose margins are those of classes."""
    return name.startswith(("binary:", "multi:"))


def _class_count(booster: Any) -> int:
    return int(_learner(booster)["learner_model_param"]["num_class"])


def _learner(booster: Any) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(booster.save_config())["learner"]
    return learner
