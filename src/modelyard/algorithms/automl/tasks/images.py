"""Labelled images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.judging.latency import graph_latency_ms
from modelyard.algorithms.automl.spaces import Space
from modelyard.algorithms.automl.tasks.base import Answered, Numbers, Subject, deal, probabilities, shares
from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.images.features import scaling_of
from modelyard.algorithms.images.settings import Network, NetworkSettings, TrainingData
from modelyard.algorithms.images.training import INPUT, artifact_of, signature_of, train_network
from modelyard.algorithms.preparation.classes import Classes, canonical, class_findings, find_classes
from modelyard.algorithms.preparation.split import split_rows
from modelyard.data.holdout import held_out_mask_images
from modelyard.data.images import read_images
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import DataProfile
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import Range

_ALGORITHM = "image-classification"
_FOLDS, _FEWER_FOLDS, _MANY_IMAGES = 5, 3, 5000
_SPACE = Space(
    ranges={
        "network": Range(values=("kernel", "mlp")),
        "gamma": Range(low=0.02, high=5.0, is_log=True),
        "regularisation": Range(low=1e-3, high=10.0, is_log=True),
        "layers": Range(values=("64", "256", "256,128")),
        "learning_rate": Range(low=5e-4, high=0.01, is_log=True),
        "dropout": Range(low=0.0, high=0.5),
        "augmentation": Range(values=("none", "shift", "noise")),
    },
    fixed={},
    cheap={"network": "kernel", "layers": "64"},
)
_START: tuple[Mapping[str, Scalar], ...] = (
    {"network": "kernel", "gamma": 0.1, "waves": 100},
    {"network": "kernel", "gamma": 0.5},
    {"network": "mlp", "epochs": 15},
    {"network": "kernel", "gamma": 1.5, "waves": 1000, "regularisation": 0.03},
    {"network": "mlp", "augmentation": "shift"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSubject:
    """See Subject. `images` (n, h, w[, c]) are those that are not held out."""

    images: NDArray[np.float32]
    target: NDArray[np.int64]
    classes: Classes
    held_out_rows: int
    shared: Mapping[str, Scalar]
    task: Task = Task.IMAGE_CLASSIFICATION
    ensemble: str = ""

    @property
    def start(self) -> tuple[tuple[str, Mapping[str, Scalar]], ...]:
        """See Subject."""
        return tuple((_ALGORITHM, given) for given in _START)

    def spaces(self) -> Mapping[str, Space]:
        """See Subject."""
        return {_ALGORITHM: _SPACE}

    def deal(self, seed: int) -> Numbers:
        """See Subject."""
        return deal(self.target, _FOLDS if len(self.target) < _MANY_IMAGES else _FEWER_FOLDS, 1, seed)

    def half(self, fold: Numbers) -> tuple[Subject, Numbers]:
        """See Subject."""
        keep = np.flatnonzero((np.arange(len(self.target)) % 2 == 0) | (fold[0] < 0))
        return replace(self, images=self.images[keep], target=self.target[keep]), fold[:, keep]

    def fit(
        self,
        algorithm: str,  # noqa: ARG002 - there is one
        given: Mapping[str, Scalar],
        learnt: Numbers,
        judged: Numbers,
        context: TrainingContext,
    ) -> Answered:
        """See Subject."""
        begin = perf_counter()
        scaling = scaling_of(self.images[learnt])
        settings = NetworkSettings.of(given, context.seed, context.threads)
        planes = scaling.apply(self.images[learnt])
        data = TrainingData(
            images=planes,
            labels=self.target[learnt],
            weights=np.ones(len(learnt), dtype=np.float32),
            classes=len(self.classes.values),
            validation_images=planes[:0],
            validation_labels=self.target[:0],
        )
        network = train_network(str(given["network"]), data, settings, lambda _epoch, _figures: None)
        seconds = perf_counter() - begin
        images = self.images[judged]
        return Answered(
            answers=probabilities(network.logits(scaling.apply(images))),
            seconds=seconds,
            latency_ms=lambda: self._latency_ms(scaling, network, images[:1]),
        )

    def apart(self, learnt: Numbers, judged: Numbers) -> Numbers:  # noqa: ARG002 - no row comes before another one
        """See Subject."""
        return learnt

    def guess(self, learnt: Numbers, judged: Numbers) -> NDArray[np.float64]:
        """See Subject."""
        return shares(self, learnt, judged)

    def profile(self, seed: int) -> DataProfile:  # noqa: ARG002 - nothing is drawn
        """See Subject."""
        labels = self.classes.values[self.target]
        counts = np.bincount(self.target, minlength=len(self.classes.values)) / len(self.target)
        different = len({image.tobytes() for image in self.images})
        return DataProfile(
            rows=len(self.images) + self.held_out_rows,
            held_out_rows=self.held_out_rows,
            duplicate_rows=len(self.images) - different,
            conflicting_rows=0,
            classes={name: round(float(n), 4) for name, n in zip(self.classes.names, counts, strict=True)},
            warnings=tuple(class_findings(labels, labels)),
        )

    def _latency_ms(self, scaling: Any, network: Network, image: NDArray[np.float32]) -> float:
        signature = signature_of(image.shape[1:], self.classes)
        return graph_latency_ms(artifact_of(scaling, network, self.classes, signature), {INPUT: image})


def open_images(channel: Channel, recipe: AutoMLRecipe) -> ImageSubject:
    """Read labelled images.

    Raises:
        InvalidInputError: they cannot be learnt from; the message says why.
    """
    images, labels = read_images(channel.path, channel.format, None)
    labels = canonical(labels)
    is_held_out = split_rows(lambda share: held_out_mask_images(images, share=share), recipe.holdout_share).holdout
    classes, numbers = find_classes(labels[~is_held_out], "the label")
    return ImageSubject(
        images=images[~is_held_out],
        target=numbers,
        classes=classes,
        held_out_rows=int(is_held_out.sum()),
        shared={"holdout_share": recipe.holdout_share},
    )
