"""Runs only where PyTorch is installed (see conftest.py)."""

import pytest

from modelyard.runtimes.bundle import load_bundle

NAME = "image-classification"


@pytest.mark.parametrize(
    ("given", "least"), [({"network": "auto", "epochs": 12}, 0.97), ({"network": "cnn", "filters": 16}, 0.94)]
)
def test_a_convolutional_network_is_trained_and_exported_to_equal_onnx(workshop, digits, given, least):
    images, labels = digits
    channel = workshop.images(images[:1000], labels[:1000])
    folder, _ = workshop.train(NAME, channel, hyperparameters=given | {"augmentation": "shift-noise"})
    manifest, predictor = load_bundle(folder)
    assert manifest.card.custom["network"] == "cnn"
    assert manifest.card.parity.is_equal
    assert (predictor.predict({"images": images[1000:]})["label"] == labels[1000:]).mean() >= least


def test_early_stopping_restores_the_best_epoch(workshop, digits):
    images, labels = digits
    given = {"network": "cnn", "early_stopping": True, "early_stopping_patience": 2, "epochs": 40}
    _, figures = workshop.train(NAME, workshop.images(images[:600], labels[:600]), hyperparameters=given)
    assert figures["accuracy"] >= 0.9


def test_the_same_training_gives_the_same_bytes(workshop, digits):
    channel = workshop.images(digits[0][:200], digits[1][:200])
    given = {"network": "cnn", "epochs": 2}
    bundles = [workshop.train(NAME, channel, name=name, hyperparameters=given)[0] for name in ("one", "two")]
    assert (bundles[0] / "model.onnx").read_bytes() == (bundles[1] / "model.onnx").read_bytes()
