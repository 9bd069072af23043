"""Trains a text classifier from start to bundle."""

from collections.abc import Mapping

import numpy as np

from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.bundles import Trained, write_bundle
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.classes import (
    Classes,
    balanced_weights,
    class_findings,
    find_classes,
    log_class_sizes,
)
from modelyard.algorithms.tables.tensors import CATEGORICAL
from modelyard.algorithms.texts.loading import load_texts
from modelyard.algorithms.texts.models import TextModel, fit_text_model
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.types.models import ModelCard, Task
from modelyard.types.signatures import Scalar, Signature


def train(channels: Mapping[str, Channel], given: Mapping[str, Scalar], name: str, context: TrainingContext) -> None:
    """Read, split, fit, write the bundle; see base.Algorithm.train."""
    table = load_texts(channels["train"], context.target, str(given["text_column"]))
    split = table.split(float(given["holdout_share"]), str(context.target), is_trial=context.is_trial)
    context.log(f"{len(table.labels):,} texts in '{table.column}': {split.sentence()}")
    classes, numbers = find_classes(table.labels[split.train], f"The target '{context.target}'")
    log_class_sizes(table.labels[split.train], context)
    is_balanced = given["class_weight"] == "balanced"
    weights = balanced_weights(numbers) if is_balanced else np.ones(len(numbers), dtype=np.float32)
    model = fit_text_model(table.texts[split.train].tolist(), numbers, weights, given, context.seed)
    features = sum(len(each.grams) for each in model.grams)
    context.log(f"{features:,} words and runs of characters are told apart")
    graph = Graph()
    graph.classify(model.nodes(graph), classes.values)
    signature = Signature(inputs=table.inputs, outputs=classes.outputs)
    card = ModelCard(
        task=Task.TEXT_CLASSIFICATION,
        description=f"Predicts '{context.target}' from the text in '{table.column}'; {split.sentence()}.",
        intended_use=f"Predict '{context.target}' of texts like those it was trained on.",
        limitations="It counts words and characters and knows nothing of their sense or order beyond a few in a row; "
        "it answers one of its classes for every text, also for texts of something else or in another language.",
        algorithm=name,
        hyperparameters=dict(given),
        training_data=tuple(channel.reference for channel in channels.values()),
        findings=tuple(class_findings(table.labels[split.train], table.labels[split.holdout])),
        tags=(Task.TEXT_CLASSIFICATION.value, "text"),
        custom={
            "target": str(context.target),
            "training_rows": int(split.train.sum()),
            "held_out_rows": int(split.holdout.sum()),
            "features": features,
        },
    )
    trained = Trained(
        artifact=graph.to_bytes(signature),
        signature=signature,
        original=_Original(model, classes),
        inputs=table.tensors,
        is_held_out=split.holdout,
        truth=table.labels,
        card=card,
    )
    write_bundle(trained, context)


class _Original(Predictor):
    """The model as it was fitted, without ONNX."""

    def __init__(self, model: TextModel, classes: Classes) -> None:
        self._model = model
        self._classes = classes

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        scores = self._model.scores([str(text) for text in inputs[CATEGORICAL][:, 0]])
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        return {"label": self._classes.values[scores.argmax(axis=1)], "probabilities": probabilities}
