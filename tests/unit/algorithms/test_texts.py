"""Text classification on real texts: what the functions of SciPy say of themselves, and of which part they are."""

import csv
import importlib
import inspect
import io

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline

from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import find_objective
from modelyard.algorithms.automl.tasks.catalog import open_subject
from modelyard.algorithms.errors import ColumnsInvalidError
from modelyard.algorithms.hyperparameters import complete
from modelyard.algorithms.run import JobContext
from modelyard.algorithms.texts.algorithm import TextClassification
from modelyard.algorithms.texts.grams import find_grams
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.automl.recipes import AutoMLRecipe, AutoMLTask
from modelyard.types.models import Task

PARTS = ("stats", "signal", "ndimage", "linalg", "optimize")


@pytest.fixture(scope="module")
def docstrings():
    """(text, part) of every function: the first sentence, in which the part's name is no rarity."""
    rows = []
    for part in PARTS:
        module = importlib.import_module(f"scipy.{part}")
        for name in sorted(module.__all__):
            text = inspect.getdoc(getattr(module, name)) or ""
            sentence = " ".join(text.split("\n\n")[0].split())
            if sentence and inspect.isroutine(getattr(module, name)):
                rows.append((sentence, part))
    return rows


def as_csv(rows, head=("text", "part")):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def test_a_text_classifier_is_made_and_its_onnx_form_answers_by_the_words(workshop, docstrings):
    folder, figures = workshop.train(
        "text-classification",
        workshop.csv(as_csv(docstrings)),
        target="part",
        hyperparameters={"features": "both", "vocabulary": 3000},
    )
    manifest, predictor = load_bundle(folder)
    assert manifest.card.task == Task.TEXT_CLASSIFICATION
    assert manifest.card.parity.is_equal
    assert figures["accuracy"] > 0.6, "the most frequent part alone is a third"
    asked = ["Compute a multidimensional GAUSSIAN filter of an image.", "Solve a linear equation; Cholesky.", "", "…"]
    answers = predictor.predict({"categorical": np.array(asked, dtype=object)[:, None]})
    assert [*answers["label"][:2]] == ["ndimage", "linalg"]
    np.testing.assert_allclose(answers["probabilities"].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(answers["probabilities"][2], answers["probabilities"][3], rtol=1e-5)


def test_automl_judges_text_candidates_beside_a_plain_pipeline(workshop, docstrings, tmp_path):
    recipe = AutoMLRecipe(task=AutoMLTask.TEXT_CLASSIFICATION)
    subject = open_subject(workshop.csv(as_csv(docstrings)), "part", recipe)
    judges = CrossValidation(subject=subject, fold=subject.deal(0), objective=find_objective("", subject))
    context = JobContext(seed=0, threads=1, target="part", output=tmp_path)
    assert judges.objective.name == "log_loss"
    scores = []
    for algorithm, given in subject.start:
        wanted = complete(TextClassification.description, {**given, **subject.shared, "vocabulary": 3000})
        tried = judges.judge(algorithm, wanted, context)
        scores.append(float(np.mean(tried.scores)))
        assert tried.latency_ms > 0
    plain = []
    for _, learnt, judged in judges.splits():
        model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
        model.fit(subject.texts[learnt], subject.target[learnt])
        plain.append(log_loss(subject.target[judged], model.predict_proba(subject.texts[judged])))
    guess = [judges.objective.score(subject.target[j], subject.guess(a, j)) for _, a, j in judges.splits()]
    assert min(scores) < np.mean(plain) < np.mean(guess)
    assert subject.profile(0).rows == len(docstrings)


def test_which_column_holds_the_texts_is_found_or_asked(workshop, docstrings):
    two = workshop.csv(as_csv([(a, a[::-1], b) for a, b in docstrings], ("text", "mirrored", "part")))
    recipe = AutoMLRecipe(task=AutoMLTask.TEXT_CLASSIFICATION)
    with pytest.raises(ColumnsInvalidError, match="several columns of texts"):
        open_subject(two, "part", recipe)
    assert (
        open_subject(two, "part", AutoMLRecipe(task=recipe.task, text="mirrored")).shared["text_column"] == "mirrored"
    )


def test_texts_without_a_common_word_have_nothing_to_count():
    assert find_grams(["one", "two", "three"], "words", 2, 10) is None
    assert find_grams(["One two", "one TWO", "three"], "words", 2, 10).grams == (("one",), ("two",), ("one", "two"))
