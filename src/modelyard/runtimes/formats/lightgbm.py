"""LightGBM's text format, through LightGBM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Runtime, Tensor, Tensors
from modelyard.runtimes.formats.answers import (
    classifier_outputs,
    classify,
    regress,
    regressor_outputs,
    table_input,
)
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

_CLASSIFIERS = ("binary", "multiclass", "multiclassova", "cross_entropy")


class LightgbmPredictor(Predictor):
    """Not thread-safe."""

    def __init__(self, booster: Any, signature: Signature, threads: int) -> None:
        self._booster = booster
        self._signature = signature
        self._threads = threads
        self._is_classifier = is_classifier(booster)

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Label and probabilities for classification objectives, a prediction for the others."""
        import lightgbm  # noqa: PLC0415 - 1 s, needed by this format only

        try:
            values = np.asarray(self._booster.predict(inputs["numeric"], num_threads=self._threads))
        except lightgbm.basic.LightGBMError as error:
            raise PredictionFailedError(error) from error
        return classify(self._signature, values) if self._is_classifier else regress(values)


class LightgbmRuntime(Runtime):
    """Loads text models."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.LIGHTGBM

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: damaged, or another number of features than the signature's.
        """
        booster = open_booster(artifact)
        width = signature.inputs[0].shape[-1]
        if booster.num_feature() != width:
            raise ArtifactInvalidError(
                f"the artifact takes {booster.num_feature()} features, its signature says {width}",
                hint="Register the bare artifact and let the signature be inferred.",
            )
        return LightgbmPredictor(booster, signature, threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """Feature names and classes from the model; class names are the numbers that LightGBM trains on.

        Raises:
            ArtifactInvalidError: damaged.
        """
        booster = open_booster(artifact)
        inputs = table_input(booster.feature_name(), booster.num_feature(), allows_missing=True)
        if is_classifier(booster):
            count = max(2, booster.num_model_per_iteration())
            return Signature(inputs=inputs, outputs=classifier_outputs([str(number) for number in range(count)]))
        return Signature(inputs=inputs, outputs=regressor_outputs())


def open_booster(artifact: Path) -> Any:
    """A lightgbm.Booster.

    Raises:
        ArtifactInvalidError: LightGBM cannot read the file.
    """
    text = artifact.read_text(encoding="utf-8", errors="replace")
    # A file cut short makes LightGBM crash the process, so its last marks are looked for first.
    if "�" in text or "\nend of trees" not in text or "\nend of parameters" not in text:
        raise _damaged("it is no text" if "�" in text else "it ends too early")

    import lightgbm  # noqa: PLC0415 - 1 s, needed by this format only

    try:
        return lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, ValueError, TypeError) as error:
        raise _damaged(str(error)[:200]) from error


def is_classifier(booster: Any) -> bool:
    """True for objectives that predict class probabilities."""
    words = str(booster.dump_model(num_iteration=1).get("objective", "")).split()
    return bool(words) and words[0] in _CLASSIFIERS


def _damaged(reason: str) -> ArtifactInvalidError:
    return ArtifactInvalidError(
        f"LightGBM cannot read the artifact: {reason}", hint="Save it again with booster.save_model('model.txt')."
    )
