"""Factorization machines: a linear model and the products of all pairs of features, by factors of each.

Source: S. Rendle, "Factorization Machines", ICDM 2010, equation 5;
docs.aws.amazon.com/sagemaker/latest/dg/fact-machines-hyperparameters.html.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import INPUT, write_classifier, write_regressor
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import Table, read_table
from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.algorithms.graph import Graph

BINARY, REGRESSOR = "binary_classifier", "regressor"
_FIRST_DECAY, _SECOND_DECAY, _EPSILON = 0.9, 0.999, 1e-8
_Array = NDArray[np.float64]


@dataclass(slots=True)
class Machine:
    """bias (), weights (d,) and factors (d, k)."""

    bias: _Array
    weights: _Array
    factors: _Array

    def raw(self, features: _Array) -> _Array:
        """(n,) before any link function."""
        sums = features @ self.factors
        pairs = (sums**2).sum(axis=1) - (features**2 @ self.factors**2).sum(axis=1)
        return np.asarray(self.bias + features @ self.weights + pairs / 2)

    def gradients(self, features: _Array, slopes: _Array) -> list[_Array]:
        """Of the mean loss whose derivative by `raw` is `slopes` (n,)."""
        sums = features @ self.factors
        squares = (features**2).T @ slopes
        factors = features.T @ (sums * slopes[:, None]) - self.factors * squares[:, None]
        return [each / len(slopes) for each in (slopes.sum(), features.T @ slopes, factors)]


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, measured on `test` if there is one."""
    kind = job.text("predictor_type", choices=(BINARY, REGRESSOR))
    tables = {name: read_table(job.data / name, job.content_types[name]) for name in ("train", "test") if job.has(name)}
    job.check_width(tables["train"].features.shape[1])
    machine = _fit(job, kind, tables["train"])
    for name, table in tables.items():
        raw, labels = machine.raw(table.features.astype(np.float64)), table.labelled()
        if kind == BINARY:
            metric, value = "binary_classification_accuracy", float(((raw >= 0) == labels).mean())
        else:
            metric, value = "rmse", float(np.sqrt(((raw - labels) ** 2).mean()))
        job.log(f"#quality_metric: host=algo-1, {name} {metric} <score>={value}")
        job.metric(f"{name}:{metric}", value, 0)
    _write(job, kind, machine)


def _fit(job: BuiltInJob, kind: str, table: Table) -> Machine:
    """Adam over batches, in an order that the seed fixes."""
    features, labels = table.features.astype(np.float64), table.labelled().astype(np.float64)
    if kind == BINARY and not np.isin(labels, (0, 1)).all():
        raise ChannelInvalidError("A binary_classifier learns from the labels 0 and 1", hint="Check the first column.")
    random = np.random.default_rng(0)
    factors = random.normal(0, 0.01, (features.shape[1], job.integer("num_factors")))
    machine = Machine(np.array(labels.mean() if kind == REGRESSOR else 0.0), np.zeros(features.shape[1]), factors)
    rates = [job.number(f"{name}_lr", 0.01) for name in ("bias", "linear", "factors")]
    adam = _Adam([machine.bias, machine.weights, machine.factors], rates)
    size = job.integer("mini_batch_size", 1000)
    for epoch in range(job.integer("epochs", 1)):
        order, losses = random.permutation(len(features)), []
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            raw, truth = machine.raw(features[chosen]), labels[chosen]
            answers = 1 / (1 + np.exp(-raw)) if kind == BINARY else raw
            losses.append(float(np.abs(answers - truth).mean()))
            machine = Machine(*adam.step(machine.gradients(features[chosen], answers - truth)))
        job.log(f"epoch={epoch}, train absolute_error={np.mean(losses):.6f}")
    return machine


class _Adam:
    """Source: D. Kingma and J. Ba, "Adam", ICLR 2015."""

    def __init__(self, parameters: list[_Array], rates: list[float]) -> None:
        self._parameters = parameters
        self._rates = rates
        self._first: list[Any] = [np.zeros_like(each) for each in parameters]
        self._second: list[Any] = [np.zeros_like(each) for each in parameters]
        self._steps = 0

    def step(self, gradients: list[_Array]) -> list[_Array]:
        """The parameters after a step down."""
        self._steps += 1
        for index, gradient in enumerate(gradients):
            self._first[index] = _FIRST_DECAY * self._first[index] + (1 - _FIRST_DECAY) * gradient
            self._second[index] = _SECOND_DECAY * self._second[index] + (1 - _SECOND_DECAY) * gradient**2
            mean = self._first[index] / (1 - _FIRST_DECAY**self._steps)
            spread = np.sqrt(self._second[index] / (1 - _SECOND_DECAY**self._steps)) + _EPSILON
            self._parameters[index] = self._parameters[index] - self._rates[index] * mean / spread
        return self._parameters


def _write(job: BuiltInJob, kind: str, machine: Machine) -> None:
    graph = Graph()
    factors = machine.factors.astype(np.float32)
    sums = graph.add("MatMul", INPUT, graph.constant(factors))
    squares = graph.add("MatMul", graph.add("Mul", INPUT, INPUT), graph.constant(factors**2))
    pairs = graph.add("Sub", graph.add("Mul", sums, sums), squares)
    halved = graph.add("Mul", graph.add("ReduceSum", pairs, graph.constant(np.array([1]))), graph.constant(0.5))
    linear = graph.dense(INPUT, machine.weights[:, None].astype(np.float32), machine.bias.reshape(1))
    raw = graph.add("Add", halved, linear)
    width = len(machine.weights)
    if kind == REGRESSOR:
        write_regressor(job, graph, width, raw)
    else:
        logits = graph.add("Concat", graph.add("Mul", raw, graph.constant(0.0)), raw, axis=1)
        write_classifier(job, graph, width, logits, 2)
