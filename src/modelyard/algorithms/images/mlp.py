"""A multi-layer network on pixels and edge features, in NumPy: no deep-learning package, a second for 1,000 images.

Adam with decoupled weight decay and a cosine schedule, dropout, label smoothing.
Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.checkpoints import NOWHERE, Checkpoint, Checkpoints, Progress
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.images.augmentation import augment
from modelyard.algorithms.images.features import Images, feature_nodes, features
from modelyard.algorithms.images.settings import NetworkSettings, Report, TrainingData, checkpoint_of
from modelyard.algorithms.images.stopping import BestEpoch

Array = NDArray[np.float32]

_SPREAD_FLOOR = 0.1
_FIRST_DECAY, _SECOND_DECAY, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Mlp:
    """Dense layers as (weights, bias) pairs; all but the last are followed by a rectifier."""

    layers: tuple[tuple[Array, Array], ...]
    scaled_shape: tuple[int, int, int]

    def logits(self, planes: Images) -> Array:
        """(n, classes) for scaled images."""
        values = features(planes)
        for weights, bias in self.layers[:-1]:
            values = np.maximum(values @ weights + bias, 0)
        weights, bias = self.layers[-1]
        return values @ weights + bias

    def nodes(self, graph: Graph, planes: str) -> str:
        """The same as ONNX nodes."""
        values = feature_nodes(graph, planes, self.scaled_shape)
        for weights, bias in self.layers[:-1]:
            values = graph.add("Relu", graph.dense(values, weights, bias))
        return graph.dense(values, *self.layers[-1])


def train_mlp(data: TrainingData, settings: NetworkSettings, report: Report, checkpoints: Checkpoints = NOWHERE) -> Mlp:
    """Train for `settings.epochs`, or until the validation part has not improved for `settings.patience` epochs."""
    return _Training(data, settings).run(report, checkpoint_of(checkpoints, "mlp", data, settings))


class _Training:
    """One training: parameters, Adam's moments, and the random numbers, drawn in a fixed order."""

    def __init__(self, data: TrainingData, settings: NetworkSettings) -> None:
        self._data = data
        self._settings = settings
        self._random = np.random.default_rng(settings.seed)
        inputs = features(data.images)
        self._mean = inputs.mean(axis=0, dtype=np.float32)
        self._spread = inputs.std(axis=0, dtype=np.float32) + np.float32(_SPREAD_FLOOR)
        self._inputs = self._standardised(inputs)
        self._targets = _smoothed(data, settings.label_smoothing)
        sizes = (inputs.shape[1], *settings.layers, data.classes)
        self._parameters = list(self._initial(sizes))
        self._first = [np.zeros_like(parameter) for parameter in self._parameters]
        self._second = [np.zeros_like(parameter) for parameter in self._parameters]
        self._steps = 0
        self._all_steps = settings.epochs * -(-len(inputs) // settings.mini_batch_size)
        self._best: BestEpoch[Mlp] = BestEpoch(settings.patience)

    def run(self, report: Report, checkpoint: Checkpoint) -> Mlp:
        done = self._go_on(checkpoint.load())
        for epoch in range(done + 1, self._settings.epochs + 1):
            figures = self._epoch()
            validation = self._validate()
            if validation is not None:
                figures["validation_accuracy"] = validation
            report(epoch, figures)
            if self._settings.patience is not None and self._best.is_over(validation, self._folded):
                break
            if checkpoint.is_due():
                checkpoint.save(self._progress(epoch))
        return self._best.found or self._folded()

    def _progress(self, epoch: int) -> Progress:
        state = self._random.bit_generator.state
        values = {"epoch": epoch, "steps": self._steps, "random": state, "best": self._best.counts}
        found = self._best.found.layers if self._best.found is not None else ()
        kept = {
            "parameters": self._parameters,
            "first": self._first,
            "second": self._second,
            "best": [array for layer in found for array in layer],
        }
        arrays = {f"{name}/{index}": array for name, each in kept.items() for index, array in enumerate(each)}
        return Progress(values=values, arrays=arrays)

    def _go_on(self, found: Progress | None) -> int:
        """Take up what a checkpoint says; the epochs that are done."""
        if found is None:
            return 0
        count = len(self._parameters)
        for name, kept in (("parameters", self._parameters), ("first", self._first), ("second", self._second)):
            kept[:] = [found.arrays[f"{name}/{index}"] for index in range(count)]
        best = [found.arrays[f"best/{index}"] for index in range(count) if f"best/{index}" in found.arrays]
        self._best.restore(tuple(found.values["best"]), self._network(best) if best else None)
        self._random.bit_generator.state = found.values["random"]
        self._steps = int(found.values["steps"])
        return int(found.values["epoch"])

    def _epoch(self) -> dict[str, float]:
        if self._settings.augmentation != "none":
            seen = augment(self._data.images, self._settings.augmentation, self._random)
            self._inputs = self._standardised(features(seen))
        order = self._random.permutation(len(self._inputs))
        loss = correct = 0.0
        size = self._settings.mini_batch_size
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            batch_loss, batch_correct = self._step(batch)
            loss, correct = loss + batch_loss, correct + batch_correct
        return {"train_loss": loss / len(order), "train_accuracy": correct / len(order)}

    def _step(self, batch: NDArray[np.int64]) -> tuple[float, int]:
        """One update; the batch's summed loss and its right answers."""
        activations, masks = self._forward(self._inputs[batch])
        logits = activations.pop()
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        targets = self._targets[batch]
        gradient = (np.exp(logs) - targets) * (self._data.weights[batch] / np.float32(len(batch)))[:, None]
        self._update(self._backward(gradient, activations, masks))
        is_correct = logits.argmax(axis=1) == self._data.labels[batch]
        return float(-(targets * logs).sum()), int(is_correct.sum())

    def _forward(self, inputs: Array) -> tuple[list[Array], list[Array]]:
        activations, masks = [inputs], []
        for index in range(0, len(self._parameters) - 2, 2):
            hidden = np.maximum(activations[-1] @ self._parameters[index] + self._parameters[index + 1], 0)
            mask = (self._random.random(hidden.shape, dtype=np.float32) >= self._settings.dropout).astype(np.float32)
            masks.append(mask / np.float32(1 - self._settings.dropout))
            activations.append(hidden * masks[-1])
        activations.append(activations[-1] @ self._parameters[-2] + self._parameters[-1])
        return activations, masks

    def _backward(self, gradient: Array, activations: list[Array], masks: list[Array]) -> list[Array]:
        gradients: list[Array] = []
        for layer in reversed(range(len(activations))):
            gradients = [activations[layer].T @ gradient, gradient.sum(axis=0), *gradients]
            if layer:
                back = gradient @ self._parameters[2 * layer].T
                gradient = back * (activations[layer] > 0) * masks[layer - 1]
        return gradients

    def _update(self, gradients: list[Array]) -> None:
        rate = self._settings.learning_rate * 0.5 * (1 + np.cos(np.pi * self._steps / self._all_steps))
        self._steps += 1
        scale = np.float32(rate / (1 - _FIRST_DECAY**self._steps))
        correction = np.float32(1 - _SECOND_DECAY**self._steps)
        decay = np.float32(1 - rate * self._settings.weight_decay)
        for index, gradient in enumerate(gradients):
            self._first[index] += np.float32(1 - _FIRST_DECAY) * (gradient - self._first[index])
            self._second[index] += np.float32(1 - _SECOND_DECAY) * (gradient * gradient - self._second[index])
            root = np.sqrt(self._second[index] / correction) + np.float32(_EPSILON)
            if gradient.ndim > 1:
                self._parameters[index] *= decay
            self._parameters[index] -= scale * self._first[index] / root

    def _validate(self) -> float | None:
        if not len(self._data.validation_images):
            return None
        answers = self._folded().logits(self._data.validation_images).argmax(axis=1)
        return float((answers == self._data.validation_labels).mean())

    def _folded(self) -> Mlp:
        """The network so far, with the standardisation of its inputs folded into the first layer."""
        weights, bias, *rest = [parameter.copy() for parameter in self._parameters]
        weights = weights / self._spread[:, None]
        return self._network([weights, bias - self._mean @ weights, *rest])

    def _network(self, layers: list[Array]) -> Mlp:
        _, *scaled_shape = self._data.images.shape
        channels, height, width = scaled_shape
        return Mlp(tuple(zip(layers[::2], layers[1::2], strict=True)), (channels, height, width))

    def _standardised(self, inputs: Array) -> Array:
        standardised: Array = (inputs - self._mean) / self._spread
        return standardised

    def _initial(self, sizes: tuple[int, ...]) -> Iterator[Array]:
        for fan_in, fan_out in pairwise(sizes):
            yield (self._random.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)).astype(np.float32)
            yield np.zeros(fan_out, dtype=np.float32)


def _smoothed(data: TrainingData, smoothing: float) -> Array:
    targets = np.full((len(data.labels), data.classes), smoothing / data.classes, dtype=np.float32)
    targets[np.arange(len(data.labels)), data.labels] += np.float32(1 - smoothing)
    return targets
