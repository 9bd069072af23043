"""Trains an image classifier from start to bundle."""

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.bundles import Trained, write_bundle
from modelyard.algorithms.checkpoints import NOWHERE, Checkpoints
from modelyard.algorithms.errors import TorchMissingError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.images.features import Scaling, scaling_of
from modelyard.algorithms.images.kernel import train_kernel
from modelyard.algorithms.images.mlp import train_mlp
from modelyard.algorithms.images.settings import Network, NetworkSettings, Report, TrainingData
from modelyard.algorithms.preparation.classes import (
    Classes,
    balanced_weights,
    canonical,
    class_findings,
    find_classes,
    log_class_sizes,
)
from modelyard.algorithms.preparation.split import Split, split_rows
from modelyard.data.holdout import held_out_mask_images
from modelyard.data.images import read_images
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.types.models import ModelCard, Task
from modelyard.types.signatures import DataType, Scalar, Signature, TensorSpec

_VALIDATION_SHARE = 0.1

INPUT = "images"
_NETWORKS = {
    "cnn": "Convolutional network",
    "kernel": "Kernel machine on pixels and edge features",
    "mlp": "Multi-layer network on pixels and edge features",
}


def train(channels: Mapping[str, Channel], given: Mapping[str, Scalar], name: str, context: TrainingContext) -> None:
    """Read, split, train, write the bundle; see base.Algorithm.train."""
    images, labels = _read(channels["train"], int(given["image_size"]))
    labels = canonical(labels)
    validation_share = _VALIDATION_SHARE if given["early_stopping"] else 0.0
    split = split_rows(
        lambda share: held_out_mask_images(images, share=share),
        float(given["holdout_share"]),
        validation_share=validation_share,
        is_trial=context.is_trial,
    )
    height, width = images.shape[1:3]
    context.log(f"{len(images):,} images of {height} x {width} pixels: {split.sentence()}")
    classes, _ = find_classes(labels[split.train], "the label")
    log_class_sizes(labels[split.train], context)
    scaling = scaling_of(images[split.train])
    settings = NetworkSettings.of(given, context.seed, context.threads)
    kind = _network_kind(str(given["network"]))
    if kind == "cnn":
        from modelyard.algorithms.images.cnn import where_it_trains  # noqa: PLC0415 - torch is an extra and takes seconds

        context.log(f"the network is trained on {where_it_trains()}")
    data = _training_data(
        scaling.apply(images), labels, classes, split, is_balanced=given["class_weight"] == "balanced"
    )
    network = train_network(kind, data, settings, _reporter(context, settings.epochs), context.checkpoints)
    signature = signature_of(images.shape[1:], classes)
    card = ModelCard(
        task=Task.IMAGE_CLASSIFICATION,
        description=_description(kind, images.shape, classes, split),
        intended_use=f"Tell apart {len(classes.names)} classes in images like those it was trained on.",
        limitations="It answers one of its classes for every image, also for images of something else. "
        "Images that were taken or scaled in another way may be answered wrongly: watch drift.",
        algorithm=name,
        hyperparameters=dict(given),
        training_data=tuple(channel.reference for channel in channels.values()),
        findings=tuple(_findings(images, labels, split)),
        tags=(Task.IMAGE_CLASSIFICATION.value, kind),
        custom={"training_rows": int(split.train.sum()), "held_out_rows": int(split.holdout.sum()), "network": kind},
    )
    trained = Trained(
        artifact=artifact_of(scaling, network, classes, signature),
        signature=signature,
        original=_Original(scaling, network, classes),
        inputs={INPUT: images},
        is_held_out=split.holdout,
        truth=labels,
        card=card,
    )
    write_bundle(trained, context)


class _Original(Predictor):
    """The network as it was trained, without ONNX."""

    def __init__(self, scaling: Scaling, network: Network, classes: Classes) -> None:
        self._scaling = scaling
        self._network = network
        self._classes = classes

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        logits = self._network.logits(self._scaling.apply(inputs[INPUT]))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        return {"label": self._classes.values[probabilities.argmax(axis=1)], "probabilities": probabilities}


def _read(channel: Channel, side: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    return read_images(channel.path, channel.format, (side, side) if side else None)


def _network_kind(wanted: str) -> str:
    """Return "mlp", "kernel" or "cnn".

    Raises:
        TorchMissingError: "cnn" without PyTorch.
    """
    has_torch = importlib.util.find_spec("torch") is not None
    if wanted == "cnn" and not has_torch:
        raise TorchMissingError(
            "A convolutional network needs PyTorch, which is not installed",
            hint="Install the extra modelyard[torch], or train with network=mlp.",
            field="hyperparameters.network",
        )
    return ("cnn" if has_torch else "mlp") if wanted == "auto" else wanted


def train_network(
    kind: str, data: TrainingData, settings: NetworkSettings, report: Report, checkpoints: Checkpoints = NOWHERE
) -> Network:
    """Train a network of a kind ("mlp", "kernel" or "cnn")."""
    if kind == "kernel":
        return train_kernel(data, settings)
    if kind == "mlp":
        return train_mlp(data, settings, report, checkpoints)
    from modelyard.algorithms.images.cnn import train_cnn  # noqa: PLC0415 - torch is an extra and takes seconds

    return train_cnn(data, settings, report, checkpoints)


def _training_data(
    planes: NDArray[np.float32], labels: NDArray[Any], classes: Classes, split: Split, *, is_balanced: bool
) -> TrainingData:
    numbers = {value: index for index, value in enumerate(classes.values.tolist())}
    # A class that only the validation part has gets number -1: no answer to it can be right.
    indices = np.array([numbers.get(label, -1) for label in labels.tolist()], dtype=np.int64)
    train = indices[split.train]
    return TrainingData(
        images=planes[split.train],
        labels=train,
        weights=balanced_weights(train) if is_balanced else np.ones(len(train), dtype=np.float32),
        classes=len(classes.names),
        validation_images=planes[split.validation],
        validation_labels=indices[split.validation],
    )


def _reporter(context: TrainingContext, epochs: int) -> Report:
    def report(epoch: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            context.log_metric(name, value, epoch)
        context.log(f"epoch {epoch}/{epochs}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))

    return report


def signature_of(shape: tuple[int, ...], classes: Classes) -> Signature:
    """Of a classifier of raw images of this shape."""
    images = TensorSpec(name=INPUT, datatype=DataType.FP32, shape=(-1, *shape))
    return Signature(inputs=(images,), outputs=classes.outputs)


def artifact_of(scaling: Scaling, network: Network, classes: Classes, signature: Signature) -> bytes:
    """The ONNX file."""
    graph = Graph()
    graph.classify(network.nodes(graph, scaling.nodes(graph, INPUT)), classes.values)
    return graph.to_bytes(signature)


def _description(kind: str, shape: tuple[int, ...], classes: Classes, split: Split) -> str:
    network = _NETWORKS[kind]
    size = " x ".join(str(side) for side in shape[1:])
    return f"{network} for images of {size}, {len(classes.names)} classes; {split.sentence()}."


def _findings(images: NDArray[np.float32], labels: NDArray[Any], split: Split) -> list[str]:
    found = class_findings(labels[split.train | split.validation], labels[split.holdout])
    distinct = len({image.tobytes() for image in images})
    if distinct < len(images):
        found.append(
            f"{len(images) - distinct:,} images repeat others; repeats are in the same part, so they do not flatter "
            "the held-out metrics."
        )
    return found
