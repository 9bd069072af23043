"""The whole life of a model, with the Python client. Start a platform first: `modelyard up`."""

import time

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from modelyard import Client

rng = np.random.default_rng(0)
digits = load_digits()
order = rng.permutation(len(digits.target))
images, labels = digits.images[order].astype(np.float32), digits.target[order]
# Every image plays one part: to train on, ordinary traffic, traffic after the accident, traffic after the recovery.
TRAINING, CLEAN, WORN, LATER = slice(0, 900), slice(900, 1100), slice(1100, 1580), slice(1580, None)


def wear(clean: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the camera sees after it slipped by a pixel: everything is further right, and there is noise."""
    moved = np.roll(clean, 1, axis=2)
    return np.clip(moved + rng.normal(0, 1, clean.shape), 0, 16).astype(np.float32)


def classify(client: Client, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Ask the endpoint in batches of eight, tell it later what was true; the share that was right."""
    truth, right = {}, 0
    for start in range(0, len(images), 8):
        answer = client.predict("digits", images[start : start + 8])
        truth[answer.inference_id] = [int(label) for label in labels[start : start + 8]]
        right += sum(np.equal(answer.labels, truth[answer.inference_id]))
    client.feedback("digits", truth)
    return right / len(images)


with Client() as client:
    data = client.datasets.upload("digits", {"images": images[TRAINING], "labels": labels[TRAINING]})
    print(f"uploaded digits:{data.number}, {data.schema.rows} images")

    settings = {"layers": "256,128", "epochs": 25, "learning_rate": 0.002, "mini_batch_size": 32}
    job = client.jobs.train("image-classification", "digits", model="digits", hyperparameters=settings, wait=True)
    print(f"{job.id} made {job.result['model_version']}")

    found = next(client.models.search("image classification with accuracy above 0.95")).version
    print(f"found {found.ref}, accuracy {found.manifest.card.metric('accuracy').value:.3f} on held-out images")

    endpoint = client.endpoints.deploy("digits", found.ref, wait=True)
    first = client.predict("digits", images[CLEAN][:1])[0]
    print(
        f"{endpoint.url} is {endpoint.status}; the first image is a {first.label} (confidence {first.confidence:.3f})"
    )
    before = classify(client, images[CLEAN], labels[CLEAN])

    client.monitors.create("digits-drift", "digits", interval_seconds=5, minimum_rows=150, window_rows=480)
    client.retraining.create(
        "digits-retraining",
        "digits",
        monitor="digits-drift",
        minimum_new_labels=240,
        minimum_gain=0.05,
        maximum_loss=0.06,  # less could not be proven on some 170 held-out images
        rollout={"strategy": "all_at_once"},  # nobody else is asking whom a stage could watch
    )
    under_drift = classify(client, wear(images[WORN]), labels[WORN])
    print(f"accuracy falls from {before:.3f} to {under_drift:.3f}")

    while not (runs := list(client.retraining.runs("digits-retraining"))):
        time.sleep(0.5)  # the monitor sees the drift, and the policy starts a run by itself
    print(f"retraining, because: {runs[0].cause}")
    run = client.retraining.wait("digits-retraining", runs[0].id)
    after = classify(client, wear(images[LATER]), labels[LATER])
    print(f"{run.status}: {run.reason}")
    print(f"accuracy: {before:.3f} before, {under_drift:.3f} under drift, {after:.3f} after")
    if after < under_drift + 0.1:
        raise SystemExit("The new version is not better.")
