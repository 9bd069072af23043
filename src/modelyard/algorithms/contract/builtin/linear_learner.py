"""Linear learner: linear regression, and logistic regression of two or more classes, on standardised features.

Source: docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html, LL-in-formats.html.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import INPUT, write_classifier, write_regressor
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import Table, read_table
from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.preparation.two_classes import with_first_class

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Linear:
    """`features @ weights + bias`: (d, outputs) and (outputs,)."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def raw(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, outputs) before any link function."""
        return features.astype(np.float64) @ self.weights + self.bias


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, measured on `validation` and `test` if there are any."""
    kind = job.text("predictor_type", choices=(BINARY, MULTICLASS, REGRESSOR))
    tables = {
        name: read_table(job.data / name, job.content_types[name])
        for name in ("train", "validation", "test")
        if job.has(name)
    }
    job.check_width(tables["train"].features.shape[1])
    model = _fit(job, kind, tables["train"])
    for name, table in tables.items():
        for metric, value in _figures(kind, model, table).items():
            job.log(f"#quality_metric: host=algo-1, {name} {metric} <score>={value}")
            job.metric(f"{name}:{metric}", value, 0)
    _write(job, kind, model, tables["train"].features.shape[1])


def _fit(job: BuiltInJob, kind: str, table: Table) -> Linear:
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415 - each job loads what it needs

    labels = table.labelled()
    features = table.features.astype(np.float64)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < _TINY] = 1.0
    scaled = (features - mean) / spread
    # AWS's wd multiplies the square of the weights in the mean loss; scikit-learn weighs sums of losses.
    decay = job.number("wd", 0.0) if job.given.get("wd", "auto") != "auto" else 0.0
    if kind == REGRESSOR:
        fitted = Ridge(alpha=decay * len(scaled)).fit(scaled, labels)
        weights, bias = np.atleast_2d(fitted.coef_).T, np.atleast_1d(fitted.intercept_)
    else:
        classes = _classes(job, kind, labels)
        inverse = 1 / (decay * len(scaled)) if decay else np.inf
        fitted = LogisticRegression(C=inverse, max_iter=1000, random_state=0).fit(scaled, labels.astype(np.int64))
        weights, bias = _spread_out(fitted, 1 if kind == BINARY else classes)
    return Linear(weights / spread[:, None], bias - (mean / spread) @ weights)


def _classes(job: BuiltInJob, kind: str, labels: NDArray[np.float32]) -> int:
    """How many classes there are: labels are 0, 1, ..."""
    count = 2 if kind == BINARY else job.integer("num_classes", minimum=3)
    wrong = labels[(labels != labels.astype(np.int64)) | (labels < 0) | (labels >= count)]
    if len(wrong) or len(np.unique(labels)) < 2:  # noqa: PLR2004 - there is nothing to tell apart
        raise ChannelInvalidError(
            f"A {kind} learns from the labels 0 to {count - 1}; there is {wrong[0] if len(wrong) else 'only one'}",
            hint="The label is the first column. Check predictor_type and num_classes.",
            field="channels.train",
        )
    return count


def _spread_out(fitted: object, outputs: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (d, outputs) and bias (outputs,), also where a class had no row."""
    coefficients, intercepts = np.asarray(fitted.coef_), np.asarray(fitted.intercept_)  # type: ignore[attr-defined]
    seen = np.asarray(fitted.classes_)  # type: ignore[attr-defined]
    if outputs == 1:
        return coefficients.T, intercepts
    if len(coefficients) == 1:  # two of several classes
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.array([-1, 1]) * intercepts / 2
    weights, bias = np.zeros((coefficients.shape[1], outputs)), np.full(outputs, -1e4)
    weights[:, seen], bias[seen] = coefficients.T, intercepts
    return weights, bias


def _figures(kind: str, model: Linear, table: Table) -> dict[str, float]:
    labels, raw = table.labelled(), model.raw(table.features)
    if kind == REGRESSOR:
        errors = raw[:, 0] - labels
        return {"mse": float((errors**2).mean()), "absolute_loss": float(np.abs(errors).mean())}
    answers = raw[:, 0] >= 0 if kind == BINARY else raw.argmax(axis=1)
    return {f"{kind}_accuracy" if kind == BINARY else "multiclass_accuracy": float((answers == labels).mean())}


def _write(job: BuiltInJob, kind: str, model: Linear, width: int) -> None:
    graph = Graph()
    weights, bias = model.weights.astype(np.float32), model.bias.astype(np.float32)
    if kind == REGRESSOR:
        write_regressor(job, graph, width, graph.dense(INPUT, weights, bias))
        return
    if kind == BINARY:  # the logit of the class 0 is nought
        weights, bias = with_first_class(weights), with_first_class(bias)
    write_classifier(job, graph, width, graph.dense(INPUT, weights, bias), len(bias))
