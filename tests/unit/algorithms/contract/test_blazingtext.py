"""BlazingText on real text, the documentation of installed packages: labels of sentences, vectors of words."""

import inspect
import re
from types import ModuleType

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import sklearn.ensemble
import sklearn.linear_model
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelyard.testing.aws.algorithms import answers, failure, train


def sentences_of(module: ModuleType) -> list[str]:
    """What the module's functions and classes say of themselves, line by line."""
    texts = (inspect.getdoc(each) or "" for each in vars(module).values() if callable(each))
    lines = (" ".join(re.findall("[a-z]{2,}", line.lower())) for text in texts for line in text.splitlines())
    return sorted({line for line in lines if len(line.split()) > 7})[:250]


@pytest.fixture(scope="module")
def sentences() -> tuple[list[str], list[str], list[str], list[str]]:
    """Sentences to learn from and to measure by, and where they are from."""
    found = [(line, "signal") for line in sentences_of(scipy.signal)]
    found += [(line, "stats") for line in sentences_of(scipy.stats)]
    found += [(line, "models") for line in sentences_of(sklearn.ensemble) + sentences_of(sklearn.linear_model)]
    texts, labels = zip(*found, strict=True)
    is_held = np.arange(len(texts)) % 4 == 0
    pick = lambda values, which: [value for value, chosen in zip(values, which, strict=True) if chosen]  # noqa: E731
    return pick(texts, ~is_held), pick(texts, is_held), pick(labels, ~is_held), pick(labels, is_held)


def test_sentences_get_labels_as_accurately_as_from_the_plain_library(tmp_path, sentences, capsys):
    texts, test, labels, truth = sentences
    lines = "\n".join(f"__label__{label} {text}" for label, text in zip(labels, texts, strict=True)).encode()
    held = "\n".join(f'{{"source": "{text}", "label": "{label}"}}' for label, text in zip(truth, test, strict=True))
    channels = {"train": {"a.txt": lines}, "validation": {"a.jsonl": held.encode()}}
    given = {"mode": "supervised", "min_count": 1, "word_ngrams": 2}
    assert train(tmp_path, "blazingtext", given, channels, "text/plain") == 0
    found = answers(tmp_path, np.array(test, object), "sentence")
    accuracy = (found["label"][:, 0] == [f"__label__{label}" for label in truth]).mean()
    plain = make_pipeline(CountVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=200)).fit(texts, labels)
    assert accuracy >= plain.score(test, truth) - 0.04
    assert accuracy > 0.7
    assert f"#validation_accuracy: {accuracy:.4f}" in capsys.readouterr().out
    assert (np.diff(found["prob"], axis=1) <= 0).all()
    assert found["prob"].sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_sentence_without_a_known_word_is_answered_too(tmp_path):
    lines = b"__label__a red apple\n__label__b blue sky\n" * 5
    assert train(tmp_path, "blazingtext", {"mode": "supervised"}, {"train": {"a.txt": lines}}) == 0
    found = answers(tmp_path, np.array(["", "what", "blue", "red apple"], object), "sentence")
    assert found["label"][2:, 0].tolist() == ["__label__b", "__label__a"]
    assert found["prob"][:2] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("mode", ["skipgram", "cbow", "batch_skipgram"])
def test_words_that_are_used_alike_have_vectors_that_are_alike(tmp_path, sentences, mode):
    text = "\n".join(sentences[0]).encode()
    given = {"mode": mode, "vector_dim": 40, "min_count": 5}
    assert train(tmp_path, "blazingtext", given, {"train": {"a.txt": text}}) == 0
    rows = dict(line.split(" ", 1) for line in (tmp_path / "model" / "vectors.txt").read_text().splitlines()[1:])
    served = answers(tmp_path, np.array(["float", "nosuchword"], object), "words")
    assert served["vector"][0] == pytest.approx(np.array(rows["float"].split(), float), rel=1e-3)
    assert not served["vector"][1].any()
    vectors = {word: np.array(row.split(), float) for word, row in rows.items()}
    lengths = {word: np.linalg.norm(vector) for word, vector in vectors.items()}

    def likeness(left: str, right: str) -> float:
        return vectors[left] @ vectors[right] / (lengths[left] * lengths[right])

    assert likeness("int", "float") > likeness("int", "the") + 0.1
    assert likeness("signal", "filter") > likeness("signal", "estimator") + 0.1


@pytest.mark.parametrize(
    ("given", "content", "reason"),
    [
        ({"mode": "supervised"}, b"no label here\n", "a.txt, line 1 has no label"),
        ({"mode": "supervised"}, b'{"source": 3, "label": 1}\n', "a.txt, line 1 has no label"),
        ({"mode": "supervised"}, b"__label__a one\n" * 9, "All sentences have one label"),
        ({"mode": "supervised"}, b"__label__a one\n__label__b two\n", "No word is there 5 times"),
        ({"mode": "supervised", "word_ngrams": 3}, b"", "3 words at a time"),
        ({"mode": "supervised"}, b"\xff\xfe", "no text in UTF-8"),
        ({"mode": "cbow"}, b"", "has no text"),
        ({"mode": "cbow"}, b"one two\n" * 9, "too few for vectors of 100 numbers"),
        ({"mode": "skipgram", "subwords": "True"}, b"one\n", "parts of words"),
        ({}, b"one\n", "'mode' is missing"),
    ],
)
def test_what_cannot_be_learnt_of_texts_is_the_clients_error(tmp_path, given, content, reason):
    assert train(tmp_path, "blazingtext", given, {"train": {"a.txt": content}}) == 2
    assert reason in failure(tmp_path)
