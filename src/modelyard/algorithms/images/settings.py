"""The hyper-parameters of image classification, typed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.checkpoints import Checkpoint, Checkpoints
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.hyperparameters import integers
from modelyard.algorithms.images.features import Images
from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """How a network is built and trained; see the hyper-parameters of the same names."""

    layers: tuple[int, ...]
    filters: tuple[int, ...]
    epochs: int
    learning_rate: float
    mini_batch_size: int
    weight_decay: float
    dropout: float
    label_smoothing: float
    augmentation: str
    patience: int | None
    seed: int
    threads: int
    gamma: float = 0.5
    waves: int = 500
    regularisation: float = 0.1

    @staticmethod
    def of(hyperparameters: Mapping[str, Scalar], seed: int, threads: int) -> "NetworkSettings":
        """From complete and valid hyper-parameters."""
        given = dict(hyperparameters)
        patience = int(given["early_stopping_patience"]) if given["early_stopping"] else None
        return NetworkSettings(
            layers=integers(given["layers"]),
            filters=integers(given["filters"]),
            epochs=int(given["epochs"]),
            learning_rate=float(given["learning_rate"]),
            mini_batch_size=int(given["mini_batch_size"]),
            weight_decay=float(given["weight_decay"]),
            dropout=float(given["dropout"]),
            label_smoothing=float(given["label_smoothing"]),
            augmentation=str(given["augmentation"]),
            patience=patience,
            gamma=float(given["gamma"]),
            waves=int(given["waves"]),
            regularisation=float(given["regularisation"]),
            seed=seed,
            threads=threads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Scaled images (n, c, h, w) float32 with class numbers (n,) int64; `validation_*` may be empty."""

    images: Images
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    classes: int
    validation_images: Images
    validation_labels: NDArray[np.int64]


def checkpoint_of(checkpoints: Checkpoints, kind: str, data: TrainingData, settings: NetworkSettings) -> Checkpoint:
    """That of one kind of network on these images."""
    return checkpoints.of(
        {"network": kind, "classes": data.classes, **asdict(settings)},
        data.images, data.labels, data.weights, data.validation_images, data.validation_labels,
    )  # fmt: skip


class Network(Protocol):
    """A trained network over scaled images."""

    def logits(self, planes: Images) -> NDArray[np.float32]:
        """(n, classes) for scaled images (n, c, h, w)."""

    def nodes(self, graph: Graph, planes: str) -> str:
        """The same as ONNX nodes."""


Report = Callable[[int, Mapping[str, float]], None]
"""Called after every epoch (from 1) with its figures: train_loss, train_accuracy, validation_accuracy if measured."""
