"""What a column is made of: prose, class probabilities, types; and samples of whole rows."""

import numpy as np
import pytest

from modelyard.drift.check import check
from modelyard.drift.features import columns, prose
from modelyard.drift.reference import build_reference, window_of
from modelyard.drift.repeats import RepeatSketch
from modelyard.drift.samples import REFERENCE_ROWS, WINDOW_ROWS, unpack
from modelyard.drift.sketches import MAX_NAME, category_name
from modelyard.types.monitoring import FindingKind, Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

REVIEWS = Signature(
    inputs=(TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1, 2), columns=("review", "shop")),),
    outputs=(
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 3), columns=("bad", "so-so", "good")),
    ),
)
ENGLISH = ("the parcel came late and the box was open", "very good shoes and a fair price, thank you")
GERMAN = ("das Paket kam zu spät und war schon geöffnet", "sehr gute Schuhe zu einem guten Preis, vielen Dank")


def reviews(random: np.random.Generator, sentences: tuple[str, ...], rows: int) -> dict[str, np.ndarray]:
    texts = [f"{sentences[random.integers(2)]} {random.integers(10_000)}" for _ in range(rows)]
    return {"text": np.array([[text, f"shop {random.integers(3)}"] for text in texts], dtype=object)}


def test_prose_is_watched_by_length_and_language_and_categories_stay_categories():
    random = np.random.default_rng(0)
    before = reviews(random, ENGLISH, 600)
    assert prose(REVIEWS, before) == ("review",)
    reference = build_reference(REVIEWS, before, {})
    assert sorted(reference.columns) == ["review.language", "review.length", "shop"]
    assert check(reference, reviews(random, ENGLISH, 300), {})[0] is Verdict.NO_DRIFT
    verdict, sentence, findings = check(reference, reviews(random, GERMAN, 300), {})
    assert verdict is Verdict.DRIFT
    assert "review.language" in {finding.column for finding in findings if finding.is_drifted}
    assert "'de'" in sentence


def test_the_probability_of_each_class_is_a_column():
    outputs = {"probabilities": np.array([[0.2, 0.3, 0.5]], dtype=np.float32)}
    names = [column.name for column in columns(REVIEWS, {}, outputs)]
    assert names == ["prediction.confidence", *(f"prediction.probability.{c}" for c in ("bad", "so-so", "good"))]


def test_values_of_another_type_are_a_finding_of_their_own():
    spec = Signature(
        inputs=(
            TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 1), columns=("rooms",)),
            TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("zip",)),
        ),
        outputs=(),
    )
    random = np.random.default_rng(1)

    def data(rows: int) -> dict[str, np.ndarray]:
        return {
            "numeric": random.integers(1, 40, size=(rows, 1)).astype(np.float32),
            "categorical": random.integers(8000, 8020, size=(rows, 1)).astype(str).astype(object),
        }

    reference = build_reference(spec, data(1000), {})
    window = data(400)
    window["numeric"][:40] += 0.5
    window["categorical"][:40] = "unknown"
    _, _, findings = check(reference, window, {})
    found = {(f.column, f.kind, f.description) for f in findings if f.is_drifted}
    assert ("rooms", FindingKind.TYPE, "rooms is no whole number in 10 % of the rows") in found
    assert ("zip", FindingKind.TYPE, "zip is no number in 10 % of the rows") in found


def test_long_categories_keep_the_sketch_small_and_stay_apart():
    long = [f"{'x' * 200}{index}" for index in range(50)]
    assert len({category_name(text) for text in long}) == 50
    assert max(map(len, map(category_name, long))) == MAX_NAME


def test_a_sample_is_of_whole_rows_bounded_and_reads_back():
    spec = Signature(
        inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("one", "two")),), outputs=()
    )
    random = np.random.default_rng(2)
    values = random.normal(size=(5000, 1)).astype(np.float32) * np.array([[1, 2]], dtype=np.float32)
    reference = build_reference(spec, {"numeric": values}, {})
    sample = unpack(reference.sample, reference.columns)
    assert len(sample["one"]) == REFERENCE_ROWS
    np.testing.assert_array_equal(sample["two"], 2 * sample["one"])
    parts = [window_of(reference, [({"numeric": part}, {})]) for part in np.split(values, 5)]
    for part in parts[1:]:
        parts[0].merge(part)
    assert parts[0].sample.rows == WINDOW_ROWS
    np.testing.assert_array_equal(parts[0].sample.columns["two"], 2 * parts[0].sample.columns["one"])
    assert abs(parts[0].sample.columns["one"].mean()) < 0.1


@pytest.mark.parametrize("copies", [1, 4])
def test_the_repeated_share_is_known_without_keeping_every_row(copies: int):
    random = np.random.default_rng(3)
    rows = random.integers(0, 2**63, size=300_000 // copies, dtype=np.uint64) * np.uint64(2)
    sketch = RepeatSketch()
    for _ in range(copies):
        for part in np.array_split(rows, 7):
            sketch = sketch.with_hashes(part)
    assert len(sketch.hashes) <= 1 << 16
    assert sketch.share == pytest.approx(1 - 1 / copies, abs=0.01)


def test_one_row_sent_for_ever_is_one_hash():
    sketch = RepeatSketch().with_hashes(np.full(200_000, 7, dtype=np.uint64))
    assert (len(sketch.hashes), sketch.rows) == (1, 200_000)
