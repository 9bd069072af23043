"""Trains a table model from start to bundle, whichever library fits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.bundles import Trained, write_bundle
from modelyard.algorithms.errors import ColumnsInvalidError, TargetInvalidError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.classes import (
    Classes,
    balanced_weights,
    canonical,
    class_findings,
    find_classes,
    log_class_sizes,
)
from modelyard.algorithms.preparation.split import Split, split_rows, take
from modelyard.algorithms.tables.encoding import Encoder, Features, fit_encoder
from modelyard.algorithms.tables.loading import TrainingTable, load
from modelyard.algorithms.tables.models import Learner, Model, Problem
from modelyard.algorithms.tables.tensors import input_specs, to_tensors
from modelyard.data.holdout import held_out_mask_table
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.types.models import ModelCard, Task
from modelyard.types.signatures import DataType, Scalar, Signature, TensorSpec

VALIDATION_SHARE = 0.1
"""Of all rows: what early stopping goes by."""

_MANY_NUMBERS = 50  # more different fractional numbers than this are no classes

_REGRESSION_OUTPUTS = (TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """Everything between reading a table and fitting."""

    table: TrainingTable
    split: Split
    inputs: tuple[TensorSpec, ...]
    tensors: Tensors
    encoder: Encoder
    features: Features


def train_classifier(
    channels: Mapping[str, Channel], given: Mapping[str, Scalar], name: str, context: TrainingContext, learner: Learner
) -> None:
    """Read, split, fit, write the bundle; see base.Algorithm.train."""
    table = load(channels["train"], context.target)
    labels = canonical(class_labels(table.target, str(context.target)))
    prepared = _prepare(table, given, context, learner)
    split = prepared.split
    classes, _ = find_classes(labels[split.train], f"The target '{context.target}'")
    log_class_sizes(labels[split.train], context)
    numbers = {value: index for index, value in enumerate(classes.values.tolist())}
    indices = np.array([numbers.get(label, -1) for label in labels.tolist()], dtype=np.int64)
    is_balanced = given.get("class_weight") == "balanced"
    model = learner.fit(_problem(prepared, indices, len(numbers), is_balanced=is_balanced), given, context)
    graph = Graph()
    graph.classify(model.nodes(graph, prepared.encoder.nodes(graph)), classes.values)
    signature = Signature(inputs=prepared.inputs, outputs=classes.outputs)
    findings = class_findings(labels[split.train | split.validation], labels[split.holdout])
    trained = Trained(
        artifact=graph.to_bytes(signature),
        signature=signature,
        original=_Original(prepared.encoder, model, classes),
        inputs=prepared.tensors,
        is_held_out=split.holdout,
        truth=labels,
        card=_card(Task.TABULAR_CLASSIFICATION, name, given, channels, prepared, (*findings, *model.findings), context),
    )
    write_bundle(trained, context)


def train_regressor(
    channels: Mapping[str, Channel], given: Mapping[str, Scalar], name: str, context: TrainingContext, learner: Learner
) -> None:
    """Read, split, fit, write the bundle; see base.Algorithm.train."""
    table = load(channels["train"], context.target)
    target = numeric_target(table.target, str(context.target))
    prepared = _prepare(table, given, context, learner)
    model = learner.fit(_problem(prepared, target, 0, is_balanced=False), given, context)
    graph = Graph()
    scores = model.nodes(graph, prepared.encoder.nodes(graph))
    graph.add("Reshape", scores, graph.constant(np.array([-1])), output="prediction")
    signature = Signature(inputs=prepared.inputs, outputs=_REGRESSION_OUTPUTS)
    trained = Trained(
        artifact=graph.to_bytes(signature),
        signature=signature,
        original=_Original(prepared.encoder, model, None),
        inputs=prepared.tensors,
        is_held_out=prepared.split.holdout,
        truth=target,
        card=_card(Task.TABULAR_REGRESSION, name, given, channels, prepared, model.findings, context),
    )
    write_bundle(trained, context)


class _Original(Predictor):
    """The model as its library fitted it, without ONNX."""

    def __init__(self, encoder: Encoder, model: Model, classes: Classes | None) -> None:
        self._encoder = encoder
        self._model = model
        self._classes = classes

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        scores = self._model.scores(self._encoder.transform(inputs))
        if self._classes is None:
            return {"prediction": scores[:, 0].astype(np.float32)}
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        return {"label": self._classes.values[scores.argmax(axis=1)], "probabilities": probabilities}


def _prepare(
    table: TrainingTable, given: Mapping[str, Scalar], context: TrainingContext, learner: Learner
) -> _Prepared:
    split = split_rows(
        lambda share: held_out_mask_table(table.table, share=share, without={str(context.target)}),
        float(given["holdout_share"]),
        validation_share=VALIDATION_SHARE if learner.has_validation else 0.0,
        is_trial=context.is_trial,
    )
    inputs = input_specs(table.numeric, table.categorical)
    tensors = to_tensors(table.table, inputs)
    # Trees find their own thresholds and directions for missing values; only linear models need a common scale.
    encoder = fit_encoder(
        take(tensors, split.train), max_categories=int(given["max_categories"]), is_scaled=learner.is_scaled
    )
    if not encoder.width:
        raise ColumnsInvalidError(
            "No column is left to learn from: every category occurs once", hint="Add columns of numbers or categories."
        )
    context.log(
        f"{len(split.train):,} rows, {len(table.numeric):,} number and {len(table.categorical):,} category columns, "
        f"{encoder.width:,} features: {split.sentence()}"
    )
    for finding in table.findings:
        context.log(f"note: {finding}")
    return _Prepared(
        table=table,
        split=split,
        inputs=inputs,
        tensors=tensors,
        encoder=encoder,
        features=encoder.transform(tensors),
    )


def _problem(prepared: _Prepared, target: NDArray[Any], classes: int, *, is_balanced: bool) -> Problem:
    train, validation = prepared.split.train, prepared.split.validation
    if classes:  # a class that only the validation part has cannot be scored
        validation = validation & (target >= 0)
    wanted = target[train]
    return Problem(
        features=prepared.features[train],
        target=wanted,
        weights=balanced_weights(wanted) if is_balanced else np.ones(len(wanted), dtype=np.float32),
        classes=classes,
        validation_features=prepared.features[validation],
        validation_target=target[validation],
        numeric=prepared.encoder.numeric,
    )


def class_labels(target: NDArray[Any], name: str) -> NDArray[Any]:
    """The target, if it can be classes.

    Raises:
        TargetInvalidError: it has many different fractional numbers.
    """
    if target.dtype.kind == "f" and np.any(target != np.floor(target)):
        distinct = len(np.unique(target))
        if distinct > _MANY_NUMBERS:
            raise TargetInvalidError(
                f"The target '{name}' has {distinct:,} different fractional numbers, which are no classes",
                hint="Use boosted-trees-regression or linear-regression.",
                field="target",
            )
    if target.dtype.kind not in "fiubO":
        raise TargetInvalidError(
            f"The target '{name}' holds dates", hint="Derive a class or a number from them.", field="target"
        )
    return target


def numeric_target(target: NDArray[Any], name: str) -> NDArray[np.float64]:
    """The target as numbers.

    Raises:
        TargetInvalidError: it has none, or a single one.
    """
    if target.dtype.kind not in "fiub":
        example = str(target[0])[:40]
        raise TargetInvalidError(
            f"The target '{name}' holds no numbers (the first value is '{example}')",
            hint="Use boosted-trees-classification or linear-classification.",
            field="target",
        )
    numbers = target.astype(np.float64)
    if np.all(numbers == numbers[0]):
        raise TargetInvalidError(
            f"The target '{name}' has the single value {numbers[0]:g}, so there is nothing to learn",
            hint="Check that the right column is named.",
            field="target",
        )
    return numbers


def _card(
    task: Task,
    name: str,
    given: Mapping[str, Scalar],
    channels: Mapping[str, Channel],
    prepared: _Prepared,
    findings: tuple[str, ...],
    context: TrainingContext,
) -> ModelCard:
    table, split = prepared.table, prepared.split
    columns = f"{len(table.numeric):,} number and {len(table.categorical):,} category columns"
    return ModelCard(
        task=task,
        description=f"Predicts '{context.target}' from {columns}; {split.sentence()}.",
        intended_use=f"Predict '{context.target}' for rows like those it was trained on.",
        limitations="It knows nothing of columns that were left out, treats category values that it has not learnt as "
        "one, and may be wrong where the data has changed: watch drift.",
        algorithm=name,
        hyperparameters=dict(given),
        training_data=tuple(channel.reference for channel in channels.values()),
        findings=(*table.findings, *findings),
        tags=(task.value, name.rsplit("-", 1)[0]),
        custom={
            "target": str(context.target),
            "training_rows": int(split.train.sum()),
            "held_out_rows": int(split.holdout.sum()),
            "features": prepared.encoder.width,
        },
    )
