"""Runs only where PyTorch is installed (see conftest.py)."""

import numpy as np
import pytest

from modelyard.algorithms.checkpoints import Checkpoint, Checkpoints
from modelyard.algorithms.images.cnn import train_cnn
from modelyard.algorithms.images.settings import NetworkSettings, TrainingData
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


def test_a_training_that_is_killed_goes_on_to_the_same_network(digits, tmp_path, monkeypatch):
    images, labels = digits
    planes = images[:, None]
    data = TrainingData(
        images=planes[:200], labels=labels[:200].astype(np.int64), weights=np.ones(200, np.float32), classes=10,
        validation_images=planes[200:260], validation_labels=labels[200:260].astype(np.int64),
    )  # fmt: skip
    settings = NetworkSettings(
        layers=(32,), filters=(8, 16), epochs=5, learning_rate=0.01, mini_batch_size=32, weight_decay=0.01,
        dropout=0.3, label_smoothing=0.1, augmentation="shift-noise", patience=5, seed=3, threads=1,
    )  # fmt: skip
    monkeypatch.setattr(Checkpoint, "is_due", lambda _checkpoint: True)
    whole = train_cnn(data, settings, lambda _epoch, _figures: None)
    seen: list[int] = []

    def dies_at(step: int):
        def report(epoch: int, _figures) -> None:
            seen.append(epoch)
            if epoch == step:
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        train_cnn(data, settings, dies_at(4), Checkpoints(tmp_path))
    resumed = train_cnn(data, settings, dies_at(-1), Checkpoints(tmp_path))
    assert seen == [1, 2, 3, 4, 4, 5], "it went on from the third epoch"
    assert resumed.logits(planes[260:]).tobytes() == whole.logits(planes[260:]).tobytes()
