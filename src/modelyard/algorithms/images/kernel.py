"""A kernel machine on pixels and edge features: no epochs, and strong where there are few images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression

from modelyard.algorithms.graph import Graph
from modelyard.algorithms.images.features import Images, feature_nodes, features
from modelyard.algorithms.images.settings import NetworkSettings, TrainingData
from modelyard.algorithms.preparation.two_classes import logistic_weights
from modelyard.algorithms.tables.kernels import Waves
from modelyard.algorithms.tables.linear import Linear

_SPREAD_FLOOR = 0.1
_ITERATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """See Network. `mean` and `scale` (f,) standardise the features."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    waves: Waves
    linear: Linear
    scaled_shape: tuple[int, int, int]

    def logits(self, planes: Images) -> NDArray[np.float32]:
        """(n, classes) for scaled images."""
        return self.linear.scores(self.waves.apply(self._standardised(features(planes)))).astype(np.float32)

    def nodes(self, graph: Graph, planes: str) -> str:
        """The same as ONNX nodes."""
        values = graph.add("Sub", feature_nodes(graph, planes, self.scaled_shape), graph.constant(self.mean))
        values = graph.add("Mul", values, graph.constant(self.scale))
        return self.linear.nodes(graph, self.waves.nodes(graph, values))

    def _standardised(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return (values - self.mean) * self.scale


def train_kernel(data: TrainingData, settings: NetworkSettings) -> Kernel:
    """Logistic regression over the features and their random Fourier features."""
    inputs = features(data.images)
    mean = inputs.mean(axis=0, dtype=np.float32)
    scale = 1 / (inputs.std(axis=0, dtype=np.float32) + np.float32(_SPREAD_FLOOR))
    inputs = (inputs - mean) * scale
    sampler = RBFSampler(
        gamma=settings.gamma / inputs.shape[1], n_components=settings.waves, random_state=settings.seed
    ).fit(inputs)
    waves = Waves(
        directions=np.asarray(sampler.random_weights_, dtype=np.float32),
        phases=np.asarray(sampler.random_offset_, dtype=np.float32),
    )
    model = LogisticRegression(C=1 / settings.regularisation, max_iter=_ITERATIONS, random_state=settings.seed)
    model.fit(waves.apply(inputs), data.labels, sample_weight=data.weights)
    weights, bias = logistic_weights(model)
    linear = Linear(weights=weights, bias=bias, findings=())
    return Kernel(mean=mean, scale=scale, waves=waves, linear=linear, scaled_shape=_shape(data.images))


def _shape(images: Images) -> tuple[int, int, int]:
    channels, height, width = images.shape[1:]
    return channels, height, width
