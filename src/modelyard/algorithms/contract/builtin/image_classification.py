"""Image classification: the network of the platform's own algorithm under AWS's hyper-parameters.

Source: docs.aws.amazon.com/sagemaker/latest/dg/IC-Hyperparameter.html.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import ARTIFACT
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.images import read_images
from modelyard.algorithms.errors import ChannelInvalidError, HyperparameterInvalidError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.images.features import scaling_of
from modelyard.algorithms.images.mlp import train_mlp
from modelyard.algorithms.images.settings import NetworkSettings, TrainingData
from modelyard.kit.files import write_atomic
from modelyard.types.signatures import DataType, Signature, TensorSpec

_BOLDEST_STEP = 0.002
_DEFAULT_RATE = 0.1
_AUGMENTATIONS = {
    "none": "none",
    "crop": "shift",
    "crop_color": "shift-noise",
    "crop_color_transform": "shift-noise",
}
"""AWS's -> the network's own."""


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, measured on `validation` after each epoch if there is one."""
    classes, shape = job.integer("num_classes", minimum=2), _shape(job)
    best = job.integer("top_k", minimum=2) if "top_k" in job.given else None
    if _is_on(job, "multi_label"):
        raise HyperparameterInvalidError(
            "Images of several labels each (multi_label) are not learnt here", hint="Leave it out.", field="multi_label"
        )
    images, labels = read_images(job.data, "train", shape)
    if labels.min() < 0 or labels.max() >= classes:
        raise ChannelInvalidError(
            f"There are labels from {labels.min()} to {labels.max()}, and num_classes is {classes}",
            hint="Labels are 0 to num_classes - 1.",
            field="num_classes",
        )
    job.log(f"{len(images):,} images of {shape[1]} x {shape[2]} pixels, {classes} classes")
    scaling = scaling_of(images)
    planes = scaling.apply(images)
    others = read_images(job.data, "validation", shape) if job.has("validation") else (images[:0], labels[:0])
    data = TrainingData(
        images=planes,
        labels=labels,
        weights=np.ones(len(labels), dtype=np.float32),
        classes=classes,
        validation_images=scaling.apply(others[0]) if len(others[0]) else planes[:0],
        validation_labels=others[1],
    )

    def report(epoch: int, figures: Mapping[str, float]) -> None:
        for ours, theirs in (("train_accuracy", "train"), ("validation_accuracy", "validation")):
            if ours in figures:
                job.log(f"Epoch[{epoch - 1}] {theirs.capitalize()}-accuracy={figures[ours]:f}")
                job.metric(f"{theirs}:accuracy", figures[ours], epoch)

    if _is_on(job, "use_pretrained_model"):
        job.log("use_pretrained_model: there is no network here that has learnt before; this one begins anew")
    network = train_mlp(data, _settings(job), report)
    if best is not None:
        _tell_best(job, "train", best, network.logits(planes), labels)
        if len(others[0]):
            _tell_best(job, "validation", best, network.logits(data.validation_images), others[1])
    graph = Graph()
    logits = network.nodes(graph, scaling.nodes(graph, "images"))
    graph.add("Softmax", logits, output="probabilities", axis=1)
    signature = Signature(
        inputs=(TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, *images.shape[1:])),),
        outputs=(TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, classes)),),
    )
    write_atomic(job.model / ARTIFACT, graph.to_bytes(signature))


def _settings(job: BuiltInJob) -> NetworkSettings:
    """AWS's hyper-parameters are those of a deep network; its depth is not this one's."""
    depth, rate = job.given.get("num_layers", "152"), job.number("learning_rate", _DEFAULT_RATE)
    step = min(rate, _BOLDEST_STEP)
    job.log(f"num_layers {depth} names a ResNet; here a network of two hidden layers on pixels and edges is trained")
    if step < rate:
        job.log(f"learning_rate {rate:g} is meant for SGD; Adam begins with steps of {step:g}")
    return NetworkSettings(
        layers=(256, 128),
        filters=(32, 64),
        epochs=job.integer("epochs", 30),
        learning_rate=step,
        mini_batch_size=job.integer("mini_batch_size", 32),
        weight_decay=job.number("weight_decay", 0.0001),
        dropout=0.2,
        label_smoothing=0.05,
        augmentation=_augmentation(job),
        patience=job.integer("early_stopping_patience", 5) if _is_on(job, "early_stopping") else None,
        seed=0,
        threads=1,
    )


def _augmentation(job: BuiltInJob) -> str:
    """What each epoch does to the images."""
    wanted = job.text("augmentation_type", "none", tuple(_AUGMENTATIONS))
    how = _AUGMENTATIONS[wanted]
    if how != "none":
        job.log(f"augmentation_type {wanted} is here: {how}, anew in each epoch")
    return how


def _tell_best(
    job: BuiltInJob, channel: str, best: int, logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> None:
    """How often the right class is among the `best` likeliest."""
    likeliest = np.argsort(-logits, axis=1, kind="stable")[:, :best]
    share = float((likeliest == labels[:, None]).any(axis=1).mean())
    job.log(f"{channel.capitalize()}-top_k_accuracy_{best}={share:f}")
    job.metric(f"{channel}:top_k_accuracy_{best}", share, 0)


def _is_on(job: BuiltInJob, name: str) -> bool:
    return job.given.get(name, "0").lower() in ("1", "true")


def _shape(job: BuiltInJob) -> tuple[int, int, int]:
    """(channels, height, width)."""
    text = job.text("image_shape", "3,224,224")
    words = text.split(",")
    if len(words) != 3 or not all(word.strip().isdecimal() for word in words):  # noqa: PLR2004
        raise HyperparameterInvalidError(
            f"image_shape is '{text[:50]}'",
            hint="Give channels, height and width, like 3,224,224.",
            field="image_shape",
        )
    channels, height, width = (int(word) for word in words)
    if channels not in (1, 3):
        raise HyperparameterInvalidError(
            f"Images of {channels} channels are not taken", hint="Give 1 or 3 channels.", field="image_shape"
        )
    return channels, height, width
