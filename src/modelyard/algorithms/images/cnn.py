"""A small convolutional network in PyTorch. Only imported when PyTorch is installed and asked for.

Each layer: 3 x 3 convolution, batch normalisation (folded into the convolution for serving), rectifier, 2 x 2 maximum.
It is trained on the card that the job was given, else on its cores, and comes back to the cores.
"""

import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from modelyard.algorithms.checkpoints import NOWHERE, Checkpoint, Checkpoints, Progress
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.images.augmentation import augment
from modelyard.algorithms.images.features import Images
from modelyard.algorithms.images.settings import NetworkSettings, Report, TrainingData, checkpoint_of
from modelyard.algorithms.images.stopping import BestEpoch

_LEAST_POOLED_SIDE = 4
_PREDICT_IMAGES = 1024
_CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # without it CUDA's matrix products are not repeatable


@dataclass(frozen=True, slots=True)
class Cnn:
    """A trained network, as PyTorch holds it."""

    network: Any

    def logits(self, planes: Images) -> NDArray[np.float32]:
        """(n, classes) for scaled images."""
        self.network.eval()
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            batches = torch.from_numpy(np.ascontiguousarray(planes)).split(_PREDICT_IMAGES)
            logits = torch.cat([self.network(batch.to(device)).cpu() for batch in batches])
        answers: NDArray[np.float32] = logits.numpy()
        return answers

    def nodes(self, graph: Graph, planes: str) -> str:
        """The same as ONNX nodes, read off the layers: torch.onnx needs packages that are not installed here."""
        values = planes
        layers = list(self.network)
        for index, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                weights, bias = _folded(layer, layers[index + 1])
                values = graph.add("Conv", values, graph.constant(weights), graph.constant(bias), pads=[1, 1, 1, 1])
            elif isinstance(layer, nn.ReLU):
                values = graph.add("Relu", values)
            elif isinstance(layer, nn.MaxPool2d):
                values = graph.add("MaxPool", values, kernel_shape=[2, 2], strides=[2, 2])
            elif isinstance(layer, nn.Flatten):
                values = graph.add("Flatten", values, axis=1)
            elif isinstance(layer, nn.Linear):
                values = graph.dense(values, _array(layer.weight).T, _array(layer.bias))
        return values


def where_it_trains() -> str:
    """In words."""
    return torch.cuda.get_device_name() if _device().type == "cuda" else "the cores of the machine"


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train_cnn(data: TrainingData, settings: NetworkSettings, report: Report, checkpoints: Checkpoints = NOWHERE) -> Cnn:
    """Train for `settings.epochs`, or until the validation part has not improved for `settings.patience` epochs."""
    os.environ.setdefault(_CUBLAS_WORKSPACE, ":4096:8")
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(mode=True)
    device = _device()
    checkpoint = checkpoint_of(checkpoints, f"cnn on {device.type}", data, settings)
    return _Training(data, settings, device).run(report, checkpoint)


