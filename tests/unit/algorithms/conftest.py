"""Jobs on real data, run in this process: the runner itself is tested as a process in test_run.py."""

import importlib.util
import os

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from modelyard.algorithms import run
from modelyard.algorithms.base import Channel
from modelyard.algorithms.jobfile import JOB_FILE, JobFile
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import DatasetRef, JobRecipe
from modelyard.types.models import DataReference

# What extras add is tested where they are installed.
_EXTRAS = {"test_cnn.py": "torch", "contract/test_catboost.py": "catboost"}
collect_ignore = [file for file, package in _EXTRAS.items() if not importlib.util.find_spec(package)]


class Workshop:
    """Writes datasets and runs jobs below one folder."""

    def __init__(self, folder):
        self.folder = folder

    def images(self, images, labels, name="images.npz"):
        np.savez(self.folder / name, images=images, labels=labels)
        return self.channel(name, DatasetFormat.NPZ)

    def csv(self, text, name="table.csv"):
        (self.folder / name).write_text(text)
        return self.channel(name, DatasetFormat.CSV)

    def channel(self, name, format):
        reference = DataReference(project="default", dataset=name.split(".")[0], number=1, digest="0" * 64)
        return Channel(path=self.folder / name, format=format, reference=reference)

    def write(self, algorithm, channels, *, name="job", candidates=None, **recipe):
        """A job's folder, ready to run."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        refs = {role: DatasetRef(dataset=channel.reference.dataset, number=1) for role, channel in channels.items()}
        job = JobFile(
            recipe=JobRecipe(algorithm=algorithm, channels=refs, candidates=tuple(candidates or ()), **recipe),
            channels=channels,
            candidates=candidates or {},
        )
        (folder / JOB_FILE).write_bytes(job.to_json())
        return folder

    def train(self, algorithm, channel, *, name="job", **recipe):
        """The bundle of a training job, and its figures."""
        folder = self.write(algorithm, {"train": channel}, name=name, **recipe)
        figures = run.run(folder)
        return folder / "output", figures

    def evaluate(self, channels, candidates, **recipe):
        return run.run(self.write("evaluation", channels, name="evaluation", candidates=candidates, **recipe))


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))  # a job sets thread limits for its own process
    with threadpool_limits(1):  # and here NumPy is imported already
        yield Workshop(tmp_path)


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's 1,797 digits, shuffled: images float32 (n, 8, 8) from 0 to 16, labels int64 (n,)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    return data.images[order].astype(np.float32), data.target[order]
