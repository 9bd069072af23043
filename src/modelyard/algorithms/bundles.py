"""Turns what an algorithm has trained into a complete bundle: artifact, card, golden requests, reference, lock."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.errors import ArtifactDiffersError
from modelyard.algorithms.evaluation.metrics import is_right, measure
from modelyard.drift.reference import ReferenceSketch, build_reference, with_errors, with_sample, with_truth
from modelyard.kit.files import write_atomic
from modelyard.runtimes.background import write_background
from modelyard.runtimes.base import Predictor, Tensors
from modelyard.runtimes.bundle import (
    REFERENCE,
    write_compilation,
    write_environment_lock,
    write_golden,
    write_manifest,
)
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.compilation.choice import judged
from modelyard.runtimes.compilation.compile import ONNX, ORIGINAL
from modelyard.runtimes.compilation.timing import machine, time_batches
from modelyard.runtimes.golden import make_golden
from modelyard.runtimes.parity import TOLERANCE as PARITY_TOLERANCE
from modelyard.runtimes.parity import check_parity
from modelyard.types.compilation import Compilation, Variant, VariantState
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard, Parity, Task
from modelyard.types.signatures import Signature

ARTIFACT = "model.onnx"
_PARITY_ROWS = 1000
_PREDICT_ROWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained model on its way into a bundle.

    Attributes:
        artifact: the ONNX file.
        signature: of the artifact.
        original: answers as the model in the library that trained it does.
        inputs: tensors of all rows, held-out ones included, n rows.
        is_held_out: (n,) which of them only judge.
        truth: (n,) the right answers; of forecasts as `measure` takes them.
        card: all that is known before the held-out part has been measured.
    """

    artifact: bytes
    signature: Signature
    original: Predictor
    inputs: Tensors
    is_held_out: NDArray[np.bool_]
    truth: NDArray[Any]
    card: ModelCard


def write_bundle(trained: Trained, context: TrainingContext) -> None:
    """Write every file of the bundle into `context.output` and log the held-out metrics.

    Raises:
        ArtifactDiffersError: the ONNX form does not answer as the original on real rows: a defect.
    """
    folder, signature = context.output, trained.signature
    write_atomic(folder / ARTIFACT, trained.artifact)
    predictor = runtime_for(ArtifactFormat.ONNX).load(folder / ARTIFACT, signature, threads=context.threads)
    held_out = {name: tensor[trained.is_held_out] for name, tensor in trained.inputs.items()}
    outputs = predict(predictor, held_out)
    metrics = measure(trained.card.task, outputs, trained.truth[trained.is_held_out], signature.class_names)
    for metric in metrics:
        context.log(f"held-out {metric.name} {metric.value:.4f} (95 % interval {metric.low:.4f} to {metric.high:.4f})")
        context.log_metric(f"holdout_{metric.name}", metric.value, 0)
    parity = _checked_parity(trained, predictor, held_out)
    context.log(f"the ONNX form agrees with the original on {parity.rows:,} rows")
    card = replace(trained.card, metrics=metrics, parity=parity)
    write_golden(folder, make_golden(predictor, held_out))
    write_compilation(folder, _compilation(trained, predictor, held_out, parity))
    write_atomic(folder / REFERENCE, _reference(trained, held_out, outputs).to_json())
    write_background(folder, {name: tensor[~trained.is_held_out] for name, tensor in trained.inputs.items()})
    write_environment_lock(folder)
    manifest = Manifest(artifact=ARTIFACT, artifact_format=ArtifactFormat.ONNX, signature=signature, card=card)
    write_manifest(folder, manifest)


def predict(predictor: Predictor, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
    """Answers for any number of rows, a few thousand at a time so that memory stays bounded."""
    rows = len(next(iter(inputs.values())))
    parts = [
        predictor.predict({name: tensor[start : start + _PREDICT_ROWS] for name, tensor in inputs.items()})
        for start in range(0, rows, _PREDICT_ROWS)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _checked_parity(trained: Trained, predictor: Predictor, held_out: Tensors) -> Parity:
    sample = {name: tensor[:_PARITY_ROWS] for name, tensor in held_out.items()}
    parity = check_parity(trained.original, predictor, trained.signature, sample=sample)
    if parity.is_equal:
        return parity
    raise ArtifactDiffersError(
        f"The ONNX form does not answer as the trained model: {parity.note}",
        hint="This is a defect of the algorithm: report it with the job's hyper-parameters.",
    )


def _compilation(trained: Trained, predictor: Predictor, held_out: Tensors, parity: Parity) -> Compilation:
    """ONNX beside the library that trained it: served because a worker then needs no library, and measured to tell."""
    served = Variant(
        name=ONNX,
        state=VariantState.SERVED,
        reason="the only form in the bundle",
        artifact=ARTIFACT,
        artifact_format=ArtifactFormat.ONNX,
        rows=parity.rows,
        label_mismatches=parity.label_mismatches,
        max_abs_difference=parity.max_abs_difference,
        timings=time_batches(predictor, trained.signature, held_out),
    )
    original = Variant(
        name=ORIGINAL,
        state=VariantState.SLOWER,
        timings=time_batches(trained.original, trained.signature, held_out),
    )
    variants = (judged(original, served), served)
    return Compilation(served=ONNX, tolerance=PARITY_TOLERANCE, machine=machine(), variants=variants)


def _reference(trained: Trained, held_out: Tensors, outputs: Tensors) -> ReferenceSketch:
    """Inputs as in all rows; predictions as on held-out rows, because a model is surer of rows that it has seen."""
    inputs = build_reference(trained.signature, trained.inputs, {})
    answers = build_reference(trained.signature, held_out, outputs, texts=inputs.texts)
    sketches = replace(
        inputs,
        numbers={**answers.numbers, **inputs.numbers},
        categories={**answers.categories, **inputs.categories},
    )
    whole = with_sample(sketches, held_out, outputs)
    truth = trained.truth[trained.is_held_out]
    if trained.card.task == Task.FORECASTING:
        return whole  # what a series does next is known later, and by then as feedback
    if trained.card.task == Task.TABULAR_REGRESSION:
        errors = outputs["prediction"].reshape(-1).astype(np.float64) - truth.astype(np.float64)
        return with_errors(whole, held_out, outputs, errors)
    return with_truth(whole, outputs, is_right(outputs, truth))
