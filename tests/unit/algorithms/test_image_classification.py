import importlib.util

import numpy as np
import pytest

from modelyard.algorithms.errors import TargetInvalidError, TooFewRowsError, TorchMissingError
from modelyard.algorithms.images.augmentation import CHOICES, augment
from modelyard.data.holdout import held_out_mask_images
from modelyard.drift.reference import ReferenceSketch
from modelyard.runtimes.bundle import load_bundle, read_compilation, read_golden
from modelyard.runtimes.golden import mismatches

NAME = "image-classification"
MLP = {"network": "mlp"}


def test_a_thousand_digits_give_97_percent_on_digits_never_seen(workshop, digits):
    images, labels = digits
    folder, figures = workshop.train(NAME, workshop.images(images[:1000], labels[:1000]), hyperparameters=MLP)
    manifest, predictor = load_bundle(folder)
    outputs = predictor.predict({"images": images[1000:]})
    assert (outputs["label"] == labels[1000:]).mean() >= 0.97
    assert figures["accuracy"] >= 0.95
    assert figures["accuracy/low"] < figures["accuracy"] < figures["accuracy/high"]
    assert manifest.signature.class_names == tuple("0123456789")
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_the_bundle_is_complete_and_its_golden_requests_hold(workshop, digits):
    images, labels = digits
    channel = workshop.images(images[:300], labels[:300])
    folder, figures = workshop.train(NAME, channel, hyperparameters=MLP | {"epochs": 5})
    manifest, predictor = load_bundle(folder)
    files = {path.name for path in folder.iterdir()}
    assert files == {
        "manifest.json", "model.onnx", "golden.json", "reference.json", "environment.lock", "compilation.json",
        "background.json",
    }  # fmt: skip
    compilation = read_compilation(folder)
    assert compilation.served == "onnx"
    assert all(len(variant.timings) == 3 for variant in compilation.variants)
    assert mismatches(read_golden(folder), predictor.predict) == []
    card = manifest.card
    assert (card.task, card.algorithm, card.training_data) == (NAME, NAME, (channel.reference,))
    assert card.hyperparameters["epochs"] == 5
    assert card.parity.is_equal
    assert card.metric("accuracy").value == figures["accuracy"]
    held_out = int(held_out_mask_images(images[:300]).sum())
    assert (card.custom["training_rows"], card.metric("accuracy").n) == (300 - held_out, held_out)
    sketch = ReferenceSketch.from_json((folder / "reference.json").read_bytes())
    assert sketch.numbers["image.noise"].count == 300
    assert sketch.numbers["prediction.confidence"].count == held_out
    assert "numpy==" in (folder / "environment.lock").read_text()


def test_colour_images_with_class_names_train_and_answer_names(workshop):
    random = np.random.default_rng(0)
    labels = random.choice(["cat", "dog"], 120)
    images = random.integers(0, 60, (120, 40, 36, 3)).astype(np.uint8)
    images[labels == "cat", :20, :, 0] += 150
    folder, figures = workshop.train(NAME, workshop.images(images, labels), hyperparameters=MLP | {"epochs": 5})
    manifest, predictor = load_bundle(folder)
    assert figures["accuracy"] == 1.0
    assert "roc_auc" in figures
    assert manifest.signature.inputs[0].shape == (-1, 40, 36, 3)
    answer = predictor.predict({"images": images[:3].astype(np.float32)})
    assert answer["label"].tolist() == labels[:3].tolist()


def test_images_are_resized_when_asked(workshop, digits):
    images, labels = digits
    channel = workshop.images(images[:200], labels[:200])
    folder, _ = workshop.train(NAME, channel, hyperparameters=MLP | {"epochs": 2, "image_size": 16})
    assert load_bundle(folder)[0].signature.inputs[0].shape == (-1, 16, 16)


def test_imbalance_and_rare_and_unseen_classes_are_reported(workshop, digits):
    images, labels = digits
    chosen = np.concatenate([np.flatnonzero(labels == 1)[:150], np.flatnonzero(labels == 2)[:12]])
    unseen = np.flatnonzero(held_out_mask_images(images) & (labels == 3))[:1]
    chosen = np.concatenate([chosen, unseen, chosen[:3]])
    folder, _ = workshop.train(NAME, workshop.images(images[chosen], labels[chosen]), hyperparameters=MLP)
    findings = " ".join(load_bundle(folder)[0].card.findings)
    assert "The classes are imbalanced: '1' has" in findings
    assert "class_weight=balanced" in findings
    assert "Classes that only held-out rows have, so that no model can answer them: '3'" in findings
    assert "3 images repeat others" in findings


def test_early_stopping_keeps_the_best_epoch_and_shows_its_validation_accuracy(workshop, digits, capsys):
    images, labels = digits
    given = MLP | {"early_stopping": True, "early_stopping_patience": 2, "epochs": 200, "class_weight": "balanced"}
    workshop.train(NAME, workshop.images(images[:600], labels[:600]), hyperparameters=given)
    shown = capsys.readouterr().out
    assert "steer early stopping" in shown
    assert '"validation_accuracy"' in shown
    assert "epoch 200/200" not in shown


@pytest.mark.parametrize("how", CHOICES)
def test_augmentation_keeps_shape_and_type_and_only_none_keeps_the_pixels(how):
    planes = np.random.default_rng(0).random((50, 3, 8, 9), dtype=np.float32)
    changed = augment(planes, how, np.random.default_rng(1))
    assert (changed.shape, changed.dtype) == (planes.shape, np.float32)
    assert np.array_equal(changed, planes) == (how == "none")
    assert abs(changed.mean() - planes.mean()) < 0.02


def test_training_with_shifts_holds_against_shifted_images(workshop, digits):
    images, labels = digits
    channel = workshop.images(images[:600], labels[:600])
    shifted = np.roll(images[1200:], 1, axis=2)
    accuracy = {}
    for how in ("none", "shift"):
        folder, _ = workshop.train(NAME, channel, name=how, hyperparameters=MLP | {"augmentation": how})
        accuracy[how] = (load_bundle(folder)[1].predict({"images": shifted})["label"] == labels[1200:]).mean()
    assert accuracy["none"] < 0.8
    assert accuracy["shift"] > accuracy["none"] + 0.15


@pytest.mark.parametrize(
    ("labels", "error", "said"),
    [
        (np.ones(40, dtype=np.int64), TargetInvalidError, "the label has the single value '1'"),
        (np.arange(40), TargetInvalidError, "too many to be classes"),
        (np.arange(5) % 2, TooFewRowsError, "has 5 rows, at least 20 are needed"),
        (np.zeros(1, dtype=np.int64), TooFewRowsError, "has 1 row, at least 20 are needed"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused_with_the_reason(workshop, digits, labels, error, said):
    channel = workshop.images(digits[0][: len(labels)], labels)
    with pytest.raises(error, match=said):
        workshop.train(NAME, channel)


def test_a_convolutional_network_without_pytorch_is_refused_with_the_way_out(workshop, digits, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    channel = workshop.images(digits[0][:100], digits[1][:100])
    with pytest.raises(TorchMissingError) as caught:
        workshop.train(NAME, channel, hyperparameters={"network": "cnn"})
    assert "modelyard[torch]" in caught.value.hint
