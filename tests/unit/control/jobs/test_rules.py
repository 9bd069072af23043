"""Rules on the figures of real networks: some learn well, the others go wrong in each way that a rule is for."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.datasets import load_digits

import modelyard
from modelyard.control.jobs.debugging import catalog
from modelyard.control.jobs.debugging.curves import Curve, Curves, Part, base_of, part_of
from modelyard.control.jobs.debugging.errors import RuleInvalidError
from modelyard.control.jobs.debugging.verdicts import Verdict
from modelyard.control.jobs.output import parse_metrics
from modelyard.types.debugging.rules import RuleAction, RuleChoice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PIXELS, DIGITS = load_digits(return_X_y=True)
PIXELS = PIXELS / 16.0 - 0.3
Find = Callable[[], dict[str, Verdict]]


@pytest.fixture
def found(capsys: pytest.CaptureFixture[str]) -> Find:
    """What all rules say of what was logged until now."""

    def look() -> dict[str, Verdict]:
        curves = Curves()
        for point in parse_metrics(capsys.readouterr().out, NOW):
            curves.add(point.name, point.step, point.value)
        verdicts = {rule.description.name: rule.look(curves, {}) for rule, _ in catalog.chosen(())}
        return {name: verdict for name, verdict in verdicts.items() if verdict is not None}

    return look


class Network:
    """A multi-layer network in NumPy that is trained by plain gradient descent and logs its tensors."""

    def __init__(
        self, sizes: tuple[int, ...], *, scale: float = 1.4, activation: str = "relu", bias: float = 0.0
    ) -> None:
        random = np.random.default_rng(0)
        shapes = list(itertools.pairwise(sizes))
        self.weights = [random.normal(0, scale / np.sqrt(fan), (fan, out)) for fan, out in shapes]
        self.biases = [np.full(out, bias) for _, out in shapes]
        self.biases[-1][:] = 0.0
        self.is_sigmoid = activation == "sigmoid"

    def forward(self, rows: np.ndarray) -> list[np.ndarray]:
        answers = [rows]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            sums = answers[-1] @ weight + bias
            is_last = number == len(self.weights) - 1
            hidden = 1 / (1 + np.exp(-np.clip(sums, -500, 500))) if self.is_sigmoid else np.maximum(sums, 0)
            answers.append(sums if is_last else hidden)
        return answers

    def loss(self, rows: np.ndarray, labels: np.ndarray) -> float:
        logits = self.forward(rows)[-1]
        logits = logits - logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(-logs[np.arange(len(labels)), labels].mean())

    def step(self, rows: np.ndarray, labels: np.ndarray, rate: float, number: int | None = None) -> None:
        answers = self.forward(rows)
        odds = np.exp(answers[-1] - answers[-1].max(axis=1, keepdims=True))
        slope = odds / odds.sum(axis=1, keepdims=True)
        slope[np.arange(len(labels)), labels] -= 1
        slope /= len(labels)
        gradients = {}
        for layer in reversed(range(len(self.weights))):
            gradients[layer] = answers[layer].T @ slope, slope.sum(axis=0)
            inner = answers[layer] * (1 - answers[layer]) if self.is_sigmoid else answers[layer] > 0
            slope = (slope @ self.weights[layer].T) * inner
        if number is not None:
            modelyard.log_tensors(
                number,
                gradients={f"layer{layer}": each for layer, (each, _) in gradients.items()},
                weights={f"layer{layer}": each for layer, each in enumerate(self.weights)},
                activations={f"layer{layer}": each for layer, each in enumerate(answers[1:-1])},
            )
        for layer, (weight, bias) in gradients.items():
            self.weights[layer] -= rate * weight
            self.biases[layer] -= rate * bias


def train(network: Network, rows: np.ndarray, labels: np.ndarray, *, rate: float, epochs: int) -> None:
    """Logs the losses of each epoch, and the tensors of one batch of it."""
    random = np.random.default_rng(1)
    for epoch in range(epochs):
        order = random.permutation(len(rows))
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            network.step(rows[batch], labels[batch], rate, epoch if start == 0 else None)
        modelyard.log_metric("train_loss", network.loss(rows, labels), epoch)
        modelyard.log_metric("val_loss", network.loss(PIXELS[1600:], DIGITS[1600:]), epoch)


def test_a_network_that_learns_well_gives_no_rule_a_reason(found: Find):
    modelyard.log_classes(DIGITS[:1200])
    train(Network((64, 32, 10)), PIXELS[:1200], DIGITS[:1200], rate=0.2, epochs=40)
    assert found() == {}


def test_a_network_that_learns_few_noisy_rows_by_heart_is_overfitting(found: Find):
    labels = DIGITS[:120].copy()
    labels[::4] = (labels[::4] + 3) % 10
    train(Network((64, 64, 10)), PIXELS[:120], labels, rate=0.5, epochs=100)
    verdict = found()["overfitting"]
    assert verdict.value > 0.1
    assert "val_loss was best at step" in verdict.message
    assert "End the training near step" in verdict.message


@pytest.mark.parametrize(
    ("rate", "words"), [(1e-7, "it has not fallen since the start"), (-0.02, "it rises. Try a smaller learning rate")]
)
def test_a_loss_that_does_not_fall_is_told_with_what_to_try(rate: float, words: str, found: Find):
    train(Network((64, 32, 10)), PIXELS[:400], DIGITS[:400], rate=rate, epochs=40)
    assert words in found()["loss_not_decreasing"].message


def test_a_loss_that_fell_and_stands_still_has_converged(found: Find):
    for step in range(80):
        modelyard.log_metric("loss", max(2.0 * 0.8**step, 0.3) + 0.001 * (step % 2), step)
    assert "It has converged" in found()["loss_not_decreasing"].message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_runs_away_is_not_finite_and_its_gradients_explode(found: Find):
    weights = np.zeros(64)
    for step in range(120):
        gradient = 2 * PIXELS.T @ (PIXELS @ weights - DIGITS) / len(DIGITS)
        weights = weights - (0.01 if step < 10 else 10_000.0) * gradient
        modelyard.log_tensors(step, gradients={"linear": gradient}, weights={"linear": weights})
        modelyard.log_metric("loss", float(np.square(PIXELS @ weights - DIGITS).mean()), step)
    verdicts = found()
    assert "loss was NaN or infinite" in verdicts["not_finite"].message
    assert verdicts["not_finite"].step > 10
    assert "the median before was" in verdicts["exploding_gradients"].message


def test_deep_sigmoid_layers_have_vanishing_gradients(found: Find):
    train(Network((64, *[32] * 10, 10), activation="sigmoid"), PIXELS[:400], DIGITS[:400], rate=0.1, epochs=6)
    verdict = found()["vanishing_gradients"]
    assert "layer 'layer0'" in verdict.message
    assert verdict.value < 1e-4


def test_units_below_zero_for_every_row_are_dead(found: Find):
    train(Network((64, 32, 10), bias=-8.0), PIXELS[:400], DIGITS[:400], rate=0.01, epochs=6)
    verdict = found()["dead_units"]
    assert "100% of the units of layer 'layer0'" in verdict.message


def test_classes_of_very_different_size_are_told_at_the_start(found: Find):
    modelyard.log_classes(["good"] * 970 + ["bad"] * 30)
    verdict = found()["class_imbalance"]
    assert verdict.step == 0
    assert "Class 'bad' has 30 of 1,000 training rows" in verdict.message


def test_half_the_classes_are_no_reason_before_all_are_known():
    curves = Curves()
    for name, rows in (("class_rows/good", 970.0), ("class_rows/bad", 30.0)):
        curves.add(name, 0, rows)
    (rule,) = [rule for rule, choice in catalog.chosen(()) if choice.rule == "class_imbalance"]
    assert rule.look(curves, {}) is None
    curves.add("class_rows", 0, 1000.0)
    assert rule.look(curves, {}) is not None
    assert rule.look(curves, {"ratio": 0.01}) is None


def test_names_say_on_which_rows_a_figure_is_measured():
    names = ("loss", "train_loss", "train/loss", "val_loss", "validation-accuracy", "loss/val", "holdout_rmse", "a/b")
    parts = [part_of(name) for name in names]
    validation = [Part.VALIDATION] * 3
    assert parts == [Part.TRAINING, Part.TRAINING, Part.TRAINING, *validation, None, None]
    assert {base_of(name) for name in ("loss", "train_loss", "val_loss", "validation/loss")} == {"loss"}


def test_a_long_curve_keeps_its_ends_and_stays_short():
    curve = Curve("loss")
    for step in range(20_000):
        curve.add(step, float(step))
    assert len(curve.values) <= 2000
    assert (curve.steps[0], curve.steps[-1]) == (0, 19_999)
    assert curve.steps == sorted(curve.steps)


def test_choices_change_what_follows_and_unknown_ones_are_refused():
    stop = RuleChoice(rule="overfitting", action=RuleAction.STOP, settings={"patience": 2})
    everything_off = RuleChoice(rule="all", action=RuleAction.OFF)
    assert [choice for _, choice in catalog.chosen((stop, everything_off))] == [stop]
    actions = {choice.rule: choice.action for _, choice in catalog.chosen((stop,))}
    assert actions.pop("overfitting") is RuleAction.STOP
    assert set(actions.values()) == {RuleAction.NOTIFY}
    catalog.check((stop, everything_off))
    for wrong, words in (
        (RuleChoice(rule="overfiting"), "Did you mean 'overfitting'"),
        (RuleChoice(rule="overfitting", settings={"patients": 2}), "It has patience, rise"),
        (RuleChoice(rule="overfitting", settings={"patience": 0}), "It is 1 or more"),
        (RuleChoice(rule="overfitting", settings={"rise": float("nan")}), "It is 0 or more"),
    ):
        with pytest.raises(RuleInvalidError) as refused:
            catalog.check((wrong,))
        assert words in refused.value.hint