class _Training:
    """One training of a network; the order of images and their changes come from NumPy, the rest from torch's seed."""

    def __init__(self, data: TrainingData, settings: NetworkSettings, device: torch.device) -> None:
        self._data = data
        self._settings = settings
        self._device = device
        self._random = np.random.default_rng(settings.seed)
        self._network = _network(data, settings).to(self._device)
        self._loss = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing, reduction="none")
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        steps = settings.epochs * -(-len(data.images) // settings.mini_batch_size)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, steps)
        self._best: BestEpoch[dict[str, Any]] = BestEpoch(settings.patience)

    def run(self, report: Report, checkpoint: Checkpoint) -> Cnn:
        done = self._go_on(checkpoint.load())
        for epoch in range(done + 1, self._settings.epochs + 1):
            figures = self._epoch()
            validation = self._validate()
            if validation is not None:
                figures["validation_accuracy"] = validation
            report(epoch, figures)
            if self._settings.patience is not None and self._best.is_over(validation, self._snapshot):
                break
            if checkpoint.is_due():
                checkpoint.save(self._progress(epoch))
        if self._best.found is not None:
            self._network.load_state_dict(self._best.found)
        return Cnn(self._network.cpu())

    def _progress(self, epoch: int) -> Progress:
        content = io.BytesIO()
        parts = (each.state_dict() for each in (self._network, self._optimiser, self._schedule))
        torch.save([*parts, self._random_state(), self._best.found], content)
        values = {"epoch": epoch, "random": self._random.bit_generator.state, "best": self._best.counts}
        return Progress(values=values, arrays={"torch": np.frombuffer(content.getvalue(), dtype=np.uint8)})

    def _go_on(self, found: Progress | None) -> int:
        """Take up what a checkpoint says; the epochs that are done."""
        if found is None:
            return 0
        content = io.BytesIO(found.arrays["torch"].tobytes())
        network, optimiser, schedule, random, best = torch.load(content, weights_only=True, map_location="cpu")
        self._network.load_state_dict(network)
        self._optimiser.load_state_dict(optimiser)
        self._schedule.load_state_dict(schedule)
        self._take_up(random)
        self._best.restore(tuple(found.values["best"]), best)
        self._random.bit_generator.state = found.values["random"]
        return int(found.values["epoch"])

    def _random_state(self) -> Any:
        """Of the generator that dropout draws from."""
        return torch.cuda.get_rng_state() if self._device.type == "cuda" else torch.get_rng_state()

    def _take_up(self, random: Any) -> None:
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(random)
        else:
            torch.set_rng_state(random)

    def _epoch(self) -> dict[str, float]:
        self._network.train()
        images = augment(self._data.images, self._settings.augmentation, self._random)
        order = self._random.permutation(len(images))
        loss = correct = 0.0
        for start in range(0, len(order), self._settings.mini_batch_size):
            batch = order[start : start + self._settings.mini_batch_size]
            labels = self._tensor(self._data.labels[batch])
            logits = self._network(self._tensor(images[batch]))
            losses = self._loss(logits, labels)
            self._optimiser.zero_grad()
            (losses * self._tensor(self._data.weights[batch])).mean().backward()
            self._optimiser.step()
            self._schedule.step()
            loss += float(losses.detach().sum())
            correct += float((logits.argmax(dim=1) == labels).sum())
        return {"train_loss": loss / len(order), "train_accuracy": correct / len(order)}

    def _tensor(self, values: NDArray[Any]) -> Any:
        return torch.from_numpy(values).to(self._device)

    def _validate(self) -> float | None:
        if not len(self._data.validation_images):
            return None
        answers = Cnn(self._network).logits(self._data.validation_images).argmax(axis=1)
        return float((answers == self._data.validation_labels).mean())

    def _snapshot(self) -> dict[str, Any]:
        return {name: value.clone() for name, value in self._network.state_dict().items()}


def _network(data: TrainingData, settings: NetworkSettings) -> Any:
    _, channels, height, width = data.images.shape
    layers: list[nn.Module] = []
    for filters in settings.filters:
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
        channels = filters
        if min(height, width) >= _LEAST_POOLED_SIDE:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    layers.append(nn.Flatten())
    size = channels * height * width
    for units in settings.layers:
        layers += [nn.Linear(size, units), nn.ReLU(), nn.Dropout(settings.dropout)]
        size = units
    return nn.Sequential(*layers, nn.Linear(size, data.classes))


def _folded(convolution: Any, normalisation: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and bias of a convolution with the batch normalisation after it."""
    spread = np.sqrt(_array(normalisation.running_var) + normalisation.eps)
    scale = _array(normalisation.weight) / spread
    bias = (_array(convolution.bias) - _array(normalisation.running_mean)) * scale + _array(normalisation.bias)
    return _array(convolution.weight) * scale[:, None, None, None], bias


def _array(tensor: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.detach().numpy().astype(np.float64)
    return values
