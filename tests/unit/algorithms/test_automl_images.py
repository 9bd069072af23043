"""AutoML on images: real digits, candidates of both kinds, and the kernel machine as a model of its own."""

import numpy as np

from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import find_objective
from modelyard.algorithms.automl.tasks.catalog import open_subject
from modelyard.algorithms.hyperparameters import complete
from modelyard.algorithms.images.algorithm import ImageClassification
from modelyard.algorithms.run import JobContext
from modelyard.types.automl.recipes import AutoMLRecipe


def test_candidates_of_both_kinds_tell_digits_apart(workshop, digits, tmp_path):
    images, labels = (part[:500] for part in digits)
    subject = open_subject(workshop.images(images, labels), None, AutoMLRecipe())
    judges = CrossValidation(subject=subject, fold=subject.deal(0), objective=find_objective("accuracy", subject))
    context = JobContext(seed=0, threads=1, target=None, output=tmp_path)
    for number in (1, 2):
        algorithm, given = subject.start[number]
        wanted = complete(ImageClassification.description, {**given, **subject.shared})
        tried = judges.judge(algorithm, wanted, context)
        assert np.mean(tried.scores) > 0.9, given
        assert tried.latency_ms > 0
    half, fold = subject.half(judges.fold)
    assert half.images.shape[0] == fold.shape[1] < len(subject.images)
    found = subject.profile(0)
    assert (found.rows, found.duplicate_rows, len(found.classes)) == (500, 0, 10)


def test_a_kernel_machine_learns_digits_and_its_onnx_form_agrees(workshop, digits):
    images, labels = (part[:600] for part in digits)
    settings = {"network": "kernel", "gamma": 1.0}
    _, figures = workshop.train("image-classification", workshop.images(images, labels), hyperparameters=settings)
    assert figures["accuracy"] > 0.93
